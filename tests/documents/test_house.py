"""The house keeps its measures: few files at the door, small rooms, one idea a module, one name a thing.

No exceptions are listed. A module that is over a measure fails here by its name until it is split.
"""

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "portcall"
FOLDERS = sorted({path.parent for path in PACKAGE.rglob("__init__.py")} - {PACKAGE})
MODULES = sorted(path for path in PACKAGE.rglob("*") if path.suffix in (".py", ".pyx"))

MOST_LINES = 300
MOST_MODULES = 20
MOST_AT_THE_DOOR = 6
SHARE_A_WORD = {"commands", "runs", "views"}  # a command, its run and its view
# Data, and suites across all folders.
TESTS_OF_NO_FOLDER = {
    "captures",
    "corpus",
    "documents",
    "golden",
    "hostile",
    "packaging",
    "root",
}


def name_of(path):
    return str(path.relative_to(PACKAGE))


def names_of(paths):
    return [name_of(path) for path in sorted(paths)]


def by_key(pairs):
    """The keys that several values have, each with these."""
    found = defaultdict(set)
    for key, value in pairs:
        found[key].add(value)
    return {key: sorted(values) for key, values in sorted(found.items()) if len(values) > 1}


def public_classes(path):
    """The names of the public classes of a module, of a kernel's too."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        names = [node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
    else:
        names = re.findall(r"^(?:cdef )?class (\w+)", text, re.MULTILINE)
    return [name for name in names if not name.startswith("_")]


def test_few_modules_stand_at_the_door():
    assert len(list(PACKAGE.glob("*.py"))) <= MOST_AT_THE_DOOR


@pytest.mark.parametrize("folder", [folder for folder in FOLDERS if folder.name != "dissectors"], ids=name_of)
def test_a_folder_has_at_most_twenty_modules(folder):
    modules = [path for path in MODULES if path.parent == folder]

    assert len(modules) <= MOST_MODULES, names_of(modules)


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_a_module_has_at_most_300_lines(module):
    lines = module.read_text(encoding="utf-8").count("\n")

    assert lines <= MOST_LINES


def test_only_a_command_its_run_and_its_view_share_a_name():
    folders = by_key((path.stem, name_of(path.parent)) for path in MODULES if not path.stem.startswith("__"))

    assert {name: where for name, where in folders.items() if not set(where) <= SHARE_A_WORD} == {}


def test_no_two_public_classes_have_one_name():
    assert by_key((name, name_of(path)) for path in MODULES for name in public_classes(path)) == {}


def test_each_folder_of_tests_is_named_after_a_folder_of_the_package():
    tests = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and not path.name.startswith("__")}

    assert tests - TESTS_OF_NO_FOLDER - {folder.name for folder in FOLDERS} == set()


def test_tests_outside_folders_are_named_after_a_module_at_the_door():
    tests = {path.stem.removeprefix("test_") for path in (ROOT / "tests").glob("test_*.py")}

    assert tests - {path.stem for path in PACKAGE.glob("*.py")} == {"library"}  # what is called is __init__ itself


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_each_folder_says_in_one_line_what_it_holds(folder):
    words = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    first, *others = words.splitlines() or [""]

    assert re.search(r"[.?]$", first)
    assert not others or others[0] == ""


def test_each_folder_with_modules_is_a_package():
    assert names_of({path.parent for path in MODULES} - {PACKAGE, *FOLDERS}) == []
