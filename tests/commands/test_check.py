"""``portcall check`` as people run it, against listeners of the test's own on loopback."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest

from portcall.errors import UsageError
from portcall.records.schema import column_names
from portcall.runs.check import HostPort, ports_asked

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
COMMAND = [sys.executable, "-m", "portcall", "check"]
NEEDS_NC = pytest.mark.skipif(not shutil.which("nc"), reason="needs nc: sudo apt install netcat-openbsd")


def check(*arguments: object, **options) -> subprocess.CompletedProcess[str]:
    run = [*COMMAND, *map(str, arguments)]
    return subprocess.run(run, env=ENVIRONMENT, capture_output=True, text=True, check=False, **options)


def rows_of(run: subprocess.CompletedProcess[str]) -> list[dict]:
    return json.loads(run.stdout)["rows"]


@contextmanager
def port(*, is_open: bool):
    """A TCP port of loopback that is held, open or not."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        if is_open:
            held.listen()
        yield held.getsockname()[1]


def test_step_4_of_the_tutorial_check_if_a_specific_port_is_open_on_a_remote_server():
    """Succeeded is open, refused is closed; a timeout needs a firewall and is among the root tests."""
    with port(is_open=True) as succeeds, port(is_open=False) as refused:
        run = check("127.0.0.1", f"{succeeds},{refused}", "--format", "json")

    assert [row["verdict"] for row in rows_of(run)] == ["open", "closed"]


@NEEDS_NC
@pytest.mark.parametrize("is_open", [True, False])
def test_it_agrees_with_netcat(is_open):
    with port(is_open=is_open) as number:
        classic = subprocess.run(["nc", "-zv", "127.0.0.1", str(number)], capture_output=True, text=True, check=False)
        run = check("127.0.0.1", number, "--format", "json")

    assert ("succeeded" in classic.stderr, "refused" in classic.stderr) == (is_open, not is_open)
    assert rows_of(run)[0]["verdict"] == ("open" if is_open else "closed")
    assert run.returncode == classic.returncode


def test_one_open_port_is_success_and_none_is_failure():
    with port(is_open=True) as opened, port(is_open=False) as closed:
        statuses = [check("127.0.0.1", *ports).returncode for ports in ([opened, closed], [closed])]

    assert statuses == [0, 1]


def test_rows_have_the_documented_columns():
    with port(is_open=False) as closed:
        run = check("127.0.0.1", closed, "--format", "json")

    assert [tuple(row) for row in rows_of(run)] == [column_names("check")]


def test_a_name_that_does_not_resolve_is_a_verdict_of_every_port():
    run = check("no..name", "80,https", "--format", "json")

    assert [(row["port"], row["verdict"], row["address"]) for row in rows_of(run)] == [
        (80, "unresolved", None),
        (443, "unresolved", None),
    ]
    assert run.returncode == 1


def test_a_banner_reaches_the_terminal_escaped():
    with socket.create_server(("127.0.0.1", 0)) as server:
        greeter = threading.Thread(target=lambda: _greet(server, b"220 \x1b[31m\xff\r\n"))
        greeter.start()
        run = check("127.0.0.1", server.getsockname()[1], "--banner")
        greeter.join()

    assert r"220 \x1b[31m\xff\r\n" in run.stdout
    assert "\x1b" not in run.stdout


def _greet(server: socket.socket, words: bytes) -> None:
    with server.accept()[0] as connection:
        connection.sendall(words)


def test_verbose_shows_the_netcat_line_that_it_replaces():
    with port(is_open=False) as closed:
        run = check("127.0.0.1", closed, "--verbose", "--timeout", "2", "-4")

    assert f"nc -zv -w 2 -4 127.0.0.1 {closed}" in run.stderr


def test_more_than_a_hundred_ports_need_a_yes():
    run = check("127.0.0.1", "1-101")

    assert run.returncode == 2
    assert run.stdout == ""
    assert "--yes" in run.stderr


def test_many_ports_that_refuse_alike_are_one_line():
    run = check("127.0.0.1", "1-19")

    assert re.search(r"^19 ports/tcp .* closed .* refused: 1-19$", run.stdout, re.MULTILINE)


def test_without_sockets_left_the_remedy_is_named():
    run = check("127.0.0.1", "1-60", preexec_fn=_leave_few_files)

    assert run.returncode == 1
    assert "--concurrency" in run.stderr
    assert "Traceback" not in run.stderr


def _leave_few_files() -> None:
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (40, most))


def test_ctrl_c_prints_what_was_learnt_until_then():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent, port(is_open=True) as opened:
        silent.bind(("127.0.0.1", 0))
        silent.settimeout(20)
        ports = [f"{opened}/tcp", f"{silent.getsockname()[1]}/udp"]
        run = subprocess.Popen(
            [*COMMAND, "127.0.0.1", *ports, "--timeout", "60", "--concurrency", "1", "--format", "json"],
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        silent.recv(10)  # one at a time: so the first has answered
        run.send_signal(signal.SIGINT)
        shown, sent = run.communicate(timeout=20)

    assert [row["verdict"] for row in json.loads(shown)["rows"]] == ["open"]
    assert "interrupted" in sent
    assert run.returncode == 130


@pytest.mark.parametrize(
    ("words", "ports"),
    [
        (["22"], [("tcp", 22)]),
        (["22,80", "443"], [("tcp", 22), ("tcp", 80), ("tcp", 443)]),
        (["8000-8002"], [("tcp", 8000), ("tcp", 8001), ("tcp", 8002)]),
        (["https", "dns/udp"], [("tcp", 443), ("udp", 53)]),
        (["53/udp,53"], [("udp", 53), ("tcp", 53)]),
        (["80", "79-81"], [("tcp", 80), ("tcp", 79), ("tcp", 81)]),
    ],
)
def test_ports_are_numbers_ranges_and_names(words, ports):
    assert [(one.protocol, one.port) for one in ports_asked(["host.example", *words])] == ports


@pytest.mark.parametrize(
    "word", ["0", "65536", "90-80", "nosuchservice", "80/sctp", "", "80,", "http-alt", "-1", "9" * 5000]
)
def test_what_is_no_port_is_refused(word):
    with pytest.raises(UsageError):
        ports_asked(["host.example", word])


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ("127.0.0.1:80", [("127.0.0.1", "tcp", 80)]),
        ("host.example:https", [("host.example", "tcp", 443)]),
        ("[0:0:0:0:0:0:0:1]:80/udp", [("0:0:0:0:0:0:0:1", "udp", 80)]),
        ("[fe80::1%eth0]:22", [("fe80::1%eth0", "tcp", 22)]),
        ("fe80::1%eth0 tcp/22", [("fe80::1%eth0", "tcp", 22)]),
        ("localhost:80,81", [("localhost", "tcp", 80), ("localhost", "tcp", 81)]),
        ("80", [("localhost", "tcp", 80)]),
        (":80 *:81 udp/82", [("localhost", "tcp", 80), ("localhost", "tcp", 81), ("localhost", "udp", 82)]),
        ("ssh", [("localhost", "tcp", 22)]),
        ("ssh 443", [("ssh", "tcp", 443)]),
        ("ssh/tcp 443", [("localhost", "tcp", 22), ("localhost", "tcp", 443)]),
        (
            "a.example 80 b.example:81 82",
            [("a.example", "tcp", 80), ("b.example", "tcp", 81), ("b.example", "tcp", 82)],
        ),
        ("a.example 80 10.0.0.1 81", [("a.example", "tcp", 80), ("10.0.0.1", "tcp", 81)]),
        ("10.0.0.1:5-10.0.0.2:6", [("10.0.0.1", "tcp", 5), ("10.0.0.2", "tcp", 6)]),
        ("my-host.example:80-90/udp", [("my-host.example", "udp", port) for port in range(80, 91)]),
    ],
)
def test_every_form_of_an_end_is_a_port_of_a_host(words, asked):
    assert ports_asked(words.split()) == [HostPort(*one) for one in asked]


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("host.example", "portcall check host.example 443"),
        ("10.0.0.1", "portcall check 10.0.0.1 443"),
        ("ssh/udp dns/tcp 80/icmp", "icmp has no ports"),
        ("host.example:http-alt", "say which"),
        ("host.example 80 other.example", "Write it like"),
        ("::1:80", "Did you mean '[::1]:80'?"),
        ("1-101", "--yes"),
    ],
)
def test_an_end_that_cannot_be_asked_is_refused_with_what_could(words, hint):
    with pytest.raises(UsageError) as error:
        ports_asked(words.split())

    assert hint in str(error.value)


def test_every_form_of_an_end_is_asked():
    with port(is_open=True) as number:
        forms = [
            f"127.0.0.1:{number}",
            f"tcp/127.0.0.1:{number}",
            f"[::ffff:127.0.0.1]:{number}/tcp",
            f"localhost:{number}",
        ]
        found = [rows_of(check(form, "-4", "--format", "json")) for form in [*forms, number, f":{number}"]]

    assert [[(row["address"], row["verdict"]) for row in rows] for rows in found] == [[("127.0.0.1", "open")]] * 6


def test_the_hosts_of_several_ends_are_told_apart():
    with port(is_open=True) as number:
        run = check(f"127.0.0.1:{number}", f"127.0.0.2:{number}")

    assert run.stdout.startswith("127.0.0.1, 127.0.0.2: 1 open, 1 closed\n\nhost ")


def test_rows_can_be_chosen_and_what_is_left_out_is_counted():
    with port(is_open=True) as open_port, port(is_open=False) as closed:
        run = check("127.0.0.1", open_port, closed, "--where", "verdict=closed", "--format", "json")

    envelope = json.loads(run.stdout)
    assert run.returncode == 0  # of all that was asked, one is open
    assert [row["port"] for row in envelope["rows"]] == [closed]
    assert envelope["rows_left_out"] == 1


def test_a_wrong_expression_is_refused_before_anything_is_asked():
    with port(is_open=True) as open_port:
        run = check("127.0.0.1", open_port, "--where", "verdikt=open")

    assert run.returncode == 2
    assert "Did you mean 'verdict'?" in run.stderr


def test_answers_go_into_a_file_in_the_format_of_its_suffix(tmp_path):
    path = tmp_path / "answers.csv"
    with port(is_open=True) as open_port:
        check("127.0.0.1", open_port, "-o", path)

    assert path.read_text(encoding="utf-8").splitlines()[0].startswith("host,ip_version,address")
