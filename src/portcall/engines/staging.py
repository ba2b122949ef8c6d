"""What tasks leave for others in a store: parts of ranges, names of sensors, rows; and how they are found again.

Every file has a name that follows from what is in it: which captures, as large and as old as they were, read how, by
which build. So a task that runs twice writes the same file, a job that was stopped goes on, and one more day of
captures costs that day. A file is there as a whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

from portcall.engines.receipts import Receipt
from portcall.errors import PortcallError
from portcall.sources.lakes.remote_files import file_system, is_remote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pyarrow as pa

_RECEIPT = b"portcall receipt"
_DIGITS = 20
_ROWS_OF_GROUP = 1 << 17


class Store:
    """A folder, here or behind an address."""

    def __init__(self, folder: str) -> None:
        self.folder = folder.rstrip("/")
        self._files, self._path = file_system(self.folder)

    def write(self, name: str, table: pa.Table) -> None:
        """Write a table, under a name that has it only when it is whole."""
        import pyarrow.parquet as pq

        path = f"{self._path}/{name}"
        # An object is there when its upload is done; a file when it has its name.
        unfinished = path if is_remote(self.folder) else f"{path}.{os.getpid()}.unfinished"
        try:
            self._files.create_dir(path.rpartition("/")[0], recursive=True)
            pq.write_table(table, unfinished, filesystem=self._files, compression="zstd", row_group_size=_ROWS_OF_GROUP)
            if unfinished != path:
                os.replace(unfinished, path)  # noqa: PTH105 - both are texts
        except OSError as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise PortcallError(f"{self.folder}: {reason}. -o wants a folder that every worker may write to") from error

    def read(self, name: str, filters: Any = None, columns: list[str] | None = None) -> pa.Table:  # Any: pyarrow's
        """A table that was written, or some of it."""
        import pyarrow.parquet as pq

        path = f"{self._path}/{name}"
        return pq.read_table(path, filesystem=self._files, filters=filters, columns=columns, partitioning=None)

    def metadata(self, name: str) -> dict[bytes, bytes] | None:
        """What a table says besides its rows; None where there is none."""
        import pyarrow.parquet as pq

        try:
            found: dict[bytes, bytes] | None = pq.read_schema(f"{self._path}/{name}", filesystem=self._files).metadata
        except (FileNotFoundError, OSError):
            return None
        return found or {}

    def names(self, folder: str = "") -> list[str]:
        """The files below a folder of it."""
        from pyarrow import fs

        path = f"{self._path}/{folder}".rstrip("/")
        found = self._files.get_file_info(fs.FileSelector(path, recursive=True, allow_not_found=True))
        return sorted(one.path[len(self._path) + 1 :] for one in found if one.type is fs.FileType.File)

    def remove(self, name: str) -> None:
        """Remove a file."""
        self._files.delete_file(f"{self._path}/{name}")


def name_of(*what: Any) -> str:  # Any: what JSON has
    """A name that nothing else has."""
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:_DIGITS]


def stamps_of(paths: Iterable[str]) -> list[Any]:
    """How large and how old captures are. PortcallError where one is gone."""
    stamps = []
    for path in paths:
        store, name = file_system(path)
        info = store.get_file_info(name)
        if info.size is None:
            raise PortcallError(f"{path}: it was there when the ranges were planned, and is gone")
        stamps.append([path, info.size, info.mtime_ns])
    return stamps


def stage(store: Store, name: str, parts: Iterable[tuple[int, bytes]], receipt: Receipt) -> None:
    """Write the parts of a range with its receipt."""
    import pyarrow as pa

    told = list(parts)
    table = pa.table(
        {
            "bucket": pa.array([bucket for bucket, _ in told], pa.int64()),
            "partial": pa.array([data for _, data in told], pa.large_binary()),
        }
    )
    store.write(name, table.replace_schema_metadata({_RECEIPT: json.dumps(receipt.words()).encode()}))


def staged(store: Store, name: str) -> Receipt | None:
    """The receipt of a range that was read before; None where nobody did."""
    found = store.metadata(name)
    return Receipt.of_words(json.loads(found[_RECEIPT])) if found and _RECEIPT in found else None


def parts(store: Store, name: str, least: int, most: int) -> Iterator[tuple[int, bytes]]:
    """The parts of a staged range in buckets ``least`` to ``most``."""
    table = store.read(name, filters=[("bucket", ">=", least), ("bucket", "<=", most)])
    yield from zip(table["bucket"].to_pylist(), table["partial"].to_pylist(), strict=True)
