"""``portcall explain``: what a port, a socket or a conversation is, and who has it on this machine."""

from __future__ import annotations

import sys
from dataclasses import asdict
from itertools import chain
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import TextIO

    from portcall.explanation.facts import Machine
    from portcall.explanation.next_steps import Step
    from portcall.records.sockets import SocketListing

_EPILOG = """\
examples:
  portcall explain 443
  portcall explain 192.168.1.5:54823-142.250.80.46:443
  portcall explain --quiz
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options, and what its help begins and ends with."""
    describe(
        parser,
        "Say what a port (443, tcp/53), a service (https), a class of ports (ephemeral), an address, "
        "a socket (0.0.0.0:80), a conversation (192.168.1.5:54823-142.250.80.46:443) or a state (TIME_WAIT) is, and "
        "who has it on this machine now. Without any, tell the whole story of ports on this machine's sockets.",
        _EPILOG,
    )
    parser.add_argument("subject", nargs="?", metavar="SUBJECT", help="what to explain (default: all of it)")
    parser.add_argument(
        "--quiz", action="store_true", help="ask five questions; answers are read from stdin, a line each"
    )
    parser.add_argument("--seed", metavar="N", type=int, help="ask the questions of this number (default: any)")
    add_output_options(parser, ("table", "json"))
    add_verbose_option(parser)
    add_address_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Explain; what cannot be understood is UsageError."""
    if options.quiz and options.subject:
        raise UsageError(f"--quiz asks about everything. Leave out {options.subject!r}")
    if options.seed is not None and not options.quiz:
        raise UsageError("--seed chooses the questions of --quiz. Add --quiz")
    format_name = output_format(options, ("table", "json"))
    listing = _listing()
    with opened(options.output) as stream:
        if options.quiz:
            _quiz(options, listing, stream, format_name)
            return SUCCESS
        classic, about = (_explain if options.subject else _tell)(options, listing, stream, format_name)
    for step in classic:
        say_classic(step.command, options)
    say_degradations(about)
    return SUCCESS


def _explain(
    options: argparse.Namespace, listing: SocketListing, stream: TextIO, format_name: str
) -> tuple[Sequence[Step], SocketListing]:
    """Explain one subject, and return the classic commands for it, and the listing as far as it is about that."""
    from portcall.explanation.facts import explain, sockets_of
    from portcall.explanation.subject import parse_subject

    subject = parse_subject(options.subject)
    explanation = explain(subject, _machine(options, listing, subject.addresses))
    about = listing.about(chain(*sockets_of(subject, listing)))
    if format_name == "json":
        _write_json(asdict(explanation), stream)
        return explanation.classic, about
    from portcall.views.explain import write_explanation

    write_explanation(explanation, stream)
    return explanation.classic, about


def _tell(
    options: argparse.Namespace, listing: SocketListing, stream: TextIO, format_name: str
) -> tuple[Sequence[Step], SocketListing]:
    from portcall.explanation.tutorial import write_tutorial

    story = write_tutorial(_machine(options, listing, ()))
    if format_name == "json":
        _write_json({"kind": "story", **asdict(story)}, stream)
        return story.classic, listing
    from portcall.views.explain import write_story

    write_story(story, stream)
    return story.classic, listing


def _quiz(options: argparse.Namespace, listing: SocketListing, stream: TextIO, format_name: str) -> None:
    """Ask, and say after each answer what is right; where stdin ends, the rest counts as not answered."""
    import random

    from portcall.explanation.quiz import make_quiz
    from portcall.views.explain import question_text, verdict_text

    chance = random.Random(options.seed)  # noqa: S311 - questions, no secrets
    questions = make_quiz(listing.sockets, chance)
    if format_name == "json":
        _write_json({"kind": "quiz", "questions": [asdict(question) for question in questions]}, stream)
        return
    right = 0
    for number, question in enumerate(questions, 1):
        print(question_text(number, question), file=stream, flush=True)
        line = sys.stdin.readline()
        answer = line.strip() or None
        right += answer is not None and question.is_right(answer)
        print(verdict_text(question, answer), end="\n\n", file=stream, flush=True)
    print(f"{right} of {len(questions)} right", file=stream)


def _machine(options: argparse.Namespace, listing: SocketListing, addresses: Sequence[str]) -> Machine:
    from portcall.enrichment.geoip import Origins
    from portcall.enrichment.reverse_dns import reverse_names
    from portcall.explanation.facts import Machine
    from portcall.system.port_ranges import read_port_settings

    origins = Origins(options.geo) if options.geo else None
    return Machine(
        listing=listing,
        settings=read_port_settings(),
        origins={address: origins.look_up(address) for address in addresses} if origins else {},
        reverse_names=reverse_names(addresses) if options.resolve else {},
    )


def _listing() -> SocketListing:
    from portcall.owners.socket_listing import list_sockets

    return list_sockets()


def _write_json(facts: dict[str, Any], stream: TextIO) -> None:  # Any: plain values, as asdict gives them
    import json

    from portcall.exports.json_envelope import SCHEMA

    stream.write(json.dumps({"schema": SCHEMA, **facts}, indent=2, ensure_ascii=True) + "\n")
