"""Whether ``read --follow --checkpoint`` counts each frame once, though it is killed again and again.

    sudo PYTHONPATH=src python benchmarks/follow_kills.py [--seconds S] [--kills N] [--seed N] [--gzip] [--every S]

tcpdump writes the loopback traffic of a network namespace, made for it and removed afterwards, into a folder: a new
file each second and each megabyte (-G 1 -C 1), compressed behind its back with ``--gzip``. portcall follows the folder,
gets SIGKILL at random moments and is started again with the same command. At the end its rows by flow must be those of
one ``portcall read`` of all files; with ``--every`` the files of all intervals must add up to its frames. Exit status 1
where not.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

SPACE = "portcall-follow"
PORTCALL = [sys.executable, "-m", "portcall"]
_BURST, _PAUSE_S = 40, 0.01


def send(end_s: float) -> None:
    """Small connections and datagrams over loopback, some megabytes a second, until then."""
    rng = random.Random(7)  # noqa: S311 - it is traffic
    listener = socket.create_server(("127.0.0.1", 0))
    target = listener.getsockname()
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    while time.monotonic() < end_s:
        with socket.create_connection(target) as client, listener.accept()[0] as server:
            client.sendall(b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n")
            server.sendall(rng.randbytes(rng.randrange(3000)))
        for _ in range(_BURST):
            datagrams.sendto(rng.randbytes(rng.randrange(1, 1200)), ("127.0.0.1", 20_000 + rng.randrange(50)))
        time.sleep(_PAUSE_S)


def rows_of(*words: str) -> tuple[dict[str, Any], list[str]]:
    """What a report covers, and its rows in one order."""
    printed = subprocess.run([*PORTCALL, *words], check=False, capture_output=True, text=True)
    if not printed.stdout:
        raise SystemExit(f"portcall {' '.join(words)}: {printed.stderr}")
    return _parsed(printed.stdout)


def _parsed(text: str) -> tuple[dict[str, Any], list[str]]:
    """Without the numbers of frames: a capture that was being compressed when we began comes after later ones."""
    report = json.loads(text)
    return report["coverage"], sorted(json.dumps({**row, "evidence_frame": None}) for row in report["rows"])


def frames_of(paths: list[Path]) -> int:
    """Frames that the reports of intervals cover."""
    return sum(json.loads(path.read_text(encoding="utf-8"))["coverage"]["frames"] for path in paths)


def started(stack: ExitStack, *words: str, **how: Any) -> subprocess.Popen[str]:
    """A process that does not outlive us."""
    process = subprocess.Popen(words, text=True, **how)
    stack.callback(lambda: process.poll() is None and (process.kill(), process.wait()))
    return process


def follow(options: argparse.Namespace, folder: Path, stack: ExitStack) -> bool:
    """Follow, kill, start again, compare; whether all was well."""
    captures, reports = folder / "captures", folder / "reports"
    captures.mkdir()
    reports.mkdir()
    subprocess.run(["ip", "netns", "add", SPACE], check=True)
    stack.callback(subprocess.run, ["ip", "netns", "del", SPACE], check=True)
    subprocess.run(["ip", "-n", SPACE, "link", "set", "lo", "up"], check=True)
    inside = ("ip", "netns", "exec", SPACE)
    compress = ["-z", "gzip"] if options.gzip else []
    tcpdump = started(
        stack, *inside, "tcpdump", "-q", "-n", "-i", "lo", "-B", "8192", "-Z", "root", "-G", "1", "-C", "1", *compress,
        "-w", str(captures / "cap-%H%M%S.pcap"), stderr=subprocess.DEVNULL,
    )  # fmt: skip
    output = ["--every", str(options.every), "-o", str(reports / "r-%H%M%S.json")] if options.every else []
    command = [
        *PORTCALL, "read", str(captures), "--follow", "--checkpoint", str(folder / "checkpoint"),
        "--by", "flow", "--format", "json", *output,
    ]  # fmt: skip
    end_s = time.monotonic() + options.seconds
    sender = started(stack, *inside, sys.executable, __file__, "--send", str(end_s))
    rng = random.Random(options.seed)  # noqa: S311 - moments to kill at
    moments = sorted(end_s - options.seconds * rng.random() for _ in range(options.kills))
    for moment in moments:
        portcall = started(stack, *command, stdout=subprocess.PIPE)
        time.sleep(max(moment - time.monotonic(), 0.05))
        portcall.kill()
        portcall.wait()
        print(f"killed {options.seconds - (end_s - time.monotonic()):.2f} s after the start", flush=True)
    portcall = started(stack, *command, stdout=subprocess.PIPE)
    sender.wait()
    time.sleep(1)
    tcpdump.send_signal(signal.SIGINT)
    tcpdump.wait()
    time.sleep(6)  # so that gzip has ended, and the checkpoint is as large as it gets
    portcall.send_signal(signal.SIGTERM)
    printed, _ = portcall.communicate()
    files = sorted(captures.iterdir())
    print(f"exit status {portcall.returncode}; {len(files)} files, {sum(f.stat().st_size for f in files)} bytes")
    print(f"checkpoint: {(folder / 'checkpoint').stat().st_size} bytes")
    covered, rows = rows_of("read", str(captures), "--by", "flow", "--format", "json")
    if options.every:
        paths = sorted(reports.glob("*.json"))
        counted = frames_of(paths)
        print(f"{len(paths)} reports cover {counted} frames; one read covers {covered['frames']}")
        return counted == covered["frames"] and portcall.returncode == 0
    followed, followed_rows = _parsed(printed)
    print(f"followed: {followed['frames']} frames, {followed['bytes']} bytes, {len(followed_rows)} rows")
    print(f"one read: {covered['frames']} frames, {covered['bytes']} bytes, {len(rows)} rows")
    different = set(rows) ^ set(followed_rows)
    for row in sorted(different)[:4]:
        print(row)
    return followed == covered and not different and portcall.returncode == 0


def main() -> int:
    """Run it; 0 where each frame was counted once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--gzip", action="store_true")
    parser.add_argument("--every", type=int)
    parser.add_argument("--send", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.send:
        send(options.send)
        return 0
    if os.geteuid():
        raise SystemExit("it makes a network namespace, for which it must be root")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="portcall-follow-")))
        return 0 if follow(options, folder, stack) else 1


if __name__ == "__main__":
    sys.exit(main())
