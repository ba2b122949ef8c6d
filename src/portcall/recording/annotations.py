"""Comments on packets that name their process, as ptcpdump writes them, for programs that know no process blocks.

    PID: 4711
    Cmd: curl
    Args: curl https://example.org       only where arguments are wanted
    UserId: 1000
    ParentPID: 4242
    ContainerName: 1f2e3d4c5b6a

ptcpdump knows one process a packet. Where a packet stays on the machine, that is who sent it; the lines of who received
it follow, each with ``Receiver`` in front, so that a search for ``Cmd: nginx`` finds both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from portcall.recording.blocks import option
from portcall.records.recorded.process_blocks import EPB_COMMENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from portcall.records.ownership import Owner

Annotated = Literal["every", "first", "none"]
"""Which packets have comments; ``first``: the first one of each conversation in each direction."""

RECEIVER = "Receiver "
_MOST_LINE_LETTERS = 1024
_CUT = "..."


def comment_option(lines: Sequence[str]) -> bytes:
    """The option of a packet with these lines; nothing without any."""
    return option(EPB_COMMENT, "\n".join(lines).encode()) if lines else b""


def process_lines(owner: Owner, user_number: int | None, *, with_arguments: bool, is_receiver: bool) -> list[str]:
    """What a comment says of a process. ``is_receiver``: another end of this machine sent the packet."""
    program = owner.program
    said = [("PID", str(owner.pid)), ("Cmd", program.name)]
    if with_arguments and program.cmdline:
        said.append(("Args", " ".join(program.cmdline)))
    if user_number is not None:
        said.append(("UserId", str(user_number)))
    if owner.parents:
        said.append(("ParentPID", str(owner.parents[0][0])))
    if program.container:
        said.append(("ContainerName", program.container))
    role = RECEIVER if is_receiver else ""
    return [f"{role}{key}: {_one_line(text)}" for key, text in said]


def _one_line(text: str) -> str:
    """Without what would begin another line, or speak to a terminal: a process chooses its own name."""
    plain = "".join(letter if letter.isprintable() else "?" for letter in text[: _MOST_LINE_LETTERS + 1])
    return plain if len(plain) <= _MOST_LINE_LETTERS else plain[:_MOST_LINE_LETTERS] + _CUT
