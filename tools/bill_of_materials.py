"""``make sbom``: what portcall is made of, as CycloneDX lists it, from the wheel in build/release.

Two lists, since they answer two questions:

    portcall.cdx.json            what installing the wheel brought along here: an environment of nothing else, read by
                                 cyclonedx-py, and what the wheel itself carries of others (``CARRIED``)
    portcall-locked.cdx.json     the versions that CI tests with, of every platform, from tests/locked.txt
"""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING, Any

import release_tools
from document_licences import CARRIED
from release_tools import ReleaseError, run, tell

if TYPE_CHECKING:
    from pathlib import Path

PLACE = release_tools.ROOT / "build" / "release"
LOCKED = release_tools.ROOT / "tests" / "locked.txt"


def main() -> int:
    """Write both lists beside the wheel; 1 where there is none."""
    wheels = sorted(PLACE.glob("portcall-*-abi3-*.whl"))
    if not wheels:
        print(f"sbom: there is no wheel in {PLACE}. First: make release-check", file=sys.stderr)
        return 1
    try:
        write(wheels[0], PLACE)
    except ReleaseError as error:
        print(f"sbom: {error}", file=sys.stderr)
        return 1
    return 0


def write(wheel: Path, place: Path) -> None:
    """Write both lists into a folder."""
    program = str(release_tools.programs() / "cyclonedx-py")
    always = ("--output-reproducible", "--validate", "--pyproject", str(release_tools.ROOT / "pyproject.toml"))
    environment = place / "tree" / "sbom"
    shutil.rmtree(environment, ignore_errors=True)
    run(sys.executable, "-m", "venv", "--without-pip", str(environment))
    python = str(environment / "bin" / "python")
    run(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--only-binary", ":all:", str(wheel))
    installed, locked = place / "portcall.cdx.json", place / "portcall-locked.cdx.json"
    run(program, "environment", *always, "-o", str(installed), python)
    with_carried = json.loads(installed.read_text(encoding="utf-8"))
    with_carried["components"] += [_component(*of) for of in CARRIED]
    installed.write_text(json.dumps(with_carried, indent=2) + "\n", encoding="utf-8")
    run(program, "requirements", *always, "-o", str(locked), str(LOCKED))
    for path in (installed, locked):
        count = len(json.loads(path.read_text(encoding="utf-8"))["components"])
        tell("list of what is in it", path, f"{count} components")


def _component(name: str, version: str, licence: str, address: str) -> dict[str, Any]:  # Any: JSON
    """What the wheel carries of others, in CycloneDX's words."""
    return {
        "bom-ref": f"carried:{name}@{version}",
        "type": "library",
        "name": name,
        "version": version,
        "licenses": [{"license": {"id": licence}}],
        "purl": f"pkg:npm/{name.lower()}@{version}",
        "externalReferences": [{"type": "website", "url": address}],
    }


if __name__ == "__main__":
    sys.exit(main())
