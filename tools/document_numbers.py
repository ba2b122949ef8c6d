"""Write the speed tables of docs/numbers.md from what benchmarks/compare.py left in benchmarks/results."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[1]
PAGE = _ROOT / "docs" / "numbers.md"
RESULTS = _ROOT / "benchmarks" / "results"
BEGINNING, END = "<!-- written by make docs -->", "<!-- end of what make docs writes -->"

_HEAD = "| | capture | CPU s: median (least–greatest) | × base | memory MB | rounds |"
_START_UP, _BASE = "empty.pcap", "limit"

Measurement = dict[str, Any]  # Any: what compare.py writes: text and lists of numbers


def page(text: str) -> str:
    """The page with the tables as the files have them, between its two marks."""
    before, _, rest = text.partition(BEGINNING)
    _, _, after = rest.partition(END)
    runs = [run(path) for path in sorted(RESULTS.glob("*.json"))]
    return f"{before}{BEGINNING}\n\n{chr(10).join(runs)}\n{END}{after}"


def run(path: Path) -> str:
    """One file: when, of which commit, on what machine, a line for each measurement, and ratios without start-up."""
    result = json.loads(path.read_text(encoding="utf-8"))
    machine, measurements = result["machine"], result["measurements"]
    lines = [
        f"### `benchmarks/results/{path.name}`",
        "",
        f"{result['date']}, commit {result['commit']}. {machine['processor']}, {machine['processors']} processors,",
        f"{machine['memory_gb']:.0f} GB, {machine['system']}, Python {machine['python']}, {machine['compiler']}.",
        "",
        _HEAD,
        "|---|---|---|---|---|---|",
        *(_line(one) for one in measurements),
        "",
    ]
    ratios = _without_start_up(measurements)
    return "\n".join([*lines, *([f"With start-up taken off, `portcall` takes {ratios}.", ""] if ratios else [])])


def _line(one: Measurement) -> str:
    ratio = _spread(one["ratios"], 2) if one["ratios"] else ""
    return (
        f"| {one['contender']} | {one['capture']} | {_spread(one['cpu_s'], 3)} | {ratio} | "
        f"{max(one['memory_mb']):.0f} | {len(one['cpu_s'])} |"
    )


def _spread(values: list[float], digits: int) -> str:
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def _without_start_up(measurements: list[Measurement]) -> str:
    """The ratios of medians to the base, less what an empty capture takes; nothing where that was not measured."""
    medians = {(one["contender"], one["capture"]): statistics.median(one["cpu_s"]) for one in measurements}
    start_up_s = medians.get(("portcall", _START_UP))
    if start_up_s is None:
        return ""
    captures = [capture for contender, capture in medians if contender == _BASE and ("portcall", capture) in medians]
    return ", ".join(
        f"{(medians['portcall', capture] - start_up_s) / medians[_BASE, capture]:.2f} × `{_BASE}` on {capture}"
        for capture in captures
    )


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
