"""How much of a run is remembered of who owns what, and what it cost that this has an end.

Everything here is filled by programs that open sockets and by strangers who talk to them. What was told longest ago
goes, and what is new finds no room where it must not; either is counted, and the report says it.
"""

from __future__ import annotations

from dataclasses import dataclass

from portcall.records.report import Degradation


@dataclass(slots=True)
class OwnerBounds:
    """Bounds of one run, and counts of what was beyond them."""

    most_sockets: int = 1 << 18
    """Those that were seen first are forgotten."""
    most_peers: int = 1 << 14
    """Of one socket; beyond, those that were met first are recognised by the socket's own port only."""
    most_takeovers: int = 1 << 16
    """Of ports, that packets may still be older than; with more, the older half counts at once."""
    most_capture_points: int = 1 << 12
    """Interfaces of network namespaces, no more than a partition can number; others are called like the last."""
    sockets_forgotten: int = 0
    peers_forgotten: int = 0
    takeovers_hurried: int = 0
    capture_points_left_out: int = 0

    def notes(self) -> list[Degradation]:
        """That, in words."""
        busy = "watch fewer namespaces or programs at a time"
        told = (
            ("owners", self.sockets_forgotten, "sockets were forgotten while they were open: too many at once", busy),
            ("owners", self.peers_forgotten, "peers of sockets with very many are known by the port alone", busy),
            ("owners", self.takeovers_hurried, "takeovers of ports counted before packets of then had passed", busy),
            (
                "interfaces",
                self.capture_points_left_out,
                f"times packets of more than {self.most_capture_points} interfaces were called like the last of them",
                "choose with -i",
            ),
        )
        return [Degradation(feature, f"{count} {what}", remedy) for feature, count, what, remedy in told if count]
