"""``portcall explain``: what a port, a socket or a conversation is, and who has it on this machine."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from portcall.commands.confining import confine_looker
from portcall.commands.listing import add_verbose_option, say_classic
from portcall.commands.output import (
    SUCCESS,
    add_address_options,
    add_output_options,
    describe,
    output_format,
    say_degradations,
)
from portcall.commands.output_file import opened
from portcall.errors import UsageError
from portcall.views.text import visible

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import TextIO

    from portcall.explanation.facts import Explanation
    from portcall.explanation.quiz import QuizQuestion
    from portcall.explanation.tutorial import Tutorial

_EPILOG = """\
examples:
  portcall explain 443
  portcall explain 192.168.1.5:54823-142.250.80.46:443
  portcall explain --quiz
"""


_TRIES = 3
_MOST_ECHOED = 20


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options, and what its help begins and ends with."""
    describe(
        parser,
        "Say what a port (443, tcp/53), a service (https), a class of ports (ephemeral), an address, "
        "a socket (0.0.0.0:80), a conversation (192.168.1.5:54823-142.250.80.46:443) or a state (TIME_WAIT) is, and "
        "who has it on this machine now. Without any, give the tutorial of ports on this machine's sockets.",
        _EPILOG,
    )
    parser.add_argument("subject", nargs="*", metavar="SUBJECT", help="what to explain (default: all of it)")
    parser.add_argument(
        "--quiz", action="store_true", help="ask five questions; answers are read from stdin, a line each"
    )
    parser.add_argument(
        "--seed",
        metavar="N",
        type=int,
        help="always ask the questions of this number, none about this machine's sockets (default: at random)",
    )
    add_output_options(parser, ("table", "json"))
    add_verbose_option(parser)
    add_address_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Explain; what cannot be understood is UsageError."""
    words = " ".join(options.subject)
    if options.quiz and words:
        raise UsageError(f"--quiz asks about everything. Leave out {words!r}")
    if options.seed is not None and not options.quiz:
        raise UsageError("--seed chooses the questions of --quiz. Add --quiz")
    format_name = output_format(options, ("table", "json"), tries_output=False)
    from portcall.runs import explain as runs

    confine_looker(options, format_name)

    if options.quiz:
        questions = runs.quiz(options.seed)
        with opened(options.output) as stream:
            _quiz(questions, stream, format_name)
        return SUCCESS
    said: Explanation | Tutorial
    said = runs.explain(words, geo=options.geo, resolve=options.resolve) if options.subject else runs.tell_everything()
    with opened(options.output) as stream:
        _write(said, stream, format_name)
    for step in said.classic:
        say_classic(step.command, options)
    say_degradations(said)
    return SUCCESS


def _write(said: Explanation | Tutorial, stream: TextIO, format_name: str) -> None:
    from portcall.explanation.facts import Explanation

    is_of_subject = isinstance(said, Explanation)
    if format_name == "json":
        _write_json(({} if is_of_subject else {"kind": "story"}) | asdict(said), stream)
        return
    from portcall.views.explain import write_explanation, write_tutorial_text  # rich

    if isinstance(said, Explanation):
        write_explanation(said, stream)
    else:
        write_tutorial_text(said, stream)


def _quiz(questions: Sequence[QuizQuestion], stream: TextIO, format_name: str) -> None:
    """Ask, and say after each answer what is right; where stdin ends, the rest counts as not answered."""
    from portcall.views.explain import question_text, verdict_text

    if format_name == "json":
        _write_json({"kind": "quiz", "questions": [asdict(question) for question in questions]}, stream)
        return
    right = 0
    for number, question in enumerate(questions, 1):
        print(question_text(number, question), file=stream, flush=True)
        answer = _answer(question, stream)
        right += answer is not None and question.is_right(answer)
        print(verdict_text(question, answer), end="\n\n", file=stream, flush=True)
    print(f"{right} of {len(questions)} right", file=stream)


def _answer(question: QuizQuestion, stream: TextIO) -> str | None:
    """What is typed, asked for again while it is no choice; None without one, and where stdin ends."""
    letters = ", ".join(letter for letter, _ in question.lettered)
    for _ in range(_TRIES):
        print(f"   your answer ({letters}): ", end="", file=stream, flush=True)
        typed = sys.stdin.readline()
        answer = typed.strip()
        if not (sys.stdin.isatty() and typed.endswith("\n")):
            print(file=stream)  # nobody's Enter has ended the line
        if not answer or question.is_choice(answer):
            return answer or None
        print(f"   {visible(answer, _MOST_ECHOED)!r} is none of {letters}", file=stream)
    return None


def _write_json(facts: dict[str, Any], stream: TextIO) -> None:  # Any: plain values, as asdict gives them
    import json

    from portcall.exports.json_envelope import SCHEMA

    stream.write(json.dumps({"schema": SCHEMA, **facts}, indent=2, ensure_ascii=True) + "\n")
