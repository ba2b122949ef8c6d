"""``portcall read`` is confined, and does all that it did before; whoever takes it over can do nothing else."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from confined_program import (
    ATTEMPTS,
    BY_SUDO,
    CALLERS,
    ISOLATED,
    LANDLOCK,
    REFUSALS,
    SECCOMP,
    TAKEN_OVER,
    kernel_without,
)
from portcall.cli import main
from portcall.commands.reached_places import places_read, places_written
from portcall.system.confinement import landlock, seccomp_filter

CAPTURES = Path(__file__).parents[2] / "captures"
DNS = CAPTURES / "dns.pcap"
PORTCALL = [sys.executable, "-m", "portcall"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
DEADLINE_S = 120
confines = pytest.mark.skipif(
    sys.platform != "linux" or landlock.abi() < 6 or not seccomp_filter.is_known(), reason="this kernel lacks a part"
)
needs_tshark = pytest.mark.skipif(not shutil.which("tshark"), reason="needs tshark: apt install tshark")
INSIDE = {
    "a dissector": ("dissectors", "dns", "inspect"),
    "who calls a kernel": ("decoding.decoder", "Decoder", "decode"),
    "an export": ("exports", "json_lines", "write"),
}
BEGUN = """
import json, os, sys
import numpy
from portcall.cli import run
for line in iter(sys.stdin.readline, ""):
    words, environment, places = json.loads(line)
    child = os.fork()
    if not child:
        for number, place in enumerate([os.devnull, *places]):
            os.dup2(os.open(place, os.O_RDWR | os.O_CREAT | os.O_TRUNC), number)
        os.environ.update(environment)
        sys.argv = ["portcall", *words]
        run()
    os.write(1, b"%d\\n" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
"""Runs commands in forks of itself, which need not begin Python and import NumPy each."""


def run(*words, **how):
    how.setdefault("env", ENVIRONMENT)
    command = [*how.pop("before", ()), *PORTCALL, *map(str, words)]
    return subprocess.run(command, capture_output=True, check=False, timeout=DEADLINE_S, **how)


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """Runs a command in a fork of a process that was begun once."""
    if sys.platform != "linux":
        yield lambda *words, environment: run(*words, env={**ENVIRONMENT, **environment})
        return
    places = [tmp_path_factory.mktemp("begun") / name for name in ("output", "complaints")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    with subprocess.Popen(
        [*ISOLATED, BEGUN],
        env={**environment, "OPENBLAS_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:

        def ask(*words, environment):
            server.stdin.write(json.dumps([list(map(str, words)), environment, list(map(str, places))]) + "\n")
            server.stdin.flush()
            status = int(server.stdout.readline())
            return subprocess.CompletedProcess(words, status, *(place.read_bytes() for place in places))

        yield ask


def unconfined(capsysbinary, *words):
    """What ``main`` of a program prints, which is never confined."""
    status = main(list(map(str, words)))
    return status, capsysbinary.readouterr().out


@pytest.fixture
def folder(tmp_path):
    """A folder with captures that everybody may reach and write to."""
    for one in (tmp_path, *tmp_path.parents[:3]):
        one.chmod(0o755)
    made = tmp_path / "folder"
    made.mkdir()
    made.chmod(0o777)
    shutil.copy(DNS, made)
    (made / "dns.pcap.gz").write_bytes(gzip.compress(DNS.read_bytes()))
    return made


@pytest.mark.parametrize(
    "words",
    [
        ("{folder}/dns.pcap", "--by", "flow", "--format", "jsonl"),
        ("{folder}/dns.pcap.gz", "--by", "host", "--format", "csv"),
        ("{folder}", "--format", "json"),
        ("{folder}/*.pcap*", "--format", "json"),
        ("{folder}/dns.pcap", "--filter", "udp port 53", "--where", "bytes>100", "--format", "json"),
        ("{folder}/dns.pcap", "--by", "flow", "--memory", "256MB", "--idle-timeout", "1", "--format", "json"),
        ("{folder}/dns.pcap", "--explain", ":53"),
        ("{folder}/dns.pcap", "--format", "prometheus"),
        ("{folder}/dns.pcap", "--format", "zeek"),
        ("{folder}/dns.pcap", "--format", "html"),
        (str(CAPTURES / "tls.pcapng"), "--by", "flow", "--format", "json"),
        ("{folder}/dns.pcap", "--bucket", "auto"),
    ],
    ids=lambda words: " ".join(words)[9:50],
)
def test_every_report_is_what_it_was(capsysbinary, folder, begun, words):
    words = ["read", *(word.format(folder=folder) for word in words)]
    if not all(Path(word).exists() for word in words if word.startswith(str(CAPTURES))):
        pytest.skip("there is no such capture")

    expected = unconfined(capsysbinary, *words)

    for ran in (run(*words), *(begun(*words, environment=environment) for environment in CALLERS[1:])):
        assert (ran.returncode, ran.stdout) == expected, ran.stderr


@pytest.mark.parametrize("environment", CALLERS, ids=["caller", "sudo"][: len(CALLERS)])
@pytest.mark.parametrize("name", ["out.json", "out.csv", "out.parquet", "out.html", "logs", "link.json"])
def test_outputs_are_written_and_belong_to_the_caller(folder, begun, name, environment):
    options = ("--format", "zeek") if name == "logs" else ()
    if name.startswith("link"):
        (folder / "target.json").write_text("before")
        (folder / name).symlink_to(folder / "target.json")
        (folder / "target.json").chmod(0o666)

    ran = begun("read", DNS, "-o", folder / name, *options, environment=environment)

    assert ran.returncode == 0, ran.stderr
    assert b"threads began before it" not in ran.stderr
    made = sorted((folder / name).iterdir()) if name == "logs" else [folder / name]
    assert made
    owners = {path.stat().st_uid for path in made}
    assert owners == {int(environment.get("SUDO_UID", folder.stat().st_uid))}
    assert all(path.stat().st_size for path in made)


def test_a_checkpoint_is_written_and_gone_on_from(folder):
    words = ("read", folder / "dns.pcap", "--checkpoint", folder / "saved", "--format", "json")

    first, second = run(*words), run(*words)

    assert (first.returncode, second.returncode) == (0, 0), second.stderr
    assert json.loads(first.stdout)["rows"] == json.loads(second.stdout)["rows"]


@pytest.fixture(scope="module")
def snoop():
    """The capture in a format that only tshark reads."""
    return subprocess.run(["tshark", "-n", "-r", DNS, "-F", "snoop", "-w", "-"], check=True, capture_output=True).stdout


@needs_tshark
@pytest.mark.slow
@pytest.mark.parametrize("environment", CALLERS, ids=["caller", "sudo"][: len(CALLERS)])
@pytest.mark.parametrize("name", ["dns.snoop", "dns.snoop.gz"])
def test_tshark_converts_in_a_process_that_was_begun_before(capsysbinary, folder, snoop, name, environment):
    (folder / name).write_bytes(gzip.compress(snoop) if name.endswith("gz") else snoop)

    ran = run("read", folder / name, "--format", "json", env={**ENVIRONMENT, **environment})

    assert ran.returncode == 0, ran.stderr
    told, expected = json.loads(ran.stdout), json.loads(unconfined(capsysbinary, "read", DNS, "--format", "json")[1])
    assert told["rows"] == expected["rows"]


@needs_tshark
@pytest.mark.slow
@pytest.mark.parametrize("environment", CALLERS, ids=["caller", "sudo"][: len(CALLERS)])
def test_what_tshark_reads_in_packets_is_shown(capsysbinary, folder, environment):
    words = ("read", folder / "dns.pcap", "--by", "flow", "--top", "2", "--dissect")

    ran = run(*words, env={**ENVIRONMENT, **environment})

    assert (ran.returncode, ran.stdout) == unconfined(capsysbinary, *words), ran.stderr
    assert b"Domain Name System" in ran.stdout or b"Name:" in ran.stdout


@needs_tshark
@pytest.mark.slow
@pytest.mark.skipif(len(CALLERS) == 1, reason="only root has such folders")
def test_who_was_begun_before_needs_nothing_that_only_root_may_read(folder, tmp_path, snoop):
    (folder / "dns.snoop").write_bytes(snoop)
    installed = tmp_path / "installed"
    shutil.copytree(Path(main.__code__.co_filename).parent, installed / "portcall")
    installed.chmod(0o700)
    words = ["portcall", "read", str(folder / "dns.snoop"), "--format", "json"]
    script = (
        f"import sys\nsys.path.insert(0, {str(installed)!r})\nsys.argv = {words!r}\nfrom portcall.cli import run\nrun()"
    )

    ran = subprocess.run([*ISOLATED, script], env={"PATH": os.environ["PATH"]}, capture_output=True, check=False)

    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["rows"]


@confines
def test_reverse_names_come_from_a_process_that_may_ask(folder):
    script = f"""
import sys
from portcall.enrichment import reverse_dns
reverse_dns.system_name = "name of {{}}".format
sys.argv = ["portcall", "read", {str(folder / "dns.pcap")!r}, "--by", "flow", "--resolve", "--format", "jsonl"]
from portcall.cli import run
run()
"""
    ran = subprocess.run([*ISOLATED, script], capture_output=True, check=True)

    rows = [json.loads(line) for line in ran.stdout.splitlines()]
    assert {row["server_reverse_name"] for row in rows} >= {"name of 192.0.2.53"}


@confines
@pytest.mark.parametrize("environment", CALLERS, ids=["caller", "sudo"][: len(CALLERS)])
def test_who_takes_it_over_reaches_no_file_no_socket_no_program(tmp_path, folder, environment):
    secret = tmp_path / "elsewhere" / "secret"
    secret.parent.mkdir()
    secret.write_text("secret")
    ours, theirs = os.pipe()
    with os.fdopen(ours) as told:
        words = ["read", folder / "dns.pcap", "--by", "flow", "--format", "jsonl"]
        ran = subprocess.run(
            [*ISOLATED, ATTEMPTS + TAKEN_OVER, *map(str, [secret, theirs, json.dumps(INSIDE), *words])],
            env={**os.environ, **environment, "OPENBLAS_NUM_THREADS": "1"},
            pass_fds=[theirs],
            capture_output=True,
            check=False,
        )
        os.close(theirs)
        assert ran.returncode == 0, ran.stderr
        came_of = dict(map(json.loads, told))

    assert came_of.keys() == INSIDE.keys()
    assert min(map(len, came_of.values())) > 20
    done = [(place, *one) for place, outcomes in came_of.items() for one in outcomes.items() if one[1] not in REFUSALS]
    assert done == []
    assert secret.read_text() == "secret"


@confines
@pytest.mark.parametrize("environment", CALLERS, ids=["caller", "sudo"][: len(CALLERS)])
def test_while_it_reads_its_status_has_no_rights(tmp_path, environment):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o666)
    with subprocess.Popen(
        [*PORTCALL, "read", str(pipe)], env={**ENVIRONMENT, **environment}, stdout=subprocess.PIPE
    ) as reader:
        with pipe.open("wb") as writer:  # it is opened once it is confined
            status = dict(
                line.split(":\t", 1)
                for line in Path(f"/proc/{reader.pid}/status").read_text().splitlines()
                if ":\t" in line
            )
            writer.write(DNS.read_bytes())
        reader.stdout.read()

    user = environment.get("SUDO_UID", "65534") if os.geteuid() == 0 else str(os.geteuid())
    assert status["Uid"].split() == [user] * 4
    assert int(status["CapEff"], 16) & ~(1 << 2) == 0  # to read what is root's alone, as Python may be here
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


def test_a_program_that_calls_the_library_or_main_is_not_confined(tmp_path):
    script = f"""
import portcall, socket, subprocess
from portcall.cli import main
portcall.read({str(DNS)!r}, by="flow")
main(["read", {str(DNS)!r}, "-o", {str(tmp_path / "out.json")!r}])
socket.socket().close()
subprocess.run(["true"], check=True)
open({str(tmp_path / "file")!r}, "w").close()
assert "Seccomp:\\t0" in open("/proc/self/status").read()
"""
    if "Seccomp:\t0" not in Path("/proc/self/status").read_text():
        pytest.skip("these tests are confined themselves")
    subprocess.run([sys.executable, "-c", script], env=ENVIRONMENT, check=True)


@confines
@pytest.mark.parametrize(("numbers", "lacking"), [((LANDLOCK,), "Landlock"), ((SECCOMP,), "seccomp")])
def test_on_a_kernel_that_lacks_a_part_it_reads_and_says_so_where_there_were_rights(numbers, lacking):
    ran = run("read", DNS, "--format", "json", before=kernel_without(*numbers))

    assert ran.returncode == 0
    is_said = f"note: confinement: no {lacking} here: " in ran.stderr.decode()
    assert is_said == (os.geteuid() == 0)


def test_a_file_that_only_root_may_read_is_read_under_sudo(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root has such files")
    secret = tmp_path / "secret.pcap"
    shutil.copy(DNS, secret)
    secret.chmod(0o600)

    ran = run("read", secret, "--format", "json", env={**ENVIRONMENT, **BY_SUDO})

    assert json.loads(ran.stdout)["coverage"]["frames"] > 10, ran.stderr


def test_an_output_that_the_caller_may_not_write_is_said_before_hours_of_reading(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root has such folders")
    tmp_path.chmod(0o700)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    ran = run("read", pipe, "-o", tmp_path / "out.json", env={**ENVIRONMENT, **BY_SUDO})  # which nobody writes to

    assert ran.returncode == 1
    assert b"out.json" in ran.stderr


@pytest.mark.parametrize("is_folder", [False, True], ids=["file", "folder"])
def test_root_writes_through_no_link_of_another_user(folder, is_folder):
    if os.geteuid() != 0:
        pytest.skip("only root could write through it")
    victim = folder.parent / "victim"
    victim.mkdir()
    (victim / "out.json").write_text("before")
    link = folder / ("there" if is_folder else "out.json")
    link.symlink_to(victim if is_folder else victim / "out.json")
    os.chown(link, 1234, 1234, follow_symlinks=False)

    ran = run("read", DNS, "-o", link / "out.json" if is_folder else link)

    assert ran.returncode == 1
    assert b"is a link of another user" in ran.stderr
    assert (victim / "out.json").read_text() == "before"


@pytest.mark.parametrize(
    ("pattern", "follows", "places"),
    [
        ("-", False, []),
        ("a/b.pcap", False, ["a/b.pcap", "a/b.pcap.connections.jsonl"]),
        ("a/*/b.pcap", False, ["a", "a/*/b.pcap", "a/*/b.pcap.connections.jsonl"]),
        ("*.pcap", False, [".", "*.pcap", "*.pcap.connections.jsonl"]),
        ("a/b.pcap", True, ["a", "a/b.pcap", "a/b.pcap.connections.jsonl"]),
    ],
)
def test_what_is_read_is_what_is_named(pattern, follows, places):
    assert list(places_read(pattern, follows=follows)) == places


def test_what_is_written_is_a_folder_or_a_device(tmp_path):
    here = str(tmp_path)

    assert places_written(f"{here}/x.json") == [here]
    assert places_written(f"{here}/logs", is_folder=True) == [here]
    assert places_written(here, is_folder=True) == [here]
    assert places_written(f"{here}/%Y/%m/x.json", is_pattern=True) == [here]
    assert places_written("/dev/null") == ["/dev/null"]
