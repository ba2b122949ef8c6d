"""One output row per conversation: FLOW arrays → rows of plain Python values, a chunk at a time.

Everything is computed as whole columns, and rows are cut from the columns at the very end, so a row costs microseconds.
"""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np

from portcall.attribution.principals import QUALITIES, owner_of, principal_of, quality_of, told_principal
from portcall.flows.conn_state import STATES, conn_states
from portcall.flows.flow_ends import flow_ends
from portcall.flows.local_networks import address_texts, addresses
from portcall.flows.originator import OriginatorEvidence
from portcall.labels.port_services import PortClass, port_classes, protocol_name
from portcall.labels.service_keys import WITHOUT_FIRST, are_unmatched, has_ports, identity
from portcall.records.detections import NameKind
from portcall.records.flows import NEVER, FlowKind
from portcall.records.packets import NO_TIME
from portcall.records.schema import column_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from portcall.attribution.principals import Matches, Principal
    from portcall.inspection.detection_table import Detected
    from portcall.inspection.server_names import ServerLabels, ServerNames
    from portcall.labels.service_keys import Identity
    from portcall.records.detections import Detection
    from portcall.records.ownership import Match
    from portcall.records.packets import CapturePoint, Tally

_TCP = 6
_SERVER_NAMES = frozenset({NameKind.TLS_SNI, NameKind.QUIC_SNI})
_HOST_HEADER = frozenset({NameKind.HTTP_HOST})
_HOLDER = ("pid", "process", "script", "exe", "user", "container")
_PORT_CLASSES = tuple(port_class.label for port_class in PortClass)
_EVIDENCE = tuple(evidence.name.lower().replace("_", "-") for evidence in OriginatorEvidence)


def flow_rows(
    flows: NDArray[np.void],
    matches: tuple[Matches, Matches] | None = None,
    told: tuple[ServerNames, Detected] | None = None,
    capture_points: Sequence[CapturePoint] = (),
) -> Iterator[dict[str, Any]]:
    """The rows of ``--by flow`` for FLOW[n], in the same order.

    ``matches`` tell whose low and high ends are, ``told`` what was detected in their traffic, ``capture_points``
    what the numbers in their ``namespace`` mean.
    """
    names = column_names("flow")
    ends = flow_ends(flows, askers=told and told[1].askers).rows
    columns, named = _columns(flows, ends), ends["service"].copy()
    if told:
        labels = told[0].label(flows, ends["client_is_low"].copy(), named, told[1])
        columns.update(_name_columns(labels, *told))
        named = labels.services
    columns.update(_service_columns(flows, named))
    if matches:
        columns.update(_owner_columns(ends, *matches))
    if capture_points:
        where = [capture_points[number] for number in flows["namespace"].tolist()]
        columns["interface"] = [capture_point.interface for capture_point in where]
        columns["namespace"] = [capture_point.namespace for capture_point in where]
    ordered: list[Iterable[Any]] = [columns.get(name, repeat(None)) for name in names]
    for values in zip(*ordered):  # noqa: B905 - columns that nothing fills repeat None without end
        yield dict(zip(names, values))  # noqa: B905 - one value a name by construction, and a million rows


def flow_row_on_no_flow(reason: str, tally: Tally) -> dict[str, Any]:
    """The row of frames that are on no flow, which count towards the client; the columns it leaves out are null."""
    return {
        "packets_to_server": 0,
        "bytes_to_server": 0,
        "payload_to_server": 0,
        "packets_to_client": tally.frames,
        "bytes_to_client": tally.bytes,
        "payload_to_client": 0,
        "first_ns": tally.first_ns,
        "last_ns": tally.last_ns,
        "unattributed_reason": reason,
    }


def time_or_none(time_ns: int) -> int | None:
    """A time in ns; None for the numbers that stand in where there is none."""
    return None if time_ns in (NEVER, NO_TIME) else time_ns


def sent_by(pairs: NDArray[Any], is_low: NDArray[np.bool_]) -> NDArray[Any]:
    """Of a FLOW column with two values a row: what the low end sent where ``is_low``, the high end elsewhere."""
    return np.where(is_low, pairs[:, 0], pairs[:, 1])


def _columns(flows: NDArray[np.void], ends: NDArray[np.void]) -> dict[str, Sequence[Any]]:
    client_is_low = ends["client_is_low"]
    is_whole, ported = flows["kind"] != FlowKind.UNMATCHED, has_ports(flows)
    is_tcp = is_whole & (flows["protocol"] == _TCP)
    return {
        "protocol": [protocol_name(number) for number in flows["protocol"].tolist()],
        **_end_columns(flows, client_is_low, ported, is_tcp),
        "first_ns": list(map(time_or_none, flows["first_ns"].tolist())),
        "last_ns": list(map(time_or_none, flows["last_ns"].tolist())),
        "state": _words(STATES, conn_states(flows, client_is_low), is_whole),
        "opener_evidence": _words(_EVIDENCE, ends["evidence"], is_whole),
    }


def _end_columns(
    flows: NDArray[np.void], client_is_low: NDArray[np.bool_], ported: NDArray[np.bool_], is_tcp: NDArray[np.bool_]
) -> dict[str, Sequence[Any]]:
    """What is known of each end, and what it sent to the other one."""
    low, high = addresses(flows, "low"), addresses(flows, "high")
    columns: dict[str, Sequence[Any]] = {}
    for end, other, is_low in (("client", "server", client_is_low), ("server", "client", ~client_is_low)):
        ports = np.where(is_low, flows["low_port"], flows["high_port"])
        columns[f"{end}_ip"] = address_texts(low.where(is_low, high))
        columns[f"{end}_port"] = ports.tolist()
        columns[f"{end}_port_class"] = _words(_PORT_CLASSES, port_classes(ports), ported)
        for count in ("packets", "bytes", "payload"):
            columns[f"{count}_to_{other}"] = sent_by(flows[count], is_low).tolist()
        flags = sent_by(flows["tcp_flags"], is_low).tolist()
        columns[f"tcp_flags_to_{other}"] = [
            flag if known else None for flag, known in zip(flags, is_tcp.tolist(), strict=True)
        ]
    return columns


def _name_columns(labels: ServerLabels, names: ServerNames, found: Detected) -> dict[str, Sequence[Any]]:
    """What the traffic itself tells of each server."""
    told = [labels.told[number] for number in labels.which.tolist()]
    detections = list(map(names.detection, found.numbers.tolist()))
    evidence = found.evidence.tolist()
    return {
        "application_protocol": [one.protocol for one in told],
        "hostname": [one.hostname for one in told],
        "hostname_source": [one.hostname_source for one in told],
        "tls_server_name": [_name_of(detection, _SERVER_NAMES) for detection in detections],
        "http_host": [_name_of(detection, _HOST_HEADER) for detection in detections],
        "said": [
            [f"{key}={text}" for key, text in detection.details] if detection else None for detection in detections
        ],
        "evidence_frame": [number or None for number in evidence],
    }


def _service_columns(flows: NDArray[np.void], named: NDArray[np.int64]) -> dict[str, Sequence[Any]]:
    """What each server is, and what its flow is credited to where nobody asked for owners."""
    keys = named.tolist()
    # Once a key: np.unique would import numpy.ma, which takes 15 ms.
    known = {key: (identity(key), told_principal(key)) for key in set(keys)}
    return {
        "service": [
            _service(known[key][0], ported) for key, ported in zip(keys, has_ports(flows).tolist(), strict=True)
        ],
        **_credit_columns([known[key][1] for key in keys]),
    }


def _credit_columns(principals: list[Principal]) -> dict[str, Sequence[Any]]:
    return {
        "app": [principal.app for principal in principals],
        "app_source": [principal.app_source for principal in principals],
        "unattributed_reason": [principal.unattributed_reason for principal in principals],
    }


def _service(known: Identity, has_port: bool) -> str | None:  # noqa: FBT001 - one row of two columns
    """The service's name; ``tcp/8444`` is none."""
    return known.label if has_port and known.label and "/" not in known.label else None


def _name_of(detection: Detection | None, kinds: frozenset[NameKind]) -> str | None:
    """The first name of these kinds, as sent."""
    names = detection.names if detection else ()
    return next((name.text for name in names if name.kind in kinds), None)


def _owner_columns(ends: NDArray[np.void], low: Matches, high: Matches) -> dict[str, Sequence[Any]]:
    """Who holds each end, and what the app is by that, where the owners were asked for."""
    by_port, unmatched_fragments = ends["service"].tolist(), are_unmatched(ends["service"]).tolist()
    whose = zip(low, high, ends["client_is_low"].tolist(), unmatched_fragments, strict=True)
    pairs = [(None, None) if unmatched else (a, b) if is_low else (b, a) for a, b, is_low, unmatched in whose]
    best = [min(pair, key=_rank) for pair in pairs]
    credited = [_first_owned(pair) or known for pair, known in zip(pairs, best, strict=True)]
    principals = [principal_of(match, key) for match, key in zip(credited, by_port, strict=True)]
    columns = {
        **_credit_columns(principals),
        "owner_quality": [
            None if principal.unattributed_reason == WITHOUT_FIRST else QUALITIES[quality_of(match)]
            for match, principal in zip(best, principals, strict=True)
        ],
        "owner_source": [match and match.source for match in best],
        "owner_search": [match and match.failure for match in best],
    }
    for number, end in enumerate(("client", "server")):
        holders = [_holder(pair[number]) for pair in pairs]
        columns |= {f"{end}_{name}": [holder[at] for holder in holders] for at, name in enumerate(_HOLDER)}
    return columns


def _first_owned(pair: tuple[Match | None, Match | None]) -> Match | None:
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


def _words(words: Sequence[str], codes: NDArray[np.uint8], is_known: NDArray[np.bool_]) -> list[str | None]:
    """The word for each code, None where it is not known."""
    return [words[code] if known else None for code, known in zip(codes.tolist(), is_known.tolist(), strict=True)]
