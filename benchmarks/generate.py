"""Write the captures that ``compare.py`` reads: the same bytes from the same seed and NumPy.

    generate.py DIRECTORY [NAME …]

    mix        5 M packets, 200 k flows, some 560 B a frame: mix.pcap, mix.pcapng (ns), and snap.pcap, its first 96 B
    tiny       10 M packets of at most 100 B, 1 M flows: tiny.pcap
    mix-small  200 k packets, 5 k flows: mix-small.pcap

Where there is a ``gen.py`` in ``--shared`` (or PORTCALL_BENCH), it is asked instead, since published figures come from
its captures: they carry TLS, HTTP and DNS too. Ours hold headers over zeros: Ethernet, a fifth with a VLAN tag, IPv4
and a tenth IPv6, TCP with its opening and end and a third UDP, scans, true lengths; checksums are zero.
"""

from __future__ import annotations

import argparse
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SHARED = os.environ.get("PORTCALL_BENCH", "../shared/bench")
SNAP_BYTES = 96

_CHUNK = 100_000  # packets built at once
_START_NS = 1_700_000_000 * 10**9
_DURATION_NS = 60 * 10**9
_ETHERNET, _VLAN, _IPV6, _TCP_HEADER, _UDP_HEADER = 14, 4, 40, 20, 8
_HEADERS = _ETHERNET + _VLAN + _IPV6 + _TCP_HEADER
_SYN, _SYN_ACK, _ACK, _FIN_ACK, _RST = 0x02, 0x12, 0x10, 0x11, 0x04
_SERVER_PORTS = np.array([443, 443, 443, 443, 80, 53, 22, 993, 8443, 3306, 51413])


class Shape(NamedTuple):
    """What a capture is like."""

    packets: int
    flows: int
    largest_payload: int
    written_as: tuple[str, ...]


SHAPES = {
    "mix": Shape(5_000_000, 200_000, 1400, ("mix.pcap", "mix.pcapng", "snap.pcap")),
    "tiny": Shape(10_000_000, 1_000_000, 30, ("tiny.pcap",)),
    "mix-small": Shape(200_000, 5_000, 1400, ("mix-small.pcap",)),
}


def main() -> int:
    """Write what the command line asks for."""
    parser = argparse.ArgumentParser(description="Write the captures that compare.py reads")
    parser.add_argument("directory", type=Path)
    parser.add_argument("names", nargs="*", default=list(SHAPES), metavar="NAME", help=f"of {', '.join(SHAPES)}")
    parser.add_argument("--shared", type=Path, default=Path(SHARED), help="where gen.py may be (default: %(default)s)")
    options = parser.parse_args()
    options.directory.mkdir(parents=True, exist_ok=True)
    generator = options.shared / "gen.py"
    for name in options.names:
        if generator.exists():
            subprocess.run([sys.executable, generator, options.directory, name.removeprefix("mix-")], check=True)
        else:
            write_captures(options.directory, SHAPES[name], seed=42)
    return 0


def write_captures(directory: Path, shape: Shape, seed: int) -> None:
    """Write the same packets to every file of the shape."""
    files = [(directory / name).open("wb") for name in shape.written_as]
    for file in files:
        file.write(_file_header(file.name))
    for times_ns, headers, lengths in packets(shape, np.random.default_rng(seed)):
        for file in files:
            _write_records(file, times_ns, headers, lengths)
    for file in files:
        file.close()


def packets(
    shape: Shape, random: np.random.Generator
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.int64]]]:
    """Times, the first bytes ``uint8[n, _HEADERS]`` and the lengths of all frames in order of time, chunk by chunk."""
    counts = 1 + np.minimum(random.pareto(1.1, shape.flows), shape.packets)
    # Scans and lost replies: a tenth of all flows is one packet.
    counts[random.random(shape.flows) < 0.1] = 1
    counts = np.maximum(1, (counts * shape.packets / counts.sum()).astype(np.int64))
    counts[0] += max(0, shape.packets - counts.sum())
    flow = np.repeat(np.arange(shape.flows), counts)[: shape.packets]
    number = (np.arange(len(flow)) - np.repeat(np.cumsum(counts) - counts, counts)[: len(flow)]).astype(np.int32)
    begins = random.integers(0, _DURATION_NS, shape.flows)
    gaps = (_DURATION_NS - begins) // (counts + 1)
    times = begins[flow] + number * gaps[flow] + (random.random(len(flow)) * gaps[flow]).astype(np.int64)
    order = np.argsort(times)
    ends = _ends(shape.flows, random)
    for start in range(0, len(order), _CHUNK):
        chosen = order[start : start + _CHUNK]
        is_last = number[chosen] == counts[flow[chosen]] - 1
        headers, lengths = _frames(ends[flow[chosen]], number[chosen], is_last, shape.largest_payload, random)
        yield _START_NS + times[chosen], headers, lengths


_END = np.dtype(
    [("client", "u1", 16), ("server", "u1", 16), ("client_port", ">u2"), ("server_port", ">u2"), ("kind", "u1")]
)
_IS_UDP, _IS_IPV6, _HAS_VLAN = 1, 2, 4


def _ends(flows: int, random: np.random.Generator) -> NDArray[np.void]:
    """Who talks to whom, _END[flows]."""
    ends = np.zeros(flows, _END)
    ends["client"][:, :2], ends["server"][:, :2] = (0xFD, 0x00), (0x20, 0x01)
    ends["client"][:, 12], ends["server"][:, 12] = 10, random.integers(20, 99, flows)
    ends["client"][:, 13:] = random.integers(0, 256, (flows, 3)) & (0, 7, 255)
    ends["server"][:, 13:] = random.integers(0, 256, (flows, 3)) & (0, 255, 255)
    ends["client_port"] = random.integers(32768, 61000, flows)
    ends["server_port"] = random.choice(_SERVER_PORTS, flows)
    shares = ((_IS_UDP, 0.3), (_IS_IPV6, 0.1), (_HAS_VLAN, 0.2))
    ends["kind"] = sum(bit * (random.random(flows) < share) for bit, share in shares)
    return ends


def _frames(
    ends: NDArray[np.void],
    number: NDArray[np.int32],
    is_last: NDArray[np.bool_],
    largest_payload: int,
    random: np.random.Generator,
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The headers of one frame for each of its flow's ends, then zeros; and how long the frames are."""
    from_server = (number > 0) & ((number == 1) | (random.random(len(ends)) < 0.55))
    is_udp, is_ipv6, has_vlan = ((ends["kind"] & bit) > 0 for bit in (_IS_UDP, _IS_IPV6, _HAS_VLAN))
    flags = np.select([number == 0, number == 1, is_last], [_SYN, _SYN_ACK, _FIN_ACK], _ACK)
    flags[is_last & (number == 1)] = _RST
    payload = random.integers(0, largest_payload + 1, len(ends)) * (from_server | (random.random(len(ends)) < 0.3))
    payload[~is_udp & (number < 2)] = 0
    transport = np.where(is_udp, _UDP_HEADER, _TCP_HEADER) + payload
    frames = np.zeros((len(ends), _HEADERS), np.uint8)
    frames[:, :12] = (2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2)
    for tag in (False, True):
        for version in (4, 6):
            rows = np.flatnonzero((has_vlan == tag) & (is_ipv6 == (version == 6)))
            part = _network_header(ends[rows], from_server[rows], transport[rows], version)
            part = np.hstack([part, _transport_header(ends[rows], from_server[rows], transport[rows], flags[rows])])
            kind = (0x81, 0, 0, 7) * tag + ((0x08, 0x00) if version == 4 else (0x86, 0xDD))
            frames[rows, 12 : 12 + len(kind)] = kind
            frames[rows, 12 + len(kind) : 12 + len(kind) + part.shape[1]] = part
    lengths = _ETHERNET + _VLAN * has_vlan + np.where(is_ipv6, _IPV6, 20) + transport
    return frames, lengths


def _network_header(
    ends: NDArray[np.void], from_server: NDArray[np.bool_], transport: NDArray[np.int64], version: int
) -> NDArray[np.uint8]:
    """IPv4 (RFC 791 §3.1) or IPv6 (RFC 8200 §3), ``uint8[n, 20 or 40]``."""
    protocol = np.where(ends["kind"] & _IS_UDP, 17, 6)
    source = np.where(from_server[:, None], ends["server"], ends["client"])
    target = np.where(from_server[:, None], ends["client"], ends["server"])
    if version == 4:
        header = np.zeros((len(ends), 20), np.uint8)
        header[:, 0], header[:, 8], header[:, 9] = 0x45, 64, protocol
        header[:, 2:4] = _two_bytes(20 + transport)
        header[:, 12:16], header[:, 16:20] = source[:, 12:], target[:, 12:]
        return header
    header = np.zeros((len(ends), _IPV6), np.uint8)
    header[:, 0], header[:, 6], header[:, 7] = 0x60, protocol, 64
    header[:, 4:6] = _two_bytes(transport)
    header[:, 8:24], header[:, 24:40] = source, target
    return header


def _transport_header(
    ends: NDArray[np.void], from_server: NDArray[np.bool_], transport: NDArray[np.int64], flags: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """TCP (RFC 9293 §3.1) or UDP (RFC 768), ``uint8[n, 20]``; UDP's ends after 8 bytes, and payload is zeros."""
    header = np.zeros((len(ends), _TCP_HEADER), np.uint8)
    header[:, 0:2] = _two_bytes(np.where(from_server, ends["server_port"], ends["client_port"]))
    header[:, 2:4] = _two_bytes(np.where(from_server, ends["client_port"], ends["server_port"]))
    is_udp = (ends["kind"] & _IS_UDP) > 0
    header[is_udp, 4:6] = _two_bytes(transport[is_udp])
    header[~is_udp, 12], header[~is_udp, 13] = 0x50, flags[~is_udp]
    return header


def _two_bytes(numbers: NDArray[np.integer]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(numbers.astype(">u2")).view(np.uint8).reshape(-1, 2)


def _file_header(name: str) -> bytes:
    if name.endswith(".pcapng"):  # a section, and an Ethernet interface whose times are in ns (if_tsresol 9)
        section = struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
        return section + struct.pack("<IIHHIHHB3xHHI", 1, 32, 1, 0, 0, 9, 1, 9, 0, 0, 32)
    return struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, SNAP_BYTES if "snap" in name else 262_144, 1)


def _write_records(
    file: BinaryIO, times_ns: NDArray[np.int64], headers: NDArray[np.uint8], lengths: NDArray[np.int64]
) -> None:
    """Frames as records of the file's format: headers, then zeros up to the frame's length."""
    is_pcapng, captured = file.name.endswith(".pcapng"), lengths
    if "snap" in file.name:
        captured = np.minimum(lengths, SNAP_BYTES)
    if is_pcapng:  # Enhanced Packet Blocks (pcapng §4.3): type, length, interface, time high, low, captured, wire
        total = 32 + (captured + 3) // 4 * 4
        record = np.stack([6 + 0 * total, total, 0 * total, times_ns >> 32, times_ns, captured, lengths], axis=1)
    else:
        total = 16 + captured
        record = np.stack([times_ns // 10**9, times_ns % 10**9 // 1000, captured, lengths], axis=1)
    starts = np.cumsum(total) - total
    data = np.zeros(int(total.sum()) + _HEADERS, np.uint8)
    words = record.astype("<u4").view(np.uint8).reshape(len(starts), -1)
    width = words.shape[1]
    for column in range(_HEADERS):
        rows = np.flatnonzero(captured > column)
        data[starts[rows] + width + column] = headers[rows, column]
    data[starts[:, None] + np.arange(width)] = words
    if is_pcapng:
        data[(starts + total - 4)[:, None] + np.arange(4)] = words[:, 4:8]
    file.write(data[:-_HEADERS].tobytes())


if __name__ == "__main__":
    sys.exit(main())
