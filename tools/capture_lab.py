"""A small network of namespaces to record real traffic in: hosts, wires, tunnels, daemons, a recorder.

Everything that a :class:`Lab` makes (namespaces, devices, processes, files) is its own and ends with it. Sockets that
this process opens inside a namespace stay there, so a scenario needs no helper processes. Linux, root.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import select
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

CLONE_NEWNET = 0x40000000  # linux/sched.h
TUNSETIFF = 0x400454CA  # linux/if_tun.h
IFF_TUN, IFF_TAP, IFF_NO_PI = 0x0001, 0x0002, 0x1000  # linux/if_tun.h
COMMAND_LIMIT_S = 60
OFFLOADS = ("rx", "tx", "tso", "gso", "gro", "rxvlan", "txvlan")
"""Switched off: they would put frames in a capture that no wire carries."""


@dataclass(frozen=True, slots=True)
class Host:
    """A network namespace of a lab."""

    name: str
    log: list[str]
    """Every command that made traffic, in order, for the catalogue."""

    def run(self, *command: str) -> None:
        """Run a command here to its end; RuntimeError with what it said where it failed."""
        self.log.append(f"{self.name.removeprefix('portcall-')}$ {shlex.join(command)}")
        argv = self._argv(command)
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=COMMAND_LIMIT_S,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: exit status {done.returncode}: {done.stderr.decode()}")

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """A command that runs here until it is stopped."""
        self.log.append(f"{self.name.removeprefix('portcall-')}$ {shlex.join(command)} &")
        return subprocess.Popen(
            self._argv(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Put the calling thread in this namespace: sockets and devices opened meanwhile stay in it."""
        with (
            Path("/proc/thread-self/ns/net").open() as before,
            Path("/run/netns", self.name).open() as here,
        ):
            _enter(here.fileno())
            try:
                yield
            finally:
                _enter(before.fileno())

    def socket(
        self,
        family: int = socket.AF_INET,
        kind: int = socket.SOCK_STREAM,
        protocol: int = 0,
    ) -> socket.socket:
        """A socket of this namespace that gives up after two seconds."""
        with self.inside():
            opened = socket.socket(family, kind, protocol)
        opened.settimeout(2)
        return opened

    def _argv(self, command: tuple[str, ...]) -> list[str]:
        return ["ip", "netns", "exec", self.name, *command]


class Lab:
    """The hosts, wires and daemons of one recording."""

    def __init__(self) -> None:
        """Make a lab without hosts."""
        self.log: list[str] = []
        self._stack = ExitStack()
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="portcall-lab-")))
        self.folder.chmod(0o755)  # PostgreSQL runs as another user

    def __enter__(self) -> Lab:  # noqa: PYI034 (typing.Self came with Python 3.11)
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End what the lab has started, newest first, and remove what it has made."""
        self._stack.__exit__(kind, error, trace)

    def host(self, name: str, nameserver: str | None = None) -> Host:
        """A new namespace ``portcall-NAME`` with its loopback up, and the name server it asks."""
        host = Host(f"portcall-{name}", self.log)
        _ip("netns", "add", host.name)
        self._stack.callback(_ip, "netns", "del", host.name)
        _ip("-n", host.name, "link", "set", "lo", "up")
        # Addresses are there at once, and every refusal gets its ICMP error.
        for setting in (
            "ipv6/conf/default/accept_dad",
            "ipv4/icmp_ratelimit",
            "ipv6/icmp/ratelimit",
        ):
            set_kernel(host, setting, 0)
        if nameserver:
            settings = Path("/etc/netns", host.name)  # ip-netns(8) shows it as /etc to commands inside
            settings.mkdir(parents=True)
            self._stack.callback(shutil.rmtree, settings)
            (settings / "resolv.conf").write_text(f"nameserver {nameserver}\n")
            (settings / "hosts").write_text("127.0.0.1 localhost\n")
        return host

    def wire(
        self,
        left: Host,
        left_addresses: list[str],
        right: Host,
        right_addresses: list[str],
    ) -> None:
        """A veth pair, ``lan0`` at both ends, with addresses and locally administered MAC addresses."""
        _ip(
            "-n",
            left.name,
            "link",
            "add",
            "lan0",
            "type",
            "veth",
            "peer",
            "name",
            "lan0",
            "netns",
            right.name,
        )
        for number, host, addresses in (
            (1, left, left_addresses),
            (2, right, right_addresses),
        ):
            _ip(
                "-n",
                host.name,
                "link",
                "set",
                "lan0",
                "address",
                f"02:00:00:00:00:0{number}",
            )
            subprocess.run(
                [
                    "ip",
                    "netns",
                    "exec",
                    host.name,
                    "ethtool",
                    "-K",
                    "lan0",
                    *_each(OFFLOADS, "off"),
                ],
                check=True,
                capture_output=True,
            )
            configure(host, "lan0", *addresses)

    def daemon(self, host: Host, *command: str, ready: tuple[str, int]) -> None:
        """Start a server and wait until it accepts connections at ``ready``."""
        process = host.start(*command)
        self._stack.callback(stop, process)
        _wait_for_port(host, ready, process)

    def pump(self, link: Link) -> None:
        """Carry packets between a tunnel device and its carrier until the lab ends."""
        ended_reader, ended_writer = os.pipe()
        thread = threading.Thread(target=link.carry, args=(ended_reader,))
        thread.start()
        self._stack.callback(os.close, link.device)
        self._stack.callback(thread.join)
        self._stack.callback(os.close, ended_writer)

    @contextmanager
    def record(self, host: Host, device: str, path: Path, *options: str) -> Iterator[None]:
        """Record what passes ``device`` into ``path`` with tcpdump; RuntimeError where it lost frames."""
        words = ("-U", "--immediate-mode", "-B", "16384", "-Z", "root", *options)
        process = host.start("tcpdump", "-i", device, "-w", str(path), *words)
        _wait_for_word(process, b"listening on")
        try:
            yield
            time.sleep(0.4)  # let the last frames arrive
        finally:
            sent = stop(process, signal.SIGINT)
        if b"\n0 packets dropped by kernel" not in sent:
            raise RuntimeError(f"{path.name}: frames were lost: {sent.decode()}")


@dataclass(frozen=True, slots=True)
class Link:
    """One end of a tunnel, or a port with VLAN tags, in user space: works on kernels without those modules."""

    device: int
    """Open TUN or TAP device."""
    carrier: socket.socket
    """Not connected, or it would stop at ICMP errors while the other end is not there."""
    far_end: tuple[str, int]
    wrap: Callable[[bytes], bytes]
    unwrap: Callable[[bytes, int], bytes | None]
    """From what the carrier received, and the VLAN tag (TPID << 16 | TCI) that the kernel took off it, or 0."""

    def carry(self, ended: int) -> None:
        """Copy both ways until ``ended`` can be read."""
        carrier = self.carrier.fileno()
        while ended not in (ready := select.select([self.device, carrier, ended], [], [])[0]):
            if self.device in ready:
                self.carrier.sendto(self.wrap(os.read(self.device, 65536)), self.far_end)
            if carrier in ready:
                received, tag = _receive(self.carrier)
                packet = self.unwrap(received, tag)
                if packet is not None:
                    os.write(self.device, packet)
        os.close(ended)
        self.carrier.close()


def open_device(host: Host, name: str, *addresses: str, tap: bool) -> int:
    """File descriptor of a new TUN device, or TAP device, that is up."""
    with host.inside():
        device = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(
            device,
            TUNSETIFF,
            struct.pack("16sH14x", name.encode(), (IFF_TAP if tap else IFF_TUN) | IFF_NO_PI),
        )
    _ip("-n", host.name, "link", "set", name, "mtu", "1400")
    configure(host, name, *addresses)
    return device


def configure(host: Host, device: str, *addresses: str) -> None:
    """Give a device its addresses and switch it on."""
    for address in addresses:
        _ip(
            "-n",
            host.name,
            "address",
            "add",
            address,
            "dev",
            device,
            *(["nodad"] if ":" in address else []),
        )
    _ip("-n", host.name, "link", "set", device, "up")


def settle(left: Host, right: Host, address: str) -> None:
    """Wait until ``left`` reaches an IPv6 address of ``right``, then let both forget each other's MAC addresses.

    A new link loses its first multicast packets, and programs would fall back to IPv4.
    """
    with left.socket(socket.AF_INET6) as probe:
        probe.settimeout(10)
        if (error := probe.connect_ex((address, 9))) != errno.ECONNREFUSED:  # refused: it is there
            raise OSError(error, os.strerror(error), address)
    for host in (left, right):
        _ip("-n", host.name, "neighbour", "flush", "dev", "lan0")


def set_kernel(host: Host, name: str, value: int) -> None:
    """Set ``net/NAME`` of the kernel, for this namespace alone."""
    with host.inside():
        Path("/proc/sys/net", name).write_text(f"{value}\n")


def route(host: Host, *words: str) -> None:
    """Add a route, in the words of ip-route(8)."""
    _ip("-n", host.name, "route", "add", *words)


def stop(process: subprocess.Popen[bytes], signal_number: int = signal.SIGTERM) -> bytes:
    """End a process that the lab started; what it had said on stderr."""
    if process.poll() is None:
        process.send_signal(signal_number)
    try:
        return b"\n" + process.communicate(timeout=10)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        return b"\n" + process.communicate()[1]


def _enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)  # os.setns came with Python 3.12
    if libc.setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr.strip()}")


def _each(names: tuple[str, ...], value: str) -> list[str]:
    return [word for name in names for word in (name, value)]


def _wait_for_word(process: subprocess.Popen[bytes], word: bytes) -> None:
    inspected = b""
    while process.stderr and word not in inspected:
        line = process.stderr.readline()
        if not line:
            raise RuntimeError(f"{process.args!r}: {inspected.decode()}")
        inspected += line


def _wait_for_port(host: Host, address: tuple[str, int], process: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + 20
    while time.monotonic() < deadline_s:
        with host.socket() as probe:
            if probe.connect_ex(address) == 0:
                return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} does not answer at {address}: {stop(process).decode()}")


def _receive(carrier: socket.socket) -> tuple[bytes, int]:
    """A datagram or frame; struct tpacket_auxdata (linux/if_packet.h) ends with tci and tpid, of 16 bits each."""
    received, extras, _, _ = carrier.recvmsg(65536, 128)
    for level, kind, data in extras:
        if (level, kind) == (263, 8):  # SOL_PACKET, PACKET_AUXDATA
            status, tci, tpid = struct.unpack_from("=I12xHH", data)
            return received, (tpid << 16 | tci) if status & 0x10 else 0  # TP_STATUS_VLAN_VALID
    return received, 0
