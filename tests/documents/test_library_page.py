"""docs/library.md, run for real: its programs work, and print what it shows.

``PORTCALL_WRITE_GOLDEN=1 pytest tests/documents/test_library_page.py`` writes the shown output anew.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from portcall.cli import COMMANDS
from progress_bars import without_bars

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "library.md"
EXAMPLE = re.compile(
    r"^```python\n(?P<program>(?:.*\n)*?)```\n(?:\n```text\n(?P<shown>(?:.*\n)*?)```\n)?", re.MULTILINE
)
PROGRAMS = [match["program"] for match in EXAMPLE.finditer(PAGE.read_text(encoding="utf-8"))]


def shown_for(program, printed):
    """What the page shows for the program, or None; with PORTCALL_WRITE_GOLDEN after writing there what it printed."""
    text = PAGE.read_text(encoding="utf-8")
    match = next(match for match in EXAMPLE.finditer(text) if match["program"] == program)
    if match["shown"] is not None and os.environ.get("PORTCALL_WRITE_GOLDEN"):
        PAGE.write_text(text[: match.start("shown")] + printed + text[match.end("shown") :], encoding="utf-8")
        return printed
    return match["shown"]


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_runs_and_prints_what_the_page_shows(program):
    if "# as root" in program and os.geteuid() != 0:
        pytest.skip("needs root, to capture")

    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONUTF8": "1"},
        capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip

    assert (run.returncode, run.stderr) == (0, "")
    printed = without_bars(run.stdout)
    assert shown_for(program, printed) in (printed, None)
    assert printed


NO_CALLS = {"completion", "mcp", "update-data"}  # they serve other programs, or the command alone


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - NO_CALLS))
def test_every_call_has_a_program(command):
    assert any(f"portcall.{command}(" in program for program in PROGRAMS)
