"""The README and the pages of docs/, run for real: commands and programs print what is shown, and steps succeed.

``PORTCALL_WRITE_GOLDEN=1 pytest tests/documents/test_readme.py`` writes the shown output anew; read the difference. The
README's two commands are run from a clean copy.
"""

import ctypes.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from portcall.cli import COMMANDS, parser_of
from progress_bars import without_bars
from quick_compiler import quick_compiler

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
ELSEWHERE = {"library.md", "links.md"}
"""Pages with a test of their own: one runs programs that need a machine, the other holds drawings."""
PAGES = {
    str(path.relative_to(ROOT)): path
    for path in (README, *sorted(ROOT.glob("docs/*.md")))
    if path.name not in ELSEWHERE
}
SHELL = re.compile(r"^```sh\n(?P<command>(?:.+\n)+?)```$", re.MULTILINE)
CONSOLE = re.compile(r"^```console\n\$ (?P<command>.+)\n(?P<shown>(?:.*\n)*?)```$", re.MULTILINE)
PYTHON = re.compile(r"^```python\n(?P<command>(?:.+\n|\n)+?)```\n\n```text\n(?P<shown>(?:.*\n)*?)```$", re.MULTILINE)


def examples(pattern, *names):
    """(page, command) of every example, or of those of the pages named."""
    pages = [(name, PAGES[name].read_text(encoding="utf-8")) for name in names or PAGES]
    return [(name, match["command"]) for name, text in pages for match in pattern.finditer(text)]


(_, FIRST), (_, SECOND) = ((name, command.strip()) for name, command in examples(SHELL, "README.md"))
STEPS = [line for name, block in examples(SHELL) if name != "README.md" for line in block.splitlines()]
"""Those of the pages of docs/; the README's two commands are run from a clean copy."""


@pytest.fixture(scope="session")
def environment(tmp_path_factory):
    """A shell's environment in which ``portcall`` is this source tree, as in a fresh terminal that is none.

    ``sudo`` runs what it is given: tests that need it skip where they are not root.
    """
    programs = tmp_path_factory.mktemp("bin")
    for name, line in {"portcall": f'exec "{sys.executable}" -m portcall "$@"', "sudo": 'exec "$@"'}.items():
        launcher = programs / name
        launcher.write_text(f"#!/bin/sh\n{line}\n")
        launcher.chmod(0o755)
    return {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
        "HOME": str(programs),
        "LC_ALL": "C.UTF-8",
        "PYTHONUTF8": "1",
    }


NOTE_OF_RIGHTS = re.compile(r"^portcall: note: processes of others: .*\n", re.MULTILINE)
"""What only a user without rights is told, as soon as anybody else has a socket."""


def output(command, environment, **options):
    run = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
        **options,
    )
    assert run.returncode == 0, run.stdout
    return NOTE_OF_RIGHTS.sub("", without_bars(run.stdout))


def compared(pattern, page, command, printed):
    """What the page shows for the command; with PORTCALL_WRITE_GOLDEN, after writing there what it printed."""
    text = page.read_text(encoding="utf-8")
    match = next(match for match in pattern.finditer(text) if match["command"] == command)
    if os.environ.get("PORTCALL_WRITE_GOLDEN"):
        page.write_text(text[: match.start("shown")] + printed + text[match.end("shown") :], encoding="utf-8")
        return printed
    return match["shown"]


@contextmanager
def web_server():
    """``python3 -m http.server 9999``, which the tutorial starts and both pages ask."""
    with subprocess.Popen(
        [sys.executable, "-um", "http.server", "9999", "--bind", "127.0.0.1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as server:
        sent = server.stdout.readline()
        if b"in use" in sent + (b"" if b"Serving" in sent else server.stdout.read()):
            pytest.skip("port 9999 is in use here")
        yield
        server.terminate()


STAND_INS = {
    r"^python[\d.]* \(http.server\), pid \d+, user \S+, started .+ ago$": (
        "python3 (http.server), pid 5721, user kim, started 12 s ago"
    ),
    r"^  command: \S+ -\S+ http.server": "  command: python3 -m http.server",
    r"^  started by: .+$": "  started by: bash(5310)",
}
"""What ``portcall who`` says of a process of this machine → what the pages say in its place."""


def with_stand_ins(command, text):
    if command.startswith("portcall who"):
        for pattern, instead in STAND_INS.items():
            text = re.sub(pattern, instead, text, flags=re.MULTILINE)
    return text


def without_times(command, text):
    """The same without what answers took, on which the widths of columns depend too."""
    if not command.startswith("portcall check"):
        return text
    return re.sub(r" {2,}", "  ", re.sub(r"\d[\d.]* ms", "N ms", text))


@pytest.mark.parametrize(("name", "command"), examples(CONSOLE))
def test_every_command_prints_what_its_page_shows(name, command, environment):
    if "--filter" in command and not ctypes.util.find_library("pcap"):
        pytest.skip("needs libpcap: sudo apt install libpcap0.8")

    with web_server() if "9999" in command else nullcontext():
        printed = with_stand_ins(command, output(command, environment, shell=True))

    shown = compared(CONSOLE, PAGES[name], command, printed)
    assert without_times(command, printed) == without_times(command, shown)


@pytest.mark.parametrize(("name", "program"), examples(PYTHON))
def test_every_program_prints_what_its_page_shows(name, program, environment):
    if "filter=" in program and not ctypes.util.find_library("pcap"):
        pytest.skip("needs libpcap: sudo apt install libpcap0.8")

    printed = output([sys.executable, "-W", "error", "-c", program], environment)

    assert printed == compared(PYTHON, PAGES[name], program, printed)


@pytest.mark.parametrize(
    "line", [pytest.param(line, marks=pytest.mark.root if line.startswith("sudo ") else ()) for line in STEPS]
)
def test_every_step_of_a_page_succeeds(line, environment):
    if line.startswith("sudo ") and (sys.platform != "linux" or os.geteuid() != 0):
        pytest.skip("needs Linux and root")

    with web_server() if "9999" in line else nullcontext():
        assert output(line, environment, shell=True)


@pytest.mark.parametrize("name", PAGES)
def test_no_code_of_a_page_escapes_these_tests(name):
    text = PAGES[name].read_text(encoding="utf-8")

    tested = len(examples(SHELL, name)) + len(examples(CONSOLE, name)) + 2 * len(examples(PYTHON, name))

    assert text.count("\n```") == 2 * tested  # a program has its output behind it


def command_lines(text):
    """What follows ``portcall`` in examples, in indented lines and between backticks, where it is more than a name."""
    code = re.findall(r"^(?:    |\$ )((?:sudo )?portcall .+)$|`((?:sudo )?portcall [^`]+)`", text, re.MULTILINE)
    lines = [re.split(r" [|>;]|; ", indented or quoted)[0].partition("portcall ")[2] for indented, quoted in code]
    return [line for line in lines if line.split()[0] in COMMANDS and " " in line.strip()]


@pytest.mark.parametrize("name", PAGES)
def test_every_command_line_of_a_page_is_one_that_portcall_takes(name):
    refused = []

    for line in command_lines(PAGES[name].read_text(encoding="utf-8")):
        try:
            parser_of(COMMANDS).parse_args(shlex.split(re.sub(r"\[.+…\]|…", "", line)))
        except SystemExit:
            refused.append(line)

    assert refused == []


def test_the_continuous_integration_runs_the_second_command_and_nothing_else():
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()

    assert lines == ["#!/bin/sh", "set -eu", 'cd "$(dirname "$0")/.."', SECOND]


def test_the_first_command_ends_with_the_first_example():
    _, _, last = FIRST.rpartition(" && ")

    assert last == f".venv/bin/{examples(CONSOLE, 'README.md')[0][1]}"


@pytest.fixture
def clean_copy(tmp_path):
    """The repository without anything built, as a clone has it."""
    built = shutil.ignore_patterns(".*", "build", "*.so", "kernels/*.c", "__pycache__", "*.egg-info", "corpus")
    return shutil.copytree(ROOT, tmp_path / "clone", ignore=built)


@pytest.mark.slow
def test_the_first_command_installs_and_answers_from_a_clean_copy(clean_copy, tmp_path):
    newcomer = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
    newcomer |= {name: value for name, value in os.environ.items() if name.startswith("PIP_")}  # where packages are
    newcomer |= quick_compiler(tmp_path) | {"PIP_COMPILE": "0"}  # bytecode of what is imported is soon made

    run = subprocess.run(
        FIRST, shell=True, cwd=clean_copy, env=newcomer, capture_output=True, encoding="utf-8", check=False
    )

    shown = next(CONSOLE.finditer(README.read_text(encoding="utf-8")))["shown"]
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.endswith(shown)


@pytest.mark.slow
def test_a_missing_compiler_is_one_clear_sentence(clean_copy):
    build = [sys.executable, "setup.py", "-q", "build_ext", "--build-lib", "elsewhere"]

    run = subprocess.run(
        build,
        cwd=clean_copy,
        env={**os.environ, "CC": "/nonexistent/cc"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )

    sentence = run.stderr.strip().splitlines()[-1]
    assert run.returncode == 1
    assert "Traceback" not in run.stderr
    assert sentence.startswith("portcall: its kernels need a working C compiler")
    assert "apt install gcc python3-dev" in sentence
