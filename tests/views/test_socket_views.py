"""Sockets for people: tables, lines and blocks, all of them harmless."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from portcall.explanation.socket_sentences import socket_facts
from portcall.records.schema import COUNTS, Listing
from portcall.records.sockets import Holding, SocketCoverage, TcpFigures
from portcall.sockets.rows import conversation_rows, count_rows, held_rows, port_rows
from portcall.views.lists import MOST_ROWS
from portcall.views.port_changes import PortChanges
from portcall.views.socket_tables import write_sockets
from portcall.views.who import MOST_SOCKETS, write_held
from socket_builder import listing, owner, system_socket

HOSTILE = "\x1b[31mevil\u202e\n"
SSHD = system_socket("0.0.0.0:22", owners=[owner("sshd", 812, cmdline=("sshd", "-D"), unit="ssh.service")])
FIREFOX = system_socket(
    "192.168.1.5:54823",
    "142.250.80.46:443",
    owners=[owner("firefox", 4000)],
    figures=TcpFigures(1500, 2_000_000, 12_000_000, 1, 0),
    since_ns=0,
)


class Terminal(io.StringIO):
    """A text stream that says it is a terminal."""

    def isatty(self):
        return True


class Ascii(io.StringIO):
    """A stream that can only take ASCII."""

    encoding = "ascii"


def report(by, rows, **fields):
    return Listing(by, "sockets", rows, (0, 0), SocketCoverage(len(rows), 0), **fields)


def shown(by, rows, stream=None, **options):
    stream = stream or io.StringIO()
    write_sockets(report(by, rows), stream, **options)
    return stream.getvalue()


def held(*sockets, relation="local"):
    stream = io.StringIO()
    rows = held_rows(listing(*sockets), dict.fromkeys(sockets, relation))
    write_held(report("who", rows), stream, now_ns=60_000_000_010)
    return stream.getvalue()


def is_harmless(text):
    return all(character.isprintable() or character == "\n" for character in text)


def test_ports_say_who_can_reach_them_and_sign_what_is_outside():
    lines = shown("ports", port_rows(listing(SSHD, system_socket("127.0.0.1:5432", user="postgres")))).splitlines()

    assert lines[0] == "2 listening sockets, 1 of them for other machines"
    assert lines[3].split() == ["●", "22/tcp", "0.0.0.0", "ssh", "sshd", "812", "anna", "every", "interface,", "IPv4",
                                "ssh.service"]  # fmt: skip
    assert lines[4].split() == [
        "5432/tcp",
        "127.0.0.1",
        "postgresql",
        "(hidden)",
        "postgres",
        "this",
        "machine",
        "only",
    ]
    assert lines[5] == "● can be reached from outside, if no firewall refuses it"


def test_conversations_point_from_who_opened_to_who_was_called():
    lines = shown("conns", conversation_rows(listing(FIREFOX)), width=140).splitlines()

    assert lines[0] == "1 conversation, 1 of them established"
    assert lines[3].split() == ["192.168.1.5:54823", "→", "142.250.80.46:443", "tcp", "ESTAB", "https", "firefox",
                                "4000", "1.50", "kB", "2.00", "MB", "12", "ms", "1", "s", "anna"]  # fmt: skip


def test_states_are_explained_on_request():
    text = shown("conns", conversation_rows(listing(FIREFOX)), explain_states=True)

    assert text.endswith("ESTAB: is open: both ends may send\n")


def test_tables_and_who_show_what_an_interpreter_runs():
    python = owner("python3", 7, script="http.server")
    server = system_socket("127.0.0.1:8000", owners=[python])
    talk = system_socket("127.0.0.1:8000", "127.0.0.1:40000", owners=[python])

    assert "python3 (http.server)" in shown("ports", port_rows(listing(server)))
    assert "python3 (http.server)" in shown("conns", conversation_rows(listing(talk)))
    assert held(server).startswith("python3 (http.server), pid 7")
    assert socket_facts(server, listing(server)).sentence.startswith("python3 (http.server, pid 7) waits at")


def test_counts_are_a_table():
    rows = count_rows(conversation_rows(listing(FIREFOX)), "app")

    assert "firefox" in shown(COUNTS["app"], rows).splitlines()[3]


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_line_is_wider_than_the_terminal(width):
    rows = conversation_rows(listing(FIREFOX, system_socket("[2001:db8::aaaa:bbbb]:50000", "[2001:db8::cccc]:443")))

    lines = shown("conns", rows, width=width).splitlines()

    ends = 62  # both ends stay at any width, or a row would say nothing
    assert max(map(len, lines)) <= max(width, ends)


def test_an_ascii_stream_gets_ascii():
    text = shown("ports", port_rows(listing(SSHD)), Ascii())

    assert text.isascii()
    assert "* 22/tcp" in text


def test_a_terminal_gets_at_most_a_thousand_rows_and_is_told_of_the_rest():
    rows = port_rows(listing(*(system_socket(f"127.0.0.1:{port}") for port in range(1, MOST_ROWS + 3))))

    assert "and 2 more" in shown("ports", rows, Terminal(), width=100)
    assert "more" not in shown("ports", rows)


@pytest.mark.parametrize("stream", [io.StringIO, Ascii])
def test_names_of_processes_reach_no_terminal_unescaped(stream):
    evil = system_socket("0.0.0.0:22", owners=[owner(HOSTILE, cmdline=(HOSTILE,), container=HOSTILE)], user=HOSTILE)

    assert is_harmless(shown("ports", port_rows(listing(evil)), stream()))
    assert is_harmless(held(evil))


def test_held_names_process_command_origin_and_sockets():
    assert held(SSHD).splitlines() == [
        "sshd, pid 812, user anna, started 1 min ago",
        "  command: sshd -D",
        "  in: ssh.service",
        "  started by: init(1)",
        "  tcp LISTEN 0.0.0.0:22  every interface, IPv4",
    ]


def test_held_names_other_holders_too():
    shared = system_socket("0.0.0.0:80", owners=[owner("nginx", 5), owner("nginx", 9)])

    assert "  also held by: nginx(9)" in held(shared).splitlines()


def test_held_says_which_conversations_are_connected_to_such_a_port():
    assert held(FIREFOX, relation="connected to").startswith("connected to it:\n\nfirefox, pid 4000")


def test_held_is_bounded():
    many = [system_socket(f"10.0.0.1:{port}", "10.0.0.2:1", owners=[owner()]) for port in range(2, MOST_SOCKETS + 5)]

    assert held(*many).splitlines()[-1] == "  and 3 more"


def test_a_socket_without_a_process_says_why():
    assert held(system_socket("0.0.0.0:22", user="root", holding=Holding.HIDDEN)).startswith("(hidden), user root\n")


@pytest.mark.parametrize(
    ("state", "words"), [("ESTAB", "(not accepted yet)"), ("TIME-WAIT", "(closed)"), ("LAST-ACK", "(closed)")]
)
def test_a_socket_of_nobody_is_not_accepted_yet_or_closed(state, words):
    one = system_socket("10.0.0.1:22", "10.0.0.2:4000", state=state, holding=Holding.NOBODY)

    assert words in shown("conns", conversation_rows(listing(one)))


def test_changes_are_a_line_each_where_there_is_no_terminal():
    (row,) = port_rows(listing(SSHD))
    stream = io.StringIO()

    with PortChanges(stream) as view:
        view.show([("+", row)], [("+", row)])
        view.show([], [])
        view.show([("-", row)], [("-", row)])

    line = "tcp 0.0.0.0:22  sshd (812)  every interface, IPv4"
    assert stream.getvalue() == f"+ {line}\n- {line}\n"


def test_changes_as_json_say_what_happened():
    (row,) = port_rows(listing(SSHD))
    stream = io.StringIO()

    with PortChanges(stream, is_json=True) as view:
        view.show([], [("+", row)])

    assert json.loads(stream.getvalue()) == {"change": "appeared", **row}


def test_changes_are_marked_in_place_on_a_terminal():
    (row,) = port_rows(listing(SSHD))
    stream = Terminal()

    with PortChanges(stream) as view:
        view.show([("+", row)], [("+", row)])

    assert "+" in stream.getvalue()
    assert "sshd" in stream.getvalue()


def test_changes_reach_no_terminal_unescaped():
    (row,) = port_rows(listing(system_socket("0.0.0.0:22", owners=[owner(HOSTILE)])))
    stream = io.StringIO()

    with PortChanges(stream) as view:
        view.show([], [("+", row)])

    assert is_harmless(stream.getvalue())


@pytest.mark.parametrize(
    "titles",
    [
        "port address service process pid user who can reach it",
        "local remote state service process pid",
    ],
)
def test_the_page_of_the_toolbox_shows_tables_with_the_columns_that_are_printed(titles):
    page = (Path(__file__).parents[2] / "docs" / "toolbox.md").read_text(encoding="utf-8")
    by, socket = ("ports", SSHD) if titles.startswith("port") else ("conns", FIREFOX)
    rows = (port_rows if by == "ports" else conversation_rows)(listing(socket))

    assert titles in [" ".join(line.split()) for line in page.splitlines()]
    assert " ".join(shown(by, rows, width=200).splitlines()[2].split()).startswith(titles)


def test_a_terminal_without_a_single_listener_is_fine():
    stream = Terminal()

    with PortChanges(stream) as view:
        view.show([], [])

    assert "0 listening sockets" in stream.getvalue()


@pytest.mark.parametrize(("left_out", "words"), [(0, "1 listening socket,"), (4, "1 of 5 listening sockets,")])
def test_the_heading_says_of_how_many_the_rows_are(left_out, words):
    stream = io.StringIO()
    write_sockets(report("ports", port_rows(listing(SSHD)), rows_left_out=left_out), stream)

    assert stream.getvalue().startswith(words)


def test_conversations_of_which_none_was_wanted_are_none_of_some():
    stream = io.StringIO()
    write_sockets(report("conns", [], rows_left_out=1), stream)

    assert stream.getvalue().startswith("0 of 1 conversation,")


@pytest.mark.parametrize("by", ["ports", "conns"])
@pytest.mark.parametrize("width", [60, 80, None])
def test_another_network_namespace_is_shown_however_little_room_there_is(by, width):
    server = system_socket("0.0.0.0:22", owners=[owner("a-long-name-of-a-process")], namespace_name="elsewhere")
    talk = system_socket("192.168.100.105:54823", "142.250.180.146:44300", owners=[], namespace_name="elsewhere")
    rows = port_rows(listing(server)) if by == "ports" else conversation_rows(listing(talk))

    assert "elsewhere" in shown(by, rows, width=width)
