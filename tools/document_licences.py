"""Write docs/licences.md: the licence of each package that portcall brings along, and of what it carries.

What packages say of themselves is read from this environment (``License-Expression``, else ``License``, else
classifier) and written as SPDX does. What is only for another Python is in ELSEWHERE, looked up by hand. A test
compares.
"""

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from portcall.labels.data_files import DATA_FILES

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "licences.md"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = ("arrow", "geo", "mcp", "sail", "spark")
"""Those that users ask for; the rest is for developers, and nothing of it is distributed or needed to run."""

ELSEWHERE = {
    "exceptiongroup": "MIT",
    "py4j": "BSD-3-Clause",
    "pyspark": "Apache-2.0",
    "tomli": "MIT",
}
"""Packages for older Pythons, and those that tests do without, with their licences."""

CARRIED = (("uPlot", "1.6.32", "MIT", "https://github.com/leeoniya/uPlot"),)
"""What of others the wheel itself has in it: name, version, licence, address. The licence's text lies beside it."""

_SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}

_HEAD = """\
# Licences

Written by `make docs` from what the packages say of themselves; a test compares the two. Versions: `tests/locked.txt`.
The list of a release, as CycloneDX has it, is made by `make sbom`.

portcall is GPL-2.0-or-later. No package is part of its wheel: pip brings them, each on its own terms. The packages for
Debian and Fedora have those of the first table inside. Whoever passes these on should know that scapy is under version
2 of the GPL alone, and argcomplete under Apache-2.0, which goes together with version 3: portcall loads the one for
`--filter` and `--source scapy`, the other to answer shells.
"""


def page() -> str:
    """The whole page."""
    base = reached(PROJECT["dependencies"])
    optional: dict[str, list[str]] = {}
    for extra in EXTRAS:
        for name in reached(PROJECT["optional-dependencies"][extra]) - base:
            optional.setdefault(name, []).append(f"`{extra}`")
    direct = {canonicalize_name(Requirement(one).name) for one in PROJECT["dependencies"]}
    return "\n".join([
        _HEAD,
        "## What every install brings along",
        "",
        *_table(("package", "licence", "asked for by"), [
            (name, licence_of(name), "portcall" if name in direct else "another one") for name in sorted(base)
        ]),
        "",
        "## What extras bring along",
        "",
        *_table(("package", "licence", "extra"), [
            (name, licence_of(name), ", ".join(extras)) for name, extras in sorted(optional.items())
        ]),
        "",
        "## What the wheel carries of others",
        "",
        *_table(("what", "licence", "from"), [
            (f"{name} {version}, in `data/page`", licence, f"<{place}>") for name, version, licence, place in CARRIED
        ]),
        "",
        "## Data",
        "",
        *_table(("file", "licence", "from"), [(f"`{file.name}`", file.licence, file.source) for file in DATA_FILES]),
        "",
    ])  # fmt: skip


def reached(requirements: list[str]) -> set[str]:
    """The names of these packages and of all that they need: here, and what ELSEWHERE has for another Python."""
    found: set[str] = set()
    left = [(Requirement(one), "") for one in requirements]
    while left:
        wanted, extra = left.pop()
        name = canonicalize_name(wanted.name)
        here = wanted.marker is None or wanted.marker.evaluate({"extra": extra})
        if (not here and name not in ELSEWHERE) or (name in found and not wanted.extras):
            continue
        found.add(name)
        try:
            needs = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        left += [(Requirement(one), of) for one in needs for of in (*wanted.extras, "")]
    return found


def licence_of(name: str) -> str:
    """As SPDX writes it; ``not said`` where a package says nothing."""
    if name in ELSEWHERE:
        return ELSEWHERE[name]
    said = metadata.metadata(name)
    expression, field, classified = (
        said.get_all(key) or [""] for key in ("License-Expression", "License", "Classifier")
    )
    if expression[0]:
        return str(expression[0])
    classified = [one.rpartition(" :: ")[2] for one in classified if one.startswith("License ::")]
    line = str(field[0]).partition("\n")[0]
    if re.fullmatch(r"[A-Za-z0-9.+-]+( (OR|AND) [A-Za-z0-9.+-]+)*", line) and line != "UNKNOWN":
        return line
    words = classified[0] if classified else line
    return _SPDX.get(words, words or "not said")


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (heads, ("---",) * len(heads), *rows)]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
