"""Messages that came in pieces, in any order."""

from __future__ import annotations


def joined(pieces: dict[int, bytes]) -> bytes:
    """What pieces by offset make, from 0 to the first gap."""
    whole = bytearray()
    for offset in sorted(pieces):
        if offset > len(whole):
            break
        whole += pieces[offset][len(whole) - offset :]
    return bytes(whole)
