"""Domain names in DNS messages (RFC 1035 §4.1.4) and the names that NetBIOS hides in them (RFC 1001 §14.1)."""

from __future__ import annotations

from portcall.dissectors._text import as_text

_POINTER = 0xC0
_MOST_LABELS = 128
"""A name of 255 bytes has no more; what is beyond is a loop of pointers."""
_MOST_NAME_BYTES = 255


def read_name(data: bytes, offset: int) -> tuple[bytes, int] | None:
    r"""The name at ``offset``, labels joined by dots, as sent; and where it ends. None where it is broken or too long.

    A dot inside a label becomes ``\.``, as in a zone file.
    """
    labels: list[bytes] = []
    size = len(data)
    end = 0
    for _ in range(_MOST_LABELS):
        if offset >= size:
            return None
        length = data[offset]
        if length == 0:
            return b".".join(labels), end or offset + 1
        if length >= _POINTER:
            if offset + 1 >= size:
                return None
            end = end or offset + 2
            target = (length & 0x3F) << 8 | data[offset + 1]
            if target >= offset:
                return None
            offset = target
            continue
        if length > 63:  # noqa: PLR2004 - 64 to 191 are types of labels that nobody uses
            return None
        offset += 1
        label = data[offset : offset + length]
        labels.append(label if b"." not in label else label.replace(b".", b"\\."))
        offset += length
    return None


def netbios_name(name: bytes) -> str | None:
    """The name that 32 letters A to P hide, and the kind of it that its last byte is: ``FILESERVER<20>``."""
    label = name.split(b".", 1)[0]
    if len(label) != 32 or label.strip(b"ABCDEFGHIJKLMNOP"):  # noqa: PLR2004 - two letters for each of 16 bytes
        return None
    plain = bytes([(label[i] - 65) << 4 | (label[i + 1] - 65) for i in range(0, 32, 2)])
    return f"{as_text(plain[:15].rstrip(b' ' + bytes(1)))}<{plain[15]:02x}>"
