"""What commands share that list something else than traffic: options, and the classic command behind ``--verbose``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.commands.output import add_output_options, positive, say

if TYPE_CHECKING:
    import argparse


def add_list_options(parser: argparse.ArgumentParser, example: str) -> None:
    """Declare how rows are chosen and shown; ``example`` is one for ``--where``."""
    parser.add_argument("--where", metavar="EXPR", help=f"show only what matches, such as '{example}'")
    parser.add_argument("--top", metavar="N", type=positive, help="show only the first N rows")
    add_output_options(parser)
    add_verbose_option(parser)


def add_verbose_option(parser: argparse.ArgumentParser) -> None:
    """Declare that people may ask what they would type without portcall."""
    parser.add_argument("--verbose", action="store_true", help="also say which classic command this replaces")


def add_namespace_option(parser: argparse.ArgumentParser) -> None:
    """Declare whose sockets are meant."""
    parser.add_argument(
        "--netns", metavar="NAME", action="append", default=[], help="network namespace to look in; all: every one"
    )


def say_classic(command: str, options: argparse.Namespace) -> None:
    """Tell those who asked for it what one would have typed without portcall."""
    if options.verbose:
        say(f"the classic command: {command}")
