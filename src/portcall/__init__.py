"""portcall: which application do these packets belong to?

What a command prints, a notebook can have:

>>> import portcall
>>> for row in portcall.read(["captures/office.pcapng"], by="service"):
...     print(row["service"], row["bytes_out"] + row["bytes_in"])

Importing this package imports nothing heavy; ``read`` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.errors import CaptureError, PortcallError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from portcall.decoding.decoder import Layer
    from portcall.records.report import Report

__all__ = ["CaptureError", "PortcallError", "UsageError", "read"]


def read(  # noqa: PLR0913 (the options of the command, all by name)
    paths: str | Sequence[str],
    *,
    by: str = "app",
    layer: Layer = "outer",
    filter: str | None = None,  # noqa: A002 (the option's name)
    local: Sequence[str] = (),
    where: str | None = None,
    top: int | None = None,
    names: bool = True,
    geo: Sequence[str] = (),
) -> Report:
    """Attribute saved captures, as one capture in time order, and give the report that ``portcall read`` prints.

    What could not be read, or ran with less, is in ``report.degradations``; PortcallError where nothing could be read.
    """
    from dataclasses import replace

    from portcall.records.report import Degradation
    from portcall.runs import offline as offline

    outcome = offline.read(
        [paths] if isinstance(paths, str) else paths,
        by=by,
        layer=layer,
        filter=filter,
        local=local,
        where=where,
        top=top,
        names=names,
        geo=geo,
    )
    if outcome.interrupted:
        raise KeyboardInterrupt
    unread = [Degradation(problem.path, problem.reason, problem.remedy) for problem in outcome.problems]
    return replace(outcome.report, degradations=[*outcome.report.degradations, *unread])
