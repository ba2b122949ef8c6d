"""Homebrew's formula names what there is, and the release workflow fills in what only a release knows."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import locked_versions
import manual_pages

ROOT = Path(__file__).resolve().parents[2]
FORMULA = (ROOT / "packaging" / "portcall.rb").read_text(encoding="utf-8")
WORKFLOW = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")


def test_the_lists_that_it_installs_by_are_in_the_source_archive():
    lists = re.findall(r'buildpath/"(.+?)"', FORMULA)

    assert lists == ["packaging/installed.txt", "packaging/build-tools.txt"]
    assert all((ROOT / path).is_file() for path in lists)
    assert "graft packaging" in (ROOT / "MANIFEST.in").read_text(encoding="utf-8")


def test_manual_pages_and_completion_are_linked_from_where_the_wheel_has_them():
    linked = re.findall(r'libexec/"share/(.+?)"', FORMULA)

    assert [path for path in linked if not path.startswith("man/")] == list(manual_pages.COMPLETIONS.values())
    assert "man/man1/*.1" in FORMULA


def test_the_workflow_fills_in_version_and_hash():
    (replaced,) = re.findall(r'sed "s/(\S+)/portcall-\S+; s/(\S+)\\"/', WORKFLOW)

    assert replaced == ("portcall-VERSION", "SHA256")
    assert len(re.findall(r"portcall-VERSION", FORMULA)) == len(re.findall(r'SHA256"', FORMULA)) == 1


def test_it_has_the_licence_of_the_project():
    licence = re.search(r'^license = "(.+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)[1]

    assert f'license "{licence}"' in FORMULA


@pytest.mark.skipif(not shutil.which("ruby"), reason="ruby is not installed")
def test_ruby_can_read_it():
    ran = subprocess.run(["ruby", "-wc", "-"], input=FORMULA, capture_output=True, text=True, check=False)

    assert (ran.stdout, ran.stderr) == ("Syntax OK\n", "")


def test_what_it_installs_has_the_versions_and_hashes_that_a_release_is_tested_with():
    installed, tested = (hashes_of(path) for path in (locked_versions.INSTALLED, locked_versions.TESTS))

    assert len(installed) > 20
    assert {entry: tested.get(entry) for entry in installed} == installed


def hashes_of(path):
    """Each name and version in a list of versions, with the hashes of its files."""
    entries = path.read_text(encoding="utf-8").replace("\\\n", "").splitlines()
    found = [line for line in entries if re.match(r"[\w.-]+==", line)]
    return {re.match(r"([\w.-]+==[^\s;]+)", line)[1]: set(re.findall(r"sha256:(\w+)", line)) for line in found}
