"""Write the table of docs/names.md: every dissector, in the words of its docstring, and the protocols that it names."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

from portcall.dissectors import Certainty, find_dissectors
from portcall.dissectors._port_guarded import RULES as ON_OWN_PORTS
from portcall.dissectors._signatures import SIGNATURES
from portcall.dissectors.patterns import _RULES as PATTERNS

if TYPE_CHECKING:
    from portcall.dissectors import Dissector

PAGE = Path(__file__).resolve().parents[1] / "docs" / "names.md"
BEGINNING, END = "<!-- written by make docs -->", "<!-- end of what make docs writes -->"

_CERTAINTIES = {Certainty.MAGIC: "its bytes", Certainty.STRUCTURE: "its structure", Certainty.PORT: "its own ports"}
_IN_TABLES = {
    "signatures": {signature.protocol for signature in SIGNATURES},
    "patterns": {rule.protocol for rule in PATTERNS},
    "port_guarded": {rule.protocol for rule in ON_OWN_PORTS},
}


def page(text: str) -> str:
    """The page with the table as it is today, between its two marks."""
    before, _, rest = text.partition(BEGINNING)
    _, _, after = rest.partition(END)
    return f"{before}{BEGINNING}\n\n{table()}\n\n{END}{after}"


def table() -> str:
    """A line for each dissector, by name."""
    dissectors = sorted(find_dissectors(), key=_name)
    lines = [
        f"| `{_name(one)}` | {_summary(one)} | {', '.join(_protocols(one))} | {_CERTAINTIES[one.CERTAINTY]} |"
        for one in dissectors
    ]
    return "\n".join(["| dissector | what it knows | protocols | told by |", "|---|---|---|---|", *lines])


def _name(dissector: Dissector) -> str:
    return dissector.__name__.rpartition(".")[2]


def _summary(dissector: Dissector) -> str:
    """The first sentence of its docstring, without where it comes from."""
    first = " ".join((dissector.__doc__ or "").strip().split("\n\n")[0].split())
    sentence = re.split(r"(?<=[a-z)])\. ", first)[0].rstrip(".:")
    return re.sub(r" \([^()]*(?:RFC|§|,)[^()]*\)", "", sentence).replace("|", "\\|").replace("``", "`")


def _protocols(dissector: Dissector) -> list[str]:
    """The protocols in its table, or those that its source names; none where it takes one from what it reads."""
    if _name(dissector) in _IN_TABLES:
        return sorted(_IN_TABLES[_name(dissector)])
    source = Path(str(getattr(dissector, "__file__", ""))).read_text(encoding="utf-8")
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and node.args)
    named = [call.args[0] for call in calls if isinstance(call.func, ast.Name) and call.func.id == "Detection"]
    protocols = {node.value for node in named if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return sorted(protocols) if all(isinstance(node, ast.Constant) for node in named) else []


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
