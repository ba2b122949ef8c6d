"""What is on no flow: rows of frames by their verdict, and how much of a capture rows cover."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from portcall.records.packets import Verdict
from portcall.records.report import Coverage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from portcall.records.packets import Tally

_MEASURES = ("flows", "packets_out", "packets_in", "bytes_out", "bytes_in", "payload_out", "payload_in")


def rows_on_no_flow(by: str, tallies: Mapping[Verdict, Tally]) -> Iterator[dict[str, Any]]:
    """The rows of one grouping that are of frames on no flow."""
    row_on_no_flow = flow_row_on_no_flow if by in ("flow", "query") else group_row_on_no_flow
    for verdict, tally in tallies.items():
        # Later fragments are on flows: that of their first, or an orphan's.
        if verdict.reason and verdict.is_on_no_flow and tally.frames:
            yield row_on_no_flow(verdict.reason, tally)


def group_row_on_no_flow(reason: str, tally: Tally) -> dict[str, Any]:
    """The row of frames that are on no flow, which count as in; the columns it leaves out are null."""
    return {
        **dict.fromkeys(_MEASURES, 0),
        "packets_in": tally.frames,
        "bytes_in": tally.bytes,
        "first_ns": tally.first_ns,
        "last_ns": tally.last_ns,
        "services": [],
        "unattributed_reason": reason,
    }


def flow_row_on_no_flow(reason: str, tally: Tally) -> dict[str, Any]:
    """The row of frames that are on no flow, which count towards the client; the columns it leaves out are null."""
    return {
        "packets_to_server": 0,
        "bytes_to_server": 0,
        "payload_to_server": 0,
        "packets_to_client": tally.frames,
        "bytes_to_client": tally.bytes,
        "payload_to_client": 0,
        "first_ns": tally.first_ns,
        "last_ns": tally.last_ns,
        "unattributed_reason": reason,
    }


def covered(tallies: Mapping[Verdict, Tally], bytes_credited_twice: int, bytes_attributed: int) -> Coverage:
    """How much of the traffic of these tallies rows explain."""
    return Coverage(
        frames=sum(tally.frames for tally in tallies.values()),
        bytes=sum(tally.bytes for tally in tallies.values()),
        verdicts={_word(verdict): tallies[verdict].frames if verdict in tallies else 0 for verdict in Verdict},
        bytes_credited_twice=bytes_credited_twice,
        dropped_by_kernel=None,
        bytes_attributed=bytes_attributed,
    )


def _word(verdict: Verdict) -> str:
    return verdict.name.lower().replace("_", "-")
