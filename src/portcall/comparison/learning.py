"""Rows by flow, or sums of a history → what is to be expected.

A name is learned with all others below the domain that somebody registered, or as it is; an address as such, or as the
network that somebody named; multicast groups, which are no hosts, as one. Where a named host lives on the internet is
learned as a network of names; in a private network its address is learned too, as it is a host's own.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import TYPE_CHECKING

from portcall.comparison.baselines import Baseline, Expectation, NamedNetwork, Seen
from portcall.comparison.servers import (
    AS_TEXT,
    COLUMNS,
    Server,
    host_name,
    is_shared,
    neighbourhood,
    port_word,
    servers_of,
)
from portcall.labels.addresses import plain_address
from portcall.labels.hostnames import registered_domain
from portcall.records.kept.windows import OTHER_HOSTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from portcall.comparison.baselines import Network
    from portcall.records.column_values import Columns

LEARNED_COLUMNS = frozenset({*COLUMNS, "first_ns", "last_ns"})
"""The columns of rows by flow that are looked at."""
KEPT_COLUMNS = ("app", "app_source", "host", "service")
"""What sums of a history are to be grouped by."""

_GROUPS = (ipaddress.ip_network("224.0.0.0/4"), ipaddress.ip_network("ff00::/8"))  # RFC 5771, RFC 4291


class Learner:
    """Adds to a baseline what rows tell. ``within`` are networks whose addresses are learned as the network."""

    def __init__(self, within: Sequence[Network] = (), *, exact_names: bool = False) -> None:
        self.baseline = Baseline()
        self.conversations = 0
        self._within = [*sorted(within, key=lambda one: -one.prefixlen), *_GROUPS]
        self._network_around = lru_cache(1 << 14)(self._find_network_around)
        self._exact_names = exact_names

    def add(self, columns: Columns) -> None:
        """Learn from rows by flow. PortcallError where a baseline has no room for them."""
        baseline = self.baseline
        times = map(columns.plain, ("first_ns", "last_ns"))
        for server, first_ns, last_ns in zip(servers_of(columns), *times, strict=True):
            if server is None:
                continue
            self.conversations += 1
            network = self._network_around(server.address)
            for host in self._hosts(server, network):
                baseline.expect(Expectation(server.app, host, server.port), Seen(1, first_ns, last_ns))
            is_name = server.name is not None and not server.name.startswith(AS_TEXT)
            if is_name and network is None and is_shared(server.address):
                baseline.name_in(NamedNetwork(neighbourhood(server.address), server.port))

    def add_sums(self, columns: Columns) -> None:
        """Learn from sums of a history, by KEPT_COLUMNS: a service by its name, wherever it listens.

        PortcallError where a baseline has no room for them.
        """
        plain = map(columns.plain, (*KEPT_COLUMNS, "flows", "first_ns", "last_ns"))
        for app, app_source, host, service, flows, first_ns, last_ns in zip(*plain, strict=True):
            if not host or not service or host == OTHER_HOSTS:
                continue
            self.conversations += flows
            address, port = plain_address(host), port_word(service.rpartition("/")[2])  # sctp/3868, tcp/ephemeral
            process = app if app_source == "process" else None
            server = Server(process, None if address else host_name(host), address or "", port, is_hidden=False)
            network = self._network_around(address) if address else None
            for expected in self._hosts(server, network):
                self.baseline.expect(Expectation(process, expected, port), Seen(flows, first_ns, last_ns))

    def _find_network_around(self, address: str) -> str | None:
        """The network as which an address is learned."""
        parsed = ipaddress.ip_address(address)
        return next((str(one) for one in self._within if parsed in one), None)

    def _hosts(self, server: Server, network: str | None) -> Iterator[str]:
        """As what to expect a server."""
        if server.name and not server.is_hidden:
            domain = None if self._exact_names else registered_domain(server.name)
            yield f"*.{domain}" if domain else server.name
        if network:
            yield network
        elif server.address and not (server.name and is_shared(server.address)):
            yield server.address
