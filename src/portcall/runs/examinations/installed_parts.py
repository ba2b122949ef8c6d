"""What is installed for portcall, found out by trying: Python, packages, kernels, libpcap, tshark.

What a function tries it imports itself, so that this works where numpy or the kernels are broken.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib
import importlib.metadata
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from portcall.configuration.config_file import configuration_path, read_configuration
from portcall.configuration.own_data import own_files, own_folder
from portcall.errors import PortcallError
from portcall.runs.examinations.check_result import CheckResult
from portcall.system.remedies import pip_install

_PATIENCE_S = 20.0
_INSTALLERS = {
    "apt-get": "sudo apt install",
    "dnf": "sudo dnf install",
    "pacman": "sudo pacman -S",
    "brew": "brew install",
}
_PACKAGES = {
    "tshark": {"apt-get": "tshark", "dnf": "wireshark-cli", "pacman": "wireshark-cli", "brew": "wireshark"},
    "libpcap": {"apt-get": "libpcap0.8", "dnf": "libpcap", "pacman": "libpcap", "brew": "libpcap"},
}
_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)""")
_FOR_DEVELOPERS = frozenset({"docs", "fuzz", "test"})
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
# Ethernet, IPv4 and UDP from 192.0.2.1:1 to 192.0.2.2:53, nothing in it.
_FRAME = bytes.fromhex("0200000000020200000000010800 4500001c000040004011b6ccc0000201c0000202 0001003500080000")
_FRAME_PORT = 53


def python() -> CheckResult:
    """Which Python runs this."""
    return CheckResult("works", f"{platform.python_implementation()} {platform.python_version()}, {sys.executable}")


def packages() -> CheckResult:
    """The packages that are always needed."""
    try:
        names, _ = _required()
    except importlib.metadata.PackageNotFoundError:
        return CheckResult(
            "works less well", "portcall is not installed, so nobody tells what it needs", pip_install(".")
        )
    missing = [name for name in names if not _is_there(name)]
    if missing:
        return CheckResult("missing", f"not there: {', '.join(missing)}", pip_install(*missing))
    return CheckResult("works", ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names))


def extras() -> CheckResult:
    """The packages of optional features."""
    try:
        _, extras = _required()
    except importlib.metadata.PackageNotFoundError:
        return CheckResult(
            "works less well", "portcall is not installed, so nobody tells what there is", pip_install(".")
        )
    missing = {extra: absent for extra, names in extras.items() if (absent := [n for n in names if not _is_there(n)])}
    if missing:
        told = "; ".join(f"{extra}: {', '.join(names)} not there" for extra, names in missing.items())
        return CheckResult("works less well", told, pip_install(f"portcall[{','.join(missing)}]"))
    return CheckResult("works", f"all there: {', '.join(extras)}" if extras else "there are none to install")


def kernels() -> CheckResult:
    """The compiled kernels: they load, and decode a packet."""
    import portcall.kernels

    place = Path(portcall.kernels.__file__).parent
    names = sorted(stub.stem for stub in place.glob("*.pyi"))
    remedy = "make kernels" if list(place.glob("*.pyx")) else pip_install("--force-reinstall", "portcall")
    try:
        for name in names:
            importlib.import_module(f"portcall.kernels.{name}")
        port = _decoded_port()
    except ImportError as error:
        return CheckResult("missing", str(error), remedy)
    if port != _FRAME_PORT:
        return CheckResult("missing", f"they read port {port} where {_FRAME_PORT} was", remedy)
    return CheckResult("works", f"{', '.join(names)} are compiled, and decode a packet")


def libpcap() -> CheckResult:
    """The library that translates ``--filter``."""
    from portcall.sources.filters import FrameFilter

    try:
        FrameFilter("tcp port 443")
    except PortcallError:
        return CheckResult("missing", "--filter does not work without it", _install("libpcap"))
    library = ctypes.CDLL(ctypes.util.find_library("pcap"))
    library.pcap_lib_version.restype = ctypes.c_char_p
    return CheckResult("works", library.pcap_lib_version().decode(errors="replace"))


def configuration() -> CheckResult:
    """The file with what the user has set."""
    path = configuration_path()
    try:
        found = read_configuration(path)
    except PortcallError as error:
        return CheckResult("works less well", str(error), f"edit {path}")
    if found is None:
        return CheckResult("works", f"there is none; it would be {path}")
    options = [f"[{command}] {', '.join(names)}" for command, names in found.options.items()]
    says = [f"{len(found.networks)} networks", f"{len(set(found.apps.values()))} apps", *options]
    return CheckResult("works", f"{path}: {'; '.join(says)}")


def data() -> CheckResult:
    """The files that names come from, and which of them are the user's own."""
    folder = own_folder()
    try:
        own = own_files(folder)
    except PortcallError as error:
        return CheckResult("works less well", str(error), "portcall update-data FILE")
    if not own:
        return CheckResult("works", f"all as shipped; your own would be in {folder}")
    told = [f"{name} of {file.date}, from {file.source}" for name, file in own.items()]
    return CheckResult("works", f"your own in {folder}: {'; '.join(told)}")


def tshark() -> CheckResult:
    """The program that reads further formats."""
    program = shutil.which("tshark")
    if program is None:
        return CheckResult("missing", "it is not on the PATH", _install("tshark"))
    try:
        run = subprocess.run(  # noqa: S603 - found on the user's own PATH
            [program, "--version"], capture_output=True, text=True, errors="replace", timeout=_PATIENCE_S, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        return CheckResult("missing", f"{program} does not run: {error}", _install("tshark"))
    return CheckResult("works", f"{run.stdout.partition(chr(10))[0].rstrip('.')}, {program}")


def _required() -> tuple[list[str], dict[str, list[str]]]:
    """Names of the packages that are always needed, and by optional feature; without what is for other Pythons."""
    always: list[str] = []
    extras: dict[str, list[str]] = {}
    for requirement in importlib.metadata.requires("portcall") or []:
        wanted, _, condition = requirement.partition(";")
        found, name = _EXTRA.search(condition), _NAME.match(wanted)
        if name and found and found[1] not in _FOR_DEVELOPERS:
            extras.setdefault(found[1], []).append(name[0])
        elif name and not condition.strip():
            always.append(name[0])
    return always, extras


def _is_there(name: str) -> bool:
    """Whether the package can be imported; all that are needed import under their own name."""
    try:
        importlib.import_module(name.replace("-", "_"))
    except ImportError:
        return False
    return True


def _decoded_port() -> int:
    """The target port that the kernels find in the frame."""
    import numpy as np

    from portcall.decoding.decoder import Decoder
    from portcall.records.packets import FRAME, FrameBatch

    frames = np.array([(0, 0, len(_FRAME), len(_FRAME), 0, 1, 0, 0)], FRAME)
    packets = Decoder().decode(FrameBatch(frames, np.frombuffer(_FRAME, np.uint8), 1))
    return int(packets["target_port"][0])


def _install(what: str) -> str | None:
    """The command that installs a program with the package manager that is here; None where none is known."""
    found = next((installer for installer in _INSTALLERS if shutil.which(installer)), None)
    return found and f"{_INSTALLERS[found]} {_PACKAGES[what][found]}"
