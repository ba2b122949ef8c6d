"""docs/bounds.md says the bounds that the code has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from portcall.attribution.group_rows import MOST_HOSTS
from portcall.flows import table
from portcall.flows.packet_order import MOST_ISLANDS
from portcall.flows.time_buckets import MAX_CELLS
from portcall.inspection.inspection_bounds import InspectionBounds
from portcall.inspection.inspector import MOST_PACKETS
from portcall.kernels.histories.order_store import LETTERS
from portcall.labels.bucketing import MOST_AUTO_BUCKETS
from portcall.labels.registry import MOST_LABELS
from portcall.owners.process_connector import _MAX_WAITING
from portcall.ownership.owner_bounds import OwnerBounds
from portcall.ownership.row_claims import MOST_OTHERS
from portcall.records.recorded import claims
from portcall.sources.folders import MOST_ENTRIES
from portcall.sources.merging import MOST_OPEN
from portcall.sources.pcapng import PcapngBounds

PAGE = (Path(__file__).parents[2] / "docs" / "bounds.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| ([^|]+?) \| ([^|]+?) \|", PAGE, re.MULTILINE))
BOUNDS, OWNERS = InspectionBounds(), OwnerBounds()


def spaced(number):
    return f"{number:,}".replace(",", " ")


@pytest.mark.parametrize(
    ("what", "bound"),
    [
        ("interfaces of a section", spaced(PcapngBounds().most_interfaces)),
        ("options of one packet that may name processes", str(PcapngBounds().most_options)),
        ("names in a name resolution block", f"{spaced(PcapngBounds().most_names)} of 255 bytes"),
        ("captures open at once", f"{MOST_OPEN}, or half of `ulimit -n`"),
        ("files of a folder", spaced(MOST_ENTRIES)),
        ("rows of a table", spaced(table.MAX_FLOWS)),
        ("fragmented datagrams", spaced(table.MAX_DATAGRAMS)),
        ("stretches of TCP behind holes, for Zeek's conn.log", f"{spaced(MOST_ISLANDS)}, 512 of one end"),
        ("letters of a history", str(LETTERS)),
        ("cells of time", spaced(MAX_CELLS)),
        ("buckets that `auto` counts in", spaced(MOST_AUTO_BUCKETS)),
        ("payloads of conversations that are not known yet", f"{BOUNDS.most_held_bytes >> 20} MiB"),
        ("packets of one end", spaced(MOST_PACKETS)),
        ("answers of resolvers", spaced(BOUNDS.most_answers)),
        ("names in them", spaced(BOUNDS.most_names)),
        ("addresses that the capture names", f"{spaced(BOUNDS.most_addresses)}, 8 names each"),
        ("secrets of TLS sessions", spaced(BOUNDS.most_secrets)),
        ("announced conversations", f"{spaced(BOUNDS.most_announced)}, 16 times each"),
        ("names of hosts, apps and services in rows", f"{spaced(MOST_LABELS)} of each"),
        ("what was detected", f"{BOUNDS.most_detection_bytes >> 20} MiB, 80 bytes for a name of thirty letters"),
        ("segments of a stream that wait for one before them", str(BOUNDS.most_waiting_segments)),
        ("hellos and answers of which the next segment waits", spaced(BOUNDS.most_hellos)),
        ("payloads that shards hold", f"{BOUNDS.most_shard_bytes >> 20} MiB"),
        ("remote addresses among which a top host is looked for", f"{spaced(MOST_HOSTS)} pairs with an app"),
        (
            "DNS messages of `--by query`",
            f"{spaced(BOUNDS.most_messages)}, and {spaced(BOUNDS.most_question_characters)} characters",
        ),
        ("lines of logs", spaced(BOUNDS.most_log_lines)),
        ("payloads that logs wait with", f"{BOUNDS.most_log_bytes >> 20} MiB"),
        ("owners, claims, ends", ", ".join(map(spaced, (claims.MOST_OWNERS, claims.MOST_CLAIMS, claims.MOST_ENDS)))),
        ("other owners of a row", spaced(MOST_OTHERS)),
        ("events of processes that wait", spaced(_MAX_WAITING)),
        ("sockets remembered", spaced(OWNERS.most_sockets)),
        ("peers of one socket", spaced(OWNERS.most_peers)),
        ("takeovers of ports that wait", spaced(OWNERS.most_takeovers)),
    ],
)
def test_a_bound_is_the_one_of_the_code(what, bound):
    assert ROWS[what] == bound


def test_each_bound_has_an_argument_or_a_reason_for_none_and_a_place_in_the_report():
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in PAGE.splitlines()
        if line.startswith("| ") and not line.startswith("| what ")
    ]

    assert len(rows) > 40
    assert [cells[0] for cells in rows if not all(cells)] == []


def test_labels_have_one_bound_wherever_it_is_named():
    assert BOUNDS.most_labels == MOST_LABELS
