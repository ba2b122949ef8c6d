"""``portcall``: finds the command, runs it, and turns what goes wrong into one line and an exit status."""

from __future__ import annotations

import argparse
import errno
import gc
import os
import re
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from portcall.commands.shell.configured_options import add_no_config, configure
from portcall.endings import PatientStream, ending_status, inspect_endings
from portcall.errors import PortcallError, UsageError
from portcall.isolation import ensure, original_environment, own_process
from portcall.system.scarcity import LIBRARIES_BYTES, ensure_room, what_is_scarce
from portcall.views.text import terminal_columns, visible

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import NoReturn, TextIO

    from _typeshed import SupportsWrite

COMMANDS = {
    "read": "attribute the traffic of captures to apps",
    "live": "attribute traffic to processes as it passes",
    "diff": "show what changed between two captures or reports",
    "baseline": "learn from captures who talks to whom, for --expect",
    "history": "say who used the network in the past, as 'live --history' kept it",
    "annotate": "join a capture with the owners that were watched meanwhile",
    "ports": "list who listens where, and who can reach it",
    "conns": "list the conversations that exist now",
    "who": "name the process that has a port",
    "check": "test whether ports of a host are open, closed or filtered",
    "explain": "say what a port, a socket or a conversation is, and who has it here",
    "doctor": "try what portcall needs on this machine, and say what mends the rest",
    "update-data": "list the files that names come from, or put your own in their place",
    "mcp": "answer an agent's questions about captures and ports",
    "completion": "print what makes a shell complete command lines",
}
"""Every command's module, and its line in ``--help``, in that order."""
_PLACES = {
    "mcp": "agents.mcp",
    "diff": "comparing.diff",
    "baseline": "comparing.baseline",
    "completion": "shell.completion",
    "update-data": "update_data",
}
"""The modules that stand in a folder of ``commands``."""

CLOSED_PIPE = 141  # 128 + SIGPIPE
_IMPORT_LITTLE = ("ports", "conns", "who", "check", "explain", "completion")
"""Those that need no NumPy."""
_FOLLOWS_COMMANDS = ("live",)
"""Those that run what stands behind ``--``."""
_SHOW_OWN_DATA = ("doctor", "update-data")
"""Those that say what is wrong with the user's own data, and so do without."""
_NEAR = 0.7
_MARGIN = 2  # that argparse leaves
_OBJECTS_BETWEEN_COLLECTIONS = 100_000
_UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})

_EPILOG = """\
example:
  portcall read capture.pcapng
"""


def run() -> NoReturn:
    """The command: ``main``, and the end of the process."""
    ensure()
    own_process()
    inspect_endings()
    sys.stdin = sys.stdin or open(os.devnull)  # noqa: PTH123, SIM115 - closed: there is nothing to read
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115 - closed: see ``ensure``
    sys.stderr = cast("TextIO", PatientStream(_there(sys.stderr)))
    if "_ARGCOMPLETE" in original_environment():
        _answer_shell()
    status = main()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        status = status or PortcallError.exit_status  # what is in the way was said, or nobody reads it
    # Python would free every object by itself, and look for cycles among them: 2 % of the time of a run.
    os._exit(status)


def _answer_shell() -> None:
    """Where a shell asks how a word may go on, tell it and end."""
    from portcall.commands.shell.answers import answer, is_asked, typed_words

    environment = original_environment()
    if is_asked(environment):
        answer(parser_of([word for word in typed_words(environment) if word in COMMANDS]), environment)


def _there(stream: TextIO | None) -> TextIO:
    """The stream, or one that leads nowhere where somebody closed it, for which Python has None."""
    return stream or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; the exit status is that of the interface. Wrong options leave by SystemExit, status 2."""
    # NumPy's OpenBLAS starts a thread for each processor when it is imported, which takes as long as all other imports;
    # nothing here multiplies matrices.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # pyarrow's jemalloc, which is not even used here, begins a thread when it is imported; a process can be confined
    # only while it has one.
    os.environ.setdefault("JE_ARROW_MALLOC_CONF", "background_thread:false")
    # Reports are many small objects and no cycles: looking for cycles every 700 of them doubled the time they take.
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    try:
        words = sys.argv[1:] if argv is None else argv
        options = _parsed(words)
        status = int(options.run(options))
        sys.stdout.flush()
    except PortcallError as error:
        print(f"portcall: {visible(str(error))}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        return ending_status()
    except BrokenPipeError:
        # Whoever read has gone. Python would complain again when it flushes stdout at exit.
        os.dup2(_nowhere(), sys.stdout.fileno())
        return CLOSED_PIPE
    except Exception as error:  # where memory is scarce, anything is raised; else it is a bug, and raised again
        scarce = what_is_scarce(error)
        if scarce:
            print(f"portcall: {scarce}", file=sys.stderr)
            return PortcallError.exit_status
        if not isinstance(error, OSError) or error.errno not in _UNWRITABLE:
            raise
        why = "stdout is closed" if error.errno == errno.EBADF else os.strerror(error.errno or 0).lower()
        print(f"portcall: the output cannot be written: {why}", file=sys.stderr)
        return PortcallError.exit_status
    return status


def _nowhere() -> int:
    """What may be written to, and leads nowhere; or only read, where this process may open nothing to write."""
    try:
        return os.open(os.devnull, os.O_WRONLY)
    except PermissionError:
        return os.open(os.devnull, os.O_RDONLY)


def parser_of(commands: Collection[str]) -> argparse.ArgumentParser:
    """A parser that knows all commands by name, and the options of these: each is a module to import."""
    parser = _Parser(
        prog="portcall",
        description="Which application do these packets belong to?",
        epilog=_EPILOG,
        formatter_class=_Help,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, prog=parser.prog)
    for name, line in COMMANDS.items():
        command = subparsers.add_parser(
            name,
            help=line,
            formatter_class=_Help,
            allow_abbrev=False,  # or every new option could break somebody's script
        )
        if name in commands:
            _module_of(name).add_options(command)
            add_no_config(command)
    return parser


def _parser_below(parser: argparse.ArgumentParser, command: str) -> argparse.ArgumentParser:
    """The command's own parser."""
    (below,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))  # noqa: SLF001 - argparse has no public way
    found: argparse.ArgumentParser = below.choices[command]
    return found


def _module_of(command: str) -> Any:  # Any: modules have no protocol; they have ``add_options``
    return import_module(f"portcall.commands.{_PLACES.get(command, command)}")


def _commands_in(words: Sequence[str]) -> list[str]:
    """The command that a command line begins with, behind options of portcall itself, which have no values."""
    return [word for word in words if not word.startswith("-")][:1]


def _parsed(words: Sequence[str]) -> argparse.Namespace:
    """The options of a command line; what it has too much, or wrong, leaves by SystemExit, with what may be meant."""
    (command, *_) = [*_commands_in(words), None]
    own, behind = _cut(words) if command in _FOLLOWS_COMMANDS else (words, None)
    if command in COMMANDS and command not in _IMPORT_LITTLE:
        ensure_room(LIBRARIES_BYTES)
    parser = parser_of([command] if command in COMMANDS else [])
    if not words:
        parser.print_help(sys.stderr)
        parser.exit(UsageError.exit_status)
    if command not in (None, *COMMANDS):
        parser.error(_no_command(str(command), words))
    options, rest = parser.parse_known_args(own)
    if rest:
        _refuse(parser, str(command), rest[0])
    if not options.no_config and command not in _SHOW_OWN_DATA:
        _use_own_data()
    configure(options, _parser_below(parser, str(command)), own, COMMANDS)
    if behind is not None:
        if not behind:
            parser.error("behind -- stands a command, and there is none")
        options.command = behind
    return options


def _use_own_data() -> None:
    """Before anything is labelled, and while the folder can still be reached."""
    from portcall.configuration.own_data import own_files, own_folder

    if own := own_files(own_folder()):
        from portcall.labels.data_files import use_own

        use_own({name: file.text for name, file in own.items()})


def _cut(words: Sequence[str]) -> tuple[Sequence[str], list[str] | None]:
    """What stands before the first ``--``, and what behind it."""
    if "--" not in words:
        return words, None
    place = list(words).index("--")
    return words[:place], list(words[place + 1 :])


def _no_command(command: str, words: Sequence[str]) -> str:
    import difflib

    from portcall.commands.output import did_you_mean_command, looks_like_capture

    rest = words[list(words).index(command) + 1 :]
    refusal = f"no command {visible(command)!r}"
    if looks_like_capture(command):
        return f"{refusal}, but a capture. {did_you_mean_command('read', command, *rest)}"
    near = difflib.get_close_matches(command, COMMANDS, n=1, cutoff=_NEAR)
    if near:
        return f"{refusal}. {did_you_mean_command(near[0], *rest)}"
    return f"{refusal}. Choose from: {', '.join(COMMANDS)}"


def _refuse(parser: argparse.ArgumentParser, command: str, word: str) -> NoReturn:
    """End over a word that the command does not take."""
    help_says = f"'portcall {command} --help' says what it takes"
    if not word.startswith("-"):
        parser.error(f"{command} takes no {visible(word)!r}: {help_says}")
    import difflib

    given = word.partition("=")[0]
    near = difflib.get_close_matches(given, _options_of(command), n=1)
    hint = f"Did you mean '{near[0]}'?" if near else help_says
    parser.error(f"{command} has no option {visible(given)}. {hint}")


def _options_of(command: str) -> list[str]:
    parser = argparse.ArgumentParser()
    _module_of(command).add_options(parser)
    return re.findall(r"(?<![\w-])--?[a-z0-9][\w-]*", parser.format_usage())


class _Parser(argparse.ArgumentParser):
    """Prints help whose examples can be typed here; as text it is the same on every machine."""

    def print_help(self, file: SupportsWrite[str] | None = None) -> None:
        from portcall.system.remedies import examples_here

        self._print_message(examples_here(self.format_help()), file or sys.stdout)

    def error(self, message: str) -> NoReturn:
        """End over wrong words in one line: the usage of `read` alone would push what is wrong off the screen."""
        hint = f" ({self.prog} --help)" if "required" in message else ""
        self.exit(UsageError.exit_status, f"{self.prog}: error: {message}{hint}\n")


class _Help(argparse.RawDescriptionHelpFormatter):
    """As wide as argparse has it; one is made for every option, and argparse would ask ``shutil`` each time."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=terminal_columns() - _MARGIN)


class _Version(argparse.Action):
    """Prints the version; looks it up only then, because that reads the installed package's metadata."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:  # Any: argparse's values, not used
        import portcall

        print(f"portcall {portcall.__version__}")
        parser.exit()
