"""Write docs/columns.md: every output column, as ``portcall.records.schema`` has it."""

from __future__ import annotations

from pathlib import Path

from portcall.queries.row_filter import _columns as names_for_where
from portcall.records.schema import COUNTS, LISTS, LIVE_GROUPINGS, REASONS, columns
from portcall.views.port_changes import _CHANGES as CHANGES

PAGE = Path(__file__).resolve().parents[1] / "docs" / "columns.md"

_HEAD = """\
# Output columns

Written by `make docs` from `src/portcall/schema.py`; a test compares the two. Exports have these columns in this order,
with exact numbers in base units. Every column may be null; columns that nothing fills yet are there as null, so that
scripts can name them today. In CSV a text that a spreadsheet would take for a formula (`=`, `+`, `-` or `@` first) has
an apostrophe before it. Adding a column is free; renaming or dropping one takes a decision and a release of notice.
"""


def page() -> str:
    """The whole page: one table for each kind of row, and the closed list of reasons."""
    grouped = [grouping for grouping in LIVE_GROUPINGS if grouping not in ("flow", "query")]
    firsts = [(grouping, columns(grouping)[0].name) for grouping in grouped]
    names = ", ".join(f"`{first}` for `--by {grouping}`" for grouping, first in firsts)
    return "\n".join(
        [
            _HEAD,
            "## Grouped rows: " + ", ".join(f"`--by {grouping}`" for grouping in grouped),
            "",
            f"The first column is {names}; the others are the same.",
            "`--by process` and `--by user` are for live traffic; by process `pid` is second.",
            "",
            *_table([grouping for grouping, _ in firsts]),
            "",
            "## Question rows: `--by query`, one row per DNS question and client",
            "",
            "Questions of DNS, mDNS and LLMNR. A frame counts for the first question in it; frames without one, as",
            "those of a TCP handshake, are in the row `no-question` with all other traffic; so rows add up.",
            "",
            *_table(["query"]),
            "",
            "## Flow rows: `--by flow`, one row per conversation",
            "",
            *_table(["flow"]),
            "",
            *_lists(),
            "## Only in `--where`",
            "",
            "Names that `--where` derives from the columns:",
            "",
            *_derived(),
            "",
            "## Reasons",
            "",
            "What `unattributed_reason` may say:",
            "",
            *(f"- `{reason}`: {words}" for reason, words in REASONS.items()),
            "",
        ]
    )


def _lists() -> list[str]:
    counts = ", ".join(f"`portcall conns --by {by}`" for by in COUNTS)
    return [
        line
        for name, row in LISTS.items()
        if name not in COUNTS.values()
        for line in (f"## `portcall {name}`: one row per {row}", "", *_list(name), "")
    ] + [f"## {counts}", "", "The first column is what they are counted by.", "", *_table(list(COUNTS.values())), ""]


def _list(name: str) -> list[str]:
    if name == "who":
        return ["The columns of `conns`, and:", "", *_table(["who"], without="conns")]
    return [*_table([name]), *([] if name != "ports" else ["", *_changes()])]


def _changes() -> list[str]:
    """What a line of ``ports --watch`` has besides."""
    words = ", ".join(f"`{word}`" for word in CHANGES.values())
    return [
        "`portcall ports --watch --format jsonl` prints a line for each socket that is there when it begins, and for",
        f"each change. Before these columns it has `change` (text): {words}.",
    ]


def _derived() -> list[str]:
    """What ``--where`` knows besides the columns, of traffic and of lists."""
    return [
        f"- `{name}`, of {place}: {column.meaning}{f', in {column.unit}' if column.unit else ''}"
        for by, place in (("app", "`read` and `live`"), ("conns", "`conns`"))
        for name, (column, _) in names_for_where(by).items()
        if column not in columns(by)
    ]


def _table(groupings: list[str], without: str | None = None) -> list[str]:
    known = columns(without) if without else ()
    distinct = dict.fromkeys(column for grouping in groupings for column in columns(grouping) if column not in known)
    leading = {columns(grouping)[0]: None for grouping in groupings}
    return [
        "| column | type | unit | meaning |",
        "|---|---|---|---|",
        *(
            f"| `{column.name}` | {column.type} | {column.unit} | {column.meaning} |"
            for column in {**leading, **distinct}
        ),
    ]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
