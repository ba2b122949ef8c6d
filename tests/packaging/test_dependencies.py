"""What installing portcall brings along: which packages, how large they are; reading a capture needs few of them."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CAPTURE = ROOT / "captures" / "office.pcapng"
BASE = {
    *("argcomplete", "backports.zstd", "cryptography", "hpack", "isal", "lz4", "numpy", "orjson", "psutil"),
    *("publicsuffixlist", "pyparsing", "pyshark", "rich", "scapy", "textual", "tomli", "zlib-ng"),
}
"""Each has its reason in docs/decisions; another one needs a decision, and a smaller install than MOST_BYTES."""
MOST_BYTES = 125_000_000
READING_NEEDS = {"numpy", "orjson"}
READ = """
import sys
from portcall.cli import main

class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {refused}:
            raise ImportError(name)

sys.meta_path.insert(0, Refusing())
sys.exit(main(["read", {capture!r}, "--by", "app", "--format", {format!r}, "--no-names"]))
"""


def name_of(requirement):
    return re.match(r"[\w.-]+", requirement)[0]


def brought_along(names):
    """These packages and those that they need here, extras aside."""
    found, left = set(), list(names)
    while left:
        name = left.pop().lower()
        if name in found:
            continue
        try:
            needed = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:  # of another Python or system
            continue
        found.add(name)
        left += [name_of(one) for one in needed if "extra ==" not in one]
    return found


def test_the_packages_that_installing_brings_are_those_that_were_decided_on():
    assert {name_of(requirement) for requirement in PROJECT["dependencies"]} == BASE


def test_they_are_small_enough():
    files = [file for name in brought_along(BASE) for file in importlib.metadata.files(name) or []]
    sizes = [Path(file.locate()).stat().st_size for file in files if file.suffix != ".pyc" and file.locate().is_file()]

    assert 50_000_000 < sum(sizes) <= MOST_BYTES  # numpy alone is more than the first


@pytest.mark.parametrize("format_name", ["jsonl", "csv"])
def test_a_plain_capture_is_read_with_the_fewest(format_name):
    modules = {name.replace("-", "_").partition(".")[0] for name in BASE - READING_NEEDS}
    program = READ.format(refused=modules, capture=str(CAPTURE), format=format_name)
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("\n") > 3


def test_every_extra_is_named_where_it_is_missed():
    extras = set(PROJECT["optional-dependencies"]) - {"docs", "fuzz", "test"}  # those for developers
    told = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("src/portcall/**/*.py"))

    assert {extra for extra in extras if f"portcall[{extra}]" not in told} == set()
