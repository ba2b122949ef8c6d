"""``update-data``: the files that names come from are listed, and a user's own, once checked, stand for them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from portcall.configuration import own_data
from portcall.configuration.data_checks import check
from portcall.configuration.own_data import NAMES, SYSTEM_FOLDER, own_files, own_folder, put
from portcall.errors import UsageError
from portcall.labels.data_files import shipped_path

CAPTURE = Path(__file__).resolve().parents[2] / "captures" / "office.pcapng"
OWN_APPS = '[[app]]\nname = "ours"\ntitle = "Ours"\ncategory = "work"\nsuffixes = ["example.com", "example.org"]\n'
NOBODY = 65534
AS_NOBODY = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all"]
WRONG = {
    "apps.toml": ("[[app]\n", "line 1"),
    "services.toml": (
        '[[service]]\nport = 99999\ntransports = ["tcp"]\nname = "a"\ntitle = ""\ndescription = ""\nencrypted = true\n',
        "ports are 0 to 65535",
    ),
    "cover_names.txt": ("# nothing\n", "no entry"),
    "iana-services.csv": ("port,transports,name\n80,tcp,http\n81,ip,x\n", "line 3"),
    "tls_cipher_suites.csv": ("number,name\n70000,TLS_X\n", "line 2"),
    "public_suffix_list.dat": ("net\n", "com and org"),
}


@pytest.fixture
def home(tmp_path):
    """A home in which nobody may write, where root runs the tests; the folder that counts is a user's."""
    place = Path("/tmp") / f"portcall-{os.getpid()}-home" if os.geteuid() == 0 else tmp_path  # noqa: S108 - nobody may enter pytest's own folders
    place.mkdir(exist_ok=True)
    if os.geteuid() == 0:
        os.chown(place, NOBODY, NOBODY)
    yield place
    if os.geteuid() == 0:
        subprocess.run(["rm", "-r", place], check=True)


def portcall(home, *words):
    """A command of a user without rights, whose home that is."""
    user = AS_NOBODY if os.geteuid() == 0 else []
    ran = subprocess.run(
        [*user, sys.executable, "-P", "-m", "portcall", *map(str, words)],
        env={"PATH": os.environ["PATH"], "HOME": str(home)},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    if "No module named portcall" in ran.stderr or "Permission denied" in ran.stderr.partition("portcall")[0]:
        pytest.skip("this Python lies where only root may read")
    return ran


def apps_of(home, *more):
    ran = portcall(home, "read", CAPTURE, "--by", "app", "--format", "json", *more)
    assert ran.returncode == 0, ran.stderr
    return {row["app"] for row in json.loads(ran.stdout)["rows"]}


def test_every_file_is_listed_with_version_source_and_date(home):
    rows = json.loads(portcall(home, "update-data", "--format", "json").stdout)["rows"]

    assert [row["file"] for row in rows] == list(NAMES)
    assert {row["state"] for row in rows} == {"shipped"}
    assert all(row["version"] and row["source"] and row["bytes"] > 0 for row in rows)
    dated = {row["file"]: row["date"] for row in rows}
    assert dated["iana-services.csv"] == "2026-11-22"
    assert dated["public_suffix_list.dat"] >= "2024-01-01"


def test_a_users_own_list_names_apps_in_every_format_until_it_is_removed(home):
    mine = home / "apps.toml"
    mine.write_text(OWN_APPS)
    before = apps_of(home)

    put_there = portcall(home, "update-data", mine, "--format", "json")

    (row,) = (row for row in json.loads(put_there.stdout)["rows"] if row["state"] == "own")
    assert (row["file"], row["source"], row["path"]) == (
        "apps.toml",
        str(mine),
        str(home / ".local/share/portcall/apps.toml"),
    )
    assert "ours" in apps_of(home)
    assert "ours" not in before
    assert apps_of(home, "--no-config") == before
    assert f"apps.toml of {row['date']}, from {mine}" in portcall(home, "doctor", "data", "--format", "csv").stdout

    assert portcall(home, "update-data", "--remove", "apps.toml").returncode == 0
    assert apps_of(home) == before


def test_one_that_was_changed_since_it_was_checked_is_told_and_not_used(home):
    mine = home / "apps.toml"
    mine.write_text(OWN_APPS)
    portcall(home, "update-data", mine)
    (home / ".local/share/portcall/apps.toml").write_text(OWN_APPS.replace("ours", "theirs"))

    ran = portcall(home, "read", CAPTURE)

    assert (ran.returncode, ran.stdout) == (2, "")
    assert "apps.toml: it was never checked, or was changed since" in ran.stderr
    assert "changed since" in portcall(home, "doctor", "data", "--format", "csv").stdout
    assert portcall(home, "read", CAPTURE, "--no-config").returncode == 0


@pytest.mark.parametrize("name", NAMES)
def test_what_is_shipped_passes_its_own_check(name, tmp_path):
    assert check(tmp_path / name, name, shipped_path(name).read_text(encoding="utf-8")) >= 3


@pytest.mark.parametrize("name", NAMES)
def test_what_cannot_be_such_a_file_is_refused_with_its_place(name, tmp_path):
    text, why = WRONG[name]

    with pytest.raises(UsageError, match=rf"{name}: it cannot stand for {name}: .*{why}"):
        check(tmp_path / name, name, text)
    with pytest.raises(UsageError, match="line 1 has a control character"):
        check(tmp_path / name, name, "\x1b[2J" + text)


def test_a_file_that_is_called_otherwise_and_an_address_are_refused(home):
    (home / "app.toml").write_text(OWN_APPS)

    assert "did you mean 'apps.toml'?" in portcall(home, "update-data", home / "app.toml").stderr.lower()
    assert "portcall fetches nothing" in portcall(home, "update-data", "https://example.com/apps.toml").stderr
    assert not (home / ".local").exists()


def test_of_several_files_none_is_put_where_one_is_wrong(home):
    (home / "apps.toml").write_text(OWN_APPS)
    (home / "cover_names.txt").write_text("# nothing\n")

    assert portcall(home, "update-data", home / "apps.toml", home / "cover_names.txt").returncode == 2
    assert not (home / ".local").exists()


def test_root_has_a_folder_of_its_own_in_which_nobody_else_may_write(tmp_path, monkeypatch):
    monkeypatch.setattr(own_data, "has_rights", lambda: True)
    assert own_folder({"HOME": str(tmp_path)}) == SYSTEM_FOLDER

    put(tmp_path, "apps.toml", OWN_APPS, "apps.toml")
    (tmp_path / "apps.toml").chmod(0o666)

    with pytest.raises(UsageError, match="others than root can write it"):
        own_files(tmp_path)
