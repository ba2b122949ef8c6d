"""What ``live`` loads while it may: afterwards it is the user who called sudo, who may not read where portcall lies."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import portcall

CAPTURES = Path(__file__).parents[2] / "captures"
LARGEST_BYTES = 200_000
PROGRAM = """
import io, os, sys, sysconfig
sys.path.insert(0, sys.argv[1])
from portcall.cli import main
from portcall.commands.live_loading import load_what_comes_later

captures = sys.argv[2:]
for format_name in ("table", "json", "csv"):
    main(["read", captures[0], "--no-names", "--by", "flow", "--format", format_name])  # what only ``read`` needs
load_what_comes_later()
from rich.console import Console
from rich.text import Text
ours = (sys.argv[1], *map(os.path.realpath, set(sysconfig.get_paths().values())))

def refuse(event, arguments):
    if event == "open" and isinstance(arguments[0], str) and os.path.realpath(arguments[0]).startswith(ours):
        print("opened", arguments[0], file=sys.stderr)

sys.addaudithook(refuse)
Console(file=io.StringIO(), force_terminal=True).print(Text("▏→ … 漢"))
for by in ("app", "flow", "host"):
    main(["read", *captures, "--by", by])
main(["read", *captures, "--by", "flow", "--format", "json"])
main(["read", *captures, "--format", "html"])
"""


SCREEN = """
import asyncio, os, sys, sysconfig
sys.path[:0] = sys.argv[1:3]
from portcall.commands.live_loading import load_what_comes_later

load_what_comes_later(with_screen=True)
import textual.drivers.headless_driver, textual.pilot  # a test's own
from shown_screens import application_of, feed_of, shown_after

feed = feed_of("owners.pcapng")
ours = (sys.argv[1], *map(os.path.realpath, set(sysconfig.get_paths().values())))

def refuse(event, arguments):
    if event == "open" and isinstance(arguments[0], str) and os.path.realpath(arguments[0]).startswith(ours):
        print("opened", arguments[0], file=sys.stderr)

keys = "j enter enter escape tab tab tab tab escape a s S"
keys += " slash b y t e s > 1 enter p d t x z z space question_mark escape w escape"
sys.addaudithook(refuse)
for line in shown_after(application_of(feed), *keys.split()):
    print(line)
"""
IMPORTS = """
import ast, sys
from portcall.commands.live_loading import load_what_comes_later

load_what_comes_later(with_screen=True)
ROOMS = "dissectors inspection labels attribution flows ownership exports views records enrichment runs owners sources"
ROOMS = tuple(f"portcall.{room}." for room in ROOMS.split())
modules = [one for name, one in sys.modules.items() if name.startswith(ROOMS) and one.__file__.endswith(".py")]
for module in modules:
    for function in ast.walk(ast.parse(open(module.__file__, encoding="utf-8").read())):
        if not isinstance(function, ast.FunctionDef):
            continue
        for node in ast.walk(function):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                if name not in sys.modules:
                    print(module.__name__, name)
"""
ON_OTHER_OCCASIONS = {"tomllib", "tomli", "difflib", "portcall.views.pages", "pyarrow"}
ON_OTHER_OCCASIONS |= {"portcall.inspection.held_payloads", "portcall.inspection.inspection_state"}
ON_OTHER_OCCASIONS |= {"portcall.ownership.row_claims"}  # captures that name owners
ON_OTHER_OCCASIONS |= {
    "portcall.system.confinement",
    "portcall.system.helper_process",
}  # helpers, before it is confined
"""What only explanations, refusals, lists, captures and shards import, or what is imported when its format is asked."""


def test_what_the_parsing_part_imports_where_it_is_used_is_loaded_before():
    ran = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True)

    imported = {line.split()[1].removesuffix(".parquet").removesuffix(".compute") for line in ran.stdout.splitlines()}
    assert imported - ON_OTHER_OCCASIONS == set()


def test_nothing_is_opened_by_keys_of_the_screen_once_rights_are_given_up():
    places = [str(Path(portcall.__file__).parents[1]), str(Path(__file__).parents[1])]

    ran = subprocess.run([sys.executable, "-c", SCREEN, *places], capture_output=True, text=True, check=False)

    assert [line for line in ran.stderr.splitlines() if line.startswith("opened")] == []
    assert "q quit" in ran.stdout
    assert ran.returncode == 0, ran.stderr


def test_nothing_of_portcall_is_opened_once_rights_are_given_up():
    small = [path for path in CAPTURES.iterdir() if ".pcap" in path.name and path.stat().st_size < LARGEST_BYTES]
    captures = sorted(map(str, small))

    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(Path(portcall.__file__).parents[1]), *captures],
        capture_output=True,
        text=True,
        check=False,
    )

    opened = [line for line in ran.stderr.splitlines() if line.startswith("opened")]
    assert opened == []
    assert "example" in ran.stdout
    assert ran.returncode == 0, ran.stderr
