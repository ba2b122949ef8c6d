"""Names that somebody chose to harm who reads them: escaped everywhere, cut for the eye, whole and bounded as data."""

from __future__ import annotations

import csv
import io
import json
import re
from itertools import product
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether

import capture_damage
from portcall.cli import main
from portcall.commands.options import explain_option as explaining
from portcall.explanation.flow_selector import parse_choice
from portcall.runs import offline
from portcall.views.live import LiveView

CAPTURES = Path(__file__).parents[2] / "captures"
SHIPPED = CAPTURES / "broken" / "names-with-escapes.pcap"
MOST_NAME = 1024
LONG = b"a" * 20_000 + b".long.example"
HOMOGRAPH = "\u0440\u0430ypal.com"  # two Cyrillic letters
HOMOGRAPH_SENT = r"\xd1\x80\xd0\xb0ypal.com"
INTERNATIONAL = "xn--ypal-uye3a.com"  # the same as a browser sends it
NAMES = [
    *capture_damage.HOSTILE_NAMES,
    b"\x9b2Jc1.example",
    "\u202egnp.exe\u2069.example".encode(),
    "\u200bzero\u200dwidth.example".encode(),
    "\ud7ff\U000e0041tag.example".encode(),
    b"a\xcc\x81" * 40 + b".zalgo.example",
    b"\x1b[8;1;1thidden.example\x1b\\",
    b"[red]markup[/red].example",
    b"-" * 200 + b" spaces and more spaces .example",
    b"=cmd|' /C calc'!A0",
    HOMOGRAPH.encode(),
    INTERNATIONAL.encode(),
]
FORMATS = ("table", "json", "jsonl", "csv")
GROUPINGS = ("app", "service", "host", "query", "flow")
OF_SOME_GROUPINGS = [
    ("app", "prometheus"),
    ("service", "prometheus"),
    ("flow", "zeek"),
    ("flow", "zeek-json"),
    ("app", "html"),
]
COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal(io.StringIO):
    """A text stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A capture in which every name is asked for, named in TLS and HTTP, and said by programs of themselves."""
    frames = []
    for number, name in enumerate(NAMES):
        client, server, port = "10.20.0.10", f"198.51.100.{number + 1}", 40000 + number
        if max(map(len, name.split(b"."))) < 64:
            address = bytes([198, 51, 100, number + 1])
            frames += [
                IP(src=client, dst="192.0.2.53") / UDP(sport=port, dport=53) / capture_damage._dns(name, None),
                IP(src="192.0.2.53", dst=client) / UDP(sport=53, dport=port) / capture_damage._dns(name, address),
            ]
        payloads = [
            (443, capture_damage._client_hello(name)),
            (80, b"GET / HTTP/1.1\r\nHost: " + name + b"\r\nUser-Agent: " + name + b"\r\n\r\n"),
            (22, b"SSH-2.0-" + name[:200] + b"\r\n"),
            (9999, b"\0\1\2\3"),  # is named by the resolver alone
        ]
        frames += [frame for service, sent in payloads for frame in _conversation(client, server, port, service, sent)]
    hosts = b"GET / HTTP/1.1\r\nHost: " + LONG + b"\r\n\r\n"
    frames += _conversation("10.20.0.10", "203.0.113.1", 41000, 80, hosts)
    frames += _conversation("10.20.0.10", "203.0.113.1", 41001, 80, hosts.replace(LONG, LONG * 3))
    frames += _conversation("10.20.0.10", "203.0.113.1", 41002, 443, _client_hello_in_records(LONG[-15_000:]))
    path = tmp_path_factory.mktemp("hostile") / "hostile.pcap"
    ethernet = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
    capture_damage._write_pcap(path, [bytes(ethernet / frame) for frame in frames])
    return path


def _conversation(client, server, port, service, sent):
    """A SYN, and then what the client says, in segments as a loopback has them."""
    ends = IP(src=client, dst=server)
    pieces = [sent[at : at + 16_000] for at in range(0, len(sent), 16_000)]
    talk = [
        ends / TCP(sport=port, dport=service, seq=2 + 16_000 * number, ack=1, flags="PA") / piece
        for number, piece in enumerate(pieces)
    ]
    return [ends / TCP(sport=port, dport=service, seq=1, flags="S"), *talk]


def _client_hello_in_records(name):
    """A hello that is too long for one record (2^14 bytes, RFC 8446 §5.1)."""
    hello = capture_damage._client_hello(name)[5:]
    pieces = [hello[at : at + 16_000] for at in range(0, len(hello), 16_000)]
    return b"".join(b"\x16\x03\x01" + len(piece).to_bytes(2, "big") + piece for piece in pieces)


@pytest.fixture(params=["shipped", "made"])
def capture(request, hostile):
    return str(SHIPPED if request.param == "shipped" else hostile)


def told(capsys, *arguments):
    """What the command writes, both streams, after it said that it was done."""
    assert main(list(arguments)) == 0
    captured = capsys.readouterr()
    return captured.out, captured.err


def unprintable(text):
    return sorted({character for character in text if not character.isprintable() and character != "\n"})


@pytest.mark.parametrize(("by", "format_name"), [*product(GROUPINGS, FORMATS), *OF_SOME_GROUPINGS])
def test_no_grouping_in_no_format_prints_what_is_not_text(capsys, capture, by, format_name):
    out, err = told(capsys, "read", capture, "--by", by, "--format", format_name, "--top", "500")

    assert unprintable(out.replace("\t", " ") if format_name == "zeek" else out) == unprintable(err) == []


@pytest.mark.parametrize("format_name", ["zeek", "zeek-json"])
def test_no_log_has_what_is_not_text_and_all_have_what_was_sent(capsys, hostile, tmp_path, format_name):
    told(capsys, "read", str(hostile), "--format", format_name, "-o", str(tmp_path))

    texts = {path.name: path.read_text(encoding="ascii") for path in tmp_path.iterdir()}
    assert set(texts) == {"conn.log", "dns.log", "http.log", "ssl.log"}
    assert unprintable("".join(texts.values()).replace("\t", " ")) == []
    assert all("long.example" in texts[name] for name in ("http.log", "ssl.log"))


@pytest.mark.parametrize("by", GROUPINGS)
def test_no_cell_of_csv_is_a_formula(capsys, hostile, by):
    out, _ = told(capsys, "read", str(hostile), "--by", by, "--format", "csv")

    cells = [cell for row in csv.reader(io.StringIO(out)) for cell in row]

    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))] == []
    assert by in {"app", "service"} or any(cell.startswith("'=cmd") for cell in cells)


@pytest.mark.parametrize("format_name", ["table", "json", "jsonl"])
def test_no_explanation_prints_what_is_not_text(capture, format_name):
    outcome, shown = offline.read([capture], by="flow"), io.StringIO()

    stories = [explaining._explanation(outcome, index) for index in range(len(outcome.report.rows))]
    explaining._write(stories, parse_choice(":1"), format_name, shown)

    assert len(stories) > 20
    assert unprintable(shown.getvalue()) == []


@pytest.mark.parametrize("by", ["app", "service", "host"])
@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_live_shows_no_such_name_as_it_is(monkeypatch, capture, by, stream):
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "40")
    monkeypatch.setenv("TERM", "xterm")
    report, shown = offline.read([capture], by=by).report, stream()

    with LiveView(shown, "live (test)") as view:
        view.show(report, 1.0)
        view.show(report, 2.0)

    assert unprintable(COLOURS.sub("", shown.getvalue()).replace("\r", "")) == []


def test_on_a_terminal_the_only_sequences_are_those_of_colours(hostile):
    from portcall.views.tables import write_table

    shown = Terminal()
    write_table(offline.read([str(hostile)], by="flow").report, shown, 500, 200)

    assert unprintable(re.sub(r"\x1b\[[0-9;]*m", "", shown.getvalue())) == []


@pytest.mark.parametrize("by", GROUPINGS)
@pytest.mark.parametrize("format_name", FORMATS)
def test_letters_that_look_like_others_are_shown_as_the_bytes_that_were_sent(capsys, hostile, by, format_name):
    out, _ = told(capsys, "read", str(hostile), "--by", by, "--format", format_name, "--top", "500")

    assert not re.search("[\u0400-\u04ff]", out)
    assert "\\u04" not in out


def test_an_international_name_stays_as_it_was_sent(capsys, hostile):
    table, _ = told(capsys, "read", str(hostile), "--by", "host", "--top", "500")
    out, _ = told(capsys, "read", str(hostile), "--by", "flow", "--format", "jsonl")

    names = {json.loads(line)["tls_server_name"] for line in out.splitlines()}
    assert {INTERNATIONAL, HOMOGRAPH_SENT} <= names
    assert INTERNATIONAL in table


@pytest.fixture(scope="module")
def long_rows(hostile):
    rows = offline.read([str(hostile)], by="flow").report.rows
    return {row["client_port"]: row for row in rows if row["server_ip"] == "203.0.113.1"}


@pytest.mark.parametrize(("port", "column"), [(41000, "http_host"), (41002, "tls_server_name")])
def test_a_name_of_many_kilobytes_is_bounded_as_data(long_rows, port, column):
    assert len(long_rows[port][column]) == MOST_NAME
    assert set(long_rows[port][column]) <= set("a.long.example")


def test_a_name_beyond_all_that_is_heard_of_a_conversation_is_none(long_rows):
    assert long_rows[41001]["http_host"] is None


def test_no_text_of_a_row_is_longer_than_the_bound(hostile):
    rows = offline.read([str(hostile)], by="flow").report.rows

    texts = [text for row in rows for value in row.values() for text in (value if isinstance(value, list) else [value])]
    assert max(len(text) for text in texts if isinstance(text, str)) <= MOST_NAME


@pytest.mark.parametrize("arguments", [["--by", "host", "--top", "500"], ["--explain", ":41000"]])
def test_for_people_a_long_name_is_cut_with_a_mark(capsys, hostile, arguments):
    out, _ = told(capsys, "read", str(hostile), *arguments)

    lines = [line for line in out.splitlines() if "aaaaaaaa" in line]
    assert lines
    assert max(map(len, out.splitlines())) <= 120
    assert re.search("a…", out)
    assert not re.search("a{121}", "".join(line.strip() for line in lines))


@pytest.mark.parametrize("format_name", ["json", "jsonl"])
def test_in_the_data_of_a_story_the_name_is_whole(capsys, hostile, format_name):
    out, _ = told(capsys, "read", str(hostile), "--explain", ":41000", "--format", format_name)

    assert "a" * MOST_NAME in out


def test_what_was_asked_for_is_echoed_harmlessly(capsys, hostile):
    status = main(["read", str(hostile), "--explain", "\x1b[2J\u202e:1"])

    assert status == 2
    assert unprintable(capsys.readouterr().err) == []
