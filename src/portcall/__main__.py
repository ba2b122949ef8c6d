"""``portcall`` and ``python -m portcall``: first see to whose code runs, then import the rest."""

from __future__ import annotations

import os
import sys

from portcall.isolation import ensure, take_over

_INTERRUPTED = 130  # 128 + SIGINT, as shells say it


def run() -> None:
    """The command; Ctrl-C while it is still being imported ends it without a word."""
    try:
        try:
            ensure()
        except OSError as error:  # no descriptor, no memory, no room in a file of memory (ulimit -n, -f)
            os.write(2, f"portcall: it cannot begin: {error.strerror}; allow more: ulimit -a says what\n".encode())
            os._exit(1)
        from portcall.cli import run as run_command

        run_command()
    except KeyboardInterrupt:
        os._exit(_INTERRUPTED)


def main(words: list[str]) -> None:
    """The command, begun again: with the descriptor that ``take_over`` wants, and its own words."""
    take_over(int(words[0]))
    sys.argv = ["portcall", *words[1:]]
    run()


if __name__ == "__main__":
    run()
