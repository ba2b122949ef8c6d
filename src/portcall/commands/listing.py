"""What commands share that list something else than traffic: formats, and the classic command behind ``--verbose``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from portcall.commands.reporting import FORMATS, say
from portcall.exports import write

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from typing import TextIO

    from portcall.schema import Listing


def add_list_options(parser: argparse.ArgumentParser) -> None:
    """Declare how a list is shown."""
    parser.add_argument("--format", choices=FORMATS, default="table", help="how to print (default: %(default)s)")
    parser.add_argument("--verbose", action="store_true", help="show the classic command that this replaces, too")


def present_list(listing: Listing, options: argparse.Namespace, write_table: Callable[[TextIO], None]) -> None:
    """Print the list as asked for; ``write_table`` writes it for people."""
    if options.format == "table":
        write_table(sys.stdout)
    else:
        write(listing, options.format, sys.stdout)


def say_classic(command: str, options: argparse.Namespace) -> None:
    """Tell those who asked for it what one would have typed without portcall."""
    if options.verbose:
        say(f"the classic way: {command}")
