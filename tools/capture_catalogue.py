"""``captures/CATALOGUE.toml``: what each capture is, how it was made, and what tshark finds in it."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # comes with pytest there

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = {
    "tcpdump": "tcpdump",
    "tshark": "tshark",
    "editcap": "wireshark-common",
    "ip": "iproute2",
    "ethtool": "ethtool",
    "ping": "iputils-ping",
    "curl": "curl",
    "dig": "bind9-dnsutils",
    "dnsmasq": "dnsmasq-base",
    "ssh": "openssh-client",
    "sshd": "openssh-server",
    "redis-server": "redis-server",
    "psql": "postgresql",
    "mariadbd": "mariadb-server-core",
    "mariadb": "mariadb-client-core",
    "openssl": "openssl",
    "go": "golang-go",
    "zstd": "zstd",
    "xz": "xz-utils",
    "lz4": "lz4",
}
"""The program that the recorder runs, and the Debian package that has it; Go must be 1.24 or later."""
HEADING = """\
# The captures of this project. It recorded or made each of them itself, in network namespaces of its own, with
# made-up names and documentation addresses (RFC 2606, 5737, 3849). Written by tools/record_captures.py; to make them
# again: sudo python3 tools/record_captures.py
#
# made      the command that makes it again, and the programs that it runs, "host$ command", LAB for a temporary folder.
#           What talks over the recorder's own sockets stands in the function of that name.
# frames    whole frames, before any damage
# flows     TCP and UDP streams as tshark counts them: with the inner ones of tunnels, fragments reassembled
# layers    every protocol that tshark sees
"""


def missing_packages() -> list[str]:
    """Debian packages of the programs that are not here."""
    return [package for program, package in PACKAGES.items() if not shutil.which(program)]


def describe(capture: Path, shows: str, made: list[str], plain: Path | None = None) -> dict[str, Any]:
    """The catalogue's entry of a capture that has just been made; ``plain`` is the same one uncompressed."""
    content = capture.read_bytes()
    fields = (
        "-T",
        "fields",
        "-e",
        "frame.protocols",
        "-e",
        "tcp.stream",
        "-e",
        "udp.stream",
    )
    argv = ["tshark", "-n", "-r", str(plain or capture), "-Y", "not frame.cb_pen", *fields]  # no custom blocks
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)  # fails where damaged
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    return {
        "shows": " ".join(shows.split()),
        "made": made,
        "recorded": dt.datetime.now(dt.timezone.utc).date(),
        "bytes": len(content),
        "frames": len(rows),
        "flows": sum(len({stream for row in rows for stream in row[column].split(",") if stream}) for column in (1, 2)),
        "layers": sorted({layer for row in rows for layer in row[0].split(":")}),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """Entries by file name, relative to the folder, in the catalogue's order; none where there is no catalogue."""
    path = folder / "CATALOGUE.toml"
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def write(folder: Path, entries: dict[str, dict[str, Any]]) -> None:
    """Write the catalogue. A JSON string or list of strings is a TOML one too."""
    parts = [HEADING]
    for name, entry in entries.items():
        lines = [f"{key} = {_toml(value)}" for key, value in entry.items()]
        parts.append("\n".join([f"[{json.dumps(name)}]", *lines]) + "\n")
    (folder / "CATALOGUE.toml").write_text("\n".join(parts), encoding="utf-8")


def _toml(value: object) -> str:
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, list) and len(value) > 1 and " " in "".join(value):
        return "[\n" + "".join(f"    {json.dumps(item)},\n" for item in value) + "]"
    return json.dumps(value)
