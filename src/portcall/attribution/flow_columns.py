"""The columns of conversations: what FLOW[n], their ends, names and owners say, each in its own function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from portcall.attribution.principals import QUALITIES, owner_of, principal_of, quality_of, told_principal
from portcall.flows.aggregation import grouped
from portcall.flows.conn_state import STATES
from portcall.flows.originator import OriginatorEvidence
from portcall.labels.port_services import PROTOCOL_NAMES, PortClass
from portcall.labels.service_keys import WITHOUT_FIRST, are_unmatched
from portcall.records.column_values import Addresses, Numbers, Words, of_values
from portcall.records.detections import OUTER_KINDS, NameKind
from portcall.records.flows import NEVER
from portcall.records.packets import NO_TIME
from portcall.records.payloads.log_entries import CLOSED_NS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from portcall.attribution.principals import Matches, Principal
    from portcall.flows.flow_values import FlowValues
    from portcall.inspection.server_labels import ServerLabel
    from portcall.inspection.server_names import ServerNames
    from portcall.labels.service_keys import Identity
    from portcall.records.column_values import ColumnValues
    from portcall.records.detections import Detection
    from portcall.records.ownership import Match

    _Pair = tuple[Match | None, Match | None]

_SERVER_NAMES = frozenset({*OUTER_KINDS, *OUTER_KINDS.values()})
_HOST_HEADER = frozenset({NameKind.HTTP_HOST})
_HOLDER = ("pid", "process", "script", "exe", "user", "container")
_PORT_CLASSES = tuple(port_class.label for port_class in PortClass)
COUNTED = frozenset(
    {"protocol", "first_ns", "last_ns", "state", "opener_evidence", CLOSED_NS}
    | {f"{end}_{value}" for end in ("client", "server") for value in ("ip", "port", "port_class")}
    | {f"{value}_to_{end}" for end in ("client", "server") for value in ("packets", "bytes", "payload", "tcp_flags")}
)
"""The columns that ``counted_columns`` has."""
_EVIDENCE = tuple(evidence.name.lower().replace("_", "-") for evidence in OriginatorEvidence)


def times(times_ns: NDArray[np.int64]) -> Numbers:
    """Times in ns; null where a number stands in for none."""
    return Numbers(times_ns, (times_ns != NEVER) & (times_ns != NO_TIME))


def sent_by(pairs: NDArray[Any], is_low: NDArray[np.bool_]) -> NDArray[Any]:
    """Of a column with two values a row: what the low end sent where ``is_low``, the high end elsewhere."""
    return np.where(is_low, pairs[:, 0], pairs[:, 1])


def counted_columns(flows: FlowValues, evidence: NDArray[np.int64]) -> dict[str, ColumnValues]:
    """What is counted of some flows; ``evidence`` tells what their clients are known by."""
    is_whole = flows.are("is_whole")
    return {
        "protocol": Words(flows["protocol"], PROTOCOL_NAMES),
        **_end_columns(flows),
        "first_ns": Numbers(flows["first_ns"], flows.are("has_first_ns")),
        "last_ns": Numbers(flows["last_ns"], flows.are("has_last_ns")),
        "state": _words(STATES, flows["state"], is_whole),
        "opener_evidence": _words(_EVIDENCE, evidence, is_whole),
        CLOSED_NS: Numbers(flows["closed_ns"], flows.are("has_closed_ns")),
    }


def _end_columns(flows: FlowValues) -> dict[str, ColumnValues]:
    """What is known of each end, and what it sent to the other one."""
    columns: dict[str, ColumnValues] = {}
    for end, other in (("client", "server"), ("server", "client")):
        high, low = (flows[f"{end}_{half}_half"].view(np.uint64) for half in ("high", "low"))
        columns[f"{end}_ip"] = Addresses(high, low, flows.are("is_ipv6"))
        columns[f"{end}_port"] = Numbers(flows[f"{end}_port"])
        columns[f"{end}_port_class"] = _words(_PORT_CLASSES, flows[f"{end}_port_class"], flows.are("has_ports"))
        for count in ("packets", "bytes", "payload"):
            columns[f"{count}_to_{other}"] = Numbers(flows[f"{end}_{count}"])
        columns[f"tcp_flags_to_{other}"] = Numbers(flows[f"{end}_tcp_flags"], flows.are("is_tcp"))
    return columns


def name_columns(
    labels: list[ServerLabel],
    which: NDArray[np.int64],
    names: ServerNames,
    found: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> dict[str, ColumnValues]:
    """What the traffic tells of each server: one of the labels; what was detected, by number, and in which packet."""
    detected, evidence = found
    numbers, members = grouped({"number": detected}, ("number",))
    detections = list(map(names.detection, detected[members].tolist()))
    said = [[f"{key}={text}" for key, text in one.details] if one else None for one in detections]
    return {
        "application_protocol": Words(which, [one.protocol for one in labels]),
        "hostname": Words(which, [one.hostname for one in labels]),
        "hostname_source": Words(which, [one.hostname_source for one in labels]),
        "tls_server_name": Words(numbers, [_name_of(one, _SERVER_NAMES) for one in detections]),
        "http_host": Words(numbers, [_name_of(one, _HOST_HEADER) for one in detections]),
        "said": Words(numbers, said),
        "evidence_frame": Numbers(evidence, evidence > 0),
    }


class ToldService(NamedTuple):
    """What rows say of a service key where nobody asked for owners."""

    service: str | None
    """None for what has no name, as ``tcp/8444``."""
    credit: Principal

    @classmethod
    def of(cls, known: Identity) -> ToldService:
        """Of what the key stands for."""
        return cls(known.label if known.label and "/" not in known.label else None, told_principal(known))


def service_columns(
    flows: FlowValues, named: NDArray[np.int64], told: Callable[[int], ToldService]
) -> dict[str, ColumnValues]:
    """What each server is, and what its flow is credited to where nobody asked for owners; ``told`` is asked by key."""
    numbers, members = grouped({"key": named}, ("key",))
    services = list(map(told, named[members].tolist()))
    return {
        "service": Words(
            np.where(flows.are("has_ports"), numbers, len(services)), [*(one.service for one in services), None]
        ),
        **_credit_columns(numbers, [one.credit for one in services]),
    }


def _credit_columns(numbers: NDArray[np.int64], principals: list[Principal]) -> dict[str, ColumnValues]:
    return {
        "app": Words(numbers, [principal.app for principal in principals]),
        "app_source": Words(numbers, [principal.app_source for principal in principals]),
        "unattributed_reason": Words(numbers, [principal.unattributed_reason for principal in principals]),
    }


def _name_of(detection: Detection | None, kinds: frozenset[NameKind]) -> str | None:
    """The first name of these kinds, as sent."""
    names = detection.names if detection else ()
    return next((name.text for name in names if name.kind in kinds), None)


def owner_columns(
    by_port: NDArray[np.integer], clients_are_low: NDArray[np.bool_], low: Matches, high: Matches
) -> dict[str, ColumnValues]:
    """Who holds each end, and what the app is by that, where the owners were asked for."""
    pairs = _client_and_server(by_port, clients_are_low, low, high)
    best = [min(pair, key=_rank) for pair in pairs]
    principals = _credited(by_port, pairs)
    columns = {
        **_credit_columns(np.arange(len(by_port)), principals),
        "owner_quality": Words.each(
            None if principal.unattributed_reason == WITHOUT_FIRST else QUALITIES[quality_of(match)]
            for match, principal in zip(best, principals, strict=True)
        ),
        "owner_source": Words.each(match and match.source for match in best),
        "owner_search": Words.each(match and match.failure for match in best),
    }
    for number, end in enumerate(("client", "server")):
        holders = [_holder(pair[number]) for pair in pairs]
        columns |= {f"{end}_{name}": of_values([holder[at] for holder in holders]) for at, name in enumerate(_HOLDER)}
    return columns


def _client_and_server(
    by_port: NDArray[np.integer], clients_are_low: NDArray[np.bool_], low: Matches, high: Matches
) -> list[_Pair]:
    """Whose the client is, and whose the server; nobody's, where the ports are unknown."""
    whose = zip(low, high, clients_are_low.tolist(), are_unmatched(by_port).tolist(), strict=True)
    return [(None, None) if unmatched else (a, b) if is_low else (b, a) for a, b, is_low, unmatched in whose]


def _credited(by_port: NDArray[np.integer], pairs: list[_Pair]) -> list[Principal]:
    """Whom each conversation is credited to, where the owners were asked for."""
    known = [_first_owned(pair) or min(pair, key=_rank) for pair in pairs]
    return [principal_of(match, key) for match, key in zip(known, by_port.tolist(), strict=True)]


def have_owners_app(
    by_port: NDArray[np.integer], clients_are_low: NDArray[np.bool_], low: Matches, high: Matches
) -> NDArray[np.bool_]:
    """bool[n]: whether each conversation has an app by that."""
    principals = _credited(by_port, _client_and_server(by_port, clients_are_low, low, high))
    return np.array([principal.unattributed_reason is None for principal in principals], np.bool_)


def _first_owned(pair: _Pair) -> Match | None:
    return next((match for match in pair if owner_of(match)), None)


def _rank(match: Match | None) -> tuple[bool, bool, int]:
    """The lower, the more is known of this end."""
    return not owner_of(match), match is None, quality_of(match)


def _holder(match: Match | None) -> tuple[Any, ...]:
    """The values of the columns _HOLDER; the kernel has a name only."""
    if not match or not match.owner:
        return (None,) * len(_HOLDER)
    owner, program = match.owner, match.owner.program
    if match.reason:
        return None, program.name, None, None, None, None
    return owner.pid or None, program.name, program.script, program.exe, owner.user, program.container or program.unit


def _words(words: Sequence[str], codes: NDArray[np.int64], is_known: NDArray[np.bool_]) -> Words:
    """The word for each code, None where it is not known."""
    return Words(np.where(is_known, codes, len(words)), (*words, None))
