"""What tshark knows and portcall does not: other capture formats, and what the fields inside a packet mean.

Formats are turned into pcapng by tshark and read by our own reader, so that a frame means the same whatever it came in.
Fields come through pyshark, for a few chosen packets: it dissects about a hundred of them in a second. Neither asks a
name server.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import IO, TYPE_CHECKING, Any

from portcall.errors import CaptureError, PortcallError
from portcall.sources.tshark_starter import CONVERT, PROGRAM, StartedElsewhere, starts_elsewhere

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

REMEDY = "install tshark: 'sudo apt install tshark' (Debian), 'brew install wireshark' (macOS)"
_PORTED = {"tcp": "tcp", "udp": "udp", "udplite": "udp", "sctp": "sctp", "dccp": "dccp"}
"""Protocol of a flow row → the prefix of its port fields in tshark; UDP-Lite has those of UDP."""
_WITH_CONTENT = {"tcp": "tcp.len > 0", "icmp": "icmp", "icmp6": "icmpv6"}
"""Protocol of a flow row → which of its packets have something to say."""
_TOLD_BY_THE_ROW = frozenset({"eth", "vlan", "sll", "null", "raw", "ppp", "ip", "ipv6", "tcp", "udp", "sctp", "dccp"})


def is_installed() -> bool:
    """Whether there is a tshark to run."""
    return shutil.which(PROGRAM) is not None


# --- formats


class ConvertedStream:
    """The pcapng bytes that tshark makes of a capture; CaptureError after the last one where it could not go on."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._position = 0
        self._process: subprocess.Popen[bytes] | StartedElsewhere
        self._complaints: IO[bytes]
        if starts_elsewhere():
            self._process = elsewhere = StartedElsewhere(path)
            self._complaints = elsewhere.complaints
            return
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 (close closes it); a pipe could fill up
        self._process = subprocess.Popen(  # noqa: S603 - fixed options; the path is the value of one
            [shutil.which(PROGRAM) or PROGRAM, *CONVERT, path],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
        )

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer as far as bytes are there now; 0 at the end."""
        output: Any = self._process.stdout  # Any: a BufferedReader, which Popen's type does not say
        count = int(output.readinto1(buffer))
        self._position += count
        if not count and self._process.wait():
            raise CaptureError(self._path, self._position, f"tshark stopped converting it: {self._complaint()}")
        return count

    def close(self) -> None:
        """End tshark, wherever it is."""
        self._process.kill()
        self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
        self._complaints.close()

    def _complaint(self) -> str:
        self._complaints.seek(0)
        lines = self._complaints.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1].removeprefix("tshark: ").rstrip(".") if lines else f"status {self._process.returncode}"


# --- fields


@dataclass(frozen=True, slots=True)
class DissectedPacket:
    """What tshark reads in one packet. All of it is text from the packet: not fit for a terminal."""

    number: int
    """From 1, in its file."""
    layers: tuple[str, ...]
    """All of them, the outermost first."""
    fields: tuple[str, ...]
    """``Name: value`` as Wireshark shows them, of the layers above the transport, each once."""


def dissect(path: str, row: Mapping[str, Any], most_packets: int) -> Iterator[DissectedPacket]:
    """The first packets of one flow row that have fields to show; PortcallError where tshark cannot read the file."""
    import pyshark  # it brings lxml and asyncio
    from pyshark import config
    from pyshark.capture.capture import TSharkCrashException

    config.fp_config_path = config.pyshark_config_path  # or it runs what a config.ini of the current folder names
    with _event_loop():
        capture = pyshark.FileCapture(
            path,
            display_filter=filter_for(row),
            keep_packets=False,
            custom_parameters=["-n"],
            tshark_path=shutil.which(PROGRAM),
        )
        started: list[Any] = []
        try:
            yield from islice((packet for packet in map(_dissected, capture) if packet.fields), most_packets)
            started += capture._running_processes  # noqa: SLF001 - pyshark has no other way to them
            capture.close()
        except TSharkCrashException as error:
            raise PortcallError(f"--dissect {path}: tshark stopped: {_last_line(str(error))}") from error
        finally:
            for process in {*started, *capture._running_processes}:  # noqa: SLF001 - as above
                process._transport.close()  # noqa: SLF001 - it also ends tshark; pyshark would leave the pipe open
            capture._running_processes.clear()  # noqa: SLF001 - or closing it would raise a crash once more


@contextmanager
def _event_loop() -> Iterator[None]:
    """The loop that pyshark asks asyncio for, which has none any more once something else has run one.

    pyshark also sets who watches children, for the whole process: nobody else could start any with asyncio afterwards.
    """
    import asyncio

    watcher = asyncio.get_child_watcher() if sys.version_info < (3, 12) else None  # later ones watch without
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        yield
    finally:
        for _ in range(2):
            loop.run_until_complete(asyncio.sleep(0))  # what was closed is told
        loop.close()
        asyncio.set_event_loop(None)
        if watcher:
            asyncio.set_child_watcher(watcher)


def _last_line(crash: str) -> str:
    """What tshark itself said last, of pyshark's sentences about it."""
    told = [line.partition("Last error line: ")[2] for line in crash.splitlines()]
    return "".join(told).removeprefix("tshark: ").rstrip(".") or crash


def filter_for(row: Mapping[str, Any]) -> str:
    """The display filter (wireshark-filter(4)) for the packets of one flow row that carry something."""
    family = "ipv6" if ":" in row["client_ip"] else "ip"
    ports = _PORTED.get(row["protocol"])
    ways = []
    for source, target in (("client", "server"), ("server", "client")):
        way = f"{family}.src == {row[f'{source}_ip']} && {family}.dst == {row[f'{target}_ip']}"
        if ports:
            way += f" && {ports}.srcport == {row[f'{source}_port']} && {ports}.dstport == {row[f'{target}_port']}"
        ways.append(f"({way})")
    parts = [f"({' || '.join(ways)})"]
    parts += [f"frame.time_epoch {sign} {_seconds(row[column])}" for column, sign in _SPAN if row[column] is not None]
    parts += [_WITH_CONTENT[row["protocol"]]] if row["protocol"] in _WITH_CONTENT else []
    return " && ".join(parts)


_SPAN = (("first_ns", ">="), ("last_ns", "<="))  # another flow may have had the same ends


def _seconds(time_ns: int) -> str:
    return f"{time_ns // 10**9}.{time_ns % 10**9:09d}"


def _dissected(packet: Any) -> DissectedPacket:  # Any: pyshark's packets end here
    names = tuple(str(layer.layer_name) for layer in packet.layers)
    fields = [
        str(field.showname)
        for layer in packet.layers
        if layer.layer_name not in _TOLD_BY_THE_ROW
        for name in layer.field_names
        for field in layer.get_field(name).all_fields
        if field.showname and not field.hide
    ]
    return DissectedPacket(int(packet.number), names, tuple(dict.fromkeys(fields)))
