"""Is a conversation expected? ``known``, ``new``, or ``unknown`` where nobody can tell.

1. It is known where an expectation has its app, its server and its port.
2. The app is that of the process: it counts where both know one, and an expectation without an app fits every app.
3. A server with a name is expected by its name, or by one above it (``*.example.org``, which is also example.org); one
   without a name by its address; a network, or an address of a private one, fits whatever is there, named or not.
4. The port is the server's, whatever the transport, or its service by name; ports of the ephemeral range are told
   apart by the service, and protocols without ports by themselves.
5. What hides its name is unknown: ECH's outer names, and servers without a name in networks where expected names live
   at that port; everything else is new.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from portcall.comparison.baselines import network_of
from portcall.comparison.servers import AS_TEXT, is_shared, servers_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from portcall.comparison.baselines import Baseline
    from portcall.comparison.servers import Server
    from portcall.records.column_values import Columns

KNOWN, NEW, UNKNOWN = JUDGEMENTS = ("known", "new", "unknown")
_MOST_REMEMBERED = 1 << 16


class Judge:
    """Holds conversations against a baseline, which must not change meanwhile."""

    def __init__(self, baseline: Baseline) -> None:
        self._apps: dict[tuple[str, str], set[str | None]] = {}
        """Host and port → the apps that are expected there; None for any."""
        for app, host, port in baseline.expected:
            self._apps.setdefault((host, port), set()).add(app)
        hosts = {host for host, _ in self._apps}
        self._network_bits = _bits(host for host in hosts if "/" in host)
        self._named = {(one.network, one.port) for one in baseline.named_networks}
        self._named_bits = _bits(one.network for one in baseline.named_networks)
        self._remembered: dict[tuple[Server, str | None], str] = {}

    def judged(self, columns: Columns) -> list[str | None]:
        """One of JUDGEMENTS for each row by flow; None for what is on no flow."""
        pairs = zip(servers_of(columns), columns.plain("service"), strict=True)
        return [server and self.judgement(server, service) for server, service in pairs]

    def judgement(self, server: Server, service: str | None = None) -> str:
        """One of JUDGEMENTS."""
        asked = server, service
        found = self._remembered.get(asked)
        if found is None:
            if len(self._remembered) >= _MOST_REMEMBERED:
                self._remembered.clear()
            found = self._remembered[asked] = self._judgement(server, service)
        return found

    def _judgement(self, server: Server, service: str | None) -> str:
        ports = {server.port, service or server.port}
        if any(self._is_expected(server.app, host, port) for host in self._hosts(server) for port in ports):
            return KNOWN
        if server.is_hidden:
            return UNKNOWN
        is_among_names = not server.name and any(
            (network, server.port) in self._named for network in _networks(server.address, self._named_bits)
        )
        return UNKNOWN if is_among_names else NEW

    def _is_expected(self, app: str | None, host: str, port: str) -> bool:
        apps = self._apps.get((host, port))
        return apps is not None and (app is None or None in apps or app in apps)

    def _hosts(self, server: Server) -> Iterator[str]:
        """All hosts that it may be expected as."""
        if server.name and not server.is_hidden:
            yield server.name
            labels = [] if server.name.startswith(AS_TEXT) else server.name.split(".")
            for start in range(len(labels)):
                yield f"*.{'.'.join(labels[start:])}"
        if not server.name or not is_shared(server.address):
            yield server.address
        yield from _networks(server.address, self._network_bits)


def _bits(networks: Iterable[str]) -> list[tuple[int, int]]:
    """IP version and length of the prefix, each that there is."""
    found = {(one.version, one.prefixlen) for one in map(network_of, networks) if one}
    return sorted(found)


def _networks(address: str, bits: list[tuple[int, int]]) -> Iterator[str]:
    """The networks of these lengths in which an address lies."""
    version = 6 if ":" in address else 4
    for of_version, length in bits:
        if of_version == version:
            yield str(ipaddress.ip_network(f"{address}/{length}", strict=False))
