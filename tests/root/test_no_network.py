"""portcall phones nobody: where there is no route, every command works as elsewhere, and none asks for a way out.

Each runs in a network namespace with nothing but loopback, below strace. What it must not do is connect or send to an
internet address; `check`, which is asked to, shows that this would be seen.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CAPTURE = str(ROOT / "captures" / "office.pcapng")
OTHER = str(ROOT / "captures" / "dns.pcap")
SENT = re.compile(r"\b(?:connect|sendto|sendmsg|sendmmsg)\(.*\bsa_family=AF_INET6?\b")
COMMANDS = {
    "read": ("read", CAPTURE, "--format", "json"),
    "read names": ("read", CAPTURE, "--by", "host"),
    "read to a page": ("read", CAPTURE, "-o", "report.html"),
    "read a flow": ("read", CAPTURE, "--explain", "1"),
    "live": ("live", "-i", "lo", "--duration", "1", "--plain"),
    "live by scapy and psutil": ("live", "-i", "lo", "--duration", "1", "--source", "scapy", "--owners", "psutil"),
    "live --history": ("live", "-i", "lo", "--duration", "1", "--plain", "--history", "kept.db"),
    "history": ("history", "kept.db"),
    "ports": ("ports",),
    "conns": ("conns",),
    "who": ("who", "443"),
    "explain": ("explain", "443"),
    "diff": ("diff", CAPTURE, OTHER),
    "baseline": ("baseline", CAPTURE, "-o", "known.json"),
    "doctor": ("doctor",),
    "update-data": ("update-data",),
    "completion": ("completion", "bash"),
    "--help": ("--help",),
}
FIND_NOTHING = {"ports", "conns", "who", "doctor"}
"""What ends with 1 where there is nothing to find, or where something is missing."""
COMPLETING = {
    "_ARGCOMPLETE": "1",
    "COMP_LINE": "portcall read --by ",
    "COMP_POINT": "19",
    "_ARGCOMPLETE_IFS": "\n",
    "_ARGCOMPLETE_SUPPRESS_SPACE": "1",
}

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="namespaces are made as root"),
    pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed"),
    pytest.mark.usefixtures("alone_on_loopback"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the commands run: what one wrote, the next one reads."""
    return tmp_path_factory.mktemp("no-network")


def watched(folder, *words, **environment):
    """How portcall ended, and the calls by which it or a helper of it reached for an address."""
    seen = folder / "calls"
    strace = ("strace", "-f", "-qq", "-s", "0", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o", str(seen))
    ran = subprocess.run(
        ["sh", "-c", 'exec "$@" 8>&1', "sh", *strace, sys.executable, "-P", "-m", "portcall", *words],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return ran, [line for line in seen.read_text().splitlines() if SENT.search(line)]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_reaches_for_no_address_and_needs_none(folder, command):
    ran, sent = watched(folder, *COMMANDS[command])

    assert sent == []
    assert "Traceback" not in ran.stderr
    assert ran.returncode in ((0, 1) if command in FIND_NOTHING else (0,)), ran.stderr


def test_completing_a_word_reaches_for_no_address(folder):
    ran, sent = watched(folder, **COMPLETING)

    assert "host" in ran.stdout.splitlines()
    assert sent == []


def test_check_is_asked_to_and_is_seen(folder):
    _, sent = watched(folder, "check", "127.0.0.1", "9")

    assert len(sent) >= 1
    assert all("127.0.0.1" in call for call in sent)
