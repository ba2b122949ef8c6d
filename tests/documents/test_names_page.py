"""docs/names.md says what the code does: its table, its sources and its bounds are asked of the modules themselves."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import document_dissectors
from listed_apps import read_apps
from portcall.dissectors import _text, find_dissectors
from portcall.inspection import inspector
from portcall.inspection.inspection_bounds import InspectionBounds
from portcall.inspection.reassembly import _MOST_DATAGRAMS
from portcall.inspection.server_labels import AMBIGUOUS
from portcall.kernels.dns_answers import GRACE_S
from portcall.labels import service_keys as services
from portcall.records.detections import MOST_STREAM_BYTES, NameKind

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "names.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def first_cells():
    return set(re.findall(r"^\| `?([\w-]+)`? \|", PAGE, re.MULTILINE))


def test_every_dissector_has_words():
    for line in document_dissectors.table().splitlines()[2:]:
        assert len(line.split("|")[2]) > 10


def test_dissectors_that_take_a_protocol_from_what_they_read_list_none():
    rows = dict(re.findall(r"^\| `(\w+)` \| .* \| (.*?) \| [\w ]+ \|$", PAGE, re.MULTILINE))

    assert len(rows) == len(find_dissectors())
    assert rows["dns"] == ""
    assert rows["tls"] == "tls"
    assert {"bgp", "x11"} <= set(rows["patterns"].split(", "))


@pytest.mark.parametrize("source", [kind.value for kind in NameKind] + [AMBIGUOUS])
def test_every_source_of_a_name_is_explained(source):
    assert source in first_cells()


@pytest.mark.parametrize("source", services.SOURCES)
def test_every_source_of_an_app_is_explained(source):
    assert source in first_cells()


@pytest.mark.parametrize(
    "words",
    [
        f"the first {inspector.MOST_PACKETS} packets",
        f"{MOST_STREAM_BYTES >> 10} KiB of a TCP stream or {_MOST_DATAGRAMS} datagrams",
        f"at most {InspectionBounds().most_held_bytes >> 20} MiB",
        f"at most {InspectionBounds().most_detection_bytes >> 20} MiB; beyond",
        f"{InspectionBounds().most_answers:,}".replace(",", " ") + " answers, the latest ones",
        f"up to {_text.MOST_CHARACTERS} characters",
    ],
)
def test_the_bounds_are_those_of_the_code(words):
    assert words in " ".join(PAGE.split())


def test_an_answer_holds_as_long_as_the_page_says():
    assert GRACE_S == 60
    assert "its time to live and a minute of grace" in PAGE


def test_the_readme_counts_the_apps_and_the_protocols():
    apps = read_apps((ROOT / "src/portcall/data/apps.toml").read_text(encoding="utf-8"))
    named = {word for dissector in find_dissectors() for word in document_dissectors._protocols(dissector)}

    assert f"({len(apps)} apps are listed" in README
    assert 190 < len(named) < 250
