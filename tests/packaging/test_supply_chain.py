"""What releases install is listed by version and hash, and every package has a licence that goes with ours."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import document_licences
import locked_versions
import release_tools

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
WANTED = {
    locked_versions.TESTS: [
        *DECLARED["project"]["dependencies"],
        *DECLARED["project"]["optional-dependencies"]["test"],
    ],
    release_tools.LOCKED: DECLARED["dependency-groups"]["release"],
    locked_versions.WHEELS: DECLARED["dependency-groups"]["wheels"],
    locked_versions.INSTALLED: DECLARED["project"]["dependencies"],
    locked_versions.BUILD: DECLARED["build-system"]["requires"],
}
GOES_WITH_OURS = {"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "GPL-2.0-only", "MIT", "MIT-0"} | {
    "MPL-2.0",
    "PSF-2.0",
    "Zlib",
}
PAGE = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
LICENCES = dict(re.findall(r"^\| ([a-z0-9-]+) \| (.+?) \| (?:portcall|another one|`.+`) \|$", PAGE, re.MULTILINE))


def locked(path):
    """Each entry of a list: (name, version, whether hashes follow)."""
    entries = path.read_text(encoding="utf-8").replace("\\\n", "").splitlines()
    found = [line for line in entries if line and not line.lstrip().startswith("#")]
    return [(*re.match(r"([\w.-]+)==([^\s;]+)", line).groups(), "--hash=sha256:" in line) for line in found]


@pytest.mark.parametrize("path", WANTED, ids=lambda path: path.name)
def test_each_version_that_is_locked_has_its_hashes(path):
    entries = locked(path)

    assert len(entries) >= len(WANTED[path])
    assert [name for name, _, is_hashed in entries if not is_hashed] == []


@pytest.mark.parametrize("path", WANTED, ids=lambda path: path.name)
def test_what_is_asked_for_is_locked_to_versions_that_are_allowed(path):
    versions = {}
    for name, version, _ in locked(path):
        versions.setdefault(canonicalize_name(name), []).append(Version(version))
    wanted = [Requirement(one) for one in WANTED[path]]

    wrong = {
        one.name: versions.get(canonicalize_name(one.name))
        for one in wanted
        if not all(map(one.specifier.contains, versions.get(canonicalize_name(one.name), [])))
        or canonicalize_name(one.name) not in versions
    }
    assert wrong == {}, "run: make lock"


def test_a_release_is_tested_by_hash_and_a_wrong_hash_stops_it():
    script = (ROOT / "tests" / "run").read_text(encoding="utf-8")

    assert re.search(r'\[ -n "\$\{PORTCALL_LOCKED:-\}" \]; then\n.*--require-hashes -r tests/locked\.txt', script)
    assert '*"DO NOT MATCH THE HASHES"*) exit 1' in script


def test_every_action_of_the_release_is_named_by_its_commit_and_nothing_is_run_without_a_hash():
    workflow = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    used = re.findall(r"uses: (.+)", workflow)

    assert len(used) > 5
    assert [one for one in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+\b.*", one)] == []
    assert re.findall(r"pip install(?!.*--require-hashes).*|pipx run.*", workflow) == []
    assert "pipx" not in str(DECLARED["tool"]["cibuildwheel"])


def test_the_page_of_licences_has_every_package_that_installing_brings_with_what_it_says_of_itself():
    project = document_licences.PROJECT
    extras = [one for extra in document_licences.EXTRAS for one in project["optional-dependencies"][extra]]
    reached = document_licences.reached([*project["dependencies"], *extras])

    assert len(reached) > 50
    assert {name: document_licences.licence_of(name) for name in reached} == {
        name: LICENCES.get(name) for name in reached
    }, "run: make docs"
    left_over = set(LICENCES) - reached - set(document_licences.ELSEWHERE)
    assert sys.version_info[:2] != (3, 11) or left_over == set(), "run: make docs"


def test_every_licence_goes_with_ours():
    words = {name: set(re.findall(r"[A-Za-z0-9.-]+", said)) - {"AND", "OR"} for name, said in LICENCES.items()}

    assert {name: said - GOES_WITH_OURS for name, said in words.items() if said - GOES_WITH_OURS} == {}


def test_every_file_of_data_and_every_library_that_the_wheel_carries_is_on_the_page():
    data = ROOT / "src" / "portcall" / "data"
    files = {path.name for path in data.iterdir() if path.is_file()} | {"public_suffix_list.dat"}
    minified = {path.name.partition(".")[0] for path in (data / "page").iterdir() if ".min." in path.name}

    assert set(re.findall(r"^\| `(.+?)` \| ", PAGE, re.MULTILINE)) == files
    assert minified == {name for name, *_ in document_licences.CARRIED}
    for name, version, _, _ in document_licences.CARRIED:
        assert f"(v{version})" in (data / "page" / f"{name}.iife.min.js").read_text(encoding="utf-8")[:99]
        assert (data / "page" / f"{name}.LICENSE").is_file()
