"""Comments on packets that name their process, as ptcpdump writes them, for programs that know no process blocks.

PID: 4711
Cmd: curl
Args: curl https://example.org       only where arguments are wanted
UserId: 1000
ParentPID: 4242
ContainerName: 1f2e3d4c5b6a
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from portcall.recording.blocks import option
from portcall.records.recorded.process_blocks import EPB_COMMENT

if TYPE_CHECKING:
    from portcall.records.ownership import Owner

Annotated = Literal["every", "first", "none"]
"""Which packets have comments; ``first``: the first one of each conversation in each direction."""

_MOST_LINE_LETTERS = 1024
_CUT = "..."


def comment_option(owner: Owner, user_number: int | None, *, with_arguments: bool) -> bytes:
    """The option of a packet with that comment."""
    program = owner.program
    lines = [("PID", str(owner.pid)), ("Cmd", program.name)]
    if with_arguments and program.cmdline:
        lines.append(("Args", " ".join(program.cmdline)))
    if user_number is not None:
        lines.append(("UserId", str(user_number)))
    if owner.parents:
        lines.append(("ParentPID", str(owner.parents[0][0])))
    if program.container:
        lines.append(("ContainerName", program.container))
    return option(EPB_COMMENT, "\n".join(f"{key}: {_one_line(text)}" for key, text in lines).encode())


def _one_line(text: str) -> str:
    """Without what would begin another line, or speak to a terminal: a process chooses its own name."""
    plain = "".join(letter if letter.isprintable() else "?" for letter in text[: _MOST_LINE_LETTERS + 1])
    return plain if len(plain) <= _MOST_LINE_LETTERS else plain[:_MOST_LINE_LETTERS] + _CUT
