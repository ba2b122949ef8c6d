"""Attribution by the words of its definition, a row and a rule at a time; what the kernels do is compared with it."""

from __future__ import annotations

import ipaddress
from collections import defaultdict

from portcall.flows.originator import Asker, OriginatorEvidence
from portcall.labels import port_services as labels
from portcall.records.flows import NEVER, FlowKind

PRIVATE = [
    ipaddress.ip_network(text)
    for text in (
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16", "100.64.0.0/10",
        "::1/128", "fe80::/10", "fc00::/7",
    )
]  # fmt: skip


def originator(flow, asker=Asker.NOBODY):
    """(whether the low end is the client, evidence): every rule in turn says True, False, or nothing."""
    low_was_first = flow["first_sender"] == 0
    for milestone, evidence in (("syn_ns", OriginatorEvidence.SYN), ("syn_ack_ns", OriginatorEvidence.SYN_ACK)):
        low_ns, high_ns = (int(time_ns) for time_ns in flow[milestone])
        if min(low_ns, high_ns) != NEVER:
            low_sent_it = low_was_first if low_ns == high_ns else low_ns < high_ns
            return bool(low_sent_it == (evidence is OriginatorEvidence.SYN)), int(evidence)
    if asker and (flow["packets"][asker - 1] or not _is_group(address(flow, asker.name.lower()))):
        return asker is Asker.LOW, int(OriginatorEvidence.ASKED)
    ports = [int(flow["low_port"]), int(flow["high_port"])]
    low_rank, high_rank = (int(labels.port_table(int(flow["protocol"])).ranks[port]) for port in ports)
    low_class, high_class = ((port >= 1024) + (port >= 49152) if port else 2 for port in ports)
    low_is_lent, high_is_lent = (port == 0 or port >= 32768 for port in ports)
    for low, high, evidence in (
        (-low_class, -high_class, OriginatorEvidence.PORT_CLASS),
        (low_rank == 2, high_rank == 2, OriginatorEvidence.CURATED_NAME),
        (low_rank >= 1 + low_is_lent, high_rank >= 1 + high_is_lent, OriginatorEvidence.IANA_NAME),
        (-ports[0], -ports[1], OriginatorEvidence.LOWER_PORT),
    ):
        is_told = evidence is OriginatorEvidence.CURATED_NAME or not (low_is_lent and high_is_lent)
        if low != high and is_told:
            return bool(low < high), int(evidence)
    return bool(low_was_first), int(OriginatorEvidence.FIRST_SENDER)


def label(flow):
    """The service in words; None for later fragments without their first."""
    if flow["kind"] == FlowKind.UNMATCHED:
        return None
    protocol = int(flow["protocol"])
    if protocol not in labels.PORTED:
        return labels.protocol_name(protocol)
    client_is_low, _ = originator(flow)
    port = int(flow["high_port"] if client_is_low else flow["low_port"])
    name = labels.service_name_of(protocol, port)
    is_temporary = 32768 <= port <= 60999 or port >= 49152
    return name or f"{labels.protocol_name(protocol)}/{'ephemeral' if is_temporary else port}"


def address(flow, end):
    """The address of one end, ``low`` or ``high``."""
    packed = flow[end].tobytes()
    return ipaddress.ip_address(packed if flow["ip_version"] == 6 else packed[12:])


def local_ends(flow, networks):
    """The ends that are local, of ``low`` and ``high``, and whether that was inferred."""
    ends = {end: address(flow, end) for end in ("low", "high")}
    if networks:
        return {end for end in ends if _is_within(ends[end], map(ipaddress.ip_network, networks))}, False
    if flow["local"]:
        return {end for bit, end in ((1, "low"), (2, "high")) if flow["local"] & bit}, False
    private = {end for end in ends if _is_within(ends[end], PRIVATE)}
    return (private if len(private) == 1 else set()), True


def credited(flow, networks, by):
    """(service, remote address, measures) of each end that is credited, the measures by their names."""
    local, _ = local_ends(flow, networks)
    client = "low" if originator(flow)[0] else "high"
    are_unmatched = flow["kind"] == FlowKind.UNMATCHED
    viewers = sorted(local) if len(local) == 1 else [client]
    if len(local) == 2 and not are_unmatched and by != "service":
        viewers = [client, _other(client)]
    for viewer in viewers:
        at, to = (0, 1) if viewer == "low" else (1, 0)
        remote = address(flow, _other(viewer))
        measures = {"flows": int(not are_unmatched), "first_ns": int(flow["first_ns"]), "last_ns": int(flow["last_ns"])}
        if viewer != viewers[0]:  # a conversation counts once in a row
            measures["flows"] = int(by == "host" and remote != address(flow, viewer))
        for count in ("packets", "bytes", "payload"):
            out, back = int(flow[count][at]), int(flow[count][to])
            measures[f"{count}_out"], measures[f"{count}_in"] = (0, out + back) if are_unmatched else (out, back)
        yield label(flow), remote, measures


def sums(flows, networks, by):
    """{(service, remote address, None but by host): the measures of all}."""
    result = {}
    for flow in flows:
        for service, remote, measures in credited(flow, networks, by):
            key = (service, remote if by == "host" else None)
            result[key] = _joined(result.get(key), measures)
    return result


def bytes_by_host(flows, networks, by):
    """{(service, remote address): bytes both ways}."""
    result = defaultdict(int)
    for flow in flows:
        for service, remote, measures in credited(flow, networks, by):
            result[service, remote] += measures["bytes_out"] + measures["bytes_in"]
    return dict(result)


def _joined(one, other):
    if one is None:
        return other
    reductions = {"first_ns": min, "last_ns": max}
    return {name: reductions.get(name, int.__add__)(one[name], other[name]) for name in one}


def _is_group(one):
    return one.is_multicast or one == ipaddress.ip_address("255.255.255.255")


def _other(end):
    return {"low": "high", "high": "low"}[end]


def _is_within(one, networks):
    return any(one.version == network.version and one in network for network in networks)
