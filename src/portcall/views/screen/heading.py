"""The screen's first lines: what is counted, how much of it is explained and by what, and what is shown below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.views.screen.pictures import PARTS
from portcall.views.tables import bar
from portcall.views.text import bytes_text, count_text, counted_text, duration_text, share_text, visible

if TYPE_CHECKING:
    from portcall.views.screen.arranging import Arrangement, TableChoice
    from portcall.views.screen.pictures import Picture, ScreenFacts

LINES = 3
_BAR_WIDTH = 20
_BY = {
    "process": "by process",
    "name": "by name",
    "protocol": "by protocol",
    "port": "by port",
}
_SORTS = {"both": "bytes", "out": "up", "in": "down", "name": "name", "flows": "connections", "pid": "pid"}


def heading(
    facts: ScreenFacts,
    picture: Picture | None,
    arrangement: Arrangement | None,
    choice: TableChoice,
    *,
    is_frozen: bool,
    width: int,
) -> list[str]:
    """LINES lines of at most that width."""
    if picture is None or arrangement is None:
        lines = [f"portcall  {facts.source}", "", "waiting for the first picture"]
    else:
        lines = [_counted(facts, picture), _explained(picture), _shown(picture, arrangement, choice)]
    if is_frozen:
        lines[0] = f"FROZEN (z goes on)  {lines[0]}"
    return [visible(line, width) for line in lines]


def _counted(facts: ScreenFacts, picture: Picture) -> str:
    coverage, window_ns = picture.report.coverage, picture.report.window_ns
    words = [f"portcall  {facts.source}"]
    if window_ns:
        words.append(duration_text(window_ns[1] - window_ns[0]))
    words += [f"{count_text(coverage.frames)} packets", bytes_text(coverage.bytes)]
    if coverage.dropped_by_kernel is not None:
        words.append(f"{count_text(coverage.dropped_by_kernel)} dropped" if coverage.dropped_by_kernel else "no drops")
    return " · ".join(words)


def _explained(picture: Picture) -> str:
    credited = picture.report.coverage.bytes + picture.report.coverage.bytes_credited_twice
    attributed = picture.report.coverage.bytes_attributed
    parts = [
        f"{words} {share_text(picture.shares[source], credited)}"
        for source, words in _BY.items()
        if picture.shares.get(source)
    ]
    told = f"attributed {share_text(attributed, credited)} {bar(attributed, credited, _BAR_WIDTH)}"
    if parts:
        told += f"  {', '.join(parts)}"
    if picture.has_rates and not picture.question.opened:
        up, down = (int(way) for way in picture.rates.sum(axis=1))
        told += f" · up {bytes_text(up)}/s, down {bytes_text(down)}/s"
    return told


def _shown(picture: Picture, arrangement: Arrangement, choice: TableChoice) -> str:
    question = picture.question
    if question.opened:
        parts = " ".join(f"[{part}]" if part == question.by else part for part in PARTS)
        words = [f"{question.opened.by} {question.opened.title}", parts]
    else:
        words = [f"by {question.by}"]
    sort = _SORTS.get(choice.sort, choice.sort)
    measure = (
        " a second" if choice.measure == "rate" and picture.has_rates and choice.sort in ("both", "out", "in") else ""
    )
    if choice.where_text:
        words.append(f"filter {choice.where_text} leaves out {count_text(arrangement.filtered)}")
    if arrangement.closed:
        words.append(f"{count_text(arrangement.closed)} closed (t)")
    if choice.leaves_out_tunnels:
        words.append(f"{counted_text(arrangement.tunnels, 'row')} of tunnels left out (x)")
    words.append(f"sorted by {sort}{measure}{' (least first)' if choice.is_reversed else ''}")
    return " · ".join([*words, *picture.notes])
