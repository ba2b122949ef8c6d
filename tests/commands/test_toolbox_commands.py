"""``ports``, ``conns`` and ``who`` as people call them, on sockets that this process opens."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import portcall
from portcall.cli import main
from portcall.owners.socket_listing import list_sockets

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(portcall.__file__).parents[1])}
DEADLINE_S = 180


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture
def port(listener):
    return listener.getsockname()[1]


@pytest.fixture
def client_port(listener):
    """The port of a connection to the listener, accepted."""
    with socket.create_connection(listener.getsockname()) as client, closing(listener.accept()[0]):
        yield client.getsockname()[1]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def rows(capsys, *words):
    status = main([*words, "--format", "jsonl"])
    return status, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_ports_lists_a_listener(capsys, port):
    status, found = rows(capsys, "ports", "--where", f"port={port}")

    assert status == 0
    assert [(row["pid"], row["exposure"], row["outside"]) for row in found] == [(os.getpid(), "machine", "no")]


@pytest.fixture
def bound():
    """A port that a socket holds without listening, and its number."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        if not any(one.local_port == port for one in list_sockets().sockets):
            pytest.skip("before Linux 6.8 the kernel does not list sockets that are only bound")
        yield port


@pytest.mark.parametrize("command", [("ports", "--where", "port={}"), ("who", "{}"), ("who", "127.0.0.1:{}")])
def test_a_socket_that_is_only_bound_holds_its_port(capsys, bound, command):
    status, found = rows(capsys, *(word.format(bound) for word in command))

    assert status == 0
    assert [(row["pid"], row["state"], row["exposure"]) for row in found] == [(os.getpid(), "BOUND", "nowhere")]


@pytest.mark.parametrize("subject", ["{}", "127.0.0.1:{}", "tcp/{}"])
def test_explain_names_who_holds_a_port_without_listening(capsys, bound, subject):
    assert main(["explain", subject.format(bound)]) == 0

    words = " ".join(capsys.readouterr().out.split())
    assert f"pid {os.getpid()}) holds 127.0.0.1:{bound} (tcp, BOUND)" in words


def test_a_socket_that_is_only_bound_is_no_conversation(capsys, bound):
    assert rows(capsys, "conns", "--where", f"local_port={bound}") == (1, [])


WAIT = """
import socket, sys
with socket.create_server(("127.0.0.1", 0)) as listener:
    print(listener.getsockname()[1])
    sys.stdin.read()
"""
HOLD = """
import os, socket, sys
with socket.create_server(("127.0.0.1", 0)) as listener:
    child = os.fork()
    open("/proc/self/comm", "w").write("opened-it" if child else "works-on-it")
    if child:
        print(listener.getsockname()[1], child, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def two_holders():
    """(pid, pid of its child, port) of a process that opens a socket for another one."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", HOLD], **pipes) as process:
        port, child = map(int, process.stdout.readline().split())
        wait_until_called(child, "works-on-it")
        yield process.pid, child, port
        process.communicate()


def wait_until_called(pid, name):
    deadline_s = time.monotonic() + 20
    while Path(f"/proc/{pid}/comm").read_text().strip() != name:
        assert time.monotonic() < deadline_s


@pytest.mark.skipif(sys.platform != "linux", reason="changes its name as Linux lets it")
@pytest.mark.parametrize(("name", "is_child"), [("opened-it", False), ("works-on-it", True)])
def test_who_is_headed_by_the_process_that_was_asked_for_and_names_the_others(capsys, two_holders, name, is_child):
    parent, child, _ = two_holders
    _, found = rows(capsys, "who", name)

    pids, others = ((child, parent), "opened-it") if is_child else ((parent, child), "works-on-it")
    assert [(row["pid"], row["also_held_by"]) for row in found] == [(pids[0], [f"{others}({pids[1]})"])]


@pytest.mark.skipif(sys.platform != "linux", reason="programs are files of their own there")
def test_a_program_whose_file_is_gone_says_so_and_is_called_by_its_whole_name(capsys, tmp_path):
    program = tmp_path / "a-name-of-more-than-15-letters"
    shutil.copy(Path(sys.executable).resolve(), program)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    home = {**os.environ, "PYTHONHOME": sys.base_prefix}
    with subprocess.Popen([program, "-uc", WAIT], env=home, **pipes) as process:
        port = int(process.stdout.readline())
        program.unlink()

        _, found = rows(capsys, "who", str(port))
        _, called = rows(capsys, "who", program.name)
        process.communicate()

    assert [(row["process"], row["exe"]) for row in found] == [(program.name, f"{program} (deleted)")]
    assert [row["local_port"] for row in called] == [port]


def test_ports_without_a_match_ends_with_1(capsys):
    assert rows(capsys, "ports", "--where", f"port={free_port()}") == (1, [])


def test_conns_lists_both_ends_of_a_conversation_on_this_machine(capsys, port, client_port):
    mine = f"pids={os.getpid()} and (local_port={port} or remote_port={port})"
    _, found = rows(capsys, "conns", "--where", mine)

    told = {(row["local_port"], row["remote_port"], row["direction"], row["opener_evidence"]) for row in found}
    assert told == {(port, client_port, "in", "listener"), (client_port, port, "out", "remote-listener")}


@pytest.mark.parametrize("word", ["established", "ESTAB", "Established"])
def test_conns_of_one_state(capsys, client_port, word):
    _, found = rows(capsys, "conns", "--state", word)

    assert {row["state"] for row in found} == {"ESTAB"}
    assert client_port in {row["local_port"] for row in found}


def test_a_state_that_does_not_exist_is_wrong_usage(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["conns", "--state", "establish"])

    assert ended.value.code == 2
    assert "Did you mean 'established'?" in capsys.readouterr().err


def test_conns_are_counted_by_app(capsys, client_port):
    mine = f"pids={os.getpid()} and (local_port={client_port} or remote_port={client_port})"
    _, found = rows(capsys, "conns", "--by", "app", "--where", mine)

    assert [(row["conversations"], row["pids"]) for row in found] == [(2, [os.getpid()])]


def test_top_counts_what_it_leaves_out(capsys, client_port):
    main(["conns", "--top", "1", "--format", "json", "--where", f"pids={os.getpid()}"])

    report = json.loads(capsys.readouterr().out)
    assert (len(report["rows"]), report["rows_left_out"] > 0, client_port > 0) == (1, True, True)


def test_json_has_the_envelope_with_how_many_sockets_could_be_seen(capsys, port):
    main(["ports", "--format", "json"])

    report = json.loads(capsys.readouterr().out)
    assert (report["schema"], report["by"], set(report["coverage"])) == (1, "ports", {"sockets", "unseen_holders"})
    assert port in {row["port"] for row in report["rows"]}


def test_csv_joins_lists(capsys, port):
    main(["ports", "--format", "csv", "--where", f"port={port}"])

    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert row["pids"] == str(os.getpid())


def test_who_names_the_process_that_listens(capsys, port):
    status = main(["who", str(port)])

    shown = capsys.readouterr().out
    assert status == 0
    assert f"pid {os.getpid()}, user" in shown
    assert f"tcp LISTEN 127.0.0.1:{port}  this machine only" in shown


def test_who_tells_the_end_of_a_conversation(capsys, port, client_port):
    _, found = rows(capsys, "who", f"127.0.0.1:{client_port}")

    told = {(row["relation"], row["local_port"], row["remote_port"]) for row in found if row["pid"] == os.getpid()}
    assert told == {("local", client_port, port), ("connected to", port, client_port)}


def test_who_tells_tcp_from_udp(capsys, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", port))
        both, one = (rows(capsys, "who", f"{port}{suffix}")[1] for suffix in ("", "/udp"))

    assert [row["protocol"] for row in both] == ["tcp", "udp"]
    assert [row["protocol"] for row in one] == ["udp"]


def test_who_says_how_many_sockets_were_left_out(capsys, port):
    status = main(["who", str(port), "--where", "protocol=udp"])

    assert (status, capsys.readouterr().out) == (1, "and 1 more socket\n")


def ends_of(port):
    """Every way to say that port of loopback."""
    places = ["", ":", "*:", "127.0.0.1:", "localhost:", "[::ffff:127.0.0.1]:"]
    bare = [f"{place}{port}" for place in places]
    return [form for end in bare for form in (end, f"{end}/tcp", f"tcp/{end}", f"TCP {end}")]


def test_who_and_conns_take_every_form_of_an_end(capsys, port, client_port):
    for words in ends_of(port):
        status, found = rows(capsys, "who", words)
        assert (words, status, {row["local_port"] for row in found}) == (words, 0, {port, client_port})

        status, found = rows(capsys, "conns", words)
        assert (words, status, {row["local_port"] for row in found}) == (words, 0, {port, client_port})


@pytest.mark.parametrize("between", ["-", "->", " ↔ ", " "])
@pytest.mark.parametrize("command", ["who", "conns"])
def test_who_and_conns_take_a_conversation_from_either_end(capsys, port, client_port, command, between):
    near, far = f"127.0.0.1:{client_port}", f"localhost:{port}"

    found = [rows(capsys, command, f"{one}{between}{other}")[1] for one, other in ((near, far), (far, near))]

    assert [sorted(row["local_port"] for row in told) for told in found] == [sorted((port, client_port))] * 2


def test_a_conversation_may_be_two_words(capsys, port, client_port):
    _, found = rows(capsys, "who", f"127.0.0.1:{client_port}", f"127.0.0.1:{port}")

    assert {row["local_port"] for row in found} == {port, client_port}


def test_conns_of_a_process_are_those_that_it_has(capsys, client_port):
    _, found = rows(capsys, "conns", Path(sys.executable).name)

    assert client_port in {row["local_port"] for row in found}
    assert os.getpid() in {pid for row in found for pid in row["pids"]}


def test_conns_without_a_match_ends_with_1(capsys):
    assert rows(capsys, "conns", str(free_port())) == (1, [])


def test_who_says_what_a_word_was_taken_for_that_is_a_service_and_a_process(capsys, tmp_path):
    program = tmp_path / "xtrm"  # a service on port 3423
    program.symlink_to(sys.executable)
    listen = "import socket, sys; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); "
    with (
        subprocess.Popen([program, "-c", f"{listen} sys.stdin.read()"], stdin=-1, stdout=-1, text=True) as process,
        socket.create_server(("127.0.0.1", 3423)),
    ):
        other_port = int(process.stdout.readline())
        _, found = rows(capsys, "who", "xtrm")
        main(["who", "xtrm"])
        process.stdin.close()

    assert {row["local_port"]: row["meant_as"] for row in found} == {3423: ["service"], other_port: ["process"]}
    assert (
        "xtrm is a service, on port 3423: 1 socket; and may be a process: 1 socket of one called so"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize("command", ["who", "conns", "explain"])
@pytest.mark.parametrize("words", ["1%" * 4301, "9" * 4301, "[" * 5000, "-" * 300, "::1:80", "443/tpc"])
def test_hostile_words_are_a_usage_error_in_one_line(capsys, command, words):
    assert main([command, "--", words]) == 2

    shown, sent = capsys.readouterr()
    assert (shown, sent.count("\n"), len(sent) < 400) == ("", 1, True)


def test_a_process_that_is_not_found_may_have_been_a_service(capsys):
    main(["who", "postgresq"])

    assert "Did you mean the service 'postgresql'?" in capsys.readouterr().err


def test_who_finds_sockets_by_the_name_of_a_process(capsys, port):
    _, found = rows(capsys, "who", Path(sys.executable).name)

    assert port in {row["local_port"] for row in found}


def test_who_of_a_port_that_nobody_has_ends_with_1_and_says_what_else_to_look_at(capsys):
    port = free_port()

    status = main(["who", str(port)])

    shown = capsys.readouterr()
    assert (status, shown.out) == (1, "")
    assert shown.err.startswith(f"portcall: nothing listens on {port}")
    assert f"/portcall who {port} --netns all'" in shown.err  # by its full path, with sudo for whoever is not root


def test_conversations_with_such_a_port_elsewhere_do_not_make_it_a_find(capsys, listener):
    with socket.create_connection(listener.getsockname()):
        port = listener.getsockname()[1]
        listener.close()  # with the connection that nobody accepted

        status = main(["who", f"{port}"])

    assert status == 1
    assert capsys.readouterr().err.startswith("portcall: nothing listens on")


@pytest.mark.parametrize(
    ("words", "classic"),
    [
        (["ports"], "ss -tulpn"),
        (["conns"], "ss -tunp state connected"),
        (["conns", "--state", "estab"], "ss -tunp state established"),
        (["who", "8080"], "lsof -nP -i :8080"),
        (["who", ":443/udp"], "lsof -nP -i udp:443"),
        (["who", "[::1]:80"], "lsof -nP -i @[::1]:80"),
        (["who", "sshd"], "lsof -nP -i -a -c sshd"),
        (["who", "tcp/ssh"], "lsof -nP -i tcp:22"),
        (["who", "8000-8010"], "lsof -nP -i :8000-8010"),
        (["who", "10.0.0.1:5-10.0.0.2:6"], "ss -tunp 'src 10.0.0.1:5 and dst 10.0.0.2:6'"),
    ],
)
def test_verbose_shows_the_classic_command(capsys, words, classic):
    main([*words, "--verbose"])

    assert f"portcall: the classic command: {classic}\n" in capsys.readouterr().err


def test_watching_into_a_file_is_refused(capsys, tmp_path):
    assert main(["ports", "--watch", "-o", str(tmp_path / "x.jsonl")]) == 2
    assert "--watch" in capsys.readouterr().err


@contextmanager
def watched(*words):
    """The command while it watches; it is killed after DEADLINE_S at the latest, so that reading its lines ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "portcall", "ports", "--watch", "--interval", "0.05", *words],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=ENVIRONMENT, text=True,
    )  # fmt: skip
    deadline = threading.Timer(DEADLINE_S, process.kill)
    deadline.start()
    with process:
        try:
            yield process
        finally:
            process.kill()
            deadline.cancel()


def line_with(process, word):
    """The next line that has the word."""
    return next(line for line in process.stdout if word in line)


def test_watching_tells_what_appears_and_goes_and_ends_with_130(port):
    with watched() as process:
        first = line_with(process, f":{port} ")
        with socket.create_server(("127.0.0.1", 0)) as late:
            late_end = f":{late.getsockname()[1]} "
            appeared = line_with(process, late_end)
        gone = line_with(process, late_end)
        process.send_signal(signal.SIGINT)
        status = process.wait(DEADLINE_S)

    assert (first[0], appeared[0], gone[0], status) == (" ", "+", "-", 130)


def test_watching_as_json_lines_names_each_change(port):
    with watched("--format", "jsonl") as process:
        line = line_with(process, f'"port": {port},')

    assert json.loads(line)["change"] == "there"
