"""What ``live --history`` and ``portcall history`` cost, and whether they add up.

    PYTHONPATH=src python benchmarks/history.py week CAPTURE… [--days N]     sums equal those of what was counted
    PYTHONPATH=src python benchmarks/history.py months [--months N]          size of a desk's file, and queries over it
    sudo PYTHONPATH=src python benchmarks/history.py kills [--kills N]       SIGKILL at random moments

``week`` feeds the captures again and again to the tracker of ``live``, every ten minutes of a time that the script
tells; owners are not asked. ``months`` writes what a desk does: 400 hosts a day, 100 of them new; in 9 hours of a
working day 12 rows a window of ten seconds, among 16 that change every five minutes, and 2 of 4 in the others.
``kills`` runs ``portcall live --history`` on the loopback of a network namespace that it makes and removes, where
datagrams pass all the time, and kills it: the file must be whole, and lack no more than one window of each run. Exit
status 1 where not.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from portcall.archive.store import HistoryStore
from portcall.attribution.window_sums import WindowSums
from portcall.inspection.server_names import ServerNames
from portcall.labels.bucketing import Bucketing
from portcall.ownership.socket_timeline import SocketTimeline
from portcall.records.kept.windows import COUNTED, WINDOW_S, CountedIn, WindowKey
from portcall.runs.keeping.past import PastOptions, Period, report_of
from portcall.runs.keeping.window_keeper import WindowKeeper
from portcall.runs.live import LiveTracker
from portcall.runs.streaming.expirer import Expirer, timeouts_of
from portcall.runs.streaming.settled import Grouping
from portcall.sources.captures import open_capture

BEGIN_S = 1_709_510_400  # 2024-03-04, a Monday
DAY_S, SECOND_NS = 86_400, 10**9
EVERY_S = 600
GROUPINGS = ("app", "process", "user", "host")
LOCAL = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8")
SPACE = "portcall-history"
PORTCALL = [sys.executable, "-m", "portcall"]
SEND = """
import socket, sys, time
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
receiver.bind(("127.0.0.1", 5353))
while True:
    sender.sendto(bytes(100), ("127.0.0.1", 5353))
    receiver.recv(200)
    time.sleep(0.02)
"""


def week(options: argparse.Namespace, path: Path) -> bool:
    """Count captures for days; whether every sum of the history is that of the report."""
    left = WindowSums(LOCAL)
    names = ServerNames()
    names.rows_leave = True
    tracker = LiveTracker(
        SocketTimeline("none"),
        names=names,
        bucketing=Bucketing(WINDOW_S * SECOND_NS),
        windows=left,
        local=LOCAL,
        expirer=Expirer(timeouts_of(120, None)),
        groupings=[Grouping(by) for by in GROUPINGS],
    )
    keeper = WindowKeeper(store_of(path), left, lambda: [tracker])
    batches = [batch._replace(frames=batch.frames.copy(), buffer=batch.buffer.copy()) for name in options.captures
               for batch in open_capture(name).source.batches()]  # fmt: skip
    began, keeping = time.process_time(), 0.0
    for number in range(options.days * DAY_S // EVERY_S):
        start_s = BEGIN_S + number * EVERY_S
        for batch in batches:
            frames = batch.frames.copy()
            frames["ts_ns"] += start_s * SECOND_NS - int(frames["ts_ns"].min())
            tracker.feed(batch._replace(frames=frames))
        tracker.match()
        begun = time.process_time()
        for now_s in range(start_s + WINDOW_S, start_s + EVERY_S + WINDOW_S, WINDOW_S):
            keeper.turn((now_s + 1) * SECOND_NS)
        keeping += time.process_time() - begun
    tracker.match()
    keeper.finish((BEGIN_S + options.days * DAY_S) * SECOND_NS)
    keeper.close()
    spent = time.process_time() - began
    print(f"{options.days} days, {tracker.frames} frames: {spent:.1f} CPU s, {keeping:.1f} of them for the history")
    good = True
    for by in GROUPINGS:
        counted = tracker.report(by=by, source="", local=LOCAL, by_time=False)
        kept = report_of(path, PastOptions(by=by))
        same = sums_of(counted, by) == sums_of(kept, by) and counted.coverage.bytes == kept.coverage.bytes
        print(f"  by {by}: {len(kept)} rows, {kept.coverage.bytes} bytes, {'equal' if same else 'DIFFERENT'}")
        good &= same
    return good


def store_of(path: Path) -> HistoryStore:
    """One that does not wait for the disk: it is thrown away."""
    store = HistoryStore(path, makes_folder=False, most_bytes=1 << 40)
    store._connection.execute("PRAGMA synchronous=OFF")  # noqa: SLF001 - no user wants that
    return store


def sums_of(report: Any, by: str) -> dict[Any, list[int]]:
    """All that adds up, of each row; processes by name."""
    found: dict[Any, list[int]] = {}
    for row in report:
        of_row = found.setdefault((row[by], row["unattributed_reason"]), [0] * len(COUNTED))
        for place, name in enumerate(COUNTED):
            of_row[place] += row[name]
    return found


def months(options: argparse.Namespace, path: Path) -> bool:
    """Write what a desk does; its size, and how long queries take."""
    rng = random.Random(7)  # noqa: S311 - it is traffic
    store = store_of(path)
    written = 0
    began = time.process_time()
    for day in range(options.months * 30):
        today = [f"host-{rng.randrange(1000)}.example.net" for _ in range(300)]
        today += [f"host-{rng.randrange(4000)}.example-{rng.randrange(300)}.net" for _ in range(100)]
        for hour in range(24):
            changes = {}
            for window in range(3600 // WINDOW_S):
                begin_s = BEGIN_S + day * DAY_S + hour * 3600 + window * WINDOW_S
                changes[begin_s] = desk_rows(rng, today, begin_s, is_work=8 <= hour < 17 and day % 7 < 5)
                written += len(changes[begin_s])
            end_s = BEGIN_S + day * DAY_S + (hour + 1) * 3600
            store.write(changes, final_s=end_s, now_s=end_s)
        if day % 30 == 29:
            store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # noqa: SLF001
            print(f"after {day // 30 + 1} months: {path.stat().st_size / 1e6:.1f} MB")
    spent = time.process_time() - began
    print(f"{written} rows of windows, {1e6 * spent / written:.0f} CPU us each with all that follows")
    store.close()
    end_s = BEGIN_S + options.months * 30 * DAY_S
    for words, asked in (
        ("by app, all", PastOptions()),
        ("by host, all", PastOptions(by="host")),
        ("by day, all", PastOptions(by="day")),
        ("by hour, all", PastOptions(by="hour")),
        ("by month, one app", PastOptions(by="month", where="app=firefox")),
        ("by app, the last week", PastOptions(period=Period(end_s - 7 * DAY_S, None))),
        ("by app, 50 days from noon", PastOptions(period=Period(end_s - 60 * DAY_S + 43_230, end_s - 10 * DAY_S))),
        ("new hosts of the last day", PastOptions(by="host", is_new=True, period=Period(end_s - DAY_S, None))),
        ("page", PastOptions(page=True)),
    ):
        times = []
        for _ in range(5):
            begun = time.perf_counter()
            report = report_of(path, asked)
            times.append(time.perf_counter() - begun)
        print(f"  {words}: {len(report)} rows, {sorted(times)[2]:.3f} s (from {min(times):.3f} to {max(times):.3f})")
    return True


def desk_rows(rng: random.Random, hosts: list[str], begin_s: int, *, is_work: bool) -> dict[WindowKey, list[int]]:
    """What a desk does in a window: apps keep to some hosts for five minutes."""
    apps = ("firefox", "thunderbird", "slack", "code", "syncthing", "chronyd")
    known = random.Random(begin_s // 300)  # noqa: S311 - which hosts these are
    current = known.sample(hosts, 16 if is_work else 4)
    rows = {}
    for number, host in enumerate(rng.sample(current, 12 if is_work else 2)):
        app = "firefox" if host < current[len(current) // 2] else apps[len(host) % len(apps)]
        resolver = ("systemd-resolved", "192.168.1.1", "dns")
        app, host, service = resolver if not number else (app, host, "https")  # noqa: PLW2901 - of the first one
        key = WindowKey(app, "process", app, None, "amy", host, service, "exact", None, int(CountedIn.ALL))
        packets, octets = rng.randrange(1, 400), rng.randrange(100, 400_000)
        first_ns = begin_s * SECOND_NS + rng.randrange(5 * SECOND_NS)
        rows[key] = [rng.randrange(3), packets, packets, octets // 20, octets, octets // 30, octets - 40,
                     first_ns, first_ns + rng.randrange(5 * SECOND_NS)]  # fmt: skip
    return rows


def kills(options: argparse.Namespace, path: Path) -> bool:
    """Kill it again and again; whether the file was whole each time, and no more than a window was lost."""
    rng = random.Random(options.seed)  # noqa: S311 - moments
    good = True
    with ExitStack() as stack:
        subprocess.run(["ip", "netns", "add", SPACE], check=True)
        stack.callback(subprocess.run, ["ip", "netns", "del", SPACE], check=True)
        subprocess.run(["ip", "-n", SPACE, "link", "set", "lo", "up"], check=True)
        inside = ["ip", "netns", "exec", SPACE]
        sender = subprocess.Popen([*inside, sys.executable, "-c", SEND])
        stack.callback(lambda: (sender.kill(), sender.wait()))
        worst = 0.0
        for number in range(options.kills):
            process = subprocess.Popen(
                [*inside, *PORTCALL, "live", "-i", "lo", "--history", str(path)],
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            )  # fmt: skip
            process.stderr.readline()  # type: ignore[union-attr]  # it is a pipe: history is kept there
            begun = time.time()
            time.sleep(rng.uniform(0.5, options.seconds))
            process.send_signal(signal.SIGKILL)
            process.communicate()
            killed = time.time()
            kept_until = last_packet_s(path)
            open_s = killed - max(kept_until or begun, begun)
            worst = max(worst, open_s)
            is_whole = sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)
            is_good = is_whole and open_s <= WINDOW_S + 2.5
            good &= is_good
            if not is_good:
                print(f"kill {number + 1}: whole: {is_whole}, {open_s:.1f} s are missing")
        print(
            f"{options.kills} kills: at most {worst:.1f} s of the end of a run are missing; {'good' if good else 'BAD'}"
        )
    return good


def last_packet_s(path: Path) -> float | None:
    """When the last packet that the file knows of came."""
    (found,) = sqlite3.connect(path).execute("SELECT MAX(at*10000+last_ms) FROM ten_seconds").fetchone()
    return None if found is None else found / 1000


def main() -> int:
    """Run one of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("week", "months", "kills"))
    parser.add_argument("captures", nargs="*")
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--months", type=int, default=3)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=25, help="the longest that a run lives")
    parser.add_argument("--seed", type=int, default=os.getpid())
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = {"week": week, "months": months, "kills": kills}[options.what]
        return 0 if run(options, Path(folder) / "history.sqlite") else 1


if __name__ == "__main__":
    sys.exit(main())
