"""A file of owners, told again: what ``live --owners-only`` wrote, as a back end would tell it, up to a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from portcall.errors import PortcallError
from portcall.records.ownership import ProcessEvent
from portcall.records.recorded.owner_lines import (
    MachineAddresses,
    OwnersBegin,
    OwnersUntil,
    UserNames,
    joined,
    lines_of,
)
from portcall.views.text import moment_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from portcall.records.ownership import OwnerEvents
    from portcall.records.recorded.owner_lines import OwnersLine


class WatchedTime(NamedTuple):
    """From when to when, in ns since 1970 UTC."""

    first_ns: int
    last_ns: int

    @property
    def text(self) -> str:
        """As people read it."""
        return f"{moment_text(self.first_ns)} to {moment_text(self.last_ns)}"


@dataclass(slots=True)
class OwnersReplay:
    """A file of owners, told again in its order."""

    path: str
    names: dict[int, str] = field(default_factory=dict)
    """What users are called."""
    addresses: set[bytes] = field(default_factory=set)
    """Of the machine, of 16 bytes each."""
    lost: int = 0
    _lines: Iterator[OwnersLine] = field(init=False)
    begin: OwnersBegin = field(init=False)
    _until_ns: int = 0

    def __post_init__(self) -> None:
        self._lines = self._told()
        begin = next(self._lines, None)
        if not isinstance(begin, OwnersBegin):
            raise PortcallError(
                f"{self.path}: these are no owners. Write them with: portcall live --owners-only -o FILE"
            )
        self.begin = begin

    def window(self) -> WatchedTime:
        """When sockets were watched."""
        last_ns = self.begin.began_ns
        for line in self._told():
            if isinstance(line, OwnersUntil):
                last_ns = max(last_ns, line.time_ns)
        return WatchedTime(self.begin.began_ns, last_ns)

    def until(self, time_ns: int) -> OwnerEvents:
        """What was told up to then, since the last time."""
        sightings: list[np.void] = []
        processes: list[ProcessEvent] = []
        while self._until_ns < time_ns:
            line = next(self._lines, None)
            if line is None:
                self._until_ns = time_ns
            elif isinstance(line, OwnersUntil):
                self._until_ns, self.lost = max(self._until_ns, line.time_ns), line.lost
            elif isinstance(line, MachineAddresses):
                self.addresses |= {address.rjust(16, b"\0") for address in line.addresses}
            elif isinstance(line, UserNames):
                self.names |= line.names
            elif isinstance(line, ProcessEvent):
                processes.append(line)
            elif isinstance(line, np.void):
                sightings.append(line)
                self.addresses.add(line["local"].tobytes())
        until_ns = min(self._until_ns, time_ns)  # by which sockets are forgotten
        return joined(sightings, processes, until_ns, tells_closes=self.begin.tells_closes)

    def _told(self) -> Iterator[OwnersLine]:
        try:
            with Path(self.path).open("rb") as stream:
                yield from lines_of(stream)
        except OSError as error:
            raise PortcallError(f"{self.path}: {(error.strerror or str(error)).lower()}") from error
        except ValueError as error:
            raise PortcallError(
                f"{self.path}: {error}. What was before it was used; is it a file of owners?"
            ) from error
