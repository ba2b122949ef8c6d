"""The configuration file: what it may say, whose file counts, and that what is wrong in it is told by its place."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from portcall.configuration import config_file
from portcall.configuration.config_file import SYSTEM_FILE, configuration_path, read_configuration
from portcall.errors import UsageError

WHOLE = """
[networks]
"192.168.1.0/24" = "home"
"fd00::/8" = "inside"

[apps]
wiki = ["wiki.example.org", "wiki.example.net"]
shop = "shop.example"

[read]
by = "host"
"""


@pytest.fixture
def written(tmp_path):
    """A function: text → the path of a file with it that only its owner can write."""

    def write(text):
        path = tmp_path / "config.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(0o644)
        return path

    return write


def test_networks_apps_and_options_are_read(written):
    configuration = read_configuration(written(WHOLE))

    assert configuration.networks == {"192.168.1.0/24": "home", "fd00::/8": "inside"}
    assert configuration.apps == {"wiki.example.org": "wiki", "wiki.example.net": "wiki", "shop.example": "shop"}
    assert configuration.options == {"read": {"by": "host"}}


def test_no_file_is_no_configuration(tmp_path):
    assert read_configuration(tmp_path / "config.toml") is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_a_home_that_is_somebody_elses_has_no_configuration(tmp_path):
    (tmp_path / "config.toml").write_text("no TOML")
    tmp_path.chmod(0o700)
    ask = f"""
import os, pathlib
from portcall.configuration.config_file import read_configuration
os.setuid(65534)
assert read_configuration(pathlib.Path({str(tmp_path / "config.toml")!r})) is None
"""

    subprocess.run([sys.executable, "-c", ask], check=True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[networks", "no TOML"),
        (b"\xff", "no TOML"),
        ("by = 'host'", "stands in no table"),
        ("[networks]\n'192.168.1.1/24' = 'x'", "has host bits set"),
        ("[networks]\n'10.0.0.0/8' = \"\\u001b[31m\"", "is no name"),
        ("[networks]\n'10.0.0.0/8' = ''", "is no name"),
        ("[networks]\n'10.0.0.0/8' = 1", "is no name"),
        ("[apps]\nwiki = ['https://wiki']", "is no host name"),
        ("[apps]\nwiki = [1]", "is no host name"),
        ("#" * (config_file.MOST_BYTES + 1), "larger than"),
        ("a = " + "[" * 5000, "no TOML"),
    ],
)
def test_what_is_wrong_is_told_with_the_file_and_the_way_out(written, text, said):
    path = written(text)

    with pytest.raises(UsageError) as raised:
        read_configuration(path)

    assert str(raised.value).startswith(f"{path}: ")
    assert said in str(raised.value)
    assert "--no-config" in str(raised.value)


def test_what_is_no_plain_file_is_not_waited_for(tmp_path):
    path = tmp_path / "config.toml"
    os.mkfifo(path)
    writer = os.open(path, os.O_RDWR)

    with pytest.raises(UsageError, match="no plain file"):
        read_configuration(path)

    os.close(writer)


def test_with_rights_only_the_system_s_file_counts(monkeypatch):
    monkeypatch.setattr(config_file, "has_rights", lambda: True)

    assert configuration_path({"HOME": "/home/kim", "XDG_CONFIG_HOME": "/home/kim/c"}) == SYSTEM_FILE


def test_with_rights_a_file_that_others_can_write_does_not_count(monkeypatch, written):
    monkeypatch.setattr(config_file, "has_rights", lambda: True)
    path = written(WHOLE)
    path.chmod(0o664)

    with pytest.raises(UsageError, match="others than root can write it"):
        read_configuration(path)


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"HOME": "/home/kim"}, "/home/kim/.config"),
        ({"HOME": "/home/kim", "XDG_CONFIG_HOME": "/home/kim/c"}, "/home/kim/c"),
        ({"HOME": "/home/kim", "XDG_CONFIG_HOME": "c"}, "/home/kim/.config"),
    ],
)
def test_a_user_s_file_is_where_others_are(monkeypatch, environment, folder):
    monkeypatch.setattr(config_file, "has_rights", lambda: False)

    assert configuration_path(environment) == Path(folder) / "portcall" / "config.toml"
