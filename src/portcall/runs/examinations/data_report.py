"""The files that names come from, as rows: the shipped ones, and those of the user's own that stand for them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from portcall import __version__
from portcall.configuration.own_data import own_files
from portcall.labels.data_files import DATA_FILES, shipped_path, version_in
from portcall.queries.row_choice import chooser
from portcall.records.schema import Listing

if TYPE_CHECKING:
    from pathlib import Path

    from portcall.configuration.own_data import OwnFile
    from portcall.labels.data_files import DataFile


def data_listing(folder: Path, *, where: str | None = None, top: int | None = None) -> Listing:
    """All of them; UsageError where one of the folder cannot be used."""
    choose = chooser(where, "update-data", top)
    own = own_files(folder)
    rows = [_row(file, own.get(file.name)) for file in DATA_FILES]
    chosen = choose(rows)
    return Listing("update-data", str(folder), chosen, rows_left_out=len(rows) - len(chosen))


def _row(file: DataFile, own: OwnFile | None) -> dict[str, Any]:  # Any: plain values
    path = own.path if own else shipped_path(file.name)
    text = own.text if own else path.read_text(encoding="utf-8")
    said = version_in(text) or (None if own else file.version)
    dated = re.match(r"\d{4}-\d\d-\d\d", said or "")
    return {
        "file": file.name,
        "state": "own" if own else "shipped",
        "version": said or (None if own else f"portcall {__version__}"),
        "date": own.date if own else dated[0] if dated else None,
        "holds": file.holds,
        "source": own.source if own else file.source,
        "path": str(path),
        "bytes": len(text.encode()),
    }
