"""portcall's own block in a capture that ``live -w`` wrote: what live knew and no other format has room for.

Its lines are in ``records/recorded/process_blocks``.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from portcall.records.ownership import Owner
from portcall.records.packets import CapturePoint
from portcall.records.recorded.claims import EndClaim, RecordedOwner
from portcall.records.recorded.process_blocks import EndLine, InterfaceLine, ProcessLine, TurnLine, own_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from portcall.owners.recorded.wireshark import ProcessBlocks
    from portcall.records.recorded.claims import ClaimTable

SOURCE = "portcall"
_MOST_INTERFACES = 1 << 12


class OwnLines:
    """The lines of one section."""

    def __init__(self, table: ClaimTable, processes: ProcessBlocks, interfaces: Sequence[str]) -> None:
        """``interfaces`` are the names of the section's, as they come; none where portcall did not write it last."""
        self._table, self._processes, self._interfaces = table, processes, interfaces
        self._namespaces: dict[int, str | None] = {}

    def read(self, data: bytes) -> tuple[TurnLine, ...]:
        """Take in the data of a custom block; gives what packets behind it must know. ValueError if it is damaged."""
        turns = []
        for line in own_lines(data):
            if isinstance(line, TurnLine):
                turns.append(line)
            elif isinstance(line, ProcessLine):
                owner = Owner(line.pid, line.start_ns, line.program, line.user, line.parents)
                self._processes.say_more(RecordedOwner(owner, SOURCE))
            elif isinstance(line, InterfaceLine):
                if len(self._namespaces) < _MOST_INTERFACES:
                    self._namespaces[line.interface] = line.namespace
            elif isinstance(line, EndLine):
                self._claim_end(line)
        return tuple(turns)

    def point_of(self, interface: int) -> int | None:
        """The number over the run of a section's interface; None where it is none of portcall's."""
        if interface >= len(self._interfaces):
            return None
        return self._table.point(CapturePoint(self._interfaces[interface] or None, self._namespaces.get(interface)))

    def _claim_end(self, line: EndLine) -> None:
        local, remote = (str(ipaddress.ip_address(address)) for address in (line.local, line.remote))
        owner = 0
        if line.pid is not None:
            owner = self._processes.of(line.pid, line.start_ns)
        claim = EndClaim(
            owner,
            line.protocol,
            local,
            line.local_port,
            remote,
            line.remote_port,
            line.first_ns,
            line.last_ns,
            SOURCE,
            line.quality,
            line.reason,
            line.failure,
            self.point_of(line.interface),
        )
        self._table.add_end(claim)
