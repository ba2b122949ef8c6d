"""PCAPdroid's apps of Android, by user id: behind each frame of a pcap, or in blocks and comments of a pcapng.

    trailer   the last 32 bytes of a frame, big-endian: 0 01072021:32  4 user id:32  8 name of the app  28 checksum:32
    block     0 BAD:32  4 length:32  8 62652:32  12 version:16 = 1  14 kind:8 = 1 (a user id)  16 user id:32
              20 bytes of the package's name:8  21 bytes of the app's:8  22 these names, in the section's byte order
    comment   ``u-10123`` on a packet of the app with that user id

Source: emanuele-f/PCAPdroid, app/src/main/jni/core/pcap_dump.c and pcapdroid.lua.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from portcall.owners.recorded.words import number_of, numbered
from portcall.records.ownership import Owner, Program
from portcall.records.recorded.claims import Claim, ClaimedEnd, RecordedOwner, clean_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from portcall.records.recorded.claims import ClaimTable

SOURCE = "pcapdroid"
TRAILER_BYTES, _CHECKSUM_BYTES = 32, 4
_MAGIC = b"\x01\x07\x20\x21"
_ETHERNET = 1
_HEADER_BYTES = 14
_UNKNOWN_USER = 0x80000000  # from here on: what is negative there
_COMMENT = "u-"
_VERSION, _USER_MAP = 1, 1


def user_of(comment: str) -> int | None:
    """The user id in a comment; None where it is none of these."""
    return number_of(comment.removeprefix(_COMMENT), _UNKNOWN_USER - 1) if comment.startswith(_COMMENT) else None


def app_of(user: int, name: str = "", package: str = "") -> RecordedOwner:
    """An app by its user id."""
    text = clean_name(name) or clean_name(package) or f"uid {user}"
    return RecordedOwner(Owner(0, None, Program(text, clean_name(package) or None), str(user)), SOURCE)


def mapped_app(data: bytes, order: str) -> tuple[int, RecordedOwner] | None:
    """The user id and the app of a custom block, from behind the enterprise number on; None for another kind."""
    if len(data) < 10:  # noqa: PLR2004 (up to the names)
        return None
    version, kind, user, package_bytes, name_bytes = struct.unpack_from(order + "HBxIBB", data)
    if version != _VERSION or kind != _USER_MAP or user >= _UNKNOWN_USER:
        return None
    names = data[10:]
    package, name = names[:package_bytes], names[package_bytes : package_bytes + name_bytes]
    return user, app_of(user, clean_name(name), clean_name(package))


def has_trailers(frames: NDArray[np.void], buffer: NDArray[np.uint8]) -> bool:
    """Whether the first or the last of FRAME[n] has a trailer: a look that costs nothing where there are none."""
    for frame in (frames[0], frames[-1]):
        captured = int(frame["captured"])
        if frame["link"] == _ETHERNET and captured >= _HEADER_BYTES + TRAILER_BYTES:
            at = int(frame["offset"]) + captured - TRAILER_BYTES
            if buffer[at : at + 4].tobytes() == _MAGIC:
                return True
    return False


def trailer_claims(
    frames: NDArray[np.void], buffer: NDArray[np.uint8], table: ClaimTable, known: dict[bytes, int]
) -> NDArray[np.uint32]:
    """The number of the claim that the trailer of each of FRAME[n] makes; ``known`` are those that were met before."""
    claims = np.zeros(len(frames), np.uint32)
    whole = np.flatnonzero(
        (frames["link"] == _ETHERNET)
        & (frames["captured"] >= _HEADER_BYTES + TRAILER_BYTES)
        & (frames["captured"] == frames["wire"])
    )
    starts = (frames["offset"][whole] + frames["captured"][whole]).astype(np.int64) - TRAILER_BYTES
    trailers = buffer[starts[:, None] + np.arange(TRAILER_BYTES - _CHECKSUM_BYTES)]
    claims[whole] = numbered(trailers, known, lambda trailer: _trailer_claim(trailer, table))
    return claims


def _trailer_claim(trailer: bytes, table: ClaimTable) -> int:
    (user,) = struct.unpack_from(">I", trailer, 4)
    if not trailer.startswith(_MAGIC) or user >= _UNKNOWN_USER:
        return 0
    return table.claim(Claim((table.number(app_of(user, clean_name(trailer[8:]))),), ClaimedEnd.BY_DIRECTION))
