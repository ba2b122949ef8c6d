"""One flow in plain words: each thing that its row says, and what that rests on.

A row of ``--by flow`` and what resolvers told its client go in; sections of sentences come out, and the evidence as
data. Nothing is looked up anywhere else. Names in the sentences are as sent: a view makes them harmless.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from portcall.explanation.flow_selector import conversation_text
from portcall.explanation.name_sentences import COVERS, name_sentences
from portcall.explanation.owner_sentences import owner_sentences, process_sentence
from portcall.labels.curated_services import curated, range_of
from portcall.labels.hostnames import app_of_hostname
from portcall.labels.port_lists import TRANSPORTS
from portcall.labels.port_services import (
    EPHEMERAL_BY_SYSTEM,
    protocol_number,
    service_evidence,
    service_name_of,
)
from portcall.labels.service_keys import WITHOUT_FIRST
from portcall.records.packets import NO_TIME
from portcall.records.schema import REASONS
from portcall.records.traffic_columns import is_unknown_service, unknown_service

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from portcall.inspection.dns_cache import CachedAnswer

    Row = dict[str, Any]  # Any: plain values of several types, see schema

MOST_DNS_ANSWERS = 8
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
_CLASSES = {
    "well-known": "a well-known port (0–1023), where services wait",
    "registered": "a registered port (1024–49151), where services may wait",
    "ephemeral": "an ephemeral port (49152–65535), lent to whoever opens a connection",
}
_ORIGINATORS = {
    "syn": "{client} opened it: it sent the first SYN",
    "syn-ack": "{client} opened it: the other end answered with a SYN+ACK; the SYN itself is not in the capture",
    "asked": "{client} is taken for the end that opened: it asked, or the other one answered, as was heard",
    "port-class": "{client} is taken for the end that opened: the other one's port is of a lower class",
    "curated-name": "{client} is taken for the end that opened: only the other one's port has a service in our list",
    "iana-name": "{client} is taken for the end that opened: only the other one's port has a service at IANA",
    "lower-port": "{client} is taken for the end that opened: the other one's port is lower, which is weak evidence",
    "first-sender": "{client} is taken for the end that opened: it sent first, and the ports tell nothing",
}
TCP_STATES = {
    "S0": "the client asked to connect, and the server did not answer",
    "S1": "connected, and not ended while the capture ran",
    "SF": "connected, and ended by both ends as it should be",
    "REJ": "the server refused the connection",
    "S2": "connected, and ended by the client; the server had not ended its side when the capture did",
    "S3": "connected, and ended by the server; the client had not ended its side when the capture did",
    "RSTO": "connected, and broken off by the client (RST)",
    "RSTR": "broken off by the server (RST)",
    "RSTOS0": "the client asked to connect, and broke off (RST) before the server answered",
    "RSTRH": "broken off by the server (RST); the client's opening is not in the capture",
    "SH": "the client opened and ended it, and nothing of the server's answer is in the capture",
    "SHR": "the server answered and ended it, and nothing of the client's opening is in the capture",
    "OTH": "seen in its middle only: neither its opening nor its end is in the capture",
}
"""Zeek's conn_state in plain words."""
_UDP_STATES = {
    "S0": "the client sent, and nothing came back",
    "SF": "packets went both ways",
    "SHR": "only the server sent",
    "OTH": "nothing was sent",
}
_WITHOUT_CONNECTIONS = "a protocol without connections, which have states"


@dataclass(frozen=True, slots=True)
class Section:
    """Sentences about one thing."""

    heading: str
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FlowEvidence:
    """What a row leaves unsaid, for programs."""

    service_by_port: str | None
    service_evidence: str | None
    """``curated 443/tcp`` or ``IANA 4444/tcp``."""
    app_evidence: str | None
    """Of an app by name: ``curated spotify.com``, or ``public suffix co.uk``."""
    told: tuple[dict[str, Any], ...] = ()  # Any: text or number
    """What resolvers told the client of the server's address before: ``name``, ``time_ns``, ``until_ns``."""
    hidden: tuple[str, ...] = ()
    """Of a cover: the names that resolvers had offered this client to reach behind it (HTTPS records with ``ech``)."""


@dataclass(frozen=True, slots=True)
class FlowExplanation:
    """Everything that is known of one conversation."""

    row_number: int
    """Its place in ``--by flow``."""
    title: str
    sections: tuple[Section, ...]
    evidence: FlowEvidence | None
    """None for frames that are on no conversation."""
    row: Row = field(repr=False)


def explain_flow(
    row: Row, row_number: int, told: Sequence[CachedAnswer], hidden: Sequence[str] = ()
) -> FlowExplanation:
    """The explanation of a row of ``--by flow``; ``told``: the names that its client got for its server.

    ``hidden``: those that it may have asked for behind a cover.
    """
    if row["protocol"] is None:
        reason = f"these frames are on no conversation: {REASONS[row['unattributed_reason']]}"
        return FlowExplanation(row_number, "no conversation", (Section("why", (reason,)),), None, row)
    evidence = _evidence(row, told, hidden)
    sections = {
        "client": _end_sentences(row, "client"),
        "server": _end_sentences(row, "server"),
        "owner": owner_sentences(row),
        "service": _service_sentences(row, evidence),
        "opened": [_ORIGINATORS[row["opener_evidence"]].format(client=row["client_ip"])]
        if row["opener_evidence"]
        else [],
        "state": [f"{row['state']}: {_state_words(row)}"] if row["state"] else [],
        "traffic": _traffic_sentences(row),
        "protocol": _protocol_sentences(row, evidence),
        "name": name_sentences(row, [str(one["name"]) for one in evidence.told], evidence.hidden),
        "said": [": ".join(sent.split("=", 1)) for sent in row["said"] or ()],
        "dns": _dns_sentences(row, told),
        "app": [_app_sentence(row, evidence)],
    }
    told_sections = (Section(heading, tuple(sentences)) for heading, sentences in sections.items())
    return FlowExplanation(
        row_number,
        conversation_text(row),
        tuple(section for section in told_sections if section.sentences),
        evidence,
        row,
    )


def _evidence(row: Row, told: Sequence[CachedAnswer], hidden: Sequence[str]) -> FlowEvidence:
    number, port = protocol_number(row["protocol"]), row["server_port"]
    labels = [label for label in map(app_of_hostname, _names(row, told, hidden)) if label and label.app == row["app"]]
    has_ports = row["server_port_class"] is not None
    return FlowEvidence(
        service_by_port=service_name_of(number, port) if has_ports else None,
        service_evidence=service_evidence(number, port) if has_ports else None,
        app_evidence=labels[0].evidence if labels and row["app_source"] == "name" else None,
        told=tuple({"name": one.name, "time_ns": _time(one.time_ns), "until_ns": _time(one.until_ns)} for one in told),
        hidden=tuple(hidden),
    )


def _names(row: Row, told: Sequence[CachedAnswer], hidden: Sequence[str]) -> list[str]:
    """The names that the app may come from."""
    if row["hostname"] and row["hostname_source"] not in COVERS:
        return [row["hostname"]]
    return list(dict.fromkeys((*hidden, *(one.name for one in told))))


def _end_sentences(row: Row, end: str) -> Iterator[str]:
    port, port_class = row[f"{end}_port"], row[f"{end}_port_class"]
    if port_class is None:
        is_fragment = row["unattributed_reason"] == WITHOUT_FIRST
        why = "the port stands in the first fragment" if is_fragment else f"{row['protocol']} knows no ports"
        yield f"{row[f'{end}_ip']}; {why}"
        return
    yield f"{row[f'{end}_ip']}, port {port}: {_CLASSES[port_class]}"
    lenders = [system for system, (first, last) in EPHEMERAL_BY_SYSTEM.items() if first <= port <= last]
    if end == "client" and lenders and port_class != "ephemeral":
        yield f"to connections of its own it is lent by {' and '.join(lenders)}"
    if row[f"{end}_process"]:
        yield process_sentence(row, end)


def _service_sentences(row: Row, evidence: FlowEvidence) -> Iterator[str]:
    if row["server_port_class"] is None:
        return
    where = f"{row['server_port']}/{row['protocol']}"
    if evidence.service_by_port is None:
        yield f"no list has a service for {where}"
        return
    yield f"by the server's port {evidence.service_by_port} ({evidence.service_evidence})"
    transport = TRANSPORTS[1] if row["protocol"] == "udplite" else row["protocol"]
    known = curated(row["server_port"], transport) or range_of(row["server_port"], transport)
    if known and known.name == evidence.service_by_port:
        yield f"{known.title}. {known.description}"


def _state_words(row: Row) -> str:
    words = {"tcp": TCP_STATES, "udp": _UDP_STATES}.get(row["protocol"])
    return words[row["state"]] if words else _WITHOUT_CONNECTIONS


def _traffic_sentences(row: Row) -> Iterator[str]:
    for way in ("to_server", "to_client"):
        packets, size, payload = (row[f"{count}_{way}"] for count in ("packets", "bytes", "payload"))
        frames = "1 packet" if packets == 1 else f"{_count(packets)} packets"
        yield f"{way.replace('_', ' ')}: {frames}, {_count(size)} bytes, {_count(payload)} of payload"
    if row["first_ns"] is not None:
        seconds = (row["last_ns"] - row["first_ns"]) / 1e9
        yield f"from {_moment(row['first_ns'])} to {_moment(row['last_ns'])}, {seconds:.6f} s"


def _protocol_sentences(row: Row, evidence: FlowEvidence) -> Iterator[str]:
    protocol = row["application_protocol"]
    if protocol is None:
        if row["server_port_class"] is not None:
            yield "none was recognised in what was said"
        return
    yield f"{protocol}, recognised by what was said in frame {row['evidence_frame']}"
    if evidence.service_by_port not in (None, row["service"]):
        yield f"this is not what the port promises, which is {evidence.service_by_port}"


def _dns_sentences(row: Row, told: Sequence[CachedAnswer]) -> Iterator[str]:
    first_ns = row["first_ns"]
    for one in told[-MOST_DNS_ANSWERS:]:
        if one.time_ns == NO_TIME or first_ns is None:
            yield f"{row['client_ip']} was told that {one.name} is at {row['server_ip']}"
            continue
        age = "" if first_ns <= one.until_ns else ", which was no longer valid then"
        before = (first_ns - one.time_ns) / 1e9
        yield f"{before:.6f} s before, {row['client_ip']} was told that {one.name} is at {row['server_ip']}{age}"
    if len(told) > MOST_DNS_ANSWERS:
        yield f"and {len(told) - MOST_DNS_ANSWERS} names earlier"


def _app_sentence(row: Row, evidence: FlowEvidence) -> str:
    app, source = row["app"], row["app_source"]
    if app is None:
        return f"none: {unknown_service(row) if is_unknown_service(row) else REASONS[row['unattributed_reason']]}"
    reasons = {
        "process": "by the process that has the socket",
        "name": f"by the name, {_words(evidence.app_evidence)}",
        "protocol": "by the protocol, as no name tells more",
        "port": f"only by the server's port ({evidence.service_evidence}): nothing that was said tells more",
    }
    return f"{app}: {reasons[source]}"


def _words(app_evidence: str | None) -> str:
    kind, _, suffix = (app_evidence or "").rpartition(" ")
    if kind == "curated":
        return f"as {suffix} is in our list of apps"
    return f"the domain that somebody registered below the public suffix {suffix}"


def _count(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def _time(time_ns: int) -> int | None:
    return None if time_ns == NO_TIME else time_ns


def _moment(time_ns: int) -> str:
    """A time to the microsecond, ``2026-11-22 21:04:05.123456 UTC``."""
    moment = _EPOCH + dt.timedelta(microseconds=time_ns // 1000)
    return f"{moment:%Y-%m-%d %H:%M:%S.%f} UTC"
