"""What a shell is told that asks how a word may go on: argcomplete finds it in the parser, and asks here for the rest.

The parser knows commands, options and choices. What only this machine knows (interfaces, network namespaces) or another
table (columns, what ``doctor`` tries) is found by what an option or argument is called, or takes, as ``--help`` shows.
So an option that is added tomorrow and takes an IFACE completes by itself. Files are completed by the shells.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator, Mapping

    Answers = Iterable[str] | Mapping[str, str]

_ASKED = re.compile(r"_ARGCOMPLETE(_IFS|_DFS|_SHELL|_SUPPRESS_SPACE|_COMP_WORDBREAKS)?|COMP_(LINE|POINT|TYPE)")
"""The variables that a question is made of; none of those that name files."""
_ANSWERS_TO = 8
"""The descriptor, as argcomplete's own scripts have it."""
_LAST_NAME = re.compile(r"\w*\Z", re.ASCII)
_WANTS_NAME = re.compile(r"(?:\A|\(|\b(?:and|or|not)\s)\s*\w*\Z", re.ASCII)


def is_asked(environment: Mapping[str, str]) -> bool:
    """Whether it is a shell that asks, and nobody that wants a command run."""
    return "_ARGCOMPLETE" in environment and "COMP_LINE" in environment


def typed_words(environment: Mapping[str, str]) -> list[str]:
    """The line so far, in words, without the first."""
    return environment["COMP_LINE"].split()[1:]


def answer(parser: argparse.ArgumentParser, environment: Mapping[str, str]) -> None:
    """Tell the shell, and end the process: status 1 where argcomplete is not there, or nobody listens."""
    os.environ.update({name: value for name, value in environment.items() if _ASKED.fullmatch(name)})
    try:
        from argcomplete.completers import SuppressCompleter
        from argcomplete.finders import CompletionFinder

        stream = os.fdopen(_ANSWERS_TO, "w", encoding="utf-8", errors="replace")
    except (ImportError, OSError):
        os._exit(1)
    for action in _actions(parser):
        completer = _THERE_IS.get(action.dest) or _THERE_IS.get(str(action.metavar))
        if completer and not action.choices:
            action.completer = completer  # type: ignore[attr-defined] # argcomplete's way
    CompletionFinder()(
        parser,
        always_complete_options=False,
        default_completer=SuppressCompleter(),
        output_stream=stream,
        validator=lambda word, prefix: word.startswith(prefix) and word.isprintable(),
    )


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Those of a parser, and of each command below it."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no public way
        yield action
        if isinstance(action.choices, dict):
            for below in action.choices.values():
                yield from _actions(below)


def _interfaces(**_: Any) -> list[str]:  # Any: what argcomplete hands over, as below
    import socket

    return [name for _, name in socket.if_nameindex()]


def _namespaces(**_: Any) -> list[str]:
    from portcall.system.network_namespaces import ALL, named_namespaces

    return [ALL, *named_namespaces()]


def _columns(prefix: str, parsed_args: argparse.Namespace, parser: argparse.ArgumentParser, **_: Any) -> Answers:
    """The text so far, with each column that may stand at its end, and what is likely to follow it."""
    from portcall.queries.row_filter import comparable
    from portcall.records.schema import COUNTS, LISTS, LIVE_GROUPINGS

    if not _WANTS_NAME.search(prefix):
        return []
    command, by = parser.prog.rpartition(" ")[2], getattr(parsed_args, "by", None)
    of = by if by in LIVE_GROUPINGS else LIVE_GROUPINGS[0]
    if command in LISTS:
        of = COUNTS.get(str(by), command)
    before = _LAST_NAME.sub("", prefix)
    return {
        f"{before}{name}{'>' if column.type == 'integer' else '='}": column.meaning
        for name, column in comparable(of).items()
    }


def _examinations(**_: Any) -> list[str]:
    from portcall.runs.doctor import EXAMINATIONS

    return [examination.subject for examination in EXAMINATIONS]


_THERE_IS: dict[str, Callable[..., Answers]] = {
    "IFACE": _interfaces,
    "netns": _namespaces,
    "where": _columns,
    "SUBJECT": _examinations,
}
"""What an option or argument is called, or takes → what there is of it."""
