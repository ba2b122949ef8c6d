"""``make package-deb`` and ``package-rpm``: the wheel as a package of the system, with its own environment inside.

    /usr/bin/portcall → /usr/lib/portcall/bin/portcall    a virtual environment of the system's Python, of the version
                                                          that builds the package: NumPy is compiled for it
    /usr/lib/systemd/system/portcall.service              not enabled; its rights are its own (docs/service.md)
    /usr/share/man, bash-completion, zsh, fish            as the wheel has them

What Debian and Fedora package of NumPy and others is too old. Nothing gets capabilities, no service is started. Byte
code is written when the package is installed, as for other Python programs of the system.
"""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLACE = ROOT / "build" / "release"
INSIDE = "usr/lib/portcall"
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
SUMMARY = "say which application packets belong to"
DESCRIPTION = """\
Attributes traffic to apps, processes and users: live, from saved captures
(pcap and pcapng), by port, process and name. Also lists who listens, who
talks, what a port is, and whether one is open."""
AFTER = f"/{INSIDE}/bin/python -m compileall -q /{INSIDE}/lib || true\n"
BEFORE = f"find /{INSIDE}/lib -name __pycache__ -type d -prune -exec rm -rf {{}} +\n"


def main() -> int:
    """Build what is asked for, of the wheel in build/release."""
    (wheel,) = PLACE.glob("portcall-*-abi3-*.whl")
    for kind in sys.argv[1:]:
        stage = PLACE / "tree" / kind
        shutil.rmtree(stage, ignore_errors=True)
        fill(stage, wheel)
        package = _BUILDERS[kind](stage, wheel.name.split("-")[1])
        print(
            f"{package.relative_to(ROOT)}: {package.stat().st_size / 1e6:.0f} MB, installed {_size(stage) / 1e6:.0f} MB"
        )
    return 0


def fill(stage: Path, wheel: Path, python: str = "/usr/bin/python3") -> None:
    """Lay out below ``stage`` what the package installs below ``/``."""
    inside = stage / INSIDE
    _run(os.path.realpath(python), "-m", "venv", "--without-pip", str(inside))
    pip = [sys.executable, "-m", "pip", "--python", str(inside / "bin" / "python"), "--disable-pip-version-check"]
    _run(*pip, "install", "-q", "--no-compile", "--only-binary", ":all:", str(wheel))
    for script in (inside / "bin").iterdir():
        if script.name not in ("portcall", "python", "python3") and not re.fullmatch(r"python3\.\d+", script.name):
            script.unlink()
    _say_where(inside, stage)
    for tests in [*inside.glob("lib/python3*/site-packages/numpy/**/tests"), inside / "include"]:
        shutil.rmtree(tests, ignore_errors=True)
    shutil.copytree(inside / "share", stage / "usr" / "share")
    shutil.rmtree(inside / "share")
    for page in (stage / "usr/share/man/man1").iterdir():
        page.with_name(f"{page.name}.gz").write_bytes(gzip.compress(page.read_bytes(), mtime=0))
        page.unlink()
    documents = stage / "usr/share/doc/portcall"
    documents.mkdir(parents=True)
    for path in [ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/*.md")]:
        shutil.copy2(path, documents)
    shutil.copy2(ROOT / "LICENSE", documents / "copyright")
    unit = stage / "usr/lib/systemd/system"
    unit.mkdir(parents=True)
    shutil.copy2(ROOT / "packaging" / "portcall.service", unit)
    (stage / "usr/bin").mkdir()
    (stage / "usr/bin/portcall").symlink_to("../lib/portcall/bin/portcall")


def _say_where(inside: Path, stage: Path) -> None:
    """An environment knows its place by its paths: let them be those on the machine that it is installed on."""
    command = inside / "bin" / "portcall"
    command.write_text(command.read_text().replace(f"{stage}/", "/"))
    for left in inside.glob("bin/activate*"):
        left.unlink()
    configuration = inside / "pyvenv.cfg"
    kept = [line for line in configuration.read_text().splitlines() if not line.startswith(("command", "executable"))]
    configuration.write_text("\n".join(kept) + "\n")


def _deb(stage: Path, version: str) -> Path:
    machine = MACHINES[os.uname().machine]
    major, minor = _version_of(stage)
    control = stage / "DEBIAN"
    control.mkdir()
    fields = {
        "Package": "portcall",
        "Version": version,
        "Architecture": machine,
        "Maintainer": "portcall developers <portcall@localhost>",
        "Installed-Size": str(_size(stage) // 1024),
        "Depends": f"libc6, python3 (>= {major}.{minor}), python3 (<< {major}.{minor + 1})",
        "Recommends": "libpcap0.8t64 | libpcap0.8, procps",  # procps has the kill of portcall.service
        "Suggests": "tshark",
        "Section": "net",
        "Priority": "optional",
        "Description": f"{SUMMARY}\n{_indented(DESCRIPTION)}",
    }
    (control / "control").write_text("".join(f"{name}: {value}\n" for name, value in fields.items()))
    for name, lines in {"postinst": AFTER, "prerm": BEFORE}.items():
        (control / name).write_text(f"#!/bin/sh\nset -e\n{lines}")
        (control / name).chmod(0o755)
    package = PLACE / f"portcall_{version}_{machine}.deb"
    _run("dpkg-deb", "--root-owner-group", "-Zxz", "--build", str(stage), str(package))
    shutil.rmtree(control)
    return package


def _rpm(stage: Path, version: str) -> Path:
    place = stage.with_name("rpmbuild")
    major, minor = _version_of(stage)
    spec = place / "portcall.spec"
    place.mkdir(exist_ok=True)
    spec.write_text(f"""\
Name: portcall
Version: {version}
Release: 1
Summary: {SUMMARY}
License: GPL-2.0-or-later
AutoReqProv: no
Requires: /usr/bin/python{major}.{minor}
Recommends: libpcap procps-ng
%global debug_package %{{nil}}
%global __os_install_post %{{nil}}
%global _build_id_links none
%global _binary_payload w6.gzdio
%description
{DESCRIPTION}
%install
mkdir -p %{{buildroot}}
cp -a {stage}/usr %{{buildroot}}/
%files
%defattr(-,root,root)
/usr/bin/portcall
/{INSIDE}
/usr/lib/systemd/system/portcall.service
/usr/share/bash-completion/completions/portcall
/usr/share/doc/portcall
%dir /usr/share/fish
%dir /usr/share/fish/vendor_completions.d
/usr/share/fish/vendor_completions.d/portcall.fish
/usr/share/man/man1/*
%dir /usr/share/zsh
%dir /usr/share/zsh/site-functions
/usr/share/zsh/site-functions/_portcall
%post
{AFTER}
%preun
{BEFORE}
""")
    folders = ("--define", f"_topdir {place}", "--define", f"_rpmdir {place}/made")
    _run("rpmbuild", "-bb", "--quiet", *folders, str(spec))
    (made,) = place.glob("made/*/portcall-*.rpm")
    return Path(shutil.copy2(made, PLACE))


_BUILDERS = {"deb": _deb, "rpm": _rpm}


def _version_of(stage: Path) -> tuple[int, int]:
    """The Python that the environment is for."""
    (library,) = (stage / INSIDE / "lib").glob("python3.*")
    major, minor = library.name.removeprefix("python").split(".")
    return int(major), int(minor)


def _size(stage: Path) -> int:
    return sum(path.stat().st_size for path in stage.rglob("*") if path.is_file() and not path.is_symlink())


def _indented(text: str) -> str:
    return "\n".join(f" {line}" for line in text.splitlines())


def _run(*command: str) -> None:
    subprocess.run(command, check=True, env={"SOURCE_DATE_EPOCH": "0", **os.environ})


if __name__ == "__main__":
    sys.exit(main())
