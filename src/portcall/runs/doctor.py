"""What works on this machine, found out by trying.

Each thing works, works less well, or is missing; then the command that mends it is said, where there is one. To add
one: a function in ``installed_parts`` or ``machine_features`` that gives a CheckResult, and its row in EXAMINATIONS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from portcall.runs.examinations import installed_parts, machine_features
from portcall.runs.examinations.check_result import CheckResult
from portcall.system.remedies import pip_install
from portcall.system.scarcity import LIBRARIES_BYTES, ensure_room, what_is_scarce

if TYPE_CHECKING:
    from collections.abc import Callable

_ALL = ("read", "live")


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
    ensure_room(LIBRARIES_BYTES)
    try:
        return examination.find()
    except ImportError as error:
        if what_is_scarce(error):
            raise
        return CheckResult("missing", str(error), pip_install("--force-reinstall", "portcall"))


EXAMINATIONS = (
    Examination("python", "python3 --version", _ALL, installed_parts.python),
    Examination("packages", "pip check", _ALL, installed_parts.packages),
    Examination("extras", "pip list", (), installed_parts.extras),
    Examination("kernels", "ls kernels/*.so", _ALL, installed_parts.kernels),
    Examination("libpcap", "tcpdump --version", (), installed_parts.libpcap),
    Examination("capture", "getpcaps $$", ("live",), machine_features.capture),
    Examination("ring", "tcpdump -i any -c 1", (), machine_features.ring),
    Examination("owners", "ss -tupn", ("live",), machine_features.owners),
    Examination("bpf", "bpftool feature probe", (), machine_features.bpf),
    Examination("btf", "bpftool btf dump file /sys/kernel/btf/vmlinux", (), machine_features.btf),
    Examination("cgroup2", "findmnt -t cgroup2", (), machine_features.cgroup2),
    Examination(
        "confinement",
        "cat /sys/kernel/security/lsm /proc/sys/kernel/seccomp/actions_avail",
        (),
        machine_features.confinement,
    ),
    Examination("tshark", "tshark --version", (), installed_parts.tshark),
    Examination("configuration", "cat ~/.config/portcall/config.toml", (), installed_parts.configuration),
    Examination("data", "ls ~/.local/share/portcall", (), installed_parts.data),
    Examination("terminal", "tput cols; tput colors; locale charmap", (), machine_features.terminal),
)
"""Everything that is tried, what matters most first."""
