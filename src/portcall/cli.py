"""``portcall``: finds the command, runs it, and turns what goes wrong into one line and an exit status."""

from __future__ import annotations

import argparse
import errno
import gc
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from portcall.endings import PatientStream, ending_status, inspect_endings
from portcall.errors import PortcallError
from portcall.isolation import ensure
from portcall.system.scarcity import what_is_scarce
from portcall.views.text import visible

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import NoReturn, TextIO

COMMANDS = {
    "read": "attribute the traffic of captures to apps",
    "live": "attribute traffic to processes as it passes",
    "ports": "list who listens where, and who can reach it",
    "conns": "list the conversations that exist now",
    "who": "name the process that has a port",
    "check": "test whether ports of a host are open, closed or filtered",
    "explain": "say what a port, a socket or a conversation is, and who has it here",
    "doctor": "try what portcall needs on this machine, and say what mends the rest",
}
"""Every command's module, and its line in ``--help``, in that order."""

CLOSED_PIPE = 141  # 128 + SIGPIPE
_OBJECTS_BETWEEN_COLLECTIONS = 100_000
_UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})

_EPILOG = """\
example:
  portcall read capture.pcapng
"""


def run() -> NoReturn:
    """The command: ``main``, and the end of the process."""
    ensure()
    inspect_endings()
    sys.stdout, sys.stderr = _there(sys.stdout), cast("TextIO", PatientStream(_there(sys.stderr)))
    status = main()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        status = status or PortcallError.exit_status  # what is in the way was said, or nobody reads it
    # Python would free every object by itself, and look for cycles among them: 2 % of the time of a run.
    os._exit(status)


def _there(stream: TextIO | None) -> TextIO:
    """The stream, or one that leads nowhere where somebody closed it, for which Python has None."""
    return stream or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; the exit status is that of the interface. Wrong options leave by SystemExit, status 2."""
    # NumPy's OpenBLAS starts a thread for each processor when it is imported, which takes as long as all other imports;
    # nothing here multiplies matrices.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Reports are many small objects and no cycles: looking for cycles every 700 of them doubled the time they take.
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    try:
        words = sys.argv[1:] if argv is None else argv
        options = parser_of(_commands_in(words)).parse_args(words)
        status = int(options.run(options))
        sys.stdout.flush()
    except PortcallError as error:
        print(f"portcall: {visible(str(error))}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        return ending_status()
    except BrokenPipeError:
        # Whoever read has gone. Python would complain again when it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED_PIPE
    except (OSError, MemoryError) as error:
        scarce = what_is_scarce(error)
        if scarce:
            print(f"portcall: {scarce}", file=sys.stderr)
            return PortcallError.exit_status
        if not isinstance(error, OSError) or error.errno not in _UNWRITABLE:
            raise
        print(f"portcall: the output cannot be written: {os.strerror(error.errno or 0).lower()}", file=sys.stderr)
        return PortcallError.exit_status
    return status


def parser_of(commands: Collection[str]) -> argparse.ArgumentParser:
    """A parser that knows all commands by name, and the options of these: each is a module to import."""
    parser = argparse.ArgumentParser(
        prog="portcall",
        description="Which application do these packets belong to?",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, prog=parser.prog)
    for name, line in COMMANDS.items():
        command = subparsers.add_parser(
            name,
            help=line,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,  # or every new option could break somebody's script
        )
        if name in commands:
            import_module(f"portcall.commands.{name}").add_options(command)
    return parser


def _commands_in(words: Sequence[str]) -> list[str]:
    """The command that a command line begins with, behind options of portcall itself, which have no values."""
    return [word for word in words if not word.startswith("-")][:1]


class _Version(argparse.Action):
    """Prints the version; looks it up only then, because that reads the installed package's metadata."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:  # Any: argparse's values, not used
        from importlib.metadata import PackageNotFoundError, version

        try:
            words = version("portcall")
        except PackageNotFoundError:
            words = "(not installed)"
        print(f"portcall {words}")
        parser.exit()
