"""PORTCALL_SANITIZE: kernels have the sanitizers that it names, and nothing that hides what these find."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

SETUP = Path(__file__).parents[2] / "setup.py"


@pytest.fixture
def arguments(monkeypatch):
    """Compiler and linker arguments of the kernels, with such a switch."""

    def with_switch(switch):
        if switch is None:
            monkeypatch.delenv("PORTCALL_SANITIZE", raising=False)
        else:
            monkeypatch.setenv("PORTCALL_SANITIZE", switch)
        said = runpy.run_path(str(SETUP), run_name="read and not run")
        return said["ARGUMENTS"], said["SANITIZED"]

    return with_switch


@pytest.mark.parametrize("switch", [None, ""])
def test_without_the_switch_kernels_are_fast_and_have_no_sanitizer(arguments, switch):
    assert arguments(switch) == (["-O3", "-g0"], [])


def test_with_the_switch_compiler_and_linker_have_the_sanitizers(arguments):
    compiled, linked = arguments("address,undefined")

    assert "-fsanitize=address,undefined" in compiled
    assert "-fsanitize=address,undefined" in linked
    assert "-O3" not in compiled


def test_a_finding_ends_the_process_and_an_overflow_is_one(arguments):
    compiled, _ = arguments("address,undefined")

    assert {"-fno-sanitize-recover=all", "-fno-wrapv"} <= set(compiled)
