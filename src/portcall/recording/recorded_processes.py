"""What a capture says of a process: Wireshark's block, a line of ours for what that has no room for, packets' options.

The layouts are in ``records.recorded.process_blocks``. pcapng has no other place for a process than a custom block.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from portcall.recording.blocks import block, option, options
from portcall.records.recorded import process_blocks as layout

if TYPE_CHECKING:
    from collections.abc import Iterable

    from portcall.records.ownership import Owner

_MOST_TEXT_BYTES = 4096
_NOT_KNOWN = 0
NOBODY = struct.pack("=II", 0, 0)


def process_block(owner: Owner, user_number: int | None, *, with_arguments: bool) -> bytes:
    """What is known of a process; arguments, which may hold secrets, only where they are wanted."""
    program = owner.program
    texts = (
        (layout.PIB_NAME, program.name),
        (layout.PIB_PATH, program.exe),
        (layout.PIB_COMMAND_LINE, "\0".join(program.cmdline) if with_arguments else None),
        (layout.PIB_USER_NAME, owner.user),
    )
    said = [(code, _bytes_of(words)) for code, words in texts if words]
    if owner.parents:
        said.append((layout.PIB_PARENT, struct.pack("<I", owner.parents[0][0])))
    if user_number is not None:
        said.append((layout.PIB_USER_ID, struct.pack("<I", user_number)))
    if owner.start_ns is not None and owner.start_ns >= 0:
        said.append((layout.PIB_START, struct.pack("<Q", owner.start_ns)))
    entry = struct.pack("<I", owner.pid) + options(sorted(said), "<")
    head = struct.pack("=I", layout.WIRESHARK_ENTERPRISE) + struct.pack("<II", layout.WIRESHARK_PROCESS, len(entry))
    return block(layout.CUSTOM_BLOCK, head + entry)


def process_line(owner: Owner) -> layout.ProcessLine:
    """What that block has no room for: container, unit, script and those above it."""
    program = owner.program._replace(cmdline=())
    return layout.ProcessLine(owner.pid, owner.start_ns, program, owner.user, owner.parents)


def own_block(lines: Iterable[layout.Line]) -> bytes:
    """A custom block of ours around some lines, of which there may be none."""
    written = layout.own_data(lines)
    return block(layout.CUSTOM_BLOCK, struct.pack("=I", layout.OWN_ENTERPRISE) + written)


def process_options(sender: Owner | None, receiver: Owner | None) -> bytes:
    """Options of a packet between two ends of this machine: who sent it, then who received it."""
    if sender is None and receiver is None:
        return b""
    first = NOBODY if sender is None else _process(sender)
    others = b"" if receiver is None else option(layout.EPB_PROCESS, _process(receiver))
    return option(layout.EPB_PROCESS, first) + others


def process_option(owner: Owner | None) -> bytes:
    """The option of a packet with one end on this machine."""
    return b"" if owner is None else option(layout.EPB_PROCESS, _process(owner))


def _process(owner: Owner) -> bytes:
    return struct.pack("=II", owner.pid, _NOT_KNOWN)


def _bytes_of(text: str) -> bytes:
    return text.encode(errors="replace")[:_MOST_TEXT_BYTES]
