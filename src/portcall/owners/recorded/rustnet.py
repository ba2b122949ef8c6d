"""RustNet's comments on packets, and the lines that it writes beside a capture.

    rustnet process=curl pid=4242 ppid=4000 uid=1000 attr=procfs-relaxed … direction=outgoing app=HTTPS sni=…

Words without blanks, one ``key=value`` each; they are of the connection, so the end is that which opened it, or not, as
``direction`` says. Beside ``X.pcap`` there may be ``X.pcap.connections.jsonl``, an object a connection: protocol,
local_addr, remote_addr, first_seen and last_seen {secs_since_epoch, nanos_since_epoch}, pid, process_name, and more.
Source: domcyrus/rustnet, src/app/pcapng_export.rs and src/app/logging.rs.
"""

from __future__ import annotations

import ipaddress
import json
from typing import TYPE_CHECKING, Any

from portcall.owners.recorded.words import number_of
from portcall.records.ownership import Owner, Program
from portcall.records.recorded.claims import (
    UNKNOWN_PROGRAM,
    ClaimedEnd,
    EndClaim,
    RecordedOwner,
    clean,
    clean_name,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SOURCE = "rustnet"
_BEGINNING = "rustnet "
_DIRECTIONS = {"outgoing": ClaimedEnd.CLIENT, "incoming": ClaimedEnd.SERVER}
_RELAXED = "relaxed"
_PROTOCOLS = {"TCP": 6, "UDP": 17, "ICMP": 1, "ICMPV6": 58, "SCTP": 132}
_MOST_LINE_BYTES = 1 << 16
_FARTHEST_SECOND = 9_000_000_000  # 64 bits of nanoseconds say hardly more
_EVER, _NEVER = -(1 << 63), (1 << 63) - 1


def is_one(comment: str) -> bool:
    """Whether a comment may be one of them."""
    return comment.startswith(_BEGINNING)


def owner_of(comment: str) -> tuple[RecordedOwner, ClaimedEnd] | None:
    """Whom a comment names, and at which end; None where it names nobody."""
    said: dict[str, str] = {}
    for word in comment.split(" "):
        key, equals, value = word.partition("=")
        if equals and value:
            said.setdefault(key, value)
    pid, name = number_of(said.get("pid", "")) or 0, clean_name(said.get("process", ""))
    if not pid and not name:
        return None
    container = clean_name(said["container"]) if "container" in said else None
    program = Program(name, container=container) if name else UNKNOWN_PROGRAM
    parent, user = number_of(said.get("ppid", "")), number_of(said.get("uid", ""))
    owner = Owner(
        pid, None, program, None if user is None else str(user), ((parent, UNKNOWN_PROGRAM.name),) if parent else ()
    )
    end = _DIRECTIONS.get(said.get("direction", ""), ClaimedEnd.BY_DIRECTION)
    return RecordedOwner(owner, SOURCE, is_sure=_RELAXED not in said.get("attr", "")), end


def read_sidecar(stream: Iterable[bytes]) -> Iterator[tuple[RecordedOwner, EndClaim] | None]:
    """Each connection's owner and what it claims (with no owner's number yet); None for a line that cannot be read."""
    for line in stream:
        if line.strip():
            try:
                yield _connection(json.loads(line[:_MOST_LINE_BYTES]))
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
                yield None


def _connection(line: Any) -> tuple[RecordedOwner, EndClaim] | None:  # Any: what JSON has
    """ValueError and others where it is none."""
    pid, name = line.get("pid") or 0, line.get("process_name")
    if not isinstance(pid, int) or not 0 <= pid < 1 << 32:
        raise ValueError("a pid is none")
    (local, local_port), (remote, remote_port) = _end(line["local_addr"]), _end(line["remote_addr"])
    program = UNKNOWN_PROGRAM
    if name:
        exe = line.get("process_executable")
        program = Program(clean_name(str(name)), clean(str(exe)) if exe else None)
    user = line.get("process_uid")
    owner = Owner(pid, None, program, str(user) if isinstance(user, int) else None)
    claim = EndClaim(
        owner=0,
        protocol=_PROTOCOLS[str(line["protocol"]).upper()],
        local=local,
        local_port=local_port,
        remote=remote,
        remote_port=remote_port,
        first_ns=_time(line.get("first_seen"), _EVER),
        last_ns=_time(line.get("last_seen"), _NEVER),
        source=SOURCE,
    )
    return RecordedOwner(owner, SOURCE, is_sure=_RELAXED not in str(line.get("attribution_match"))), claim


def _end(text: str) -> tuple[str, int]:
    """``10.0.0.1:443`` or ``[::1]:443``."""
    address, _, port = text.rpartition(":")
    number = number_of(port, 0xFFFF)
    if number is None:
        raise ValueError("an end has no port")
    return str(ipaddress.ip_address(address.strip("[]").partition("%")[0])), number


def _time(value: Any, otherwise: int) -> int:  # Any: what JSON has
    if value is None:
        return otherwise
    seconds, nanoseconds = value["secs_since_epoch"], value["nanos_since_epoch"]
    if not isinstance(seconds, int) or not isinstance(nanoseconds, int) or not 0 <= seconds < _FARTHEST_SECOND:
        raise ValueError("a time is none")
    return seconds * 1_000_000_000 + nanoseconds
