"""The columns of conversations: what FLOW[n], their ends, names and owners say, each in its own function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from portcall.attribution.principals import QUALITIES, owner_of, principal_of, quality_of, told_principal
from portcall.flows.aggregation import grouped
from portcall.flows.conn_state import STATES, conn_states
from portcall.flows.local_networks import addresses
from portcall.flows.originator import OriginatorEvidence
from portcall.labels.port_services import PROTOCOL_NAMES, PortClass, port_classes
from portcall.labels.service_keys import WITHOUT_FIRST, are_unmatched, has_ports
from portcall.records.column_values import Numbers, Words, of_values
from portcall.records.detections import NameKind
from portcall.records.flows import NEVER, FlowKind
from portcall.records.log_entries import CLOSED_NS
from portcall.records.packets import NO_TIME

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from portcall.attribution.principals import Matches, Principal
    from portcall.inspection.detection_table import Detected
    from portcall.inspection.server_names import ServerLabels, ServerNames
    from portcall.labels.service_keys import Identity
    from portcall.records.column_values import ColumnValues
    from portcall.records.detections import Detection
    from portcall.records.ownership import Match

    _Pair = tuple[Match | None, Match | None]

_TCP = 6
_SERVER_NAMES = frozenset({NameKind.TLS_SNI, NameKind.QUIC_SNI})
_HOST_HEADER = frozenset({NameKind.HTTP_HOST})
_HOLDER = ("pid", "process", "script", "exe", "user", "container")
_PORT_CLASSES = tuple(port_class.label for port_class in PortClass)
_EVIDENCE = tuple(evidence.name.lower().replace("_", "-") for evidence in OriginatorEvidence)


def times(times_ns: NDArray[np.int64]) -> Numbers:
    """Times in ns; null where a number stands in for none."""
    return Numbers(times_ns, (times_ns != NEVER) & (times_ns != NO_TIME))


def sent_by(pairs: NDArray[Any], is_low: NDArray[np.bool_]) -> NDArray[Any]:
    """Of a FLOW column with two values a row: what the low end sent where ``is_low``, the high end elsewhere."""
    return np.where(is_low, pairs[:, 0], pairs[:, 1])


def counted_columns(flows: NDArray[np.void], ends: NDArray[np.void]) -> dict[str, ColumnValues]:
    """What is counted of FLOW[n], whose FLOW_ENDS[n] are given."""
    client_is_low = ends["client_is_low"]
    is_whole, ported = flows["kind"] != FlowKind.UNMATCHED, has_ports(flows)
    is_tcp = is_whole & (flows["protocol"] == _TCP)
    return {
        "protocol": Words(flows["protocol"].astype(np.int64), PROTOCOL_NAMES),
        **_end_columns(flows, client_is_low, ported, is_tcp),
        "first_ns": times(flows["first_ns"]),
        "last_ns": times(flows["last_ns"]),
        "state": _words(STATES, conn_states(flows, client_is_low), is_whole),
        "opener_evidence": _words(_EVIDENCE, ends["evidence"], is_whole),
        CLOSED_NS: _closed(flows),
    }


def _closed(flows: NDArray[np.void]) -> Numbers:
    """When both ends of each had sent their FIN, where that was before any RST."""
    closed_ns = flows["fin_ns"].max(axis=1)
    return Numbers(closed_ns, (closed_ns != NEVER) & (closed_ns <= flows["rst_ns"].min(axis=1)))


def _end_columns(
    flows: NDArray[np.void], client_is_low: NDArray[np.bool_], ported: NDArray[np.bool_], is_tcp: NDArray[np.bool_]
) -> dict[str, ColumnValues]:
    """What is known of each end, and what it sent to the other one."""
    low, high = addresses(flows, "low"), addresses(flows, "high")
    columns: dict[str, ColumnValues] = {}
    for end, other, is_low in (("client", "server", client_is_low), ("server", "client", ~client_is_low)):
        ports = np.where(is_low, flows["low_port"], flows["high_port"])
        columns[f"{end}_ip"] = low.where(is_low, high)
        columns[f"{end}_port"] = Numbers(ports.astype(np.int64))
        columns[f"{end}_port_class"] = _words(_PORT_CLASSES, port_classes(ports), ported)
        for count in ("packets", "bytes", "payload"):
            columns[f"{count}_to_{other}"] = Numbers(sent_by(flows[count], is_low).astype(np.int64))
        columns[f"tcp_flags_to_{other}"] = Numbers(sent_by(flows["tcp_flags"], is_low).astype(np.int64), is_tcp)
    return columns


def name_columns(labels: ServerLabels, names: ServerNames, found: Detected) -> dict[str, ColumnValues]:
    """What the traffic itself tells of each server."""
    numbers, members = grouped({"number": found.numbers}, ("number",))
    detections = list(map(names.detection, found.numbers[members].tolist()))
    said = [[f"{key}={text}" for key, text in one.details] if one else None for one in detections]
    return {
        "application_protocol": Words(labels.which, [one.protocol for one in labels.told]),
        "hostname": Words(labels.which, [one.hostname for one in labels.told]),
        "hostname_source": Words(labels.which, [one.hostname_source for one in labels.told]),
        "tls_server_name": Words(numbers, [_name_of(one, _SERVER_NAMES) for one in detections]),
        "http_host": Words(numbers, [_name_of(one, _HOST_HEADER) for one in detections]),
        "said": Words(numbers, said),
        "evidence_frame": Numbers(found.evidence.astype(np.int64), found.evidence > 0),
    }


def service_columns(
    flows: NDArray[np.void], named: NDArray[np.int64], identity: Callable[[int], Identity]
) -> dict[str, ColumnValues]:
    """What each server is, and what its flow is credited to where nobody asked for owners."""
    numbers, members = grouped({"key": named}, ("key",))
    known = list(map(identity, named[members].tolist()))
    services = list(map(_service, known))
    return {
        "service": Words(np.where(has_ports(flows), numbers, len(services)), [*services, None]),
        **_credit_columns(numbers, list(map(told_principal, known))),
    }


def _credit_columns(numbers: NDArray[np.int64], principals: list[Principal]) -> dict[str, ColumnValues]:
    return {
        "app": Words(numbers, [principal.app for principal in principals]),
        "app_source": Words(numbers, [principal.app_source for principal in principals]),
        "unattributed_reason": Words(numbers, [principal.unattributed_reason for principal in principals]),
    }


def _service(known: Identity) -> str | None:
    """The service's name; ``tcp/8444`` is none."""
    return known.label if known.label and "/" not in known.label else None


def _name_of(detection: Detection | None, kinds: frozenset[NameKind]) -> str | None:
    """The first name of these kinds, as sent."""
    names = detection.names if detection else ()
    return next((name.text for name in names if name.kind in kinds), None)


def owner_columns(ends: NDArray[np.void], low: Matches, high: Matches) -> dict[str, ColumnValues]:
    """Who holds each end, and what the app is by that, where the owners were asked for."""
    pairs = _client_and_server(ends, low, high)
    best = [min(pair, key=_rank) for pair in pairs]
    principals = _credited(ends, pairs)
    columns = {
        **_credit_columns(np.arange(len(ends)), principals),
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


def _client_and_server(ends: NDArray[np.void], low: Matches, high: Matches) -> list[_Pair]:
    """Whose the client is, and whose the server; nobody's, where the ports are unknown."""
    whose = zip(low, high, ends["client_is_low"].tolist(), are_unmatched(ends["service"]).tolist(), strict=True)
    return [(None, None) if unmatched else (a, b) if is_low else (b, a) for a, b, is_low, unmatched in whose]


def _credited(ends: NDArray[np.void], pairs: list[_Pair]) -> list[Principal]:
    """Whom each conversation is credited to, where the owners were asked for."""
    known = [_first_owned(pair) or min(pair, key=_rank) for pair in pairs]
    return [principal_of(match, key) for match, key in zip(known, ends["service"].tolist(), strict=True)]


def have_owners_app(ends: NDArray[np.void], low: Matches, high: Matches) -> NDArray[np.bool_]:
    """bool[n]: whether each conversation has an app by that."""
    principals = _credited(ends, _client_and_server(ends, low, high))
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
    return owner.pid, program.name, program.script, program.exe, owner.user, program.container or program.unit


def _words(words: Sequence[str], codes: NDArray[np.uint8], is_known: NDArray[np.bool_]) -> Words:
    """The word for each code, None where it is not known."""
    return Words(np.where(is_known, codes, len(words)).astype(np.int64), (*words, None))
