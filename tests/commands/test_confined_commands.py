"""The table of commands in docs/security.md, walked: what parses what strangers wrote is confined while it does."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from archive.kept_windows import MONDAY_S, key, stored
from confined_program import ATTEMPTS, BY_SUDO, CALLERS, ISOLATED, REFUSALS, TAKEN_OVER
from portcall.cli import COMMANDS
from portcall.records.recorded.owner_lines import begin_line, until_line
from portcall.system.confinement import landlock, seccomp_filter

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "security.md"
DNS = ROOT / "captures" / "dns.pcap"
FIRST_NS, LAST_NS = 1_700_000_000 * 10**9, 2_000_000_000 * 10**9
confines = pytest.mark.skipif(
    sys.platform != "linux" or landlock.abi() < 6 or not seccomp_filter.is_known(), reason="this kernel lacks a part"
)
A_DISSECTOR, A_DECODER = ("dissectors", "dns", "inspect"), ("decoding.decoder", "Decoder", "decode")
AN_EXPORT = ("exports", "json_lines", "write")
A_RECORDING = ("recording.capture_files", "CaptureFiles", "write")
CASES = {
    "read": (("{dns}", "--by", "flow", "--format", "jsonl"), (A_DISSECTOR, A_DECODER, AN_EXPORT)),
    "diff": (("{dns}", "{other}", "--format", "jsonl"), (A_DISSECTOR, A_DECODER, AN_EXPORT)),
    "diff history": (
        ("history:2024-03-04..", "{dns}", "--history", "{history}", "--format", "jsonl"),
        (A_DISSECTOR, AN_EXPORT),
    ),
    "baseline": (("{dns}", "-o", "{folder}/base.json"), (A_DISSECTOR, A_DECODER)),
    "baseline history": (
        ("history:2024-03-04..", "{dns}", "--history", "{history}", "-o", "{folder}/base.json"),
        (A_DISSECTOR, A_DECODER),
    ),
    "annotate": (("{dns}", "{owners}", "-o", "{folder}/joined.pcapng"), (A_DECODER, A_RECORDING)),
    "history": (("{history}", "--format", "jsonl", "-o", "{folder}/past.jsonl"), (AN_EXPORT,)),
    "mcp": (("{folder}",), (A_DISSECTOR, A_DECODER)),
}
"""Command → its words, and which of its functions are an intruder's."""
PROCESSES = ("owners", "processes", "program_of")
LOOKERS = {
    "ports": (("--format", "jsonl"), PROCESSES),
    "conns": (("--format", "jsonl"), PROCESSES),
    "who": (("{port}", "--format", "jsonl"), PROCESSES),
    "explain": (("{port}",), PROCESSES),
    "check": (("127.0.0.1:{port}", "--banner", "--timeout", "0.1", "--format", "jsonl"), ("runs", "check", "_learn")),
}
"""The same of those that look at this machine or ask others, and may do more."""
_NEW_SOCKETS = {"open a socket", "open a socket in a thread", "open a pair that may send to others"}
MAY = {
    "looks": {"read a file", "read a file in a thread", "list a folder", "connect a pair to another", *_NEW_SOCKETS}
    | {"read another's memory", "read another's environment"},
    "asks": {"connect a pair to another", *_NEW_SOCKETS},
}
QUESTIONS = (
    ("initialize", {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}),
    ("tools/call", {"name": "rows", "arguments": {"capture": "dns.pcap", "by": "flow"}}),
    ("tools/call", {"name": "ports", "arguments": {}}),
)


def table():
    _, _, rest = PAGE.read_text().partition("## Commands")
    lines = re.findall(r"^\| (.*) \|$", rest.partition("\n## ")[0], re.MULTILINE)[1:]
    return {line.split("|")[0].strip(" `"): line.split("|")[2].strip() for line in lines if not line.startswith("---")}


@pytest.fixture
def places(tmp_path):
    for one in (tmp_path, *tmp_path.parents[:3]):
        one.chmod(0o755)
    folder = tmp_path / "folder"
    folder.mkdir()
    folder.chmod(0o777)
    for name in ("dns.pcap", "other.pcap"):
        (folder / name).write_bytes(DNS.read_bytes())
    kept = tmp_path / "kept"
    kept.mkdir(mode=0o700)
    stored(kept / "history.sqlite", {MONDAY_S: {key("curl"): 1000}})
    owners = folder / "owners.jsonl"
    owners.write_text(begin_line("ebpf", FIRST_NS, tells_closes=True) + until_line(LAST_NS, 0))
    secret = tmp_path / "elsewhere" / "secret"
    secret.parent.mkdir()
    secret.write_text("secret")
    return {
        "folder": folder,
        "dns": folder / "dns.pcap",
        "other": folder / "other.pcap",
        "history": kept / "history.sqlite",
        "owners": owners,
        "secret": secret,
    }


def test_the_page_lists_every_command_and_each_that_is_confined_is_tried():
    listed = table()

    assert listed.keys() == COMMANDS.keys()
    confined = {name for name, word in listed.items() if word == "yes"}
    assert {name for name, word in listed.items() if word in MAY} == LOOKERS.keys()
    assert confined - {"live"} == {name.partition(" ")[0] for name in CASES}  # live: tests/root/test_rights.py


@confines
@pytest.mark.parametrize("environment", CALLERS, ids=["caller", "sudo"][: len(CALLERS)])
@pytest.mark.parametrize("case", CASES)
def test_who_takes_a_command_over_reaches_no_file_no_socket_no_program(places, case, environment):
    words, inside = CASES[case]
    words = [case.partition(" ")[0], *(word.format(**places) for word in words)]
    is_asked = words[0] == "mcp"
    if is_asked:
        pytest.importorskip("mcp")
    ours, theirs = os.pipe()
    taken = json.dumps({".".join(one): one for one in inside})

    with os.fdopen(ours) as told:
        with subprocess.Popen(
            [*ISOLATED, ATTEMPTS + TAKEN_OVER, *map(str, [places["secret"], theirs, taken, *words])],
            env={**os.environ, **environment, "OPENBLAS_NUM_THREADS": "1"},
            pass_fds=[theirs],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as running:
            os.close(theirs)
            answers = [asked(running, number, *one) for number, one in enumerate(QUESTIONS)] if is_asked else []
            output, complaints = running.communicate()
        came_of = dict(map(json.loads, told))

    assert running.returncode in {0, 1}, complaints
    assert b"Traceback" not in complaints
    assert came_of.keys() == {".".join(one) for one in inside}, complaints
    assert min(map(len, came_of.values())) > 20
    done = [(place, *one) for place, outcomes in came_of.items() for one in outcomes.items() if one[1] not in REFUSALS]
    assert done == []
    assert output or is_asked or any(places["folder"].glob("*.json*")), complaints
    assert [answer["result"].get("isError", False) for answer in answers[1:]] == [False] * (len(answers) - 1)


@confines
@pytest.mark.parametrize("environment", CALLERS, ids=["caller", "sudo"][: len(CALLERS)])
@pytest.mark.parametrize("command", LOOKERS)
def test_who_takes_over_what_looks_or_asks_changes_no_file_and_begins_no_program(places, command, environment):
    words, place = LOOKERS[command]
    ours, theirs = os.pipe()
    taken = json.dumps({command: place})

    with os.fdopen(ours) as told, socket.create_server(("127.0.0.1", 0)) as server:
        words = [word.format(port=server.getsockname()[1]) for word in words]
        with socket.create_connection(server.getsockname()):
            ran = subprocess.run(
                [*ISOLATED, ATTEMPTS + TAKEN_OVER, *map(str, [places["secret"], theirs, taken, command, *words])],
                env={**os.environ, **environment},
                pass_fds=[theirs],
                capture_output=True,
                check=False,
            )
        os.close(theirs)
        came_of = dict(map(json.loads, told))

    assert ran.returncode == 0, ran.stderr
    (outcomes,) = came_of.values()
    assert len(outcomes) > 20
    done = {name for name, outcome in outcomes.items() if outcome not in REFUSALS}
    assert done <= MAY[table()[command]]


def asked(running, number, method, words):
    """The answer to one question of the Model Context Protocol."""
    lines = [{"jsonrpc": "2.0", "id": number, "method": method, "params": words}]
    lines += [{"jsonrpc": "2.0", "method": "notifications/initialized"}] if method == "initialize" else []
    running.stdin.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    running.stdin.flush()
    return json.loads(running.stdout.readline())


@pytest.mark.skipif(len(CALLERS) == 1, reason="only root calls by sudo")
@pytest.mark.parametrize("case", ["baseline", "annotate", "history"])
def test_what_is_written_under_sudo_belongs_to_the_caller(places, case):
    words, _ = CASES[case]
    before = set(places["folder"].iterdir())
    command = [sys.executable, "-m", "portcall", case, *(word.format(**places) for word in words)]

    ran = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **BY_SUDO},
        capture_output=True,
        check=False,
    )

    assert ran.returncode in {0, 1}, ran.stderr
    (made,) = set(places["folder"].iterdir()) - before
    assert made.stat().st_uid == int(BY_SUDO["SUDO_UID"])


def test_a_baseline_that_is_replaced_keeps_its_mode(places):
    output = places["folder"] / "base.json"
    output.write_text("{}")
    output.chmod(0o640)
    command = [sys.executable, "-m", "portcall", "baseline", str(DNS), "-o", str(output)]

    subprocess.run(command, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, check=True)

    assert output.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in places["folder"].glob(".*")] == []


@pytest.mark.skipif(len(CALLERS) == 1, reason="only root has files that nobody else may read")
def test_a_history_is_found_in_a_current_folder_that_is_for_root_alone(places):
    command = [sys.executable, "-P", "-m", "portcall", "history", places["history"].name, "--format", "jsonl"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    ran = subprocess.run(command, cwd=places["history"].parent, env=environment, capture_output=True, check=False)

    assert (ran.returncode, b"curl" in ran.stdout) == (0, True), ran.stderr


@pytest.mark.skipif(len(CALLERS) == 1, reason="only root reads what belongs to others")
@pytest.mark.parametrize("environment", CALLERS, ids=["root", "sudo"])
@pytest.mark.parametrize("case", ["history", "baseline history"])
def test_a_service_s_history_is_read_as_its_owner_and_the_output_belongs_to_the_caller(places, case, environment):
    words, _ = CASES[case]
    kept, before = places["history"].parent, set(places["folder"].iterdir())
    for path in (kept, *kept.iterdir()):
        os.chown(path, 4321, 4321)
    command = [sys.executable, "-m", "portcall", case.partition(" ")[0], *(word.format(**places) for word in words)]

    ran = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
    assert {path.stat().st_uid for path in kept.iterdir()} == {4321}  # SQLite's log among them
    (made,) = set(places["folder"].iterdir()) - before
    assert made.stat().st_uid == int(environment.get("SUDO_UID", 0))
