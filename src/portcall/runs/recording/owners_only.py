"""``live --owners-only``: only what owners report is written, as lines, while somebody else captures the packets.

No packet is seen, so nothing is asked about one: back ends that must be asked tell less, and say so.
"""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING

from portcall.owners.interface_addresses import interface_networks
from portcall.owners.processes import user_name
from portcall.records.recorded.owner_lines import addresses_line, begin_line, event_lines, until_line, users_line
from portcall.records.report import Degradation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from portcall.owners import Owners
    from portcall.recording.capture_files import CaptureFiles
    from portcall.records.ownership import OwnerEvents

_POLLING_S = 0.25
_CROWD_S = 0.02
_UNTIL_EVERY_S = 1.0
_ADDRESSES_EVERY_S = 5.0


class OwnersRecorder:
    """Writes what owners report to a file."""

    def __init__(self, owners: Owners, files: CaptureFiles, *, with_arguments: bool) -> None:
        self._owners, self._files, self._with_arguments = owners, files, with_arguments
        self.failure: OSError | None = None
        """Why the file takes no more."""
        self.sightings = self.processes = 0
        """How many were written."""
        self._addresses: frozenset[str] = frozenset()
        self._users: set[int] = set()
        self._until_s = self._addresses_s = 0.0

    def record(self, is_over: Callable[[], bool], wakes: Sequence[int] = ()) -> None:
        """Write until it is over. ``wakes`` are files that say: look again."""
        descriptor = self._owners.fileno()
        poll = select.poll()
        for file in (*wakes, *(() if descriptor is None else (descriptor,))):
            poll.register(file, select.POLLIN)
        first = self._owners.drain()
        self._write(begin_line(self._owners.name, time.time_ns(), tells_closes=first.tells_closes))
        self._tell_addresses()
        self._tell(first)
        while not is_over() and not self.failure:
            poll.poll(_POLLING_S * 1000)
            time.sleep(_CROWD_S)  # reports come in crowds
            self._turn()
        self._turn()
        self._write(until_line(time.time_ns(), self._owners.lost))
        self._files.close()

    @property
    def degradations(self) -> list[Degradation]:
        """What is missing in the file."""
        notes = list(self._owners.degradations)
        if self._owners.lost:
            notes.append(Degradation("owners", f"{self._owners.lost} reports were lost", "run it with less load"))
        if self.failure:
            why = (self.failure.strerror or str(self.failure)).lower()
            reason = f"{self._files.path} takes no more: {why}; what was reported before is in it"
            notes.append(Degradation("recording", reason, "make room"))
        return notes

    def _turn(self) -> None:
        events = self._owners.drain()
        self._tell(events)
        now_s = time.monotonic()
        if now_s >= self._addresses_s:
            self._tell_addresses()
        if now_s >= self._until_s:
            self._until_s = now_s + _UNTIL_EVERY_S
            self._write(until_line(events.until_ns, self._owners.lost))

    def _tell(self, events: OwnerEvents) -> None:
        self.sightings += len(events.sightings)
        self.processes += len(events.processes)
        users = {*events.sightings["user"].tolist(), *(event.user for event in events.processes)} - self._users - {None}
        if users:
            self._users |= users
            self._write(users_line({number: user_name(number) for number in sorted(users)}))
        self._write(event_lines(events, with_arguments=self._with_arguments))

    def _tell_addresses(self) -> None:
        self._addresses_s = time.monotonic() + _ADDRESSES_EVERY_S
        try:
            addresses = frozenset(str(network.address.ip) for network in interface_networks())
        except OSError:
            return  # sockets' own addresses tell too
        if addresses != self._addresses:
            self._addresses = addresses
            self._write(addresses_line(addresses))

    def _write(self, text: str) -> None:
        if self.failure or not text:
            return
        try:
            self._files.write(text.encode())
        except OSError as error:
            self.failure = error
