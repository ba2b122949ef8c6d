"""How captures tell of processes: the numbers in pcapng files, and what portcall's own block says.

Those who write captures and those who read them share this; docs/captures-with-owners.md has the layouts.

    custom     0 BAD:32  4 length:32  8 enterprise:32  12 data, padded to 4 bytes  … length:32
    Wireshark  enterprise 32622; 12 entry:32 = 3  16 length:32  20 pid:32, options, padded
    portcall   enterprise 32473; 12 "portcall"  20 version:32 = 1  24 length:32  28 lines of JSON, padded

The section's byte order ends with the enterprise number: behind these two, all is little-endian. 32473 is IANA's number
for examples (RFC 5612), so nobody's: the magic behind it says whose the block is. Sources: Wireshark,
wiretap/pcapng-wireshark-custom.c; draft-ietf-opsawg-pcapng §4.3 and §4.8; Apple, libpcap/pcap/pcap-ng.h.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple

from portcall.records.ownership import MatchQuality, Program
from portcall.records.plain_data import items, text, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

CUSTOM_BLOCK, CUSTOM_BLOCK_NOT_COPIED = 0x00000BAD, 0x40000BAD
DARWIN_PROCESS_BLOCK = 0x80000001
WIRESHARK_ENTERPRISE, PCAPDROID_ENTERPRISE, OWN_ENTERPRISE = 32622, 62652, 32473
WIRESHARK_PROCESS = 3
"""Entry type of a process information block."""
PIB_NAME, PIB_PATH, PIB_COMMAND_LINE, PIB_PARENT, PIB_USER_ID, PIB_USER_NAME, PIB_START = 2, 3, 4, 5, 6, 7, 9
"""Options of such a block: texts, but for parent and user id (u32) and the start (u64, ns since 1970 UTC)."""
EPB_COMMENT, EPB_FLAGS, EPB_PROCESS = 1, 2, 8
"""Options of a packet. EPB_PROCESS is pid:32 and tid:32, an option for each process. Of two or more, who sent stands
first; pid 0 stands in its place where only receivers are known."""
OWN_MAGIC, OWN_VERSION = b"portcall", 1
OWN_WRITER = "portcall"
"""What shb_userappl begins with where ``portcall live -w`` wrote: the interfaces are live's capture points."""

_HEAD = struct.Struct("<8sII")
_MOST_LINES = 1 << 20  # of one block
_MOST_PARENTS = 16


class InterfaceLine(NamedTuple):
    """Where an interface is; stands behind its description, before its first packet."""

    interface: int
    """Number of its description within the section."""
    namespace: str | None
    """Name of its network namespace as ``CapturePoint`` has it; None for the one that portcall ran in."""


class ProcessLine(NamedTuple):
    """What Wireshark's block has no room for; stands before the process' first packet. Also instead of such a block."""

    pid: int
    start_ns: int | None
    program: Program
    """Without arguments."""
    user: str | None
    parents: tuple[tuple[int, str], ...] = ()


class TurnLine(NamedTuple):
    """An OWNER_CHANGE: stands between the packets where live took notice of it, so rows begin anew where live's did."""

    time_ns: int
    local_port: int
    protocol: int


class EndLine(NamedTuple):
    """What live found at last of one end of a conversation, where its packets' options do not say just that, exactly.

    It stands anywhere, as at the end of a file. Of late owners, of ends with several owners, and of those with none.
    """

    interface: int
    protocol: int
    local: str
    local_port: int
    """Here and at the other end as FLOW_END has it: also the identifier of an echo."""
    remote: str
    remote_port: int
    first_ns: int
    """Of the conversation's packets on that interface; as those of a ``Match`` are the others."""
    last_ns: int
    quality: MatchQuality
    reason: str | None = None
    failure: str | None = None
    pid: int | None = None
    """None where no process is named; its ProcessLine, or Wireshark's block, says what it is."""
    start_ns: int | None = None


Line = InterfaceLine | ProcessLine | TurnLine | EndLine


def own_data(lines: Iterable[Line]) -> bytes:
    """The data of a custom block of ours, behind its enterprise number. A block has 16 MB at most."""
    import json

    body = "".join(json.dumps(_plain(line)) + "\n" for line in lines).encode()
    return (_HEAD.pack(OWN_MAGIC, OWN_VERSION, len(body)) + body).ljust(_HEAD.size + (len(body) + 3 & ~3), b"\0")


def own_lines(data: bytes) -> Iterator[Line]:
    """The lines in the data of a custom block, none where it is not ours. ValueError at the first damaged one."""
    if len(data) < _HEAD.size:
        return
    magic, version, length = _HEAD.unpack_from(data)
    if magic != OWN_MAGIC or version != OWN_VERSION:
        return
    for line in data[_HEAD.size : _HEAD.size + length].split(b"\n")[:_MOST_LINES]:
        if line:
            read = _read(line)
            if read is not None:
                yield read


def _plain(line: Line) -> dict[str, Any]:
    """A line as JSON has it; what is None is left out."""
    plain = line._asdict()
    if isinstance(line, ProcessLine):
        del plain["program"]
        plain |= {name: getattr(line.program, name) for name in _PROGRAM}
        plain["parents"] = list(line.parents) or None
    if isinstance(line, EndLine):
        plain["quality"] = line.quality.value
    return {"is": _WORDS[type(line)], **{name: value for name, value in plain.items() if value is not None}}


def _read(line: bytes) -> Line | None:
    """One line; None for one of a kind that is not known. ValueError where it is damaged."""
    import json

    try:
        plain = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("a line of a block is no JSON") from None
    if not isinstance(plain, dict):
        raise ValueError("a line of a block is something else")  # noqa: TRY004 - it is what was read that is wrong
    try:
        return _READERS[str(plain.get("is"))](plain) if str(plain.get("is")) in _READERS else None
    except (KeyError, OverflowError):
        raise ValueError("a line of a block is incomplete") from None


def _interface(plain: dict[str, Any]) -> InterfaceLine:
    return InterfaceLine(whole(plain["interface"], most=_U32), _text(plain, "namespace"))


def _process(plain: dict[str, Any]) -> ProcessLine:
    program = Program(
        _clean(plain["name"]),
        _text(plain, "exe"),
        container=_text(plain, "container"),
        unit=_text(plain, "unit"),
        script=_text(plain, "script"),
    )
    parents = items(plain.get("parents", []))[:_MOST_PARENTS]
    named = tuple((whole(pid, most=_U32), _clean(name)) for pid, name in (items(parent, 2) for parent in parents))
    return ProcessLine(whole(plain["pid"], most=_U32), _number(plain, "start_ns"), program, _text(plain, "user"), named)


def _turn(plain: dict[str, Any]) -> TurnLine:
    return TurnLine(_time(plain["time_ns"]), whole(plain["local_port"], most=_U16), whole(plain["protocol"], most=255))


def _end(plain: dict[str, Any]) -> EndLine:
    return EndLine(
        interface=whole(plain["interface"], most=_U32),
        protocol=whole(plain["protocol"], most=255),
        local=text(plain["local"]),
        local_port=whole(plain["local_port"], most=_U16),
        remote=text(plain["remote"]),
        remote_port=whole(plain["remote_port"], most=_U16),
        first_ns=_time(plain["first_ns"]),
        last_ns=_time(plain["last_ns"]),
        quality=MatchQuality(text(plain["quality"])),
        reason=_text(plain, "reason"),
        failure=_text(plain, "failure"),
        pid=_number(plain, "pid", _U32),
        start_ns=_number(plain, "start_ns"),
    )


_U16, _U32, _I64 = (1 << 16) - 1, (1 << 32) - 1, (1 << 63) - 1
_PROGRAM = ("name", "exe", "container", "unit", "script")
_WORDS = {InterfaceLine: "interface", ProcessLine: "process", TurnLine: "turn", EndLine: "end"}
_READERS: dict[str, Callable[[dict[str, Any]], Line]] = {
    "interface": _interface,
    "process": _process,
    "turn": _turn,
    "end": _end,
}


def _text(plain: dict[str, Any], name: str) -> str | None:
    return None if plain.get(name) is None else _clean(plain[name])


def _clean(value: object) -> str:
    """A text that can be written: JSON may have halves of characters."""
    return text(value).encode("utf-8", "replace").decode()


def _number(plain: dict[str, Any], name: str, most: int = _I64) -> int | None:
    return None if plain.get(name) is None else whole(plain[name], most=most)


def _time(value: object) -> int:
    return whole(value, -_I64 - 1, _I64)
