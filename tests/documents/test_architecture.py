"""ARCHITECTURE.md lists every room, by its path: the tree is read as paths and held against the package."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "portcall"
PAGE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
CODE = (".py", ".pyx", ".pxd")


def rooms_of(page):
    """Folder (``.`` for the top) → its modules' names, of the page's tree; a name that stands twice is there twice."""
    tree = page.partition("```\nsrc/portcall/\n")[2].partition("```")[0]
    rooms, folder = {}, "."
    for line in tree.splitlines():
        words = line.lstrip("├│└─ ")
        if named := re.match(r"([\w/]+)/ +(?:[^:]*: )?(.*)", words):
            folder, words = named.groups()
        names = [re.split(r" {2,}", name.strip())[0] for name in words.split(",")]
        rooms.setdefault(folder, []).extend(name for name in names if re.fullmatch(r"\w+", name))
    return rooms


def rooms_there_are():
    rooms = {}
    for path in PACKAGE.rglob("*"):
        if path.suffix in CODE and (path.name != "__init__.py" or path.parent == PACKAGE):
            rooms.setdefault(str(path.parent.relative_to(PACKAGE)), set()).add(path.stem)
    return rooms


@pytest.mark.parametrize("folder", sorted(rooms_there_are()))
def test_the_architecture_lists_each_module_of_a_folder_once_and_no_other(folder):
    assert sorted(rooms_of(PAGE).get(folder, [])) == sorted(rooms_there_are()[folder])


def test_the_architecture_lists_no_folder_that_is_not_there():
    assert set(rooms_of(PAGE)) - set(rooms_there_are()) <= {"data"}


def test_a_room_that_is_missing_in_the_tree_is_found_out():
    without = PAGE.replace("flows: table, ", "flows: ")

    assert "table" not in rooms_of(without)["flows"]
    assert "table" in rooms_there_are()["flows"]


def test_the_page_is_short_beside_its_tree():
    before, _, rest = PAGE.partition("```\nsrc/portcall/\n")
    assert len(before.split()) + len(rest.partition("```")[2].split()) < 1400
