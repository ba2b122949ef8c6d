"""Generate ``src/portcall/data/iana-services.csv``: one row per port and name of IANA's registry.

    python tools/make_iana_services.py > src/portcall/data/iana-services.csv

The registry is read from the copies that two Debian packages carry, so that the snapshot has a version and can be made
again without the network. Where both name a port, netbase wins: its names are the ones that ss, lsof and getent print.
netbase lists further down what IANA never allocated; that part is left out, because a row here is evidence that
IANA knows the name. Only facts are taken (port, transport, name), no descriptions. Names are put in lower case, which
RFC 6335 §5.1 allows: case does not distinguish them.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from datetime import datetime, timezone
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TABLES = {"netbase": Path("/etc/services"), "libwireshark-data": Path("/usr/share/wireshark/services")}
"""Debian package → its table, in the format of services(5). Earlier ones win."""

TRANSPORTS = ("tcp", "udp", "sctp", "dccp")

_END_OF_IANA = "not as allocated by IANA"
"""The headline in netbase's table below which its own names stand."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_.+-]*")
"""RFC 6335 §5.1, and the characters of older names. Wireshark has one row cut from a title: ``Escale-(Newton``."""

_INSTALL = "Install both tables with 'apt-get install netbase libwireshark-data'"


def main() -> None:
    """Write the snapshot to stdout."""
    parser = argparse.ArgumentParser(description="Generate the snapshot of IANA's port names on stdout")
    parser.add_argument("--date", default=datetime.now(timezone.utc).date().isoformat())
    date = parser.parse_args().date
    versions = installed_versions()
    for package in versions:
        if is_changed(package):
            sys.exit(f"{TABLES[package]} is not as {package} ships it. Generate on a machine without local services.")
    sys.stdout.write(snapshot(versions, date))


def snapshot(versions: dict[str, str], date: str) -> str:
    """The whole CSV file, from the tables of the installed packages."""
    entries: dict[tuple[int, str], str] = {}
    for path in TABLES.values():
        for port, transport, name in read_table(path.read_text(encoding="utf-8").splitlines()):
            entries.setdefault((port, transport), name)
    return render(entries, versions, date)


def read_table(lines: Iterable[str]) -> Iterator[tuple[int, str, str]]:
    """Port, transport and name of each entry, in the order of the table; aliases and comments are left out.

    Besides services(5) this knows Wireshark's two shortcuts: ``echo 7/tcp/udp`` and ``x11 6000-6063/tcp``.
    """
    for line in lines:
        if _END_OF_IANA in line:
            return
        fields = line.partition("#")[0].split()
        if not fields:
            continue
        name = fields[0].lower()
        if not _NAME.fullmatch(name):
            continue
        ports, *transports = fields[1].split("/")
        first, _, last = ports.partition("-")
        for port in range(int(first), int(last or first) + 1):
            yield from ((port, transport, name) for transport in transports if transport in TRANSPORTS)


def render(entries: dict[tuple[int, str], str], versions: dict[str, str], date: str) -> str:
    """The CSV file: two comment lines, the columns, then rows by port and first transport."""
    packages = " and ".join(f"{package} {version}" for package, version in versions.items())
    lines = [
        "# IANA Service Name and Transport Protocol Port Number Registry: facts, as carried by Debian's packages",
        f"# {packages}; generated {date} by tools/make_iana_services.py. Do not edit.",
        "port,transports,name",
    ]
    ordered = sorted((port, TRANSPORTS.index(transport), name) for (port, transport), name in entries.items())
    for port, rows in groupby(ordered, key=lambda row: row[0]):
        transports_by_name: dict[str, list[str]] = {}
        for _, transport, name in rows:
            transports_by_name.setdefault(name, []).append(TRANSPORTS[transport])
        lines += [f"{port},{'/'.join(transports)},{name}" for name, transports in transports_by_name.items()]
    return "\n".join(lines) + "\n"


def installed_versions() -> dict[str, str]:
    """Package → version for both tables; ends with the remedy where one is missing."""
    try:
        versions = {package: _output("dpkg-query", "-W", "-f=${Version}", package) for package in TABLES}
    except FileNotFoundError:
        sys.exit(f"There is no dpkg here: the tables are taken from Debian packages. {_INSTALL}")
    for package, version in versions.items():
        if not version or not TABLES[package].exists():
            sys.exit(f"{package} is not installed. {_INSTALL}")
    return versions


def is_changed(package: str) -> bool:
    """Whether the table differs from what the package shipped: administrators add local services to /etc/services."""
    return str(TABLES[package]) in _output("dpkg", "--verify", package)


def _output(*command: str) -> str:
    # The commands are constants of this file; PATH finds dpkg. A failure prints nothing, which the callers judge.
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


if __name__ == "__main__":
    main()
