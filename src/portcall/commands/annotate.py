"""``portcall annotate``: a capture by tcpdump and the owners that portcall watched meanwhile, joined."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.commands.confining import begin_converter, confine_reader
from portcall.commands.output import NOTHING_FOUND, PARTLY_READ, SUCCESS, describe, say, say_degradations
from portcall.commands.reached_places import places_read

if TYPE_CHECKING:
    import argparse

_EPILOG = """\
examples:
  sudo portcall live --owners-only -o owners.jsonl    (while tcpdump captures)
  portcall annotate capture.pcap owners.jsonl -o annotated.pcapng
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options, and what its help begins and ends with."""
    description = (
        "Join packets that another program captured with the owners that 'live --owners-only' watched at the same "
        "time: a capture that remembers whose packets it holds."
    )
    describe(parser, description, _EPILOG)
    parser.add_argument("capture", metavar="CAPTURE", help="file in pcap or pcapng format, also compressed")
    parser.add_argument("owners", metavar="OWNERS", help="file that 'live --owners-only -o' wrote")
    parser.add_argument("-o", "--output", metavar="OUT", required=True, help="write to OUT.pcapng")
    parser.add_argument(
        "--annotate", choices=("every", "first", "none"), default="first",
        help="which packets have a comment with their process: every, the first of a conversation in each "
        "direction, none (default: %(default)s)",
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Join them; 0, 1 where no packet has an owner, 3 where only part could be read or written."""
    begin_converter([options.capture])
    confine_reader([*places_read(options.capture), options.owners], output=options.output)
    from portcall.runs.recording.annotating import annotate

    joined = annotate(options.capture, options.owners, options.output, annotate=options.annotate)
    say_degradations(joined)
    say(f"{options.output}: {joined.packets} packets, {joined.owned} of them with an owner")
    if joined.is_part:
        return PARTLY_READ
    return SUCCESS if joined.owned else NOTHING_FOUND
