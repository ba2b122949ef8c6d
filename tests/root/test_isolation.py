"""What runs with rights is portcall and the system: traps in the folder, on PATH, in HOME and in variables stay shut.

Each trap is code that really runs where somebody loads or starts it, and then leaves a mark with its user's number.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import portcall
from portcall.isolation import clean_environment
from portcall.owners import open_owners

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root has rights to lose"),
]
PACKAGES = Path(portcall.__file__).parents[1]
CAPTURES = Path(__file__).parents[2] / "captures"
DEADLINE_S = 180
NOBODY = "65534"
BY_SUDO = {"SUDO_UID": NOBODY, "SUDO_GID": NOBODY, "SUDO_USER": "nobody"}
CLEAN = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "TERM": "dumb", "LANG": "C.UTF-8"}
MODULES = ("portcall", "numpy", "scapy", "pickle", "socket", "sitecustomize", "argparse", "rich")
LIVE = ("live", "-i", "lo", "--duration", "0.2", "--format", "json")
READ = ("read", str(CAPTURES / "dns.pcap"), "--format", "json")
WITHOUT_BPF = ("setpriv", "--bounding-set=-bpf,-sys_admin,-perfmon")


@pytest.fixture
def mark(tmp_path):
    return tmp_path / "mark"


@pytest.fixture
def portcall_script(tmp_path):
    """The command as an installer writes it, in a folder of its own."""
    script = tmp_path / "bin" / "portcall"
    script.parent.mkdir()
    script.write_text(f"import sys\nsys.path.append({str(PACKAGES)!r})\nfrom portcall.__main__ import run\nrun()\n")
    return [sys.executable, str(script)]


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "folder"
    made.mkdir()
    return made


def run(command, folder, *, prefix=(), **environment):
    ran = subprocess.run(
        [*prefix, *command],
        cwd=folder,
        env={**CLEAN, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
    )
    assert "Traceback" not in ran.stderr, ran.stderr
    return ran


def set_module_traps(folder, mark, names=MODULES):
    """Modules that leave a mark when they are imported; scapy and portcall as packages."""
    for name in names:
        place = folder / name / "__init__.py" if name in ("portcall", "scapy", "rich") else folder / f"{name}.py"
        place.parent.mkdir(exist_ok=True, parents=True)
        place.write_text(f"import os\nopen({str(mark)!r}, 'a').write(f'{{__name__}} as {{os.geteuid()}}\\n')\n")


def set_program_trap(place, mark):
    place.write_text(f'#!/bin/sh\necho "$0 as $(/usr/bin/id -u)" >> {mark}\nexit 1\n')
    place.chmod(0o755)


def marks(mark):
    return mark.read_text() if mark.exists() else ""


@pytest.mark.parametrize("caller", [{}, BY_SUDO], ids=["root", "sudo"])
@pytest.mark.parametrize(
    ("options", "prefix"),
    [
        (("--owners", "netlink"), ()),
        (("--owners", "psutil"), ()),
        (("--netns", "all"), ()),
        ((), WITHOUT_BPF),
    ],
    ids=["netlink", "psutil", "every namespace", "fallen back"],
)
def test_helpers_run_nothing_of_the_current_folder(portcall_script, folder, mark, options, prefix, caller):
    set_module_traps(folder, mark)

    ran = run([*portcall_script, *LIVE, *options], folder, prefix=prefix, **caller)

    assert marks(mark) == ""
    assert ran.returncode == 0, ran.stderr


def test_python_m_portcall_runs_nothing_of_the_current_folder_of_all_that_it_imports(folder, mark):
    set_module_traps(folder, mark, ["numpy", "scapy", "pickle", "sitecustomize", "argparse", "rich"])

    for words in (READ, (*READ, "--filter", "udp"), LIVE, ("doctor",)):
        run([sys.executable, "-m", "portcall", *words], folder)

    assert marks(mark) == ""


@pytest.mark.parametrize("words", [READ, (*READ, "--filter", "udp"), LIVE], ids=["read", "filter", "live"])
def test_nothing_of_pythonpath_runs(portcall_script, folder, mark, tmp_path, words):
    set_module_traps(folder, mark, ["numpy", "scapy", "pickle", "argparse", "rich"])

    ran = run([*portcall_script, *words], tmp_path, PYTHONPATH=str(folder))

    assert marks(mark) == ""
    assert ran.returncode == 0, ran.stderr


def test_an_empty_pythonpath_and_a_startup_file_run_nothing(portcall_script, folder, mark):
    set_module_traps(folder, mark, ["numpy", "scapy", "argparse"])

    run([*portcall_script, *READ], folder, PYTHONPATH=":", PYTHONSTARTUP="numpy.py", PYTHONINSPECT="1")

    assert marks(mark) == ""


@pytest.mark.parametrize("words", [("doctor",), (*READ[:2], "--by", "flow", "--dissect")], ids=["doctor", "dissect"])
def test_no_tshark_of_the_users_path_runs(portcall_script, folder, mark, words):
    set_program_trap(folder / "tshark", mark)

    run([*portcall_script, *words], folder, PATH=f"{folder}:.:{CLEAN['PATH']}")

    assert marks(mark) == ""


@pytest.mark.skipif(not shutil.which("unshare"), reason="unshare is not installed")
def test_no_compiler_of_the_users_path_runs_where_libpcap_cannot_be_found(portcall_script, folder, mark):
    for name in ("gcc", "cc", "ld", "objdump", "ldconfig"):
        set_program_trap(folder / name, mark)
    hidden = ("unshare", "-m", "sh", "-c", 'mount --bind /dev/null /etc/ld.so.cache && PATH="$0" exec "$@"')

    run([*portcall_script, *READ, "--filter", "udp"], folder, prefix=(*hidden, f"{folder}:{CLEAN['PATH']}"))

    assert marks(mark) == ""


@pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed")
@pytest.mark.parametrize("configured", ["[tshark]\ntshark_path = {trap}\n", "[other]\nkey = value\n"])
def test_dissecting_reads_no_config_ini_of_the_current_folder(portcall_script, folder, mark, configured):
    set_program_trap(folder / "tshark", mark)
    (folder / "config.ini").write_text(configured.format(trap=folder / "tshark"))
    words = (*READ[:2], "--by", "flow", "--dissect")

    ran = run([*portcall_script, *words], folder)

    assert marks(mark) == ""
    assert "packet 1" in ran.stdout


@pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed")
def test_nothing_of_a_home_of_somebody_else_runs(portcall_script, folder, mark):
    lua = textwrap.dedent(f"""\
        run_user_scripts_when_superuser = true
        local mark = io.open("{mark}", "a")
        mark:write("init.lua\\n")
        mark:close()
    """)
    for place in (".config/wireshark/init.lua", ".local/lib/wireshark/plugins/trap.lua"):
        (folder / place).parent.mkdir(parents=True)
        (folder / place).write_text(lua)
    version = "python{}.{}".format(*sys.version_info)
    (folder / ".local/lib" / version / "site-packages").mkdir(parents=True)
    set_module_traps(folder / ".local/lib" / version / "site-packages", mark, ["numpy", "scapy"])
    places = {"XDG_CONFIG_HOME": f"{folder}/.config", "PYTHONUSERBASE": f"{folder}/.local"}

    run([*portcall_script, *READ[:2], "--by", "flow", "--dissect"], folder, HOME=str(folder), **places)
    run([*portcall_script, *LIVE], folder, HOME=str(folder), **places)

    assert marks(mark) == ""


@pytest.mark.skipif(not shutil.which("gcc"), reason="gcc is not installed")
def test_no_library_of_ld_library_path_is_loaded(portcall_script, folder, mark):
    source = folder / "trap.c"
    source.write_text(f"""
        #include <stdio.h>
        __attribute__((constructor)) static void trap(void) {{
            FILE *mark = fopen("{mark}", "a"); fputs("libpcap\\n", mark); fclose(mark);
        }}
    """)
    for name in ("libpcap.so.0.8", "libpcap.so.1", "libpcap.so"):
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", folder / name, source], check=True)

    ran = run([*portcall_script, *READ, "--filter", "udp"], folder, LD_LIBRARY_PATH=str(folder))

    assert marks(mark) == ""
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("extra", [{}, {"PYTHONPATH": "/nowhere"}], ids=["at once", "begun again"])
def test_a_command_that_is_followed_has_the_users_own_environment(portcall_script, folder, extra):
    set_program_trap(folder / "mine", folder / "mark")
    given = {"HOME": str(folder), "PATH": f"{folder}:{CLEAN['PATH']}", "EDITOR": "a\nb", **extra}

    ran = run([*portcall_script, *LIVE[:3], "-o", "report.json", "--", "sh", "-c", "env -0; mine"], folder, **given)

    seen = dict(line.split("=", 1) for line in ran.stdout.split("\0") if "=" in line)
    assert {name: seen.get(name) for name in given} == given
    assert (folder / "mark").exists()


@pytest.mark.parametrize(("extra", "is_again"), [({}, False), (BY_SUDO, False), ({"PYTHONPATH": "/nowhere"}, True)])
def test_it_begins_again_only_where_code_may_have_been_named(portcall_script, folder, extra, is_again):
    asked = ("sh", "-c", 'tr "\\0" " " < /proc/$PPID/cmdline')

    ran = run([*portcall_script, *LIVE, "--", *asked], folder, **extra)

    assert ("isolation.py" in ran.stdout) == is_again, ran.stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_are_nobody_elses_place(portcall_script, folder, closed):
    script = f'exec "$@" {closed}'
    report = folder / "report.json"

    ran = run(
        [*portcall_script, *LIVE, "-o", str(report), "--owners", "netlink"], folder, prefix=("sh", "-c", script, "sh")
    )

    assert ran.returncode == 0, ran.stderr
    assert '"schema":1' in report.read_text().replace(" ", "")


def test_a_helper_has_a_bare_environment_and_only_its_own_descriptors(monkeypatch):
    monkeypatch.setenv("SECRET", "1")
    held = [socket.socket() for _ in range(3)]
    before = {int(child) for child in _children()}

    owners = open_owners("netlink")
    (helper,) = {int(child) for child in _children()} - before
    environment = Path(f"/proc/{helper}/environ").read_bytes().split(b"\0")
    folder = Path(f"/proc/{helper}/cwd").readlink()
    held_there = {str(link.readlink()) for link in Path(f"/proc/{helper}/fd").iterdir()}
    owners.close()

    assert {entry.partition(b"=")[0] for entry in environment if entry} == {b"PATH", b"OPENBLAS_NUM_THREADS"}
    assert folder == Path("/")
    inherited = {f"socket:[{os.fstat(one.fileno()).st_ino}]" for one in held}
    assert not inherited & held_there
    for one in held:
        one.close()


def _children():
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


def test_where_objects_lie_is_known_but_no_file_that_may_name_a_program():
    told = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9000",
        "AWS_CONFIG_FILE": "config",
        "AWS_SECRET_ACCESS_KEY": "key",
    }

    kept = clean_environment(told)

    assert {name for name in kept if name.startswith("AWS_")} == {"AWS_ENDPOINT_URL", "AWS_SECRET_ACCESS_KEY"}
