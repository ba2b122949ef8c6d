"""The library: what each command prints, a program can have, from real captures and sockets."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import portcall
from portcall import PortcallError, UsageError
from portcall.cli import COMMANDS, main

ROOT = Path(__file__).parents[1]
CAPTURES = ROOT / "captures"
OFFICE = CAPTURES / "office.pcapng"
NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to capture")


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture
def port(listener):
    return listener.getsockname()[1]


@pytest.fixture
def client_port(listener):
    with socket.create_connection(listener.getsockname()) as client, closing(listener.accept()[0]):
        yield client.getsockname()[1]


def printed(capsys, *words):
    main([*map(str, words), "--format", "json"])
    return json.loads(capsys.readouterr().out)


def shell(program):
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, env=environment, check=True
    )


# --- the door


def test_every_command_but_those_for_shells_and_agents_is_a_call():
    commands = set(COMMANDS) - {"completion", "mcp", "update-data"}  # its data are the command's

    assert commands <= set(portcall.__all__)
    assert all(callable(getattr(portcall, command)) for command in commands)


def test_importing_it_imports_nothing_heavy():
    modules = set(shell("import sys, portcall; print(*sys.modules)").stdout.split())

    assert not modules & {"numpy", "rich", "pyparsing", "scapy", "psutil", "json", "argparse", "importlib.metadata"}
    assert {name for name in modules if name.startswith("portcall")} == {"portcall", "portcall.errors"}


def test_its_version_is_that_of_the_project():
    stated = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)[1]

    assert (portcall.__version__, portcall._SOURCE_VERSION) == (stated, stated)


def test_what_it_does_not_have_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nonsense"):
        portcall.nonsense  # noqa: B018


@pytest.mark.slow
def test_strict_users_of_mypy_see_its_types(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "from pathlib import Path\nimport portcall\n"
        "reveal_type(portcall.read([Path('a'), 'b'], by='flow', local='10.0.0.0/8'))\n"
        "reveal_type(portcall.live(duration=1))\nreveal_type(portcall.live(duration=9, every=1.0))\n"
        "reveal_type(portcall.who(443))\nreveal_type(portcall.explain('443'))\nreveal_type(portcall.explain())\n"
        "reveal_type(portcall.__version__)\nportcall.read(1)\nportcall.live(every=1.0, by=3)\n"
    )

    said = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path), str(program)],
        capture_output=True, text=True, check=False, env={**os.environ, "MYPYPATH": str(ROOT / "src")}, cwd=tmp_path,
    ).stdout  # fmt: skip

    types = [name.rpartition(".")[2].rstrip("]") for name in re.findall(r'Revealed type is "(.+)"', said)]
    assert types == ["Report", "Report", "Report", "Listing", "Explanation", "Tutorial", "str"]
    assert said.count("error:") == 2


# --- captures


@pytest.mark.parametrize(
    "paths",
    [str(OFFICE), OFFICE, [OFFICE], (str(OFFICE),), iter([OFFICE]), {OFFICE: 1}],
    ids=lambda paths: type(paths).__name__,
)
def test_one_capture_or_many_may_be_text_or_path(paths):
    assert portcall.read(paths).coverage.frames == 345


def test_many_captures_are_one_in_time_order():
    one, other = CAPTURES / "dns.pcap", CAPTURES / "ssh.pcap"

    both = portcall.read([one, str(other)])

    assert both.coverage.frames == portcall.read(one).coverage.frames + portcall.read(other).coverage.frames


@pytest.mark.parametrize("local", ["10.0.0.0/8", ["10.0.0.0/8"], ("10.0.0.0/8", "fd00::/8"), []])
def test_local_is_one_network_or_many(local):
    report = portcall.read(OFFICE, local=local)

    assert (report.coverage.bytes_credited_twice > 0) == bool(local)


def test_reading_gives_what_the_command_prints(capsys):
    options = [
        "--by",
        "host",
        "--where",
        "bytes>1kB",
        "--top",
        "3",
        "--no-names",
        "--layer",
        "inner",
        "--filter",
        "tcp",
    ]

    report = portcall.read(OFFICE, by="host", where="bytes>1kB", top=3, names=False, layer="inner", filter="tcp")

    shown = printed(capsys, "read", OFFICE, *options)
    assert report.to_dicts() == shown["rows"]
    assert (report.coverage.frames, report.rows_left_out) == (shown["coverage"]["frames"], shown["rows_left_out"])


def test_what_could_not_be_read_is_a_degradation(tmp_path):
    report = portcall.read([OFFICE, tmp_path / "gone.pcap"])

    assert report.coverage.frames == 345
    assert report.degradations[-1].reason == "no such file"


def test_nothing_that_can_be_read_is_an_error(tmp_path):
    with pytest.raises(PortcallError, match="no such file"):
        portcall.read(tmp_path / "gone.pcap")


WRONG = [
    ({"by": "nonsense"}, "Choose from: app, process, user, service, host, query, flow"),
    ({"by": "hots"}, "Did you mean 'host'?"),
    ({"by": None}, "by=None"),
    ({"layer": "middle"}, "Choose from: outer, inner"),
    ({"top": 0}, "at least 1"),
    ({"top": "3"}, "at least 1"),
    ({"top": True}, "at least 1"),
    ({"names": "yes"}, "True or False"),
    ({"names": 1}, "True or False"),
    ({"resolve": None}, "True or False"),
    ({"filter": 3}, "a text or None"),
    ({"filter": "nonsense filter"}, "nonsense filter"),
    ({"where": b"app=x"}, "a text or None"),
    ({"where": "ap=x"}, "Did you mean 'app'?"),
    ({"local": 3}, "one text or path, or several"),
    ({"local": "10.0.0"}, "10.0.0"),
    ({"local": [None]}, "one text or path, or several"),
    ({"geo": [3]}, "one text or path, or several"),
]


@pytest.mark.parametrize(("options", "hint"), WRONG)
def test_wrong_arguments_say_what_is_right_before_anything_is_read(monkeypatch, options, hint):
    from portcall.sources import capture_set

    opened = []
    monkeypatch.setattr(capture_set, "open_capture", opened.append)

    with pytest.raises(UsageError) as error:
        portcall.read(OFFICE, **options)

    assert hint in str(error.value)
    assert opened == []


@pytest.mark.parametrize("paths", [[], (), "", [""], None, 3, [None], b"a.pcap", [b"a.pcap"]])
def test_what_names_no_capture_is_wrong(paths):
    with pytest.raises(UsageError, match="paths="):
        portcall.read(paths)


@pytest.mark.parametrize("options", [{"colour": "red"}])
def test_an_argument_that_does_not_exist_is_a_type_error_as_everywhere(options):
    with pytest.raises(TypeError, match="colour"):
        portcall.read(OFFICE, **options)


# --- sockets that exist now


def test_ports_lists_a_listener(port):
    (row,) = portcall.ports(where=f"port={port}")

    assert (row["pid"], row["exposed_to"]) == (os.getpid(), "this machine only")


def test_conns_lists_both_ends(port, client_port):
    listing = portcall.conns(f"127.0.0.1:{client_port}", state="established")

    assert {row["local_port"] for row in listing} == {port, client_port}
    assert len(listing) == len(listing.to_dicts()) == 2


def test_conns_are_counted(client_port):
    listing = portcall.conns(client_port, by="app", state="estab")

    assert [(row["conversations"], row["pids"]) for row in listing] == [(2, [os.getpid()])]


@pytest.mark.parametrize("form", ["{}", "tcp/{}", "localhost:{}", ":{}/tcp"])
def test_who_names_the_process_that_has_a_port(port, form):
    for question in (form.format(port), port):
        (row,) = portcall.who(question)
        assert (row["pid"], row["local_port"]) == (os.getpid(), port)


def test_listings_are_what_the_commands_print(capsys, port):
    for listing, words in (
        (portcall.ports(where=f"port={port}"), ["ports", "--where", f"port={port}"]),
        (portcall.who(port, where="state=LISTEN"), ["who", port, "--where", "state=LISTEN"]),
        (portcall.doctor("python"), ["doctor", "python"]),
    ):
        shown = printed(capsys, *words)["rows"]
        for row in (*shown, *listing):
            row.pop("process_since_ns", None)  # counted back from now, each time anew
        assert shown == listing.to_dicts()


def test_check_asks_a_port(port):
    for host, ports in (
        ("127.0.0.1", port),
        ("127.0.0.1", [str(port)]),
        (f"127.0.0.1:{port}", ()),
        ("127.0.0.1", f"{port}"),
    ):
        (row,) = portcall.check(host, ports, timeout=2, concurrency=1)
        assert (row["port"], row["verdict"]) == (port, "open")


def test_explain_says_who_has_a_port(port):
    explanation = portcall.explain(port)

    assert (explanation.kind, [one.pid for one in explanation.here]) == ("port", [os.getpid()])


def test_explain_without_a_subject_tells_the_whole_story(listener):
    assert portcall.explain().states["LISTEN"] >= 1
    assert listener


def test_doctor_tries_what_is_chosen():
    assert [row["subject"] for row in portcall.doctor(["kernels", "python"])] == ["python", "kernels"]


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda: portcall.ports(top=0), "at least 1"),
        (lambda: portcall.ports(where="prot=1"), "Did you mean 'port'?"),
        (lambda: portcall.ports(netns=3), "one text or path, or several"),
        (lambda: portcall.conns(state="establish"), "Did you mean 'established'?"),
        (lambda: portcall.conns(by="apps"), "Did you mean 'app'?"),
        (lambda: portcall.conns("1.2.3:80"), "Write it like"),
        (lambda: portcall.who(None), "a text, or a port's number"),
        (lambda: portcall.who(65536), "from 0 to 65535"),
        (lambda: portcall.who("1%" * 4301), "too many"),
        (lambda: portcall.check("127.0.0.1"), "say which of its ports"),
        (lambda: portcall.check("127.0.0.1", "1-101"), "--yes"),
        (lambda: portcall.check("127.0.0.1", 1, timeout=0), "above 0"),
        (lambda: portcall.check("127.0.0.1", 1, timeout=float("nan")), "above 0"),
        (lambda: portcall.check("127.0.0.1", 1, concurrency=0), "at least 1"),
        (lambda: portcall.check("127.0.0.1", 1, ip_version=5), "Choose from: 4, 6"),
        (lambda: portcall.explain("nonsense!"), "Write it like"),
        (lambda: portcall.doctor("moon"), "no such thing to try"),
        (lambda: portcall.live(duration=0), "above 0"),
        (lambda: portcall.live(duration=float("nan")), "above 0"),
        (lambda: portcall.live(duration=1, every=-1), "above 0"),
        (lambda: portcall.live(duration=1, by="nonsense"), "Choose from: app, process"),
        (lambda: portcall.live(duration=1, owners="magic"), "Choose from: ebpf"),
        (lambda: portcall.live(duration=1, source="magic"), "Choose from: ring, scapy"),
        (lambda: portcall.live(duration=1, where="ap=1"), "Did you mean 'app'?"),
        (lambda: portcall.live(duration=1, local="10.0.0"), "10.0.0"),
        (lambda: portcall.live(duration=1, every=1, where="ap=1"), "Did you mean 'app'?"),
    ],
)
def test_wrong_questions_say_what_is_right(call, hint):
    with pytest.raises(UsageError) as error:
        call()

    assert hint in str(error.value)


# --- live


@contextmanager
def talk_on_loopback():
    """A connection of this process to itself that says something all the time."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
        is_over = threading.Event()

        def say():
            client.sendall(b"x" * 1000)
            accepted.recv(1000, socket.MSG_WAITALL)

        def go_on():
            while not is_over.wait(0.01):
                say()

        talker = threading.Thread(target=go_on)
        with client, accepted:
            talker.start()
            yield
            is_over.set()
            talker.join()


@pytest.mark.root
@NEEDS_ROOT
def test_live_is_a_report_of_the_traffic_of_its_time():
    with talk_on_loopback():
        report = portcall.live(duration=1.2, interface="lo", by="process", owners="psutil")

    (mine,) = (row for row in report if row["pid"] == os.getpid())
    assert mine["payload_out"] >= 10_000
    assert report.coverage.frames == sum(report.coverage.verdicts.values())
    assert report.source.startswith("live (")


@pytest.mark.root
@NEEDS_ROOT
def test_live_with_an_interval_is_a_report_each_time_and_one_at_the_end():
    with talk_on_loopback():
        frames = [
            one.coverage.frames for one in portcall.live(duration=1.5, every=0.4, interface="lo", owners="psutil")
        ]

    assert len(frames) >= 3
    assert 0 < frames[0] < frames[-1]
    assert frames == sorted(frames)


@pytest.mark.root
@NEEDS_ROOT
def test_an_interrupt_ends_live_with_its_report():
    program = """
import os, portcall, signal, sys, threading, traceback

def interrupt_when_it_watches():
    main = threading.main_thread().ident
    while "watch" not in {frame.name for frame in traceback.extract_stack(sys._current_frames()[main])}:
        threading.Event().wait(0.01)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt_when_it_watches, daemon=True).start()
print("frames", portcall.live(interface="lo", owners="psutil", duration=60).coverage.frames)
"""

    assert shell(program).stdout.startswith("frames ")


@pytest.mark.skipif(os.geteuid() == 0, reason="needs a user who may not capture")
def test_live_without_rights_says_what_gives_them():
    with pytest.raises(PortcallError, match=r"sudo|as root"):  # as this user may, or may not, call sudo
        portcall.live(duration=0.1)
