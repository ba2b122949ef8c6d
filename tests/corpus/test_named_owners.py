"""Captures of the corpus that name processes: a row's owner is whom tshark reads in the packets of that row."""

import json

import portcall

NAMES = {"pid": ("pid", "epid"), "name": ("pname", "epname")}


def named(frame):
    """Whom a frame names as (pid, name), by the oracle."""
    darwin = frame.get("darwin")
    if not darwin:
        return (int(frame["PID"]), frame["Cmd"].rsplit("/", 1)[-1]) if "PID" in frame else None
    if not isinstance(darwin.get("pid"), int) and not isinstance(darwin.get("epid"), int):
        return None  # a header before the packet, which tshark shows as texts
    return (darwin["epid"], darwin["epname"]) if darwin.get("epid") else (darwin["pid"], darwin["pname"])


def test_processes_are_those_that_tshark_reads_in_the_packets(corpus):
    compared = 0
    for oracle in sorted((corpus.folder / "oracles_process").glob("*.json")):
        told = json.loads(oracle.read_text(encoding="utf-8"))
        expected = {one for one in map(named, told["frames"]) if one}
        if not expected:
            continue
        rows = portcall.read(str(corpus.folder / "captures" / oracle.stem), by="process").to_dicts()
        compared += 1
        assert {(row["pid"], row["process"]) for row in rows if row["pid"]} == expected, oracle.stem
    assert compared >= 4
