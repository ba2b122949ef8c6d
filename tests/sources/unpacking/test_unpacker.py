"""Compressed files are unpacked by processes without rights, which hand over what one process would make of them."""

from __future__ import annotations

import gzip
import lzma
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PLAIN = b"".join(b"%d\n" % number for number in range(3_000_000))  # 22 MB: more than a ring holds
BEGUN = """
import gzip, os, sys
from pathlib import Path
from portcall.sources import decompression, streams
from portcall.sources.unpacking import elsewhere
def read(stream, most=1 << 62):
    buffer, got = memoryview(bytearray(1 << 19)), bytearray()
    while len(got) < most and (count := stream.readinto(buffer)):
        got += buffer[:count]
    return bytes(got)
def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
def open_in_worker(path):
    stream, tell, size = streams.open_stream(path)
    assert isinstance(stream._pieces, elsewhere.Unpacked)
    return stream, tell
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="who unpacks is forked on Linux alone")


def run(program, *words):
    """What a program prints that has begun an unpacker."""
    return subprocess.run(
        [sys.executable, "-c", BEGUN + program, *map(str, words)], capture_output=True, check=True, timeout=120
    ).stdout.decode()


@pytest.fixture(scope="module")
def compressed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compressed")
    halves = PLAIN[: len(PLAIN) // 2], PLAIN[len(PLAIN) // 2 :]
    contents = {
        "one.gz": gzip.compress(PLAIN, 1),
        "two.gz": gzip.compress(halves[0], 1) + lzma.compress(halves[1], preset=0),
        "plain-behind.gz": gzip.compress(halves[0], 1) + halves[1],
    }
    contents["cut.gz"] = contents["one.gz"][: len(contents["one.gz"]) // 2]
    contents["damaged.gz"] = contents["one.gz"][:3_000_000] + b"\xff" * 64 + contents["one.gz"][3_000_064:]
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


ENDS = """
from portcall.errors import CaptureError
def outcome(path):
    stream, tell, _ = streams.open_stream(path)
    worked = isinstance(stream._pieces, elsewhere.Unpacked)
    got = bytearray()
    buffer = memoryview(bytearray(1 << 19))
    problem = ""
    try:
        while count := stream.readinto(buffer):
            got += buffer[:count]
    except CaptureError as error:
        problem = str(error)
    stream.close()
    import hashlib
    return worked, hashlib.sha256(got).hexdigest(), len(got), tell(), problem
here = [outcome(path)[1:] for path in sys.argv[1:]]
elsewhere.begin_unpacker()
told = [outcome(path) for path in sys.argv[1:]]
assert all(worked for worked, *_ in told)
assert [rest for _, *rest in told] == [list(one) for one in here], (told, here)
print(len(children(children(os.getpid())[0])))
"""


def test_what_they_hand_over_is_what_one_process_makes_of_it_and_one_worker_serves_all(compressed):
    files = sorted(compressed.iterdir())

    assert run(ENDS, *files, *files) == "1\n"


def test_a_worker_that_is_killed_is_said_and_what_came_before_it_counts(compressed):
    printed = run(
        """
import signal
elsewhere.begin_unpacker()
stream, tell = open_in_worker(sys.argv[1])
first = read(stream, 1)
[worker] = children(children(os.getpid())[0])
os.kill(worker, signal.SIGKILL)
try:
    first += read(stream)
except Exception as error:
    print(type(error).__name__, str(error).replace(sys.argv[1], "FILE"))
print(len(first) >= 1 << 19)
print(len(read(streams.open_stream(sys.argv[1])[0])))
""",
        compressed / "one.gz",
    )

    said, counted, again = printed.splitlines()
    assert "the compressed data end here: what decompressed them has ended" in said
    assert "CaptureError" in said
    assert counted == "True"
    assert int(again) == len(PLAIN)


def test_code_of_an_intruder_in_a_decompressor_reaches_nothing(compressed):
    printed = run(
        """
import socket, subprocess
def tries(stream, room):
    def attempt(what):
        try:
            what()
        except BaseException as error:
            return type(error).__name__
        return "done"
    stream.readinto(memoryview(bytearray(1)))
    for what in (
        lambda: open("/etc/passwd"), lambda: open(os.__file__), lambda: open("/tmp/made-by-nobody", "w"),
        lambda: os.listdir("/proc"), socket.socket, os.fork, lambda: os.execv("/bin/true", ["true"]),
        lambda: os.kill(os.getppid(), 9), lambda: __import__("ctypes").CDLL(None).ptrace(16, os.getppid(), 0, 0),
    ):
        yield attempt(what).encode() + b" "
    import resource
    yield str(resource.getrlimit(resource.RLIMIT_AS)[0] >> 20).encode()
    while stream.readinto(memoryview(bytearray(1 << 20))):
        pass
decompression._DECOMPRESSORS[b"\\x1f\\x8b\\x08"] = tries
import ctypes
elsewhere.begin_unpacker()
print(read(open_in_worker(sys.argv[1])[0]).decode())
""",
        compressed / "one.gz",
    )

    *attempts, traced, most_mib = printed.split()
    assert set(attempts) == {"PermissionError"}
    assert traced == "done"  # the call itself, which gives -1
    assert most_mib == "1024"


def test_whoever_reads_no_more_leaves_no_worker_behind(compressed):
    printed = run(
        """
elsewhere.begin_unpacker()
stream, tell = open_in_worker(sys.argv[1])
read(stream, 1)
[server] = children(os.getpid())
[worker] = children(server)
ended = os.pidfd_open(worker)
stream.close()
import select
print(select.select([ended], [], [], 60)[0] == [ended])
print(len(read(open_in_worker(sys.argv[1])[0])))
""",
        compressed / "one.gz",
    )

    assert printed.split() == ["True", str(len(PLAIN))]


def test_with_the_process_that_counts_all_end(compressed):
    counting = subprocess.Popen(
        [sys.executable, "-c", BEGUN + """
elsewhere.begin_unpacker()
stream, tell = open_in_worker(sys.argv[1])
read(stream, 1)
[server] = children(os.getpid())
print(server, *children(server), flush=True)
sys.stdin.read()
""", compressed / "one.gz"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    with counting:
        ended = [os.pidfd_open(int(pid)) for pid in counting.stdout.readline().split()]
        counting.send_signal(signal.SIGKILL)
        import select

        for descriptor in ended:
            assert select.select([descriptor], [], [], 60)[0] == [descriptor]
            os.close(descriptor)
    assert len(ended) == 2


def test_more_files_than_there_are_rings_are_read_as_well(compressed):
    printed = run(
        """
from portcall.sources.unpacking.rings import MOST_RINGS
elsewhere.begin_unpacker()
opened = [streams.open_stream(sys.argv[1])[0] for _ in range(MOST_RINGS + 2)]
print(sum(isinstance(stream._pieces, elsewhere.Unpacked) for stream in opened) == MOST_RINGS)
print({len(read(stream)) for stream in opened})
""",
        compressed / "one.gz",
    )

    assert printed.splitlines() == ["True", str({len(PLAIN)})]


def test_the_command_unpacks_there(tmp_path):
    folder = Path(__file__).parents[3] / "captures" / "compressed"
    traced = tmp_path / "traced"
    words = ["strace", "-f", "-qq", "-e", "trace=prctl", "-o", str(traced), sys.executable, "-m", "portcall"]

    subprocess.run([*words, "read", str(folder / "dns.pcap.gz")], check=True, capture_output=True, timeout=120)

    assert 'PR_SET_NAME, "portcall unpack"' in traced.read_text()
    assert "PR_SET_PDEATHSIG, SIGKILL" in traced.read_text()  # a worker's first step
