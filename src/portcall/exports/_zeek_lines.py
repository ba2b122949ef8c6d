r"""Lines of Zeek's logs, as tab-separated text and as JSON, with the escapes that Zeek writes.

In tab-separated logs a byte that is not printable ASCII is ``\xNN`` and a backslash is two; the first character of a
value that would read as unset or empty, and a comma inside a set, are escaped too. In JSON a field that is not set is
left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from portcall.exports._row_writer import RowWriter
from portcall.exports._zeek_fields import FIELDS
from portcall.exports.json_lines import row_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from portcall.records.payloads.log_entries import LogValue

_UNSET, _EMPTY = "-", "(empty)"
_ESCAPES = {byte: f"\\x{byte:02x}" for byte in (*range(0x20), *range(0x7F, 0x100))} | {ord("\\"): "\\\\"}


def header(log: str, opened: str) -> str:
    """What a tab-separated log begins with; ``opened`` is a time as Zeek writes it there."""
    names, types = zip(*FIELDS[log].items(), strict=True)
    lines = (
        "#separator \\x09",
        "#set_separator\t,",
        f"#empty_field\t{_EMPTY}",
        f"#unset_field\t{_UNSET}",
        f"#path\t{log}",
        f"#open\t{opened}",
        "\t".join(("#fields", *names)),
        "\t".join(("#types", *types)),
    )
    return "".join(f"{line}\n" for line in lines)


def tab_separated(log: str, values: Mapping[str, LogValue]) -> str:
    """One line of a tab-separated log."""
    return "\t".join(_cell(values.get(name), kind) for name, kind in FIELDS[log].items()) + "\n"


def json_line(log: str, values: Mapping[str, LogValue]) -> str:
    """One line of a log in JSON."""
    known = ((name, values.get(name), kind) for name, kind in FIELDS[log].items())
    return row_text({name: _plain(value, kind) for name, value, kind in known if value is not None}) + "\n"


def conn_writer(*, as_json: bool, has_time: bool) -> RowWriter:
    """What writes lines of conn.log; in JSON without their time where that is unknown."""
    names = list(FIELDS["conn"])
    if not as_json:
        return RowWriter(names, ["", *["\t"] * (len(names) - 1)], "\n", lambda word: _cell(word, "string"))
    names = names if has_time else names[1:]
    before = [f"{',' if place else '{'}{row_text(name)}:" for place, name in enumerate(names)]
    return RowWriter(names, before, "}\n", lambda word: "" if word is None else row_text(word), '"', leaves_out=True)


def _cell(value: LogValue, kind: str) -> str:
    if value is None:
        return _UNSET
    if isinstance(value, list):
        items = (_item(item, kind) for item in value)
        return ",".join(items) or _EMPTY
    text = _text(value, kind)
    if text in (_UNSET, _EMPTY):
        return f"\\x{ord(text[0]):02x}{text[1:]}"
    return text or _EMPTY


def _item(value: bytes | float, kind: str) -> str:
    """One member of a set or a vector."""
    text = _text(value, kind).replace(",", "\\x2c")
    return f"\\x{ord(text[0]):02x}{text[1:]}" if text in (_UNSET, _EMPTY) else text or _EMPTY


def _text(value: bytes | str | float, kind: str) -> str:
    if isinstance(value, bool):
        return "T" if value else "F"
    if isinstance(value, int):
        return _seconds(value) if kind == "time" else str(value)
    if isinstance(value, float):
        return f"{value:.6f}"
    octets = value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")
    return octets.decode("latin-1").translate(_ESCAPES)


def _seconds(ts_ns: int) -> str:
    sign, microseconds = "-" if ts_ns < 0 else "", abs(ts_ns) // 1000
    return f"{sign}{microseconds // 1_000_000}.{microseconds % 1_000_000:06d}"


def _plain(value: LogValue, kind: str) -> Any:  # Any: what JSON has
    if isinstance(value, list):
        return [_plain(item, kind) for item in value]
    if isinstance(value, int) and kind == "time":
        return float(_seconds(value))
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return round(value, 6) if isinstance(value, float) else value
