"""On a system that is not Linux: what works there works, and what needs Linux is refused by its name, in one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from named_captures import connection, pcap, pktap_first

TESTS = Path(__file__).resolve().parents[1]
CAPTURE = TESTS.parent / "captures" / "office.pcapng"
PKTAP = pcap([pktap_first(frame, way, 321, "Safari") for frame, way in connection()], link=258)
MOST_DATAGRAMS = 1200
SEND = f"""
import select, socket, sys
receiver, sender = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
receiver.bind(("127.0.0.1", 0))
sender.connect(receiver.getsockname())
for _ in range({MOST_DATAGRAMS}):
    sender.send(b"x" * 100)
    receiver.recv(200)
    if select.select([sys.stdin], [], [], 0.05)[0]:
        break
"""
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="capturing needs root")
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="it plays another system on Linux"),
    pytest.mark.skipif(
        not find_spec("ctypes.macholib"), reason="this Python has no ctypes.macholib: Debian's goes without"
    ),
]


def elsewhere(*words, cwd=None):
    program = [sys.executable, TESTS / "elsewhere.py", *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.run(program, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def here(*words):
    program = [sys.executable, "-m", "portcall", *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.run(program, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("by", ["app", "host", "service", "flow"])
def test_a_capture_is_read_as_on_linux(by):
    words = ("read", CAPTURE, "--by", by, "--format", "json")
    ran = elsewhere(*words)

    assert (ran.returncode, ran.stderr) == (0, "")
    assert json.loads(ran.stdout)["rows"] == json.loads(here(*words).stdout)["rows"]


def test_a_capture_is_filtered_and_written_as_a_page(tmp_path):
    ran = elsewhere("read", CAPTURE, "--filter", "tcp port 443", "-o", tmp_path / "report.html")

    assert (ran.returncode, ran.stderr) == (0, "")
    assert (tmp_path / "report.html").stat().st_size > 10_000


def test_a_capture_of_pktap_names_its_processes(tmp_path):
    path = tmp_path / "pktap.pcap"
    path.write_bytes(PKTAP)
    ran = elsewhere("read", path, "--by", "process", "--format", "json")

    assert (ran.returncode, ran.stderr) == (0, "")
    assert "Safari" in {row["process"] for row in json.loads(ran.stdout)["rows"]}


@pytest.mark.parametrize(
    "words",
    [
        ("ports",),
        ("conns",),
        ("explain", "443"),
        ("check", "127.0.0.1", "1"),
        ("diff", CAPTURE, CAPTURE),
        ("baseline", CAPTURE, "-o", "known.json"),
        ("completion", "zsh"),
        ("update-data",),
        ("doctor",),
    ],
    ids=lambda words: words[0],
)
def test_the_toolbox_works(words, tmp_path):
    ran = elsewhere(*words, cwd=tmp_path)

    assert ran.returncode in (0, 1), ran.stderr
    assert "Traceback" not in ran.stderr
    assert "Errno" not in ran.stdout + ran.stderr


def test_doctor_says_which_parts_are_for_linux():
    rows = json.loads(elsewhere("doctor", "--format", "json").stdout)["rows"]
    details = {row["subject"]: row["detail"] for row in rows}

    assert "psutil" in details["owners"]
    assert all("Linux" in details[subject] for subject in ("bpf", "btf", "confinement"))


@needs_root
@pytest.mark.root
@pytest.mark.slow
def test_live_counts_by_scapy_and_psutil():
    with subprocess.Popen([sys.executable, "-c", SEND], stdin=subprocess.PIPE) as sender:
        back_ends = ("--source", "scapy", "--owners", "psutil")
        ran = elsewhere("live", "-i", "lo", "--duration", "2", *back_ends, "--by", "process", "--format", "json")
        sender.stdin.close()

    assert ran.returncode == 0, ran.stderr
    assert sender.pid in {row["pid"] for row in json.loads(ran.stdout)["rows"]}


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (("live", "-i", "lo", "--source", "ring"), "--source ring needs Linux"),
        (("live", "-i", "lo", "--netns", "all"), "--netns needs Linux"),
        (("conns", "--netns", "all"), "--netns needs Linux"),
        (("ports", "--netns", "web"), "--netns needs Linux"),
        pytest.param(("live", "-i", "lo", "--owners", "ebpf"), "ebpf is for Linux", marks=needs_root),
        pytest.param(("live", "-i", "lo", "--owners", "netlink"), "netlink is for Linux", marks=needs_root),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_needs_linux_is_refused_by_name_in_one_line(words, refusal):
    ran = elsewhere(*words)

    assert ran.returncode in (1, 2)
    assert ran.stdout == ""
    assert ran.stderr.count("\n") == 1
    assert refusal in ran.stderr
