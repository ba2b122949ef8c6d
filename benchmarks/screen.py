"""How fast the screen answers keys, and what it costs, while conversations come in by the thousand. As root, on Linux.

    python benchmarks/screen.py                  keys: 50,000 conversations in memory, 5,000 new ones a second
    python benchmarks/screen.py --cpu            CPU seconds of the screen and of --plain, in turns

Traffic is UDP in a network namespace of its own; the program runs on a terminal that this script reads. Conversations
leave after ten idle seconds, so as many are there as come in that time.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import select
import signal
import socket
import statistics
import struct
import subprocess
import sys
import termios
import time
from contextlib import contextmanager, suppress
from multiprocessing import Process
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

sys.path[:0] = [str(Path(__file__).parents[1] / name) for name in ("src", "tests")]

from namespaces import ip, namespace  # noqa: E402 - found where sys.path says now
from portcall.system.network_namespaces import find_namespace, inside  # noqa: E402 - the same

KEYS = {"j": "▸", "k": "▸", "G": "▸", "g": "▸", "s": "sorted by", "S": "sorted by", "p": "▸", "z": "FROZEN", "t": "▸"}
"""Keys, and what is drawn anew when they are answered."""
ROUNDS = 8
CPU_S = 20
PATIENCE_S = 20


def datagram(number: int) -> bytes:
    """A frame of 60 bytes, of a conversation of its own."""
    ends = struct.pack(">BBH", 10, 98, 1 + number // 60_000 % 60_000) + bytes([10, 99, 0, 2])
    header = struct.pack(">BBHHHBBH", 0x45, 0, 46, number & 0xFFFF, 0, 64, socket.IPPROTO_UDP, 0) + ends
    return (
        bytes(6) + b"sender" + b"\x08\x00" + header + struct.pack(">HHHH", 1024 + number % 60_000, 9, 26, 0) + bytes(18)
    )


def send(left: str, rate: int) -> None:
    """Send new conversations at that rate until somebody ends this."""

    def run() -> None:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
            sender.bind(("wire0", 0))
            began, number = time.monotonic(), 0
            while True:
                due = int((time.monotonic() - began) * rate)
                for one in range(number, due):
                    sender.send(datagram(one))
                number = due
                time.sleep(0.01)

    inside(find_namespace(left), run)


@contextmanager
def traffic(rate: int) -> Iterator[str]:
    """A namespace in which wire0 brings new conversations at that rate; gives its name."""
    with namespace("left") as left, namespace("right") as right:
        ip("-n", left, "link", "add", "wire0", "type", "veth", "peer", "name", "wire0", "netns", right)
        for name in (left, right):
            ip("-n", name, "link", "set", "wire0", "up")
        sender = Process(target=send, args=(left, rate), daemon=True)
        sender.start()
        try:
            yield right
        finally:
            sender.terminate()
            sender.join()


class Terminal:
    """The program on a terminal of 120×40."""

    def __init__(self, *words: str) -> None:
        self.descriptor, secondary = pty.openpty()
        fcntl.ioctl(secondary, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        source = str(Path(__file__).parents[1] / "src")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "portcall", "live", *words],
            stdin=secondary, stdout=subprocess.DEVNULL, stderr=secondary, start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color", "PYTHONPATH": source, "PYTHONUNBUFFERED": "1"},
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - there is one thread
        )  # fmt: skip
        os.close(secondary)
        self.text = ""

    def read(self, seconds: float) -> bool:
        """Take what comes; whether something did."""
        if not select.select([self.descriptor], [], [], seconds)[0]:
            return False
        more = os.read(self.descriptor, 1 << 16)
        if b"\x1b[c" in more:
            os.write(self.descriptor, b"\x1b[?62c")
        self.text += more.decode(errors="replace")
        return True

    def wait_for(self, words: str) -> float:
        """Seconds until this is drawn."""
        began = time.perf_counter()
        while words not in self.text:
            if time.perf_counter() - began > PATIENCE_S:
                raise SystemExit(f"{words!r} never came; the last: {self.text[-500:]!r}")
            self.read(0.5)
        return time.perf_counter() - began

    def rest(self, seconds: float) -> None:
        """Take what comes for a time."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.read(0.05)

    def press(self, key: str, answer: str) -> float:
        """Seconds from a key to what it draws."""
        while self.read(0.05):  # until nothing else is on its way
            pass
        self.text = ""
        os.write(self.descriptor, key.encode())
        return self.wait_for(answer)

    def cpu_s(self) -> float:
        """CPU seconds so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        """End it, and read the rest."""
        self.process.send_signal(signal.SIGTERM)
        while self.process.poll() is None:
            with suppress(OSError):  # it has closed the terminal
                self.read(0.1)
        os.close(self.descriptor)


def options(where: str) -> list[str]:
    """What both are begun with."""
    return ["--netns", where, "-i", "wire0", "--by", "flow", "--idle-timeout", "10"]


def measure_keys(rate: int) -> None:
    """Print how long keys take."""
    with traffic(rate) as where:
        terminal = Terminal(*options(where))
        terminal.wait_for("by flow")
        terminal.rest(14)
        terminal.press("j", "▸")
        took: dict[str, list[float]] = {key: [] for key in KEYS}
        for _ in range(ROUNDS):
            for key, answer in KEYS.items():
                took[key].append(terminal.press(key, answer))
                if key == "z":
                    terminal.press("z", "portcall")
        rows = terminal.text
        every = sorted(1000 * seconds for some in took.values() for seconds in some)
        for key, some in took.items():
            print(f"{key:2} median {1000 * statistics.median(some):6.1f} ms, most {1000 * max(some):6.1f} ms")
        print(f"all: median {statistics.median(every):.1f} ms, 95 % below {every[int(0.95 * len(every))]:.1f} ms")
        terminal.text = ""
        terminal.press("G", " of ")
        print("rows:", terminal.text.partition(" of ")[2][:8].strip() or rows[-80:])
        terminal.end()


def measure_cpu(rate: int) -> None:
    """Print CPU seconds of both, in turns."""
    for by in ("app", "flow"):
        took: dict[str, list[float]] = {"screen": [], "plain": []}
        for _ in range(3):
            for name, some in took.items():
                with traffic(rate) as where:
                    words = [*options(where), "--by", by, *(["--plain"] if name == "plain" else [])]
                    terminal = Terminal(*words)
                    terminal.rest(5)
                    before = terminal.cpu_s()
                    terminal.rest(CPU_S)
                    some.append(terminal.cpu_s() - before)
                    terminal.end()
        for name, some in took.items():
            print(f"--by {by:4} {name:6} CPU s in {CPU_S} s: {', '.join(f'{one:.2f}' for one in some)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument("--rate", type=int, default=5000)
    chosen = parser.parse_args()
    (measure_cpu if chosen.cpu else measure_keys)(chosen.rate)
