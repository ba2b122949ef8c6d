"""What a configuration file changes: what people see, and nothing that programs read."""

from __future__ import annotations

from pathlib import Path

import pytest

from portcall.cli import COMMANDS, main, parser_of
from portcall.commands.shell.configured_options import HARMLESS
from portcall.configuration import config_file
from portcall.labels import hostnames

CAPTURE = str(Path(__file__).parents[2] / "captures" / "office.pcapng")


@pytest.fixture
def configured(tmp_path, monkeypatch):
    """A function that writes this user's file."""
    monkeypatch.setattr(config_file, "has_rights", lambda: False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = tmp_path / "portcall" / "config.toml"
    path.parent.mkdir()
    yield path.write_text
    hostnames._app_of_suffix.cache_clear()
    hostnames.app_of_hostname.cache_clear()


@pytest.fixture
def shown(capsys):
    """A function: words of a command line → (status, stdout, stderr)."""

    def run(*words):
        status = main(words)
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def test_options_are_those_of_the_file(configured, shown):
    by_host = shown("read", CAPTURE, "--by", "host", "--top", "2")
    configured('[read]\nby = "host"\ntop = 2\n')

    assert shown("read", CAPTURE) == by_host


@pytest.mark.parametrize("words", [["--by", "service"], ["--by=service"]])
def test_the_command_line_wins(configured, shown, words):
    without = shown("read", CAPTURE, *words)
    configured('[read]\nby = "host"\n')

    assert shown("read", CAPTURE, *words) == without


@pytest.mark.parametrize("format_name", ["json", "jsonl", "csv"])
def test_what_programs_read_is_the_same_everywhere(configured, shown, format_name):
    without = shown("read", CAPTURE, "--format", format_name)
    configured(
        '[read]\nby = "host"\ntop = 1\nno-names = true\nlocal = "198.51.100.0/24"\n'
        '[networks]\n"10.0.0.0/8" = "office"\n[apps]\nours = "example.net"\n'
    )

    assert shown("read", CAPTURE, "--format", format_name) == without


def test_so_is_a_file_in_such_a_format(configured, shown, tmp_path):
    for name in ("before", "after"):
        shown("read", CAPTURE, "-o", str(tmp_path / f"{name}.csv"))
        configured('[read]\nby = "host"\n')

    assert (tmp_path / "before.csv").read_text() == (tmp_path / "after.csv").read_text()


def test_without_the_file_all_is_as_before(configured, shown):
    without = shown("read", CAPTURE)
    configured('[read]\nby = "host"\n')

    assert shown("read", CAPTURE, "--no-config") == without


def test_own_networks_are_named_and_local(configured, shown):
    configured('[networks]\n"10.20.0.0/16" = "office"\n"198.51.100.0/24" = "branch"\n')

    _, out, err = shown("read", CAPTURE, "--by", "flow", "--format", "table")

    assert "branch" in out
    assert "--local" not in err


def test_own_apps_are_told_by_their_hosts(configured, shown):
    assert "jukebox" not in shown("read", CAPTURE)[1]
    configured('[apps]\njukebox = "music.example.net"\n')
    hostnames.app_of_hostname.cache_clear()

    assert "jukebox" in shown("read", CAPTURE)[1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[reed]\nby = "host"', "no command [reed]. Did you mean 'read'?"),
        ('[read]\nbye = "host"', "[read] bye: read has no such option"),
        ('[read]\nby = "hosts"', "[read] by: 'hosts' is none of app,"),
        ("[read]\ntop = 0", "[read] top: must be at least 1"),
        ('[read]\ndeduplicate = "yes"', "[read] deduplicate: write true or false"),
        ("[read]\nby = true", "[read] by: True is no text or number"),
        ('[read]\noutput = "/tmp/x.csv"', "cannot stand in a configuration"),
        ('[read]\nwhere = "app=x"', "cannot stand in a configuration"),
        ('[read]\nformat = "json"', "cannot stand in a configuration"),
    ],
)
def test_what_cannot_be_is_told_by_its_place(configured, shown, text, said):
    configured(text)

    status, out, err = shown("read", CAPTURE)

    assert (status, out) == (2, "")
    assert said in err
    assert "config.toml: " in err


def test_doctor_shows_the_file(configured, shown):
    configured('[read]\nby = "host"\n[networks]\n"10.0.0.0/8" = "office"\n')

    _, out, _ = shown("doctor", "configuration", "--format", "csv")

    assert "config.toml: 1 networks; 0 apps; [read] by" in out


def test_no_option_that_may_stand_in_it_takes_a_place_to_write_to_or_to_listen_at():
    (commands,) = (action.choices for action in parser_of(COMMANDS)._actions if isinstance(action.choices, dict))
    takes = {
        option[2:]: action.metavar
        for parser in commands.values()
        for action in parser._actions
        for option in action.option_strings
        if option.startswith("--")
    }

    assert {name for name in HARMLESS & set(takes) if takes[name] in ("FILE", "FOLDER", "[ADDRESS:]PORT")} == {"geo"}
