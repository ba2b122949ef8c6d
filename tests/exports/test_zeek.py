"""Zeek's logs: lines that Zeek's readers take, with the totals of the report and nothing that a terminal would obey."""

import io
import json
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path

import pytest
import zeek_reader
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether
from scapy.utils import wrpcap

from examples import examples
from portcall import exports
from portcall.cli import main
from portcall.errors import PortcallError
from portcall.exports._zeek_fields import FIELDS
from portcall.exports._zeek_lines import header, json_line, tab_separated
from portcall.runs import offline

CAPTURES = Path(__file__).parents[2] / "captures"
OFFICE = str(CAPTURES / "office.pcapng")


def logs_of(report, format_name):
    """Log → its text."""
    files = defaultdict(io.StringIO)

    @contextmanager
    def opened(name):
        yield files[name]

    exports.write_logs(report, format_name, opened)
    return {name.removesuffix(".log"): stream.getvalue() for name, stream in files.items()}


@pytest.fixture(scope="module")
def report():
    return offline.read([OFFICE], by="flow", logs=True).report


@pytest.fixture(scope="module")
def logs(report):
    return {name: zeek_reader.read(text) for name, text in logs_of(report, "zeek").items()}


def test_each_log_begins_as_zeeks_do(report):
    text = logs_of(report, "zeek")["dns"]

    assert text.splitlines()[:5] == [
        "#separator \\x09",
        "#set_separator\t,",
        "#empty_field\t(empty)",
        "#unset_field\t-",
        "#path\tdns",
    ]
    assert text.splitlines()[-1].startswith("#close\t20")


def test_there_are_logs_of_what_was_said(logs):
    assert set(logs) == {"conn", "dns", "ssl", "http"}
    assert all(log.path == name for name, log in logs.items())
    assert b"bank.example.org" in {line["query"] for line in logs["dns"].lines}


def test_conn_log_has_a_line_for_each_conversation_and_its_counts(report, logs):
    flows = [row for row in report if row["protocol"] is not None]

    lines = logs["conn"].lines
    assert len(lines) == len(flows) == len({line["uid"] for line in lines})
    for field, column in (("orig_pkts", "packets_to_server"), ("resp_pkts", "packets_to_client")):
        assert sum(line[field] for line in lines) == sum(row[column] for row in flows)
    assert sum(line["orig_bytes"] or 0 for line in lines) == sum(
        row["payload_to_server"] for row in flows if row["last_ns"] > row["first_ns"]
    )


def test_every_other_line_is_of_a_conversation(logs):
    connections = {line["uid"]: line for line in logs["conn"].lines}

    for name, log in logs.items():
        for line in log.lines:
            connection = connections[line["uid"]]
            assert all(line[end] == connection[end] for end in list(FIELDS[name])[2:6])


def test_lines_are_in_the_order_of_time(logs):
    times = [line["ts"] for line in logs["conn"].lines]

    assert times == sorted(times)


def test_logs_in_json_say_the_same(report, logs):
    for name, text in logs_of(report, "zeek-json").items():
        lines = list(map(json.loads, text.splitlines()))
        assert len(lines) == len(logs[name].lines)
        for line, other in zip(lines, logs[name].lines, strict=True):
            known = {field: as_json(value) for field, value in other.items() if value is not None}
            assert line == known


def as_json(value):
    return [as_json(item) for item in value] if isinstance(value, list) else plain(value)


def plain(value):
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value


texts = st.one_of(st.binary(max_size=12), st.sampled_from([b"", b"-", b"(empty)", b"\\x09", b"a,b", b"\x1b[2J\t\n\\"]))
values = {
    "string": texts,
    "enum": texts.filter(bool),
    "addr": st.sampled_from(["10.0.0.1", "fe80::1"]),
    "count": st.integers(0, 1 << 62),
    "port": st.integers(0, 65535),
    "bool": st.booleans(),
    "time": st.integers(0, 4_000_000_000).map(lambda second: second * 10**9),
    "interval": st.integers(0, 10**6).map(float),
}


def of_kind(kind):
    inner = kind.removesuffix("]").partition("[")[2]
    lists = st.lists(values[inner], max_size=4).filter(lambda some: some != [b""]) if inner else None  # Zeek's own blur
    return st.one_of(st.none(), values[kind] if lists is None else lists)


def lines_of(log):
    return st.fixed_dictionaries({name: of_kind(kind) for name, kind in FIELDS[log].items()})


@settings(max_examples=examples(20))
@given(st.data())
@pytest.mark.parametrize("log", FIELDS)
def test_whatever_was_sent_another_reader_gets_it_back_from_printable_text(log, data):
    line = data.draw(lines_of(log))

    text = header(log, "2026-01-01-00-00-00") + tab_separated(log, line)

    assert text.isascii()
    assert all(character.isprintable() or character in "\t\n" for character in text)
    (read,) = zeek_reader.read(text).lines
    assert read == {name: told(value, FIELDS[log][name]) for name, value in line.items()}


def told(value, kind):
    """The value as the reader gives it."""
    if isinstance(value, list):
        inner = kind.removesuffix("]").partition("[")[2]
        return [told(item, inner) for item in value]
    if kind == "time" and value is not None:
        return value / 10**9
    return value.encode() if isinstance(value, str) else value


@settings(max_examples=examples(20))
@given(st.data())
@pytest.mark.parametrize("log", FIELDS)
def test_in_json_it_is_ascii_and_what_is_unset_is_left_out(log, data):
    line = data.draw(lines_of(log))

    text = json_line(log, line)

    assert text.isascii()
    assert text.count("\n") == 1
    assert set(json.loads(text)) == {name for name, value in line.items() if value is not None}


def test_a_report_of_apps_has_no_logs():
    with pytest.raises(PortcallError, match="--by flow"):
        exports.write(offline.read([OFFICE]).report, "zeek", io.StringIO())


def test_the_command_writes_a_folder_of_logs(tmp_path, capsys):
    status = main(["read", OFFICE, "--format", "zeek", "-o", f"{tmp_path / 'logs'}/"])

    assert status == 0
    assert sorted(path.name for path in (tmp_path / "logs").iterdir()) == [
        "conn.log",
        "dns.log",
        "http.log",
        "ssl.log",
    ]
    assert capsys.readouterr().out == ""


def test_without_a_folder_the_command_prints_conn_log_and_says_so(capsys):
    status = main(["read", OFFICE, "--format", "zeek"])

    shown = capsys.readouterr()
    assert status == 0
    assert zeek_reader.read(shown.out).path == "conn"
    assert "conn.log alone: -o FOLDER writes the others beside it" in shown.err


def test_without_payloads_there_is_conn_log_alone(tmp_path):
    main(["read", OFFICE, "--format", "zeek-json", "--no-names", "-o", str(tmp_path)])

    assert [path.name for path in tmp_path.iterdir()] == ["conn.log"]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--by", "service"], "not of --by service"),
        (["--resolve"], "no room for --resolve"),
        (["-o", OFFICE], "this is a file, and several are to be written"),
        (["-o", "/nowhere/at/all"], "there is no directory /nowhere/at"),
    ],
)
def test_what_does_not_go_with_logs_is_said_before_anything_is_read(words, why, capsys):
    assert main(["read", "not-there.pcap", "--format", "zeek", *words]) in (1, 2)

    assert why in capsys.readouterr().err


def test_where_chooses_lines_of_all_logs(tmp_path):
    main(["read", OFFICE, "--format", "zeek", "--where", "service=dns", "-o", str(tmp_path)])

    services = {path.name: len(zeek_reader.read(path.read_text()).lines) for path in tmp_path.iterdir()}
    assert set(services) == {"conn.log", "dns.log"}


@pytest.mark.parametrize(
    ("flags", "seconds"), [("S SA A FA FA A", 4.0), ("S SA A FA A A", 5.0), ("S SA R FA FA A", 4.0)]
)
def test_a_connection_ends_when_both_ends_have_said_so_as_in_zeek(tmp_path, flags, seconds):
    frames = []
    for at, flag in enumerate(flags.split()):
        is_answer = at in (1, 4)
        ends = {"src": "10.0.0.2", "dst": "10.0.0.1"} if is_answer else {"src": "10.0.0.1", "dst": "10.0.0.2"}
        ports = {"sport": 80, "dport": 4000} if is_answer else {"sport": 4000, "dport": 80}
        frames.append(Ether() / IP(**ends) / TCP(**ports, flags=flag, seq=5 if is_answer else 1))
        frames[-1].time = 1_700_000_000 + at
    wrpcap(str(tmp_path / "made.pcap"), frames)

    logs = logs_of(offline.read([str(tmp_path / "made.pcap")], by="flow", logs=True).report, "zeek")

    (line,) = zeek_reader.read(logs["conn"]).lines
    assert (line["ts"], line["duration"]) == (1_700_000_000, seconds)


def test_networks_that_are_not_routed_are_local(logs):
    lines = logs["conn"].lines

    local = {line["id.orig_h"]: line["local_orig"] for line in lines} | {
        line["id.resp_h"]: line["local_resp"] for line in lines
    }
    assert local[b"10.20.0.10"]
    assert local[b"224.0.0.251"]


def test_a_folder_that_does_not_take_a_log_is_said_and_conn_log_is_printed(tmp_path, capsys):
    (tmp_path / "conn.log").mkdir()

    assert main(["read", OFFICE, "--format", "zeek", "-o", str(tmp_path)]) == 1

    shown = capsys.readouterr()
    assert "is a directory; so conn.log is on stdout instead" in shown.err
    assert zeek_reader.read(shown.out).path == "conn"
