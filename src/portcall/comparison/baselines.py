"""What is expected: who talks to whom, as it was learned or written by hand.

    {"portcall_baseline": 1,
    "learned": [{"source": …, "window_ns": [a, b], "conversations": 25}],
    "expected": [{"app": "curl", "host": "*.example.org", "port": "443", "conversations": 3, …}],
    "named_networks": [{"network": "198.51.100.0/24", "port": "443"}]}

``expected`` has an app (null: any), a host and a port. A host is a name, a name with all below it (``*.``), an address
or a network. ``named_networks`` are where hosts with expected names live. A baseline is checked like any input.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from portcall.comparison.servers import AS_TEXT, HOST_NAME, PORT_WORD
from portcall.errors import PortcallError
from portcall.records.plain_data import items, text, whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    Plain = dict[str, Any]  # Any: what JSON has
    Network = ipaddress.IPv4Network | ipaddress.IPv6Network

VERSION = 1
MOST_EXPECTATIONS = 100_000
"""And as many named networks, and sources."""
MOST_NAME_CHARACTERS = 2048
_LEAST_NS, _MOST_NS = -(1 << 63), (1 << 63) - 1


class Expectation(NamedTuple):
    """That an app talks to a host at a port."""

    app: str | None
    """Name of the process; None for any app."""
    host: str
    port: str
    """The number, or a service by name at any port; of the ephemeral range the service or ``ephemeral``, without ports
    the protocol."""


class Seen(NamedTuple):
    """How often and when that was seen; nothing where somebody wrote it by hand."""

    conversations: int = 0
    first_ns: int | None = None
    last_ns: int | None = None

    def plus(self, other: Seen) -> Seen:
        """Both together."""
        firsts = [one for one in (self.first_ns, other.first_ns) if one is not None]
        lasts = [one for one in (self.last_ns, other.last_ns) if one is not None]
        return Seen(
            self.conversations + other.conversations,
            min(firsts, default=None),
            max(lasts, default=None),
        )


class Learned(NamedTuple):
    """What a baseline was learned from."""

    source: str
    window_ns: tuple[int, int] | None
    conversations: int


class NamedNetwork(NamedTuple):
    """A network in which hosts with expected names live, at a port."""

    network: str
    port: str


@dataclass(slots=True)
class Baseline:
    """All of it."""

    expected: dict[Expectation, Seen] = field(default_factory=dict)
    named_networks: set[NamedNetwork] = field(default_factory=set)
    learned: list[Learned] = field(default_factory=list)

    def expect(self, expectation: Expectation, seen: Seen) -> None:
        """Expect that too. PortcallError where there is no room for it."""
        former = self.expected.get(expectation)
        if former is None:
            _check_room(len(self.expected), "expectations")
        self.expected[expectation] = former.plus(seen) if former else seen

    def name_in(self, network: NamedNetwork) -> None:
        """Know that expected names live there too. PortcallError where there is no room for it."""
        if network not in self.named_networks:
            _check_room(len(self.named_networks), "networks")
            self.named_networks.add(network)

    def merge(self, other: Baseline) -> None:
        """Expect all that the other one does. PortcallError where there is no room for it."""
        for expectation, seen in other.expected.items():
            self.expect(expectation, seen)
        for network in other.named_networks:
            self.name_in(network)
        _check_room(len(self.learned), "sources")
        self.learned += other.learned

    def plain(self) -> Plain:
        """As JSON has it, in an order that does not depend on how it was learned."""
        expected = sorted(self.expected.items(), key=lambda one: (one[0].host, one[0].port, one[0].app or ""))
        return {
            "portcall_baseline": VERSION,
            "learned": [one._asdict() for one in self.learned],
            "expected": [expectation._asdict() | seen._asdict() for expectation, seen in expected],
            "named_networks": [one._asdict() for one in sorted(self.named_networks)],
        }


def baseline_of(plain: Any) -> Baseline:  # Any: what JSON has
    """The baseline that was written so. ValueError, which says where, for what is none."""
    if not isinstance(plain, dict) or "portcall_baseline" not in plain:
        raise ValueError("this is no baseline: it has no 'portcall_baseline'")
    version = plain["portcall_baseline"]
    if version != VERSION or type(version) is not int:
        raise ValueError(f"it is a baseline of version {str(version)[:20]}, and this portcall reads version {VERSION}")
    baseline = Baseline()
    for name, take in (("learned", _learned), ("expected", _expected), ("named_networks", _named_network)):
        entries = plain.get(name, [])
        if not isinstance(entries, list) or len(entries) > MOST_EXPECTATIONS:
            raise ValueError(f"'{name}' is no list of at most {MOST_EXPECTATIONS}")
        for number, entry in enumerate(entries, 1):
            try:
                take(baseline, entry)
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise ValueError(f"entry {number} of '{name}': {_told(error)}") from error
    return baseline


def network_of(host: str) -> Network | None:
    """The network that a host is; None for a name or an address. ValueError for a network with bits of a host."""
    return ipaddress.ip_network(host) if "/" in host and not host.startswith(AS_TEXT) else None


def _learned(baseline: Baseline, entry: Mapping[str, Any]) -> None:
    window = entry.get("window_ns")
    if window is not None:
        first, last = (whole(one, _LEAST_NS, _MOST_NS) for one in items(window, 2))
        window = (first, last)
    baseline.learned.append(Learned(text(entry["source"]), window, whole(entry.get("conversations", 0))))


def _expected(baseline: Baseline, entry: Mapping[str, Any]) -> None:
    app, host, port = entry.get("app"), text(entry["host"]), text(entry["port"])
    if app is not None:
        text(app)
    if not host or max(len(host), len(app or "")) > MOST_NAME_CHARACTERS:
        raise ValueError("a name is empty or too long")
    times = (None if entry.get(name) is None else whole(entry[name], _LEAST_NS, _MOST_NS) for name in _TIMES)
    baseline.expect(Expectation(app, _written(host), _port(port)), Seen(whole(entry.get("conversations", 0)), *times))


def _named_network(baseline: Baseline, entry: Mapping[str, Any]) -> None:
    network = network_of(text(entry["network"]))
    if network is None:
        raise ValueError("'network' is none")
    baseline.name_in(NamedNetwork(str(network), _port(text(entry["port"]))))


def _written(host: str) -> str:
    """A host as rows have it."""
    if host.startswith(AS_TEXT):
        return host
    network = network_of(host)
    if network:
        return str(network)
    name = host.lower().removesuffix(".")
    if HOST_NAME.fullmatch(name.removeprefix("*.")):
        return name
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        raise ValueError(f"'host' is {host[:40]!r}: a name, *.example.org, an address or 192.0.2.0/24") from None


def _port(port: str) -> str:
    if not PORT_WORD.fullmatch(port):
        raise ValueError(f"'port' is {port[:40]!r}: a number such as '443', a protocol or a service")
    return port


def _check_room(count: int, of_what: str) -> None:
    if count >= MOST_EXPECTATIONS:
        raise PortcallError(
            f"a baseline has at most {MOST_EXPECTATIONS} {of_what}. "
            "Put addresses together with --network 10.0.0.0/8, and names by leaving out --exact-names"
        )


def _told(error: Exception) -> str:
    return f"it has no {error}" if isinstance(error, KeyError) else str(error)


_TIMES = ("first_ns", "last_ns")
