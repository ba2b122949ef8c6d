"""Draw docs/images/performance.svg from what compare.py and scaling.py have left in results.

    picture.py results/NAME.json results/scaling/NAME.json [-o FILE]

Above: every contender on every capture, by CPU seconds. Below: how portcall's CPU seconds grow with packets and with
conversations, and how time on the clock shrinks with jobs. Needs matplotlib.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from scaling import USUAL_FLOWS, USUAL_PACKETS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DRAWN = Path(__file__).resolve().parents[1] / "docs" / "images" / "performance.svg"
_CAPTURES = ("mix.pcap", "snap.pcap", "tiny.pcap")
_NO_PEERS = ("import", "--help", "-dc", "one job")
_OURS, _BOUND, _PEER = "#1b6ca8", "#777777", "#d9822b"  # told apart by their names too

Points = list[dict[str, Any]]  # Any: numbers, and lists of them


def main() -> int:
    """Draw, and say where."""
    parser = argparse.ArgumentParser(description="Draw what compare.py and scaling.py have measured")
    parser.add_argument("compared", type=Path)
    parser.add_argument("scaled", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=DRAWN)
    options = parser.parse_args()
    compared, scaled = (json.loads(path.read_text(encoding="utf-8")) for path in (options.compared, options.scaled))
    # The same file from the same figures: a fixed salt for ids, and no date.
    mpl.rcParams.update({"svg.hashsalt": "portcall", "svg.fonttype": "none", "font.size": 9})
    figure = plt.figure(figsize=(10, 8), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(1.1, 1))
    for axes, capture in zip(above.subplots(1, 3), _CAPTURES, strict=True):
        _draw_contenders(axes, capture, compared["measurements"])
    packets, conversations, jobs = below.subplots(1, 3)
    points = scaled["points"]
    one_job = [point for point in points if point["jobs"] == 1]
    _draw_growth(packets, "packets", [point for point in one_job if point["flows"] == USUAL_FLOWS])
    _draw_growth(conversations, "flows", [point for point in one_job if point["packets"] == USUAL_PACKETS])
    _draw_jobs(jobs, [point for point in points if point["packets"] == USUAL_PACKETS])
    machine = scaled["machine"]
    figure.suptitle(f"{machine['processor']}, {machine['processors']} processors, {scaled['date']}", fontsize=9)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.output, metadata={"Date": None})
    print(options.output)
    return 0


def _draw_contenders(axes: Axes, capture: str, measurements: Points) -> None:
    rows = sorted(
        (statistics.median(one["cpu_s"]), one["contender"])
        for one in measurements
        if one["capture"] == capture and not any(part in one["contender"] for part in _NO_PEERS)
    )[::-1]
    names = [name for _, name in rows]
    colours = [
        _OURS if name.startswith("portcall") else _BOUND if name.startswith("limit") else _PEER for name in names
    ]
    bars = axes.barh(names, [seconds for seconds, _ in rows], color=colours)
    axes.bar_label(bars, [f" {seconds:.3g}" for seconds, _ in rows])
    axes.set_xscale("log")
    axes.set_xlim(0.1, 1000)
    axes.set_title(capture)
    axes.set_xlabel("CPU seconds")


def _draw_growth(axes: Axes, along: str, points: Points) -> None:
    points = sorted(points, key=lambda point: point[along])
    counts = [point[along] for point in points]
    axes.loglog(counts, [statistics.median(point["cpu_s"]) for point in points], "o-", color=_OURS)
    axes.set_ylabel("CPU seconds")
    axes.set_xlabel("packets" if along == "packets" else "conversations")
    other = f"{USUAL_FLOWS:,} conversations" if along == "packets" else f"{USUAL_PACKETS:,} packets"
    axes.set_title(other)
    axes.grid(visible=True, alpha=0.3)


def _draw_jobs(axes: Axes, points: Points) -> None:
    for flows in sorted({point["flows"] for point in points}):
        chosen = sorted((point for point in points if point["flows"] == flows), key=lambda point: point["jobs"])
        seconds = [statistics.median(point["wall_s"]) for point in chosen]
        axes.plot(
            [point["jobs"] for point in chosen],
            [seconds[0] / one for one in seconds],
            "o-",
            label=f"{flows:,} conversations",
        )
    axes.set_xticks(sorted({point["jobs"] for point in points}))
    axes.set_xlabel("jobs")
    axes.set_ylabel("times as fast on the clock")
    axes.set_title(f"{USUAL_PACKETS:,} packets")
    axes.legend()
    axes.grid(visible=True, alpha=0.3)


if __name__ == "__main__":
    sys.exit(main())
