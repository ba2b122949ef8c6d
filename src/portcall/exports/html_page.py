"""A report as one HTML file that asks nothing of the network: totals, a chart, tables, evidence and notes.

The page lies in ``data/page``, and is filled by its own scripts. What comes from packets stands in it as data alone:
JSON in which ``<``, ``>`` and ``&`` are escaped, and rows that are compressed and written in base64. Scripts put it on
the page as text (``textContent``), and the Content-Security-Policy names the only scripts and styles by their hashes:
nothing else could run, load or send. uPlot (MIT) draws the chart, the tables are ours; docs/decisions/0021 says why.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from portcall.errors import PortcallError
from portcall.exports._page_columns import page_table
from portcall.exports._page_times import over_time
from portcall.records.envelope import envelope
from portcall.records.report import Report
from portcall.records.schema import REASONS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

    from portcall.records.schema import Listing

SCHEMA = 1
_FOLDER = Path(__file__).resolve().parents[1] / "data" / "page"
_STYLES = (("uPlot.min.css",), ("page.css",))
_SCRIPTS = (("uPlot.iife.min.js",), ("words.js", "rows.js", "table.js", "chart.js", "page.js"))
"""Files of ours that stand in one element, as they share their names."""
_ORDER = ("app", "process", "host", "service", "flow")
_CREDITED_ONCE = ("service", "flow", "query", "time")
_SLOT = re.compile(r"\{\{(\w+)\}\}")
_LINE = 1 << 12  # characters of base64
_LEVEL = 4  # of zlib: 6 takes four times as long for a twentieth


class _Assets(NamedTuple):
    template: tuple[str, ...]
    """Text and names of slots in turn."""
    styles: str
    scripts: str
    policy: str
    licence: str
    """Of what others wrote, which goes where it goes."""


@lru_cache(maxsize=1)
def assets() -> _Assets:
    """The page without a report, read once: later a program may not be allowed to."""
    styles = ["".join(map(_text, names)) for names in _STYLES]
    scripts = ["\n".join(map(_text, names)) for names in _SCRIPTS]
    scripts[-1] = f'"use strict";\n(() => {{\n{scripts[-1]}}})();\n'
    policy = (
        f"default-src 'none'; script-src {_hashes(scripts)}; style-src {_hashes(styles)}; "
        "base-uri 'none'; form-action 'none'"
    )
    return _Assets(
        tuple(_SLOT.split(_text("page.html"))),
        "\n".join(f"<style>{style}</style>" for style in styles),
        "\n".join(f"<script>{script}</script>" for script in scripts),
        policy,
        _text("uPlot.LICENSE"),
    )


def write(report: Report | Listing, stream: TextIO) -> None:
    """Write the page. PortcallError for a report that was not counted for one."""
    if not isinstance(report, Report) or report.page is None:
        raise PortcallError("html: this report was not counted for a page. Read with page=True, or --format html")
    made = assets()
    slots = {"policy": made.policy, "styles": made.styles, "scripts": made.scripts, "licence": made.licence}
    texts, names = made.template[::2], (*made.template[1::2], None)
    for text, name in zip(texts, names, strict=True):
        stream.write(text)
        if name == "data":
            _write_data(report, stream)
        elif name:
            stream.write(slots[name])


def _write_data(report: Report, stream: TextIO) -> None:
    reports = _reports(report)
    said = {
        "schema": SCHEMA,
        **envelope(report),
        "reasons": REASONS,
        "over_time": over_time(report.page.over_time) if report.page else None,
        "tables": [one.by for one in reports],
    }
    stream.write(f'<script type="application/json" id="report">{_harmless(said)}</script>\n')
    for one in reports:
        stream.write(f'<script type="text/plain" id="rows-{one.by}">\n')
        packed = base64.b64encode(zlib.compress(_json(page_table(one, _credited(one))).encode(), _LEVEL)).decode()
        stream.writelines(f"{packed[at : at + _LINE]}\n" for at in range(0, len(packed), _LINE))
        stream.write("</script>\n")


def _reports(report: Report) -> Sequence[Report]:
    """The tables in the page's order; one that only this page has stands first."""
    found = {one.by: one for one in (report, *(report.page.groupings if report.page else ()))}
    first = [] if report.by in _ORDER else [report.by]
    return [found[by] for by in (*first, *_ORDER) if by in found]


def _credited(report: Report) -> int:
    """The bytes that all rows of a grouping add up to."""
    twice = 0 if report.by in _CREDITED_ONCE else report.coverage.bytes_credited_twice
    return report.coverage.bytes + twice


def _harmless(value: Any) -> str:  # Any: what JSON has
    """JSON that ends no script element, and begins none."""
    return _json(value).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _json(value: Any) -> str:  # Any: as above
    return json.dumps(value, separators=(",", ":"), allow_nan=False)  # ASCII, so U+2028 is escaped too


def _hashes(texts: Sequence[str]) -> str:
    """As a policy names what may run (CSP Level 3 §2.3.1)."""
    digests = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts)
    return " ".join(f"'sha256-{digest}'" for digest in digests)


def _text(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
