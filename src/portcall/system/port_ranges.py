"""What this system does with port numbers: which it lends to outgoing connections, and where it wants root's rights."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from portcall.labels.port_services import EPHEMERAL_BY_SYSTEM

_SETTINGS = Path("/proc/sys/net/ipv4")
_SYSTEMS = {"linux": "Linux", "darwin": "macOS", "win32": "Windows"}
_FIRST_UNPRIVILEGED = 1024  # by tradition (RFC 6335 §6 calls them system ports), and Linux' default


@dataclass(frozen=True, slots=True)
class PortSettings:
    """Settings of this system; those of its documentation where it does not tell."""

    lent_ports: tuple[int, int]
    """First and last port that the system picks by itself for outgoing connections."""
    source: str
    """Where that comes from."""
    first_unprivileged: int
    """From this port on, anybody may listen."""

    def lends(self, port: int) -> bool:
        """Whether the system may pick this port by itself."""
        return self.lent_ports[0] <= port <= self.lent_ports[1]


def read_port_settings(directory: Path = _SETTINGS) -> PortSettings:
    """The settings of the network namespace that this process is in (ip-sysctl of the kernel's documentation)."""
    try:
        first, last = map(int, (directory / "ip_local_port_range").read_text(encoding="ascii").split())
    except (OSError, ValueError):
        system = next((name for key, name in _SYSTEMS.items() if sys.platform.startswith(key)), "IANA")
        return PortSettings(EPHEMERAL_BY_SYSTEM[system], f"the default of {system}", _FIRST_UNPRIVILEGED)
    try:
        unprivileged = int((directory / "ip_unprivileged_port_start").read_text(encoding="ascii"))
    except (OSError, ValueError):  # before Linux 4.11
        unprivileged = _FIRST_UNPRIVILEGED
    return PortSettings((first, last), str(directory / "ip_local_port_range"), unprivileged)
