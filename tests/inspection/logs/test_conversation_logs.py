"""Which log a conversation goes to, and that what waits and what is kept is bounded."""

import re
from collections import defaultdict
from functools import partial
from itertools import chain
from pathlib import Path

import pytest
from scapy.utils import wrpcap

from dissectors.tls_handshakes import client_hello
from made_conversations import dialogue
from portcall.inspection import server_names
from portcall.inspection.inspection_bounds import InspectionBounds
from portcall.records.payloads.log_entries import LOG_ENTRIES
from portcall.runs import offline

CAPTURES = Path(__file__).parents[3] / "captures"


def entries_of(path):
    """Log → its entries, and the report."""
    report = offline.read([str(path)], by="flow", logs=True).report
    rows = [row for columns in report.rows.blocks() for row in columns.rows([LOG_ENTRIES])]
    found = defaultdict(list)
    for entry in chain.from_iterable(row[LOG_ENTRIES] or () for row in rows):
        found[entry.log].append(entry.fields)
    return found, report


@pytest.fixture
def said(tmp_path):
    """The entries of a connection in which the client and the server take turns."""

    def logged(*turns, port=4444):
        wrpcap(str(tmp_path / "said.pcap"), dialogue(turns, port))
        return entries_of(tmp_path / "said.pcap")[0]

    return logged


def test_tls_behind_starttls_is_logged(said):
    found = said(b"", b"+OK ready\r\n", b"STLS\r\n", b"+OK begin\r\n", client_hello("mail.example"), port=110)

    assert [line["server_name"] for line in found["ssl"]] == [b"mail.example"]


def test_tls_behind_connect_is_logged_beside_it(said):
    found = said(
        b"CONNECT mail.example:443 HTTP/1.1\r\nHost: mail.example\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        client_hello("mail.example"),
    )

    assert [line["method"] for line in found["http"]] == [b"CONNECT"]
    assert [line["server_name"] for line in found["ssl"]] == [b"mail.example"]


def test_every_request_of_a_connection_is_logged_not_only_the_first(said):
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    requests = [b"GET /%d HTTP/1.1\r\nHost: a.example\r\n\r\n" % number for number in range(40)]

    found = said(*(part for request in requests for part in (request, answer)))

    assert [line["uri"] for line in found["http"]] == [b"/%d" % number for number in range(40)]


def test_beyond_the_bound_of_entries_they_are_counted(monkeypatch):
    monkeypatch.setattr(server_names, "InspectionBounds", partial(InspectionBounds, most_log_lines=3))

    found, report = entries_of(CAPTURES / "dns.pcap")

    assert sum(map(len, found.values())) == 3
    assert [note.reason for note in report.degradations if note.feature == "logs"] == [
        "there was no room for 10 lines of logs"
    ]


def test_where_much_waits_the_oldest_are_logged_as_they_are(monkeypatch):
    whole, _ = entries_of(CAPTURES / "office.pcapng")
    monkeypatch.setattr(server_names, "InspectionBounds", partial(InspectionBounds, most_log_bytes=6000))

    found, report = entries_of(CAPTURES / "office.pcapng")

    [note] = [note.reason for note in report.degradations if note.feature == "logs"]
    assert re.fullmatch(r"[1-9]\d* conversations were logged before they were over: too many at once", note)
    assert set(found) <= set(whole)
    assert 0 < sum(map(len, found.values())) <= sum(map(len, whole.values()))


def test_numbers_of_a_report_are_the_same_with_and_without_logs():
    path = str(CAPTURES / "office.pcapng")
    plain, logged = (offline.read([path], by="flow", logs=logs).report for logs in (False, True))

    assert plain.coverage == logged.coverage
    assert [row | {"said": None} for row in plain] == [row | {"said": None} for row in logged]
