"""What ``portcall who`` is asked for: a port, an end, or a process → which sockets are meant. Pure.

8080                    port, any protocol              8080/tcp   443/udp   :443/udp
192.168.1.5:54823       an end; what listens at any address of that port takes part
[2001:db8::5]:443       the same with IPv6
sshd                    a process: its name, its program's, its unit or container
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from portcall.errors import UsageError
from portcall.sockets.rows import takes

if TYPE_CHECKING:
    from portcall.records.ownership import Owner
    from portcall.records.sockets import SystemSocket

_FORM = re.compile(
    r"(?:(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<ipv4>[\d.]+|\*))(?=:))?:?(?P<port>\d+)(?:/(?P<protocol>\w+))?",
    re.ASCII,
)
_PROTOCOLS = ("tcp", "udp")
_MOST_PORT = 65535
_MOST_DIGITS = 18
"""Enough to tell that a number is too great; Python reads no number of thousands."""
_EXAMPLES = "Write it like 8080, :443/udp, 192.168.1.5:54823, [::1]:8080 or sshd"


@dataclass(frozen=True, slots=True)
class SocketQuery:
    """Which sockets are meant. One of port and process is None."""

    text: str
    port: int | None = None
    address: str | None = None
    """None: any."""
    protocol: str | None = None
    """None: any."""
    process: str | None = None

    def means_local(self, socket: SystemSocket) -> bool:
        """Whether the socket itself is meant."""
        if self.process is not None:
            return any(_is_called(owner, self.process) for owner in socket.holders)
        return self._fits(socket) and socket.local_port == self.port and self._is_at(socket)

    def means_remote(self, socket: SystemSocket) -> bool:
        """Whether the other end of a conversation is meant."""
        is_there = self.address is None or self.address == socket.remote_ip
        return self.port is not None and self._fits(socket) and socket.remote_port == self.port and is_there

    def _fits(self, socket: SystemSocket) -> bool:
        return self.protocol in (None, socket.protocol)

    def _is_at(self, socket: SystemSocket) -> bool:
        if self.address is None or self.address == socket.local_ip:
            return True
        return socket.is_listening and takes(socket, self.address)


def parse_query(text: str) -> SocketQuery:
    """The question in those words; UsageError for one that is none."""
    form = _FORM.fullmatch(text)
    if form is None:
        if not text or ":" in text or "/" in text or _is_address(text):
            raise UsageError(f"who {text!r}: neither a port nor an end nor a process. {_EXAMPLES}")
        return SocketQuery(text, process=text)
    port, protocol = int(form["port"][:_MOST_DIGITS]), form["protocol"] and form["protocol"].lower()
    if port > _MOST_PORT:
        raise UsageError(f"who {text!r}: ports end at {_MOST_PORT}. {_EXAMPLES}")
    if protocol not in (None, *_PROTOCOLS):
        raise UsageError(f"who {text!r}: sockets are listed for {' and '.join(_PROTOCOLS)} only. {_EXAMPLES}")
    return SocketQuery(text, port, _address(form["ipv6"] or form["ipv4"], text), protocol)


def _address(written: str | None, text: str) -> str | None:
    if written in (None, "*"):
        return None
    try:
        address = ipaddress.ip_address(written)
    except ValueError as error:
        raise UsageError(f"who {text!r}: {written} is not an address. {_EXAMPLES}") from error
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_called(owner: Owner, name: str) -> bool:
    program = owner.program
    names = {program.name, program.container, program.unit, program.unit and program.unit.removesuffix(".service")}
    names |= {PurePath(path).name for path in (program.exe, *program.cmdline[:1]) if path}
    return name in names
