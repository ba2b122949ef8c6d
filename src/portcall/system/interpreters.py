"""What an interpreter runs, out of its command line: ``python3 -m http.server`` runs http.server.

A process of an interpreter says little by its name. The module, the class or the base name of the script does.
Arguments are never told, since passwords stand among them, nor is a program that is an argument (``-c``, ``-e``).
For each interpreter a rule says which options take a value, so that no value is taken for a script.
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_ARGUMENTS_BYTES = 1 << 20
"""How much of a command line is worth reading: what java runs stands behind its class path."""

_MAX_NAME = 255
_VERSION = re.compile(r"[-.\d]*(?:-dbg|-exe|w)?$")


class _Rule(NamedTuple):
    """How one interpreter reads its command line. Letters are short options; words are long ones, as written."""

    takes: str = ""
    """Short options with a value, in the same argument or the next."""
    code: str = ""
    """Short options whose value is the program: there is no script."""
    names: str = ""
    """Short options whose value is what runs."""
    long_takes: frozenset[str] = frozenset()
    long_code: frozenset[str] = frozenset()
    long_names: frozenset[str] = frozenset()
    rest: str = ""
    """Short options that may have a value only in the same argument, which then is no further option."""
    words: frozenset[str] = frozenset()
    """Subcommands behind which the script stands."""
    needs_file: bool = False
    """Whether a first word that does not look like a file is a subcommand without a script."""
    reads_first: bool = True
    """Whether the first word that is no option is the script; else it is a program, or data."""

    @property
    def letters(self) -> str:
        """Short options after which no other stands in the same argument."""
        return self.takes + self.code + self.names + self.rest


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SHELL = _Rule(takes="oO", code="cs", long_takes=_words("--rcfile --init-file"), long_code=_words("--command"))
_PYTHON = _Rule(takes="WXQ", code="c", names="m", long_takes=_words("--check-hash-based-pycs"))
_NODE = _Rule(
    takes="rC",
    code="ep",
    long_takes=_words(
        "--require --import --loader --experimental-loader --conditions --title --env-file --input-type --icu-data-dir "
        "--redirect-warnings --diagnostic-dir --watch-path --disable-warning --dns-result-order --unhandled-rejections "
        "--openssl-config --max-http-header-size --cpu-prof-dir --cpu-prof-name --heap-prof-dir --report-dir"
    ),
    long_code=_words("--eval --print --run --test"),
    words=_words("inspect"),
)
_JAVA = _Rule(
    long_takes=_words(
        "-cp -classpath --class-path -p --module-path --upgrade-module-path --add-modules --limit-modules --add-opens "
        "--add-exports --add-reads --patch-module --enable-native-access --source"
    ),
    long_names=_words("-jar -m --module"),
)
_RULES = {
    **dict.fromkeys(("python", "pypy"), _PYTHON),
    **dict.fromkeys(("sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "rbash"), _SHELL),
    "fish": _SHELL._replace(takes="CdDo"),
    **dict.fromkeys(("node", "nodejs"), _NODE),
    "java": _JAVA,
    "ruby": _Rule(takes="ICErK", code="e", rest="FiW0xT"),
    "perl": _Rule(takes="I", code="eE", rest="CDFMilm0Vxd"),
    "php": _Rule(takes="Stcdz", code="rRBE", names="fF", long_code=_words("--run"), long_names=_words("--file")),
    "deno": _Rule(
        long_takes=_words("--config --import-map --lock --env-file --cert --location --seed -c --port --host"),
        words=_words("run serve"),
        needs_file=True,
    ),
    "bun": _Rule(
        takes="rpceC", code="e", long_takes=_words("--preload --cwd --config --env-file --port"),
        long_code=_words("--eval --print"), words=_words("run x"), needs_file=True,
    ),
    "bunx": _Rule(long_takes=_words("--package -p")),
    **dict.fromkeys(("lua", "luajit"), _Rule(takes="elj")),
    "R": _Rule(names="f", code="e", long_names=_words("--file"), reads_first=False),
    "Rscript": _Rule(code="e"),
    **dict.fromkeys(("tclsh", "wish"), _Rule()),
    "expect": _Rule(code="c", names="f"),
    "guile": _Rule(takes="Llex", code="c", names="s"),
    "julia": _Rule(takes="JHLptC", code="eE", long_code=_words("--eval --print")),
    **dict.fromkeys(("awk", "gawk", "mawk"), _Rule(takes="Fv", names="f", reads_first=False)),
    "dotnet": _Rule(
        long_takes=_words("--depsfile --runtimeconfig --fx-version"), words=_words("exec"), needs_file=True,
    ),
    "mono": _Rule(),
    "pwsh": _Rule(
        long_code=_words("-c -Command -command -EncodedCommand"), long_names=_words("-f -File -file"),
        long_takes=_words("-ExecutionPolicy -ep -WorkingDirectory -wd"),
    ),
}  # fmt: skip
_LAST_OPTIONS = frozenset({"-", "--", "--args"})
"""What ends the options: stdin, and of R that what is left is the script's."""
_LIKE_FILES = re.compile(r"[./]")
_CALLS_MANY = frozenset({"busybox", "toybox"})


def script_of(arguments: Sequence[str], executable: str | None = None, *, is_cut: bool = False) -> str | None:
    """The name of what an interpreter runs; None for other programs, and where it runs no script or module.

    ``executable`` is its file, where known; else the first argument has to tell. ``is_cut`` says that the end of the
    command line is missing: of the last argument then nothing is told.
    """
    rule = _rule(arguments, executable)
    if rule is None:
        return None
    whole = arguments[: -1 if is_cut else None]
    words = list(whole[1:])
    if whole and PurePath(whole[0]).name in _CALLS_MANY:
        del words[:1]
    found = _what_runs(rule, words)
    return found and _name(found)


def is_interpreter(arguments: Sequence[str], executable: str | None = None) -> bool:
    """Whether a program with this command line is an interpreter that is known here."""
    return _rule(arguments, executable) is not None


def _rule(arguments: Sequence[str], executable: str | None) -> _Rule | None:
    known = _RULES.get(_plain_name(executable)) if executable else None
    if known or not arguments:
        return known
    called = arguments[0].lstrip("-")  # a login shell
    if PurePath(called).name in _CALLS_MANY and len(arguments) > 1:
        called = arguments[1]
    return _RULES.get(_plain_name(called))


def _plain_name(path: str) -> str:
    """``python`` of ``/usr/bin/python3.11``."""
    return _VERSION.sub("", PurePath(path).name)


def _what_runs(rule: _Rule, arguments: list[str]) -> str | None:
    words = iter(arguments)
    for word in words:
        if word in _LAST_OPTIONS:
            return next(words, None) if word == "--" and rule.reads_first else None
        if word.startswith(("-", "+")):
            is_over, found = _option(rule, word, words)
            if is_over:
                return found
        elif word in rule.words:
            rule = rule._replace(words=frozenset(), needs_file=False)
        elif not (rule is _JAVA and word.startswith("@")):  # a file of more arguments
            is_script = rule.reads_first and (not rule.needs_file or _LIKE_FILES.search(word))
            return word if is_script else None
    return None


def _option(rule: _Rule, word: str, words: Iterator[str]) -> tuple[bool, str | None]:
    """(whether it says what runs, what that is); takes an option's value off the words."""
    long, equals, value = word.partition("=")
    if long in rule.long_code:
        return True, None
    if long in rule.long_names | rule.long_takes:
        value = value if equals else next(words, "")
        return long in rule.long_names, value or None
    if word.startswith("--"):
        return False, None
    at = next((at for at, letter in enumerate(word) if at and letter in rule.letters), None)
    if at is None or word[at] in rule.rest:
        return False, None
    if word[at] in rule.code:
        return True, None
    value = word[at + 1 :] or next(words, "")
    return word[at] in rule.names, value or None


def _name(found: str) -> str | None:
    """The base name of a script, a module as it is; nothing of an address but the file's name."""
    if "://" in found:
        found = re.split(r"[?#]", found.partition("://")[2])[0].partition("/")[2]
    if found.startswith(("/dev/", "/proc/")):  # a pipe
        return None
    name = PurePath(found).name.removeprefix("npm:").removeprefix("jsr:")
    return name[:_MAX_NAME] if name and name != ".." else None
