"""A confined process can do what it is for, and nothing of what an intruder wants; tried in processes of their own."""

from __future__ import annotations

import os
import sys

import pytest

from confined_program import REFUSALS, outcomes
from portcall.system.confinement import landlock, seccomp_filter

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux has Landlock and seccomp"),
    pytest.mark.skipif(landlock.abi() < 6 or not seccomp_filter.is_known(), reason="this kernel lacks a part"),
]
CONFINE = """
from portcall.system.confinement import Scope, confine
lacking = confine(Scope(reads=sys.argv[2:3], writes=sys.argv[3:4]))
"""
INTRUDE = f"{CONFINE}print(json.dumps([[one.reason for one in lacking], what_came_of(INTRUSIONS)]))"
WORK = f"""
import threading
{CONFINE}
folder, output = sys.argv[2:4]

def write():
    with open(output + "/.part", "w") as stream:
        stream.write("x")
    os.replace(output + "/.part", output + "/whole")

done = what_came_of({{
    "read what is named": lambda: open(folder + "/capture").read(),
    "list what is named": lambda: os.listdir(folder),
    "write where it is named": write,
    "write over what is there": lambda: open(output + "/whole", "w"),
    "remove it": lambda: os.unlink(output + "/whole"),
    "wake itself by a pair of streams": lambda: [end.close() for end in __import__("socket").socketpair()],
    "begin a thread": lambda: threading.Thread(target=int).start(),
    "signal itself": lambda: os.kill(os.getpid(), 0),
    "look up a user": lambda: __import__("pwd").getpwuid(0),
    "import with libraries": lambda: __import__("numpy"),
    "import what encrypts": lambda: __import__("cryptography.x509"),
    "look at its limits": lambda: __import__("resource").getrlimit(0),
    "lead nowhere": lambda: open("/dev/null", "r+"),
}})
print(json.dumps(done))
"""
STATUS = f"""
{CONFINE}
fields = dict(line.split(":", 1) for line in open("/proc/thread-self/status"))
print(json.dumps({{name: fields[name].strip() for name in fields}}))
"""
LATE = """
import threading
gate = threading.Event()
threading.Thread(target=gate.wait).start()
from portcall.system.confinement import Scope, confine
lacking = confine(Scope())
gate.set()
print(json.dumps([one.reason for one in lacking]))
"""


@pytest.fixture
def elsewhere(tmp_path):
    file = tmp_path / "elsewhere" / "secret"
    file.parent.mkdir()
    file.write_text("secret")
    return file


@pytest.fixture
def named(tmp_path):
    folder, output = tmp_path / "captures", tmp_path / "out"
    folder.mkdir()
    output.mkdir()
    (folder / "capture").write_text("bytes")
    return folder, output


def test_an_intruder_reaches_no_file_no_socket_no_program_and_no_other_process(elsewhere, named):
    lacking, came_of = outcomes(INTRUDE, elsewhere, *named)

    assert lacking == []
    assert {name: outcome for name, outcome in came_of.items() if outcome not in REFUSALS} == {}
    assert elsewhere.read_text() == "secret"


def test_what_is_named_is_read_and_written_as_before(elsewhere, named):
    came_of = outcomes(WORK, elsewhere, *named)

    assert set(came_of.values()) == {"done"}, came_of


def test_a_pipe_without_a_name_is_read_and_the_rest_is_confined(elsewhere):
    program = """
import os
from portcall.system.confinement import Scope, confine
for_reading, for_writing = os.pipe()
os.write(for_writing, b"bytes")
lacking = confine(Scope(reads=[f"/dev/fd/{for_reading}"]))
done = what_came_of({"pipe": lambda: os.read(os.open(f"/dev/fd/{for_reading}", os.O_RDONLY), 5)})
print(json.dumps([[one.reason for one in lacking], done, what_came_of({"secret": lambda: open(sys.argv[1])})]))
"""
    lacking, done, elsewhere_done = outcomes(program, elsewhere)

    assert (lacking, done) == ([], {"pipe": "done"})
    assert elsewhere_done["secret"] in REFUSALS


def test_no_set_has_a_capability_and_no_program_gets_rights(elsewhere):
    status = outcomes(STATUS, elsewhere)

    names = ["CapInh", "CapPrm", "CapEff", "CapAmb", *(["CapBnd"] if os.geteuid() == 0 else [])]
    assert {int(status[name], 16) for name in names} == {0}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


def test_a_thread_that_began_before_is_told(elsewhere):
    (told,) = outcomes(LATE, elsewhere)

    assert "1 threads began before it" in told


@pytest.mark.parametrize("part", ["Landlock", "seccomp"])
def test_what_the_kernel_lacks_is_said_by_its_name_and_the_rest_is_set(elsewhere, part):
    module = {"Landlock": "landlock", "seccomp": "seccomp_filter"}[part]
    program = f"""
from portcall.system.confinement import Scope, confine, {module}
def refuse(*_, **__):
    raise OSError(38, "Function not implemented")
{module}.call = refuse
lacking = confine(Scope())
fields = dict(line.split(":", 1) for line in open("/proc/thread-self/status"))
print(json.dumps([[one.reason for one in lacking], fields["NoNewPrivs"].strip(), fields["Seccomp"].strip()]))
"""
    lacking, no_new, seccomp = outcomes(program, elsewhere)

    assert lacking == [f"no {part} here: Function not implemented"]
    assert (no_new, seccomp) == ("1", "0" if part == "seccomp" else "2")
