"""What works on this machine, found out by trying.

Each thing works, works less well, or is missing; then the command that mends it is said, where there is one. The
examinations import what they try, so that this works where numpy or the kernels are broken.

To add one: a function that gives a CheckResult, and its row in EXAMINATIONS. What is opened is closed again, no
packet is read, and nothing is changed.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import errno
import importlib
import importlib.metadata
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from portcall.errors import PortcallError

if TYPE_CHECKING:
    from collections.abc import Callable

State = Literal["works", "works less well", "missing"]

_ALL = ("read", "live")
_NOT_HERE = "only Linux has it"
_PATIENCE_S = 20.0
_NARROW = 80
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
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
# Ethernet, IPv4 and UDP from 192.0.2.1:1 to 192.0.2.2:53, nothing in it.
_FRAME = bytes.fromhex("0200000000020200000000010800 4500001c000040004011b6ccc0000201c0000202 0001003500080000")
_FRAME_PORT = 53


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What was found out about one thing."""

    state: State
    detail: str
    remedy: str | None = None


@dataclass(frozen=True, slots=True)
class Examination:
    """One thing that is tried."""

    subject: str
    classic: str
    """How one would look without portcall."""
    needed_for: tuple[str, ...]
    """Commands that do not run without it."""
    find: Callable[[], CheckResult]


def examine(examination: Examination) -> CheckResult:
    """What one examination finds; a package that it cannot import is one more thing that is missing."""
    try:
        return examination.find()
    except ImportError as error:
        return CheckResult("missing", str(error), "pip install --force-reinstall portcall")


def _python() -> CheckResult:
    return CheckResult("works", f"{platform.python_implementation()} {platform.python_version()}, {sys.executable}")


def _packages() -> CheckResult:
    try:
        names, _ = _required()
    except importlib.metadata.PackageNotFoundError:
        return CheckResult(
            "works less well", "portcall is not installed, so nobody tells what it needs", "pip install ."
        )
    missing = [name for name in names if not _is_there(name)]
    if missing:
        return CheckResult("missing", f"not there: {', '.join(missing)}", f"pip install {' '.join(missing)}")
    return CheckResult("works", ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names))


def _extras() -> CheckResult:
    try:
        _, extras = _required()
    except importlib.metadata.PackageNotFoundError:
        return CheckResult(
            "works less well", "portcall is not installed, so nobody tells what there is", "pip install ."
        )
    missing = {extra: absent for extra, names in extras.items() if (absent := [n for n in names if not _is_there(n)])}
    if missing:
        told = "; ".join(f"{extra}: {', '.join(names)} not there" for extra, names in missing.items())
        return CheckResult("works less well", told, f"pip install 'portcall[{','.join(missing)}]'")
    return CheckResult("works", f"all there: {', '.join(extras)}" if extras else "there are none to install")


def _required() -> tuple[list[str], dict[str, list[str]]]:
    """Names of the packages that are always needed, and by optional feature; without what is for other Pythons."""
    always: list[str] = []
    extras: dict[str, list[str]] = {}
    for requirement in importlib.metadata.requires("portcall") or []:
        wanted, _, condition = requirement.partition(";")
        found, name = _EXTRA.search(condition), _NAME.match(wanted)
        if name and found and found[1] != "test":
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


def _kernels() -> CheckResult:
    import portcall.kernels

    place = Path(portcall.kernels.__file__).parent
    names = sorted(stub.stem for stub in place.glob("*.pyi"))
    remedy = "make kernels" if list(place.glob("*.pyx")) else "pip install --force-reinstall portcall"
    try:
        for name in names:
            importlib.import_module(f"portcall.kernels.{name}")
        port = _decoded_port()
    except ImportError as error:
        return CheckResult("missing", str(error), remedy)
    if port != _FRAME_PORT:
        return CheckResult("missing", f"they read port {port} where {_FRAME_PORT} was", remedy)
    return CheckResult("works", f"{', '.join(names)} are compiled, and decode a packet")


def _decoded_port() -> int:
    """The target port that the kernels find in the frame."""
    import numpy as np

    from portcall.decoding.decoder import Decoder
    from portcall.records.packets import FRAME, FrameBatch

    frames = np.array([(0, 0, len(_FRAME), len(_FRAME), 0, 1, 0, 0)], FRAME)
    packets = Decoder().decode(FrameBatch(frames, np.frombuffer(_FRAME, np.uint8), 1))
    return int(packets["target_port"][0])


def _capture() -> CheckResult:
    from portcall.sources.capture_devices import setcap_command

    try:
        if sys.platform == "linux":
            socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
        else:
            os.close(os.open("/dev/bpf0", os.O_RDONLY))
    except PermissionError:
        remedy = setcap_command() if sys.platform == "linux" else None
        return CheckResult("missing", "this user may not capture packets; with sudo it may be otherwise", remedy)
    except OSError as error:
        if error.errno != errno.EBUSY:  # somebody else captures by it, so it can be done
            return CheckResult("missing", f"no packet socket: {error.strerror}")
    return CheckResult("works", "as root" if os.geteuid() == 0 else "by capability")


def _ring() -> CheckResult:
    from portcall.sources.capture_devices import RING, LiveSpec, best_source

    if _capture().state == "missing":
        return CheckResult("missing", "it cannot be tried without the right to capture")
    try:
        source, degradations = best_source(LiveSpec())
    except PortcallError as error:
        return CheckResult("missing", str(error), None)
    with closing(source):
        if source.name == RING:
            return CheckResult("works", "the kernel fills it, and portcall reads it in place")
    return CheckResult("works less well", f"{source.name} captures: {degradations[0].reason}")


def _libpcap() -> CheckResult:
    from portcall.sources.filters import FrameFilter

    try:
        FrameFilter("tcp port 443")
    except PortcallError:
        return CheckResult("missing", "--filter does not work without it", _install("libpcap"))
    library = ctypes.CDLL(ctypes.util.find_library("pcap"))
    library.pcap_lib_version.restype = ctypes.c_char_p
    return CheckResult("works", library.pcap_lib_version().decode(errors="replace"))


def _btf() -> CheckResult:
    from portcall.owners.ebpf.btf import VMLINUX, KernelTypes
    from portcall.owners.ebpf.loader import BTF_REMEDY

    try:
        KernelTypes(VMLINUX.read_bytes()).offset("sock.__sk_common.skc_daddr")
    except (OSError, LookupError, ValueError) as error:
        return CheckResult("missing", str(error) if sys.platform == "linux" else _NOT_HERE, BTF_REMEDY)
    return CheckResult("works", f"{VMLINUX} says where fields of the kernel lie")


def _cgroup2() -> CheckResult:
    from portcall.owners.ebpf.loader import CGROUP2_REMEDY, control_group_mount

    try:
        mount = control_group_mount(Path("/proc/mounts").read_text())
    except OSError:
        return CheckResult("missing", _NOT_HERE)
    if mount is None:
        return CheckResult("missing", "it is mounted nowhere", CGROUP2_REMEDY)
    return CheckResult("works", f"mounted at {mount}")


def _bpf() -> CheckResult:
    if sys.platform != "linux":
        return CheckResult("missing", _NOT_HERE)
    from portcall.owners.ebpf.loader import Loaded

    try:
        loaded = Loaded()
    except OSError as error:
        return CheckResult("missing", f"the kernel takes no programs: {error.strerror}", "run as root")
    with closing(loaded):
        programs = f"{len(loaded.programs)} programs load and attach: {', '.join(loaded.programs)}"
    if not loaded.degradations:
        return CheckResult("works", programs)
    first = loaded.degradations[0]
    state: State = "works less well" if loaded.programs else "missing"
    return CheckResult(state, f"{first.reason}; {programs}", first.remedy)


def _owners() -> CheckResult:
    from portcall.owners import open_owners

    try:
        owners = open_owners()
    except PortcallError as error:
        return CheckResult("missing", str(error))
    owners.close()
    if owners.name == "ebpf" and not owners.degradations:
        return CheckResult("works", "ebpf would be chosen, the best there is")
    reasons = "; ".join(degradation.reason for degradation in owners.degradations)
    return CheckResult("works less well", f"{owners.name} would be chosen: {reasons}", owners.degradations[0].remedy)


def _tshark() -> CheckResult:
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


def _terminal() -> CheckResult:
    from portcall.views.terminal import look

    terminal = look(sys.stdout)
    words = f"{terminal.width} columns, {terminal.colours or 'no'} colours, {terminal.encoding}"
    if not terminal.is_utf8:
        return CheckResult("works less well", f"{words}: names are shown in ASCII", "export PYTHONUTF8=1")
    if not terminal.is_there:
        return CheckResult("works", f"stdout is none: plain text, {terminal.width} columns, {terminal.encoding}")
    if terminal.width < _NARROW:
        return CheckResult("works less well", f"{words}: tables lose columns", f"make it {_NARROW} columns wide")
    return CheckResult("works", words)


def _install(what: str) -> str | None:
    """The command that installs a program with the package manager that is here; None where none is known."""
    found = next((installer for installer in _INSTALLERS if shutil.which(installer)), None)
    return found and f"{_INSTALLERS[found]} {_PACKAGES[what][found]}"


EXAMINATIONS = (
    Examination("python", "python3 --version", _ALL, _python),
    Examination("packages", "pip check", _ALL, _packages),
    Examination("extras", "pip list", (), _extras),
    Examination("kernels", "ls kernels/*.so", _ALL, _kernels),
    Examination("libpcap", "tcpdump --version", (), _libpcap),
    Examination("capture", "getpcaps $$", ("live",), _capture),
    Examination("ring", "tcpdump -i any -c 1", (), _ring),
    Examination("owners", "ss -tupn", ("live",), _owners),
    Examination("bpf", "bpftool feature probe", (), _bpf),
    Examination("btf", "bpftool btf dump file /sys/kernel/btf/vmlinux", (), _btf),
    Examination("cgroup2", "findmnt -t cgroup2", (), _cgroup2),
    Examination("tshark", "tshark --version", (), _tshark),
    Examination("terminal", "tput cols; tput colors; locale charmap", (), _terminal),
)
"""Everything that is tried, what matters most first."""
