"""The conversations that a row of a grouping is of: what somebody sees who opens it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from portcall.records.column_values import Addresses, Words

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from portcall.records.column_values import Columns, ColumnValues
    from portcall.records.report_rows import Rows
    from portcall.views.screen.pictures import Opened

    Test = Callable[[Columns], NDArray[np.bool_]]
    Row = dict[str, Any]  # Any: plain values of several types, see schema

_ENDS = ("client", "server")


def conversations_of(flows: Rows, opened: Opened) -> Rows:
    """Those rows by flow that the opened row is of; one with two local ends is of both their rows."""
    if opened.by == "part":
        flows = conversations_of(flows, opened.row["_of"])
    names, test = _test(opened)
    return flows.where(test, names)


def _test(opened: Opened) -> tuple[frozenset[str], Test]:
    row = opened.row
    if opened.by == "part":
        return _of_part(opened)
    if row["unattributed_reason"] is not None and row.get(opened.by) is None:
        return _unattributed(row)
    if opened.by in ("app", "process"):
        return _of_program(opened.by, row)
    if opened.by == "user":
        names = frozenset(f"{end}_user" for end in _ENDS)
        return names, lambda columns: _any(columns, names, row["user"])
    if opened.by == "service":
        return frozenset({"service", "application_protocol", "protocol", "server_port"}), _of_service(row["service"])
    host = row["host"]
    return frozenset({"hostname", "client_ip", "server_ip"}), lambda columns: _of_host(columns, host)


def _of_program(by: str, row: Row) -> tuple[frozenset[str], Test]:
    name, pid = row[by], row["pid"] if by == "process" else None
    if row["app_source"] != "process":
        return frozenset({"app", "app_source"}), lambda columns: _is(columns, "app", name)
    names = frozenset(f"{end}_{what}" for end in _ENDS for what in ("process", "pid"))

    def test(columns: Columns) -> NDArray[np.bool_]:
        ends = [
            _is(columns, f"{end}_process", name) & (True if pid is None else _is(columns, f"{end}_pid", pid))
            for end in _ENDS
        ]
        return np.asarray(np.logical_or(*ends))

    return names, test


def _unattributed(row: Row) -> tuple[frozenset[str], Test]:
    reason = row["unattributed_reason"]
    return frozenset({"unattributed_reason"}), lambda columns: _is(columns, "unattributed_reason", reason)


def _of_service(service: str) -> Test:
    """Rows by service are called by the port's service, else as ``tcp/8000`` or ``udp/ephemeral``."""

    def test(columns: Columns) -> NDArray[np.bool_]:
        named = _is(columns, "service", service) | _is(columns, "application_protocol", service)
        protocol, slash, port = service.partition("/")
        if not slash:
            return named | (_is(columns, "protocol", service) & _is(columns, "service", None))
        nameless = _is(columns, "protocol", protocol) & _is(columns, "service", None)
        return named | (nameless & _is(columns, "server_port", int(port)) if port.isdigit() else nameless)

    return test


def _of_host(columns: Columns, host: str) -> NDArray[np.bool_]:
    addresses = _is(columns, "client_ip", host) | _is(columns, "server_ip", host)
    return np.asarray(
        _is(columns, "hostname", host) | (addresses & _is(columns, "hostname", None)) | _is(columns, "client_ip", host)
    )


def _of_part(opened: Opened) -> tuple[frozenset[str], Test]:
    part, text, detail = opened.row["_part"], opened.row["part"], opened.row["detail"]
    if part == "hosts":
        return (
            frozenset({"hostname", "server_ip"}),
            lambda columns: (
                _is(columns, "server_ip", detail or None)
                & (_is(columns, "hostname", text) | _is(columns, "hostname", None))
            ),
        )
    if part == "ports":
        port, slash, protocol = text.partition("/")
        names = frozenset({"server_port", "protocol", "service"})
        if not slash:
            return names, lambda columns: _is(columns, "protocol", text)
        return (
            names,
            lambda columns: (
                _is(columns, "server_port", int(port))
                & _is(columns, "protocol", protocol)
                & _is(columns, "service", detail or None)
            ),
        )
    name, _, pid = text.rpartition(" ")
    names = frozenset(f"{end}_{what}" for end in _ENDS for what in ("process", "pid"))
    if not pid.isdigit():
        return (
            names,
            lambda columns: (
                _is(columns, "client_process", None) & _is(columns, "server_process", None)
                if text.startswith("(")
                else _any(columns, ("client_process", "server_process"), text)
            ),
        )
    return names, lambda columns: np.asarray(
        np.logical_or(*(_is(columns, f"{end}_process", name) & _is(columns, f"{end}_pid", int(pid)) for end in _ENDS))
    )


def _any(columns: Columns, names: Any, value: object) -> NDArray[np.bool_]:  # Any: an iterable of texts
    return np.asarray(np.logical_or.reduce([_is(columns, name, value) for name in names]))


def _is(columns: Columns, name: str, value: object) -> NDArray[np.bool_]:
    """bool[n]: whether the column has that value; None where it is null."""
    return _equal(columns.by_name.get(name), value, len(columns))


def _equal(values: ColumnValues | None, value: object, count: int) -> NDArray[np.bool_]:
    if values is None:
        return np.full(count, value is None)
    if isinstance(values, Words):
        found = np.array([word == value for word in values.words], np.bool_)
        return found[values.codes] if len(found) else np.zeros(count, np.bool_)
    if isinstance(values, Addresses):
        return np.array([word == value for word in values.plain()], np.bool_)
    if value is None:
        return np.zeros(count, np.bool_) if values.is_known is None else ~values.is_known
    is_known = True if values.is_known is None else values.is_known
    return np.asarray((values.values == value) & is_known)
