"""The README, run for real: its commands print what it shows, and its two commands work from a clean copy.

``PORTCALL_WRITE_GOLDEN=1 pytest tests/test_readme.py`` writes the shown output anew; read the difference.
"""

import ctypes.util
import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
FIRST, SECOND = re.findall(r"^```sh\n(.+)\n```$", README.read_text(encoding="utf-8"), re.MULTILINE)
CONSOLE = re.compile(r"^```console\n\$ (?P<command>.+)\n(?P<shown>(?:.*\n)*?)```$", re.MULTILINE)
PYTHON = re.compile(r"^```python\n(?P<command>(?:.+\n|\n)+?)```\n\n```text\n(?P<shown>(?:.*\n)*?)```$", re.MULTILINE)


def examples(pattern):
    return [match["command"] for match in pattern.finditer(README.read_text(encoding="utf-8"))]


@pytest.fixture(scope="session")
def environment(tmp_path_factory):
    """A shell's environment in which ``portcall`` is this source tree, as in a fresh terminal that is none."""
    programs = tmp_path_factory.mktemp("bin")
    launcher = programs / "portcall"
    launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m portcall "$@"\n')
    launcher.chmod(0o755)
    return {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
        "HOME": str(programs),
        "LC_ALL": "C.UTF-8",
        "PYTHONUTF8": "1",
    }


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
    return run.stdout


def compared(pattern, command, printed):
    """What the README shows for the command; with PORTCALL_WRITE_GOLDEN, after writing there what it printed."""
    text = README.read_text(encoding="utf-8")
    match = next(match for match in pattern.finditer(text) if match["command"] == command)
    if os.environ.get("PORTCALL_WRITE_GOLDEN"):
        README.write_text(text[: match.start("shown")] + printed + text[match.end("shown") :], encoding="utf-8")
        return printed
    return match["shown"]


@contextmanager
def web_server():
    """``python3 -m http.server 9999``, which the tutorial starts and the README asks."""
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


def without_times(command, text):
    """The same without what answers took, on which the widths of columns depend too."""
    if not command.startswith("portcall check"):
        return text
    return re.sub(r" {2,}", "  ", re.sub(r"\d[\d.]* ms", "N ms", text))


@pytest.mark.parametrize("command", examples(CONSOLE))
def test_every_command_prints_what_the_readme_shows(command, environment):
    if "--filter" in command and not ctypes.util.find_library("pcap"):
        pytest.skip("needs libpcap: sudo apt install libpcap0.8")

    with web_server() if "9999" in command else nullcontext():
        printed = output(command, environment, shell=True)

    assert without_times(command, printed) == without_times(command, compared(CONSOLE, command, printed))


@pytest.mark.parametrize("program", examples(PYTHON))
def test_every_program_prints_what_the_readme_shows(program, environment):
    printed = output([sys.executable, "-W", "error", "-c", program], environment)

    assert printed == compared(PYTHON, program, printed)


def test_no_code_of_the_readme_escapes_these_tests():
    text = README.read_text(encoding="utf-8")

    tested = 2 + len(examples(CONSOLE)) + 2 * len(examples(PYTHON))  # the two commands, and a program's output

    assert text.count("\n```") == 2 * tested


def test_the_continuous_integration_runs_the_second_command_and_nothing_else():
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()

    assert lines == ["#!/bin/sh", "set -eu", 'cd "$(dirname "$0")/.."', SECOND]


def test_the_first_command_ends_with_the_first_example():
    _, _, last = FIRST.rpartition(" && ")

    assert last == f".venv/bin/{examples(CONSOLE)[0]}"


@pytest.fixture
def clean_copy(tmp_path):
    """The repository without anything built, as a clone has it."""
    built = shutil.ignore_patterns(".*", "build", "*.so", "kernels/*.c", "__pycache__", "*.egg-info", "corpus")
    return shutil.copytree(ROOT, tmp_path / "clone", ignore=built)


@pytest.mark.slow
def test_the_first_command_installs_and_answers_from_a_clean_copy(clean_copy, tmp_path):
    newcomer = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
    newcomer |= {name: value for name, value in os.environ.items() if name.startswith("PIP_")}  # where packages are

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
