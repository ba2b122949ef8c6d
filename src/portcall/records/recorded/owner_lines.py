"""What owners reported, as lines of JSON: written by ``live --owners-only``, and joined with a capture by ``annotate``.

    {"is": "owners", "version": 1, "source": "ebpf", "began_ns": …, "tells_closes": true}    the first line
    {"is": "addresses", "addresses": ["192.0.2.7", …]}       of this machine, from then on
    {"is": "users", "names": {"1000": "alice"}}               what users are called, from then on
    {"is": "sighting", "time_ns": …, "socket": …, "evidence": "USED", "protocol": 6, "local": …, "local_port": …, …}
    {"is": "process", "change": "executed", "time_ns": …, "pid": …, "name": …, …}
    {"is": "until", "time_ns": …, "lost": 0}                  all up to then has been told, at least once a second

What is None or zero is left out. A file that ends early tells what it tells; times are those of the machine.
"""

from __future__ import annotations

import ipaddress
import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from portcall.records.ownership import Evidence, OwnerEvents, ProcessChange, ProcessEvent, Program
from portcall.records.plain_data import items, text, texts, whole
from portcall.records.sightings import SIGHTING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

VERSION = 1
MOST_LINE_BYTES = 1 << 20
_NUMBERS = ("time_ns", "socket", "process", "user", "namespace", "protocol", "ip_version", "local_port", "remote_port")
_MOST = {"time_ns": (1 << 63) - 1, "socket": (1 << 64) - 1, "protocol": 255, "ip_version": 255}
_MOST |= dict.fromkeys(("process", "user", "namespace"), (1 << 32) - 1)
_MOST |= dict.fromkeys(("local_port", "remote_port"), (1 << 16) - 1)
_U32, _I64 = (1 << 32) - 1, (1 << 63) - 1
_PROGRAM = ("name", "exe", "container", "unit", "script")
_IPV4 = 4


class OwnersBegin(NamedTuple):
    """What told, and from when on."""

    source: str
    began_ns: int
    tells_closes: bool


class OwnersUntil(NamedTuple):
    """All up to this time was told, but for so many reports that were lost."""

    time_ns: int
    lost: int


class MachineAddresses(NamedTuple):
    """The machine's addresses, of 4 or 16 bytes."""

    addresses: tuple[bytes, ...]


class UserNames(NamedTuple):
    """What users are called, by number."""

    names: dict[int, str]


OwnersLine = OwnersBegin | OwnersUntil | MachineAddresses | UserNames | ProcessEvent | np.void


def begin_line(source: str, began_ns: int, *, tells_closes: bool) -> str:
    """The first line."""
    plain = {"is": "owners", "version": VERSION, "source": source, "began_ns": began_ns, "tells_closes": tells_closes}
    return json.dumps(plain) + "\n"


def until_line(time_ns: int, lost: int) -> str:
    """That all up to then has been told."""
    return json.dumps({"is": "until", "time_ns": time_ns, "lost": lost}) + "\n"


def addresses_line(addresses: Iterable[str]) -> str:
    """What addresses the machine has from then on."""
    return json.dumps({"is": "addresses", "addresses": sorted(addresses)}) + "\n"


def users_line(names: dict[int, str]) -> str:
    """What these users are called."""
    return json.dumps({"is": "users", "names": {str(number): name for number, name in names.items()}}) + "\n"


def event_lines(events: OwnerEvents, *, with_arguments: bool) -> str:
    """What was reported since the last time; arguments, which may hold secrets, only where they are wanted."""
    lines = [_process_plain(event, with_arguments=with_arguments) for event in events.processes]
    lines += [_sighting_plain(row) for row in events.sightings]
    return "".join(json.dumps(line) + "\n" for line in lines)


def read_line(line: bytes) -> OwnersLine | None:
    """One line; None for one of a kind that is not known. ValueError where it is none."""
    try:
        plain = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("it is no JSON") from None
    if not isinstance(plain, dict):
        raise ValueError("it is no object")  # noqa: TRY004 - it is what was read that is wrong
    reader = _READERS.get(str(plain.get("is")))
    try:
        return reader(plain) if reader else None
    except KeyError as error:
        raise ValueError(f"it has no {error}") from None


def joined(
    sightings: list[np.void], processes: list[ProcessEvent], until_ns: int, *, tells_closes: bool
) -> OwnerEvents:
    """What was read, as a back end would have told it."""
    rows = np.array(sightings, SIGHTING) if sightings else np.zeros(0, SIGHTING)
    return OwnerEvents(rows, processes, until_ns, tells_closes)


def _sighting_plain(row: np.void) -> dict[str, Any]:
    plain: dict[str, Any] = {"is": "sighting", "evidence": Evidence(int(row["evidence"])).name}
    plain |= {name: int(row[name]) for name in _NUMBERS if row[name]}
    for end in ("local", "remote"):
        if row[end].any():
            octets = row[end].tobytes()
            packed = octets[12:] if row["ip_version"] == _IPV4 or not any(octets[:12]) else octets
            plain[end] = str(ipaddress.ip_address(packed))
    return plain


def _process_plain(event: ProcessEvent, *, with_arguments: bool) -> dict[str, Any]:
    plain: dict[str, Any] = {"is": "process", "change": event.change.value, "time_ns": event.time_ns, "pid": event.pid}
    known: dict[str, Any] = {"parent": event.parent or None, "user": event.user}
    if event.program:
        known |= {name: getattr(event.program, name) for name in _PROGRAM}
        known["arguments"] = list(event.program.cmdline) if with_arguments and event.program.cmdline else None
    return plain | {name: value for name, value in known.items() if value is not None}


def _sighting(plain: dict[str, Any]) -> np.void:
    row: np.void = np.zeros(1, SIGHTING)[0]
    evidence = text(plain["evidence"])
    if evidence not in Evidence.__members__:
        raise ValueError(f"nothing is called {evidence[:40]!r}")
    row["evidence"] = Evidence[evidence]
    for name in _NUMBERS:
        row[name] = whole(plain.get(name, 0), most=_MOST[name])
    for end in ("local", "remote"):
        if end in plain:
            packed = ipaddress.ip_address(text(plain[end])).packed
            row[end] = np.frombuffer(packed.rjust(16, b"\0"), np.uint8)
    return row


def _process(plain: dict[str, Any]) -> ProcessEvent:
    program = None
    if "name" in plain:
        words = {name: None if plain.get(name) is None else text(plain[name]) for name in _PROGRAM[1:]}
        program = Program(text(plain["name"]), cmdline=tuple(texts(plain.get("arguments", []))), **words)
    user = None if plain.get("user") is None else whole(plain["user"], most=_U32)
    return ProcessEvent(
        ProcessChange(text(plain["change"])),
        whole(plain["time_ns"], -_I64, _I64),
        whole(plain["pid"], 1, _U32),
        whole(plain.get("parent", 0), most=_U32),
        user,
        program,
    )


def _begin(plain: dict[str, Any]) -> OwnersBegin:
    if plain["version"] != VERSION:
        raise ValueError("it is of another version of portcall")
    return OwnersBegin(text(plain["source"]), whole(plain["began_ns"], 1), plain.get("tells_closes") is True)


def _until(plain: dict[str, Any]) -> OwnersUntil:
    return OwnersUntil(whole(plain["time_ns"], 1), whole(plain.get("lost", 0)))


def _addresses(plain: dict[str, Any]) -> MachineAddresses:
    return MachineAddresses(tuple(ipaddress.ip_address(text(one)).packed for one in items(plain["addresses"])))


def _users(plain: dict[str, Any]) -> UserNames:
    names = plain["names"]
    if not isinstance(names, dict) or not all(number.isdigit() for number in names):
        raise ValueError("names of users are something else")
    return UserNames({int(number): text(name) for number, name in names.items()})


_READERS: dict[str, Any] = {  # Any: each reads a kind of its own
    "owners": _begin,
    "until": _until,
    "addresses": _addresses,
    "users": _users,
    "sighting": _sighting,
    "process": _process,
}


def lines_of(stream: BinaryIO) -> Iterator[OwnersLine]:
    """What a file tells. ValueError, which names the line, where one is damaged; the last may be cut."""
    number = 0
    while line := stream.readline(MOST_LINE_BYTES):
        number += 1
        if not line.endswith(b"\n"):
            if len(line) == MOST_LINE_BYTES:
                raise ValueError(f"line {number}: it is longer than {MOST_LINE_BYTES} bytes")
            return
        try:
            found = read_line(line)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
        if found is not None:
            yield found
