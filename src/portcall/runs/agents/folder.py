"""The folder whose files may be opened, and nothing beside it: no other folder, no link that leads out, no address."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from portcall.errors import UsageError

_MOST_NAME = 1024


class Folder:
    """Files beneath one folder, by their names in it."""

    def __init__(self, path: str) -> None:
        """UsageError where there is no such folder."""
        self._root = Path(path).resolve()
        if not self._root.is_dir():
            raise UsageError(f"{path}: not a folder. Name the one whose captures may be read")

    def file(self, name: str) -> str:
        """The path of a regular file beneath it; UsageError for anything else, in the same words wherever it leads."""
        refusal = UsageError(f"{name[:_MOST_NAME]!r}: no such capture beneath the folder. Name it by its path in it")
        if not name or "\0" in name or len(name) > _MOST_NAME or Path(name).is_absolute():
            raise refusal
        try:
            path = (self._root / name).resolve(strict=True)
            is_file = stat.S_ISREG(path.stat().st_mode)
        except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: links in a circle, before Python 3.13
            raise refusal from error
        if not is_file or not path.is_relative_to(self._root):
            raise refusal
        return str(path)

    def names(self, most: int) -> tuple[list[str], bool]:
        """Names of regular files beneath it, sorted, no links; so many at the most, and whether there are more."""
        names: list[str] = []
        for folder, folders, files in os.walk(self._root):
            folders.sort()
            for file in sorted(files):
                path = Path(folder) / file
                if path.is_symlink() or not path.is_file():
                    continue
                if len(names) == most:
                    return names, True
                names.append(str(path.relative_to(self._root)))
        return names, False
