"""What colour a terminal's ground is, asked of the terminal itself (OSC 11 of xterm's ctlseqs).

Every terminal answers what it is (primary device attributes, DA1), in the order of questions: so after that answer none
about colour will come, and nobody waits for terminals that do not know.
"""

from __future__ import annotations

import os
import re
import select
import time

_QUESTION = b"\x1b]11;?\x1b\\\x1b[c"
_COLOUR = re.compile(rb"\x1b\]11;rgba?:([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})")
_LAST_ANSWER = re.compile(rb"\x1b\[\?[0-9;]*c")
_MOST_BYTES = 1024
PATIENCE_S = 0.5
"""How long to wait for a terminal far away, which may answer nothing."""


def ask_background(reads: int, writes: int, patience_s: float = PATIENCE_S) -> tuple[int, int, int] | None:
    """Red, green and blue of the ground, 0 to 255; None where the terminal does not say.

    ``reads`` and ``writes`` are descriptors of one terminal. What somebody types meanwhile is lost.
    """
    import termios
    import tty

    try:
        before = termios.tcgetattr(reads)
    except termios.error:
        return None
    try:
        tty.setcbreak(reads)
        os.write(writes, _QUESTION)
        return background_in(_answer(reads, time.monotonic() + patience_s))
    except OSError:
        return None
    finally:
        termios.tcsetattr(reads, termios.TCSADRAIN, before)


def background_in(answer: bytes) -> tuple[int, int, int] | None:
    """The colour that an answer tells, 0 to 255 each; None for none."""
    found = _COLOUR.search(answer)
    if not found:
        return None
    red, green, blue = (round(255 * int(digits, 16) / (16 ** len(digits) - 1)) for digits in found.groups())
    return red, green, blue


def _answer(reads: int, until_s: float) -> bytes:
    answer = b""
    while len(answer) < _MOST_BYTES and not _LAST_ANSWER.search(answer):
        left_s = until_s - time.monotonic()
        if left_s <= 0 or not select.select([reads], [], [], left_s)[0]:
            break
        more = os.read(reads, 256)
        if not more:
            break
        answer += more
    return answer
