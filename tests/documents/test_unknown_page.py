"""The page on what live cannot know has each sentence that live says of it: reasons, remedies, levels of a search."""

from __future__ import annotations

import ast
import os
import re
from importlib import import_module
from pathlib import Path

import pytest

import portcall
from portcall.ownership import failed_search
from portcall.records.ownership import MatchQuality
from portcall.records.schema import REASONS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "unknown.md"
SOURCE = Path(portcall.__file__).parent
SAYERS = (
    *("attribution.attribution", "runs.live", "runs.live_run"),
    *("sources.devices.scapy", "owners.process_links"),
    *("sources.devices.afpacket", "sources.devices.capture_devices", "sources.devices.happenings"),
    *("owners", "owners.privileged_helper", "owners.netlink", "owners.psutil_polling", "owners.snapshot"),
    *("owners.ebpf", "owners.ebpf.loader"),
)
"""Modules that hand notes to a run of live."""

NOTES = {"Degradation": (1, 2), "_say": (1, 2), "miss": (1, 2), "_miss": (0, 1)}
"""What makes a note → which of its arguments are the reason and the remedy."""
WORDS = {"reason", "remedy"}
LEAST_LETTERS = 8
LEVELS = ("other-namespace", "no-process", "closed-before", "opened-later", "other-time")


def text_of(page):
    """The page in one line, without the marks of code."""
    return re.sub(r"\s+", " ", page.read_text().replace("`", ""))


def sentences(module):
    """The fixed parts of the reasons and remedies of a module's notes; what is found out at work is left out."""
    loaded = import_module(f"portcall.{module}")
    for node in ast.walk(ast.parse(Path(loaded.__file__).read_text())):
        if isinstance(node, ast.Call) and (said := NOTES.get(name_of(node.func))):
            for place in said:
                if place < len(node.args):
                    yield from parts(node.args[place], loaded)
        if isinstance(node, ast.Assign) and name_of(node.targets[0]) in WORDS:
            yield from parts(node.value, loaded)


def name_of(node):
    return getattr(node, "id", getattr(node, "attr", None))


def parts(node, module):
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        for part in node.values:
            yield from parts(part, module)
    elif isinstance(node, ast.Name) and isinstance(getattr(module, node.id, None), str):
        yield getattr(module, node.id)
    elif isinstance(node, ast.Call):
        for argument in node.args:
            yield from parts(argument, module)


SENTENCES = sorted({part for module in SAYERS for part in sentences(module) if len(part.strip()) >= LEAST_LETTERS})


@pytest.mark.parametrize("part", SENTENCES)
def test_every_sentence_of_a_note_is_on_the_page(part):
    assert part.strip(" ;:,.") in text_of(PAGE)


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_of_the_closed_list_is_on_the_page_with_its_words(reason):
    assert f"| `{reason}` | {REASONS[reason]} |" in PAGE.read_text()


@pytest.mark.parametrize("level", [failed_search.NO_SOCKET, failed_search.SEVERAL_OWNERS, *LEVELS])
def test_every_way_in_which_a_search_fails_is_on_the_page(level):
    assert f"`{level}`" in PAGE.read_text()
    assert f'"{level}"' in Path(failed_search.__file__).read_text()


@pytest.mark.parametrize("quality", [quality for quality in MatchQuality if quality.value != "none"])
def test_every_quality_of_a_match_is_on_the_page(quality):
    assert f"`{quality.value}`" in PAGE.read_text()


def test_every_module_that_makes_a_note_of_live_is_asked():
    of_live = [*SOURCE.glob("owners/**/*.py"), *SOURCE.glob("sources/devices/*.py"), *SOURCE.glob("runs/live*.py")]
    makers = {path for path in of_live if "Degradation(" in path.read_text()}
    of_lists = {SOURCE / "owners" / f"{name}_listing.py" for name in ("socket", "psutil")}

    asked = {Path(import_module(f"portcall.{module}").__file__) for module in SAYERS}

    assert {os.fspath(path) for path in makers - of_lists - asked} == set()
