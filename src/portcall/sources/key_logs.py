"""Files of TLS secrets that programs write where SSLKEYLOGFILE names them (RFC 9850), for ``--tls-keys``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.errors import PortcallError
from portcall.records.payloads.tls_secrets import is_key_log, read_key_log

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from portcall.records.payloads.tls_secrets import Secret

_LINES_BYTES = 1 << 20  # at once
_MOST_LINE_BYTES = 1 << 16  # twice an ECHConfig's length, which has two bytes


def secrets_of(paths: Sequence[str]) -> Iterator[Secret]:
    """The secrets of these files, one after the other; PortcallError for what cannot be read, or is no key log."""
    for path in paths:
        yield from _secrets_of(path)


def _secrets_of(path: str) -> Iterator[Secret]:
    try:
        with open(path, "rb") as stream:  # noqa: PTH123 - a path as it was given, which may be a pipe's
            offset, is_known = 0, False
            while lines := stream.readlines(_LINES_BYTES):
                text = b"".join(line for line in lines if len(line) <= _MOST_LINE_BYTES)
                is_known = is_known or is_key_log(text)
                if not is_known:
                    raise PortcallError(
                        f"--tls-keys {path}: at byte {offset}: no line of a key log, as 'CLIENT_RANDOM <hexadecimal> "
                        "<hexadecimal>'. Name the file that the program wrote where SSLKEYLOGFILE told it to"
                    )
                yield from read_key_log(text)
                offset += sum(map(len, lines))
    except OSError as error:
        raise PortcallError(f"--tls-keys {path}: cannot be read: {error.strerror or error}") from error
