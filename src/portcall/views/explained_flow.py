"""Stories of conversations for people: headings at the left, sentences beside them.

Everything passes ``visible`` here, since names are as somebody sent them; what is too long to read is cut, marked by
``…``, and whole in ``--format json``.
"""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

from portcall.views.text import terminal_columns, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TextIO

    from portcall.explanation.flow_explanation import FlowExplanation

_WIDTH_WITHOUT_TERMINAL = 100
_LEAST_WIDTH = 40
_MOST_WIDTH = 120  # longer lines are hard to read
_INDENT = 10
_MOST_SENTENCE = 800
_LONG_WORD = re.compile(r"(\S{119})\S{2,}")


def write_explained_flows(explanations: Iterable[FlowExplanation], stream: TextIO) -> None:
    """Write the explanations, an empty line between them."""
    width = _width(stream)
    text = "\n".join("".join(f"{line}\n" for line in _lines(explanation, width)) for explanation in explanations)
    is_plain = not (getattr(stream, "encoding", None) or "utf-8").lower().startswith("utf")
    stream.write(text.encode("ascii", "backslashreplace").decode() if is_plain else text)


def _width(stream: TextIO) -> int:
    if not stream.isatty():
        return _WIDTH_WITHOUT_TERMINAL
    return max(_LEAST_WIDTH, min(_MOST_WIDTH, terminal_columns()))


def _lines(explanation: FlowExplanation, width: int) -> Iterator[str]:
    yield f"{visible(explanation.title)} (row {explanation.row_number} of --by flow)"
    for section in explanation.sections:
        heading = section.heading
        for sentence in section.sentences:
            yield from textwrap.wrap(
                _readable(sentence),
                width,
                initial_indent=f"{heading:{_INDENT}}",
                subsequent_indent=" " * (_INDENT + 2),
                break_on_hyphens=False,
            )
            heading = ""


def _readable(sentence: str) -> str:
    """The sentence in harmless characters, and no more of them than somebody would read."""
    return visible(_LONG_WORD.sub(r"\1…", visible(sentence)), _MOST_SENTENCE)
