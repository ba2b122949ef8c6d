"""What /proc and cgroup paths tell of processes."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from portcall.owners.ebpf.loader import control_group_mount
from portcall.owners.processes import find_process, place_of, place_of_path, program_of, split_arguments, user_name

DIGITS = "4f5e" * 16


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (f"/system.slice/docker-{DIGITS}.scope", ("4f5e4f5e4f5e", None)),
        (f"/docker/{DIGITS}", ("4f5e4f5e4f5e", None)),
        (f"/kubepods.slice/kubepods-pod1.slice/cri-containerd-{DIGITS}.scope", ("4f5e4f5e4f5e", None)),
        (f"/machine.slice/libpod-{DIGITS}.scope/container", ("4f5e4f5e4f5e", None)),
        ("/lxc.payload.web/init.scope", ("web", None)),
        ("/machine.slice/systemd-nspawn@web.service/payload", ("web", None)),
        ("/system.slice/nginx.service", (None, "nginx.service")),
        (
            "/user.slice/user-1000.slice/user@1000.service/app.slice/app-firefox-12.scope",
            (None, "app-firefox-12.scope"),
        ),
        ("/user.slice/user-1000.slice/session-3.scope", (None, "session-3.scope")),
        ("/", (None, None)),
    ],
)
def test_a_cgroup_path_tells_the_container_or_the_unit(path, place):
    assert place_of_path(path) == place


def test_the_first_hierarchy_that_tells_a_place_counts():
    assert place_of("9:pids:/\n1:name=systemd:/system.slice/cron.service\n0::/\n") == (None, "cron.service")


def test_a_process_is_found_with_its_program_and_parent():
    words = ["-c", "print(flush=True); input()", "an argument"]
    child = subprocess.Popen([sys.executable, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    child.stdout.readline()  # before that its arguments may not be there yet

    found = find_process(child.pid)
    child.communicate(b"\n")

    assert found.parent == os.getpid()
    assert found.user == os.geteuid()
    assert found.program.exe == os.path.realpath(sys.executable)
    assert found.program.cmdline[1:] == tuple(words)


@pytest.mark.parametrize("options", [[], ["-W", "ignore::UserWarning"] * 500], ids=["short", "long"])
def test_a_process_of_an_interpreter_is_found_with_its_script(tmp_path, options):
    script = tmp_path / "server.py"
    script.write_text("print(flush=True); input()")
    child = subprocess.Popen([sys.executable, *options, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    child.stdout.readline()

    found = find_process(child.pid)
    child.communicate(b"\n")

    assert found.program.script == "server.py"


def test_a_process_that_ended_is_not_found():
    child = subprocess.Popen(["true"])
    child.wait()

    assert find_process(child.pid) is None


def test_an_argument_may_be_empty():
    assert split_arguments(b"grep\0\0file\0") == ("grep", "", "file")


def test_a_kernel_thread_has_no_arguments():
    assert split_arguments(b"") == ()


def test_a_user_without_a_name_is_its_number():
    taken = {entry.pw_uid for entry in pwd.getpwall()}
    free = next(number for number in range(50_000, 60_000) if number not in taken)

    assert user_name(free) == str(free)


def test_cgroup2_is_found_wherever_it_is_mounted():
    mounts = "cgroup /sys/fs/cgroup/cpu cgroup rw 0 0\nnone /mnt/two\\040words cgroup2 rw 0 0\n"

    assert control_group_mount(mounts) == "/mnt/two words"


def test_no_cgroup2_is_none():
    assert control_group_mount("proc /proc proc rw 0 0\n") is None


@pytest.mark.parametrize(
    ("name", "path", "arguments", "whole"),
    [
        ("chromium-browse", "/usr/bin/chromium-browser", (), "chromium-browser"),
        ("chromium-browse", "/usr/bin/chromium-browser (deleted)", (), "chromium-browser"),
        ("my-long-service", "/usr/bin/python3", ("python3", "/opt/my-long-service.py"), "my-long-service.py"),
        ("my-long-service", "/usr/bin/python3", ("python3", "-m", "other"), "my-long-service"),
        ("exactly15letter", "/usr/bin/exactly15letter", (), "exactly15letter"),
        ("nginx", "/usr/sbin/nginx-of-another-name", (), "nginx"),
        ("gr\xfc\xdfe-vom-d\xe4-\ufffd", "/bin/gr\xfc\xdfe-vom-d\xe4-\xfcmon", (), "gr\xfc\xdfe-vom-d\xe4-\xfcmon"),
    ],
)
def test_a_name_that_the_kernel_cut_is_whole_where_the_path_or_the_script_says_it(name, path, arguments, whole):
    assert program_of(name, path, arguments).name == whole


@pytest.mark.root
@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root has rights to leave out")
@pytest.mark.parametrize("left_out", ["-sys_ptrace", "-net_raw"])
def test_root_that_may_not_look_at_others_does_not_take_what_it_misses_for_the_kernels(left_out):
    program = "from portcall.owners.processes import sees_every_process; print(sees_every_process())"
    ran = subprocess.run(
        ["setpriv", f"--bounding-set={left_out}", sys.executable, "-P", "-c", program],
        capture_output=True,
        text=True,
        check=True,
    )

    is_first = str(Path("/proc/self/ns/pid").readlink()) == "pid:[4026531836]"
    assert ran.stdout.strip() == str(is_first and left_out != "-sys_ptrace")
