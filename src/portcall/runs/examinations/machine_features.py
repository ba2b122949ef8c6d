"""What this machine and its kernel offer, found out by trying: capture, ring, owners, kernel programs, terminal.

What is opened is closed again, no packet is read, and nothing is changed.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from portcall.errors import PortcallError
from portcall.runs.examinations.check_result import CheckResult
from portcall.system.remedies import ROOT_OF_THE_HOST, more_rights, mount_control_groups

if TYPE_CHECKING:
    from portcall.runs.examinations.check_result import State

_NOT_HERE = "only Linux has it"
_NARROW = 80


def capture() -> CheckResult:
    """The right to capture packets."""
    from portcall.sources.devices.capture_devices import capture_remedy

    try:
        if sys.platform == "linux":
            socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
        else:
            os.close(os.open("/dev/bpf0", os.O_RDONLY))
    except PermissionError:
        return CheckResult("missing", "this user may not capture packets", capture_remedy())
    except OSError as error:
        if error.errno != errno.EBUSY:  # somebody else captures by it, so it can be done
            return CheckResult("missing", f"no packet socket: {error.strerror}")
    return CheckResult("works", "as root" if os.geteuid() == 0 else "by capability")


def ring() -> CheckResult:
    """The ring that the kernel fills."""
    from portcall.sources.devices.capture_devices import RING, LiveSpec, best_source

    if capture().state == "missing":
        return CheckResult("missing", "it cannot be tried without the right to capture")
    try:
        source, degradations = best_source(LiveSpec())
    except PortcallError as error:
        return CheckResult("missing", str(error), None)
    with closing(source):
        if source.name == RING:
            return CheckResult("works", "the kernel fills it, and portcall reads it in place")
    return CheckResult("works less well", f"{source.name} captures: {degradations[0].reason}")


def owners() -> CheckResult:
    """The best back end that tells who owns sockets."""
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


def bpf() -> CheckResult:
    """Programs in the kernel."""
    if sys.platform != "linux":
        return CheckResult("missing", _NOT_HERE)
    from portcall.owners.ebpf.loader import Loaded

    try:
        loaded = Loaded()
    except OSError as error:
        return CheckResult("missing", f"the kernel takes no programs: {error.strerror}", more_rights(ROOT_OF_THE_HOST))
    with closing(loaded):
        programs = f"{len(loaded.programs)} programs load and attach: {', '.join(loaded.programs)}"
    if not loaded.degradations:
        return CheckResult("works", programs)
    first = loaded.degradations[0]
    state: State = "works less well" if loaded.programs else "missing"
    return CheckResult(state, f"{first.reason}; {programs}", first.remedy)


def btf() -> CheckResult:
    """The kernel's own types, which its programs need."""
    from portcall.owners.ebpf.btf import VMLINUX, KernelTypes
    from portcall.owners.ebpf.loader import BTF_REMEDY

    try:
        KernelTypes(VMLINUX.read_bytes()).offset("sock.__sk_common.skc_daddr")
    except (OSError, LookupError, ValueError) as error:
        return CheckResult("missing", str(error) if sys.platform == "linux" else _NOT_HERE, BTF_REMEDY)
    return CheckResult("works", f"{VMLINUX} says where fields of the kernel lie")


def cgroup2() -> CheckResult:
    """The control groups that programs attach to."""
    from portcall.owners.ebpf.loader import control_group_mount

    try:
        mount = control_group_mount(Path("/proc/mounts").read_text())
    except OSError:
        return CheckResult("missing", _NOT_HERE)
    if mount is None:
        return CheckResult("missing", "it is mounted nowhere", mount_control_groups())
    return CheckResult("works", f"mounted at {mount}")


def confinement() -> CheckResult:
    """What keeps a process that parses packets from everything else."""
    if sys.platform != "linux":
        return CheckResult("missing", _NOT_HERE)
    from portcall.system.confinement import REMEDIES, capabilities, landlock, seccomp_filter

    abi = landlock.abi()
    lacking = [] if abi else ["Landlock"]
    lacking += [] if seccomp_filter.is_known() else ["seccomp"]
    try:
        capabilities.permitted()
    except OSError:
        lacking.append("capabilities")
    if lacking:
        told = f"this kernel lacks {' and '.join(lacking)}: a process that parses packets reaches more than is named"
        return CheckResult("works less well", told, REMEDIES[lacking[0]])
    partly = [words for since, words in landlock.SINCE.items() if since > abi]
    if partly:
        told = (
            f"Landlock (ABI {abi}) does not guard {', '.join(partly)}; seccomp, capabilities and no_new_privs do more"
        )
        return CheckResult("works less well", told, "a newer kernel")
    return CheckResult(
        "works", f"Landlock (ABI {abi}), seccomp, no capabilities: what parses packets reaches only what is named"
    )


def terminal() -> CheckResult:
    """What stdout can show."""
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
