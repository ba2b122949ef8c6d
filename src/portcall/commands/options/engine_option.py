"""``read --engine spark|sail``: captures read by many processes or machines, whose conversations go to a folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from portcall.commands.output import PARTLY_READ, SUCCESS, present, say
from portcall.errors import UsageError
from portcall.system.privileges import become_invoking_user

if TYPE_CHECKING:
    import argparse

ENGINES = ("spark", "sail")
_ONE_MACHINES = ("top", "where", "local", "geo", "resolve", "deduplicate", "from_", "to", "jobs", "memory", "format")
_NAMES = {"from_": "--from", "active_timeout": "--active-timeout"}
_MOST_NAMED = 3


def add_engine_options(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    parser.add_argument(
        "--engine", choices=ENGINES,
        help="let Spark or Sail read ('portcall[spark]', 'portcall[sail]'): conversations go to the folder -o as "
        "Parquet, and captures may be s3://…",
    )  # fmt: skip
    parser.add_argument(
        "--master", metavar="URL", help="where the engine runs: spark://…, sc://HOST:PORT (default: this machine)"
    )
    parser.add_argument(
        "--range-bytes",
        metavar="SIZE",
        help="bytes that one task of an engine reads (default: 256MB; 0: all of a sensor)",
    )
    parser.add_argument(
        "--sensors",
        choices=("one", "folder"),
        default="one",
        help="whose captures are one: all of them, or those in each folder (with --engine; default: %(default)s)",
    )


def is_engine_wanted(options: argparse.Namespace) -> bool:
    """Whether an engine is to read. UsageError for what means something to engines only."""
    if options.engine:
        return True
    for name in ("master", "range_bytes"):
        if getattr(options, name) is not None:
            raise UsageError(f"--{name.replace('_', '-')} is for engines: add --engine sail")
    if options.sensors != "one":
        raise UsageError("--sensors is for engines: add --engine sail")
    return False


def run_engine(options: argparse.Namespace) -> int:
    """Write the conversations, show the apps; 0, or 3 where part could not be read."""
    _check(options)
    become_invoking_user(os.environ)  # who reads cannot be confined: it is processes of Spark's and Sail's
    from portcall.engines.lake import LakeOptions, write_flows
    from portcall.engines.range_reading import RangeOptions
    from portcall.engines.ranges import RANGE_BYTES
    from portcall.engines.sessions import session
    from portcall.queries.byte_sizes import size_bytes

    read = RangeOptions(
        layer=options.layer,
        names=options.names,
        idle_ns=round((options.idle_timeout or 0) * 1e9),
        filter=options.filter,
        bucket=options.bucket,
    )
    read.reading()  # UsageError before a session begins
    asked = options.range_bytes
    size = RANGE_BYTES if asked is None else 0 if asked == "0" else size_bytes(asked, "--range-bytes", 1000, 10**12)
    with session(options.engine, options.master) as begun:
        from portcall.engines.spark import SparkEngine

        done = write_flows(
            SparkEngine(begun), options.captures, options.output, LakeOptions(read, size, options.sensors)
        )
    folder, options.output = options.output, None
    present(done.report, "table", options)
    for reason in done.repairs[:_MOST_NAMED]:
        say(reason)
    for problem in done.problems:
        say(str(problem))
    say(
        f"{done.rows} rows are in {folder}: {len(done.files)} files of {done.ranges} ranges, "
        f"{done.ranges_read} of them read now; {done.left_early} conversations were over within their range"
    )
    return PARTLY_READ if done.problems else SUCCESS


def _check(options: argparse.Namespace) -> None:
    """UsageError beside options that engines do not have."""
    if not options.output:
        raise UsageError("--engine writes conversations to a folder: add -o flows/")
    if options.by not in ("app", "flow"):
        raise UsageError(f"--engine writes conversations and shows apps, not --by {options.by}: ask the written rows")
    given = [name for name in _ONE_MACHINES if getattr(options, name)]
    given += [
        name
        for name in ("follow", "checkpoint", "every", "explain", "dissect", "active_timeout")
        if getattr(options, name)
    ]
    if given:
        name = _NAMES.get(given[0], f"--{given[0].replace('_', '-')}")
        raise UsageError(f"--engine has no {name}: leave it out, or ask the written rows for it")
