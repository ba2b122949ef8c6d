"""``portcall`` and ``python -m portcall``: first see to whose code runs, then import the rest."""

from __future__ import annotations

import sys

from portcall.isolation import ensure, take_over


def run() -> None:
    """The command."""
    ensure()
    from portcall.cli import run as run_command

    run_command()


def main(words: list[str]) -> None:
    """The command, begun again: with the descriptor that ``take_over`` wants, and its own words."""
    take_over(int(words[0]))
    sys.argv = ["portcall", *words[1:]]
    run()


if __name__ == "__main__":
    run()
