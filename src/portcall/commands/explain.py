"""``portcall explain``: what a port, a socket or a conversation is, and who has it on this machine."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from portcall.commands.reporting import SUCCESS, add_address_options, say_degradations
from portcall.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from portcall.explanations import Machine
    from portcall.system_sockets import SocketListing

_EPILOG = """\
examples:
  portcall explain 443
  portcall explain 192.168.1.5:54823-142.250.80.46:443
  portcall explain --quiz
"""
_SCHEMA = 1


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Declare the command and its options."""
    parser = subparsers.add_parser(
        "explain",
        help="say what a port, a socket or a conversation is, and who has it here",
        description="Say what a port (443, tcp/53), a service (https), a class of ports (ephemeral), an address, "
        "a socket (0.0.0.0:80), a conversation (192.168.1.5:54823-142.250.80.46:443) or a state (TIME_WAIT) is, and "
        "who has it on this machine now. Without any, tell the whole story of ports on this machine's sockets.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("subject", nargs="?", metavar="SUBJECT", help="what to explain (default: all of it)")
    parser.add_argument("--format", choices=("table", "json"), default="table", help="how to print (default: table)")
    parser.add_argument("--verbose", action="store_true", help="show also the classic commands for the same")
    parser.add_argument(
        "--quiz", action="store_true", help="ask five questions; answers are read from stdin, a line each"
    )
    parser.add_argument("--seed", metavar="N", type=int, help="ask the questions of this number (default: any)")
    add_address_options(parser)
    parser.set_defaults(run=run)
    return parser


def run(options: argparse.Namespace) -> int:
    """Explain; what cannot be understood is UsageError."""
    if options.quiz and options.subject:
        raise UsageError(f"--quiz asks about everything. Leave out {options.subject!r}")
    if options.seed is not None and not options.quiz:
        raise UsageError("--seed chooses the questions of --quiz. Add --quiz")
    listing = _listing()
    if options.quiz:
        return _quiz(options, listing)
    if options.subject is None:
        _tell(options, _machine(options, listing, ()))
    else:
        _explain(options, listing)
    say_degradations(listing)
    return SUCCESS


def _explain(options: argparse.Namespace, listing: SocketListing) -> None:
    from portcall.explanations import explain
    from portcall.subjects import parse_subject

    subject = parse_subject(options.subject)
    explanation = explain(subject, _machine(options, listing, subject.addresses))
    if options.format == "json":
        _print_json(asdict(explanation))
        return
    from portcall.views.explanations import write_explanation

    write_explanation(explanation, sys.stdout, verbose=options.verbose)


def _tell(options: argparse.Namespace, machine: Machine) -> None:
    from portcall.story import tell_story

    story = tell_story(machine)
    if options.format == "json":
        _print_json({"kind": "story", **asdict(story)})
        return
    from portcall.views.explanations import write_story

    write_story(story, sys.stdout, verbose=options.verbose)


def _quiz(options: argparse.Namespace, listing: SocketListing) -> int:
    """Ask, and say after each answer what is right; where stdin ends, the rest counts as not answered."""
    import random

    from portcall.quiz import make_quiz
    from portcall.views.explanations import question_text, verdict_text

    chance = random.Random(options.seed)  # noqa: S311 - questions, no secrets
    questions = make_quiz(listing.sockets, chance)
    if options.format == "json":
        _print_json({"kind": "quiz", "questions": [asdict(question) for question in questions]})
        return SUCCESS
    right = 0
    for number, question in enumerate(questions, 1):
        print(question_text(number, question), flush=True)
        line = sys.stdin.readline()
        answer = line.strip() or None
        right += answer is not None and question.is_right(answer)
        print(verdict_text(question, answer), end="\n\n", flush=True)
    print(f"{right} of {len(questions)} right")
    return SUCCESS


def _machine(options: argparse.Namespace, listing: SocketListing, addresses: Sequence[str]) -> Machine:
    from portcall.explanations import Machine
    from portcall.places import Places
    from portcall.port_settings import read_port_settings
    from portcall.reverse_names import reverse_names

    places = Places(options.geo) if options.geo else None
    return Machine(
        listing=listing,
        settings=read_port_settings(),
        places={address: places.look_up(address) for address in addresses} if places else {},
        reverse_names=reverse_names(addresses) if options.resolve else {},
    )


def _listing() -> SocketListing:
    from portcall.owners.listing import list_sockets

    return list_sockets()


def _print_json(facts: dict[str, Any]) -> None:  # Any: plain values, as asdict gives them
    import json

    print(json.dumps({"schema": _SCHEMA, **facts}, indent=2, ensure_ascii=True))
