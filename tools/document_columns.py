"""Write docs/columns.md: every output column, as ``portcall.records.schema`` has it."""

from __future__ import annotations

from pathlib import Path

from portcall.records.schema import COUNTS, LISTS, LIVE_GROUPINGS, REASONS, columns

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
    grouped = [grouping for grouping in LIVE_GROUPINGS if grouping != "flow"]
    firsts = [(grouping, columns(grouping)[0].name) for grouping in grouped]
    names = ", ".join(f"`{first}` for `--by {grouping}`" for grouping, first in firsts)
    return "\n".join(
        [
            _HEAD,
            "## Grouped rows: " + ", ".join(f"`--by {grouping}`" for grouping in grouped),
            "",
            f"The first column is {names}; the others are the same.",
            "`--by process` is for live traffic, and has `pid` second.",
            "",
            *_table([grouping for grouping, _ in firsts]),
            "",
            "## Flow rows: `--by flow`, one row per conversation",
            "",
            *_table(["flow"]),
            "",
            *_lists(),
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
    return ["The columns of `conns`, and:", "", *_table(["who"], without="conns")] if name == "who" else _table([name])


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
