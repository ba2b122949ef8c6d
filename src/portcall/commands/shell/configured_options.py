"""Options of the configuration file, where a command line leaves them open, and what else the file says.

Only what a person will look at is changed: where another format than a table is asked for, the file does not count, so
that programs get the same everywhere. Only options in HARMLESS may stand in it: none that names a file to write, a
place to listen, a program, or rows that would silently be missing.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from portcall.errors import UsageError
from portcall.records.schema import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from portcall.configuration.config_file import Configuration

HARMLESS = frozenset(
    {"by", "top", "local", "no-names", "bucket", "layer", "deduplicate", "geo", "jobs", "interface", "netns", "source"}
    | {"owners", "ring-size", "sort", "plain", "idle-timeout", "active-timeout", "memory", "interval", "verbose"}
    | {"explain-states"}
)


def add_no_config(parser: argparse.ArgumentParser) -> None:
    """Declare how the file is left out."""
    parser.add_argument(
        "--no-config", action="store_true", help="go without the configuration file, and data of your own"
    )


def configure(
    options: argparse.Namespace,
    parser: argparse.ArgumentParser,
    words: Sequence[str],
    commands: Mapping[str, object],
) -> None:
    """Fill in what the words did not say; UsageError where the file is wrong. ``parser`` is the command's own."""
    options.own_networks = {}
    if options.no_config or not _is_for_people(options):
        return
    from portcall.configuration.config_file import configuration_path, read_configuration

    configuration = read_configuration(configuration_path())
    if configuration is None:
        return
    command = parser.prog.rpartition(" ")[2]
    if unknown := next((name for name in configuration.options if name not in commands), None):
        known = ("networks", "apps", *commands)
        raise UsageError(f"{configuration.path}: no command [{unknown}]{did_you_mean(unknown, known)}")
    for action, value in _values(configuration, command, parser):
        if not _is_given(action, words):
            setattr(options, action.dest, value)
    if configuration.networks and hasattr(options, "local"):
        options.own_networks = configuration.networks
        options.local = options.local or list(configuration.networks)
    if configuration.apps:
        from portcall.labels.hostnames import know_apps

        know_apps(configuration.apps)


def _is_for_people(options: argparse.Namespace) -> bool:
    output = getattr(options, "output", None)
    return getattr(options, "format", None) in (None, "table") and (not output or output.endswith(".txt"))


def _values(
    configuration: Configuration, command: str, parser: argparse.ArgumentParser
) -> list[tuple[argparse.Action, Any]]:  # Any: options' values
    """Each option of the command that the file names, and its value, as the parser would have it."""
    actions = {
        option[2:]: action
        for action in parser._actions  # noqa: SLF001 - argparse has no public way
        for option in action.option_strings
        if option.startswith("--")
    }
    found = []
    for name, value in configuration.options.get(command, {}).items():
        place = f"{configuration.path}: [{command}] {name}"
        if name not in actions:
            raise UsageError(f"{place}: {command} has no such option{did_you_mean(name, tuple(actions))}")
        if name not in HARMLESS:
            raise UsageError(f"{place}: this option cannot stand in a configuration. Give it on the command line")
        found.append((actions[name], _value(place, actions[name], value)))
    return found


def _value(place: str, action: argparse.Action, value: Any) -> Any:  # Any: TOML's values become options' values
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise UsageError(f"{place}: write true or false")
        return action.const if value else action.default
    if isinstance(action.default, list):
        return [_one(place, action, one) for one in (value if isinstance(value, list) else [value])]
    return _one(place, action, value)


def _one(place: str, action: argparse.Action, value: Any) -> Any:  # Any: as above
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise UsageError(f"{place}: {value!r} is no text or number")
    try:
        converted = action.type(str(value)) if callable(action.type) else str(value)
    except (argparse.ArgumentTypeError, ValueError) as error:
        raise UsageError(f"{place}: {error}") from error
    if action.choices and converted not in action.choices:
        raise UsageError(f"{place}: {converted!r} is none of {', '.join(map(str, action.choices))}")
    return converted


def _is_given(action: argparse.Action, words: Sequence[str]) -> bool:
    """Whether the command line has this option, in any of its forms."""
    return any(
        word == option or word.startswith(f"{option}=" if option.startswith("--") else option)
        for word in words
        for option in action.option_strings
    )
