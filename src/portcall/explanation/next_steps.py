"""What to type next: portcall's own commands after an explanation, and the classic ones that show the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from portcall.system.remedies import with_sudo

if TYPE_CHECKING:
    from collections.abc import Callable

    from portcall.explanation.subject import End, Subject


@dataclass(frozen=True, slots=True)
class Step:
    """A command, and what it shows."""

    command: str
    shows: str


STORY_STEPS = (
    Step("portcall ports", "who waits, and who can reach it"),
    Step("portcall conns", "who talks to whom now"),
    Step("portcall who 443", "which process has a port"),
    Step("portcall check example.org 443", "open, closed or filtered?"),
    Step("portcall explain --quiz", "five questions"),
)
STORY_CLASSIC = (
    Step("ss -tulpn", "portcall ports"),
    Step("ss -tunp", "portcall conns"),
    Step("sudo lsof -nP -i :443", "portcall who 443"),
    Step("nc -zv example.org 443", "portcall check example.org 443"),
)

_STATE_FILTERS = {"ESTAB": "established", "LISTEN": "listening", "UNCONN": "unconnected", "BOUND": "bound-inactive"}
"""States that a filter of ss calls otherwise than its own list does."""


def next_steps(subject: Subject) -> tuple[Step, ...]:
    """What to type after this explanation."""
    if subject.address:
        return (
            Step(f"portcall conns {_zoneless(subject.address)}", "who here talks with it"),
            Step(f"portcall explain {_zoneless(subject.address)} --resolve", "its name in reverse DNS"),
            Step(f"portcall explain {_zoneless(subject.address)} --geo FILE.mmdb", "its country and network"),
            Step(with_sudo("live", "--filter", f"host {_zoneless(subject.address)}"), "its packets, live"),
        )
    if subject.kind == "conversation":
        both = " and ".join(f"port {end.port}" for end in subject.ends)
        return (
            Step(f"portcall who {subject.ends[0]}", "who is at this end"),
            Step(with_sudo("live", "--filter", both), "its packets, live"),
        )
    if subject.ends or subject.ports:
        return _steps_of_port(subject)
    return (
        Step("portcall ports", "who waits at which port"),
        Step("portcall conns", "who talks to whom, and from which port"),
    )


def _steps_of_port(subject: Subject) -> tuple[Step, ...]:
    port = subject.ends[0].port if subject.ends else subject.ports[0]
    suffix = f"/{subject.transport}" if subject.transport in ("tcp", "udp") else ""
    udp = " --udp" if subject.transport == "udp" else ""
    return (
        Step(f"portcall who {subject.ends[0] if subject.ends else f'{port}{suffix}'}", "who has it here"),
        Step(f"portcall check {_host_to_check(subject.ends)} {port}{udp}", "is it open there?"),
        Step(with_sudo("live", "--filter", f"port {port}"), "its packets, live"),
    )


def classic_commands(subject: Subject) -> tuple[Step, ...]:
    """The commands that people used before, which show the same."""
    return _CLASSIC[subject.kind](subject)


def _classic_of_port(subject: Subject) -> tuple[Step, ...]:
    port = subject.ports[0]
    transports = [subject.transport] if subject.transport else ["tcp", "udp"]
    return (
        *(Step(f"getent services {port}/{transport}", "its name") for transport in transports),
        Step(f"ss -tunap '( sport = :{port} or dport = :{port} )'", "its sockets here"),
        Step(f"sudo lsof -nP -i :{port}", "the same, with open files"),
    )


def _classic_of_address(subject: Subject) -> tuple[Step, ...]:
    address = str(subject.address)
    host = f"[{address}]" if ":" in address else address
    return (
        Step(f"ip route get {address}", "the way to it"),
        Step(f"ss -tunap 'src {host} or dst {host}'", "its sockets here"),
        Step(f"getent hosts {address}", "its name, as --resolve"),
    )


def _classic_of_socket(subject: Subject) -> tuple[Step, ...]:
    (end,) = subject.ends
    return (
        Step(f"ss -tunap '( src {end} or dst {end} )'", "its sockets here"),
        Step(f"sudo lsof -nP -i @{end}", "the same, with open files"),
    )


def _classic_of_conversation(subject: Subject) -> tuple[Step, ...]:
    near, far = subject.ends
    return (Step(f"ss -tunap '( src {near} and dst {far} ) or ( src {far} and dst {near} )'", "its sockets here"),)


def _classic_of_state(subject: Subject) -> tuple[Step, ...]:
    state = str(subject.state)
    return (Step(f"ss -tunap state {_STATE_FILTERS.get(state, state.lower())}", "its sockets"),)


def _classic_of_transport(subject: Subject) -> tuple[Step, ...]:
    return (Step(f"ss -{str(subject.transport)[0]}nap", "its sockets"),)


def _classic_of_class(_: Subject) -> tuple[Step, ...]:
    return (Step("sysctl net.ipv4.ip_local_port_range", "which ports Linux lends"),)


_CLASSIC: dict[str, Callable[[Subject], tuple[Step, ...]]] = {
    "port": _classic_of_port,
    "service": _classic_of_port,
    "address": _classic_of_address,
    "socket": _classic_of_socket,
    "conversation": _classic_of_conversation,
    "state": _classic_of_state,
    "transport": _classic_of_transport,
    "class": _classic_of_class,
}


def _host_to_check(ends: tuple[End, ...]) -> str:
    if not ends:
        return "HOST"
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(ends[0].address, ends[0].address)  # noqa: S104 - compared with


def _zoneless(address: str) -> str:
    return address.partition("%")[0]
