"""The compiled kernels' records have the layout of ours: names, offsets, sizes, and numbers for what they mean."""

from __future__ import annotations

import ctypes
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from portcall import records
from portcall.flows.aggregation import CREDIT, CREDITS, HOST_CREDIT, HOST_CREDITS, Sums
from portcall.flows.flow_ends import FLOW_ENDS, _port_rules
from portcall.flows.local_networks import NETWORK, HostKind
from portcall.flows.originator import OriginatorEvidence
from portcall.flows.table import FlowTable
from portcall.flows.table_arrays import PAYLOAD, VERDICT_TALLY
from portcall.inspection.dns_cache import CACHED_ANSWER
from portcall.inspection.handover import DEFERRED, HELLO, SERIES
from portcall.kernels import ends
from portcall.kernels.attribute import credit
from portcall.kernels.deferral import Deferral
from portcall.kernels.dns_answers import DnsAnswerStore
from portcall.kernels.headers import FrameDecoder
from portcall.kernels.held_segments import MOST_HELD_BYTES, HeldSegments
from portcall.kernels.record_walk import PcapngWalk, PcapWalk
from portcall.kernels.recording.packet_options import list_packet_options
from portcall.kernels.row_detections import RowDetections
from portcall.records.flows import DATAGRAM, FIRST_DATAGRAM, FIRST_FLOW, FIRST_UNMATCHED, FLOW, TIME_CELL, FlowKind
from portcall.records.packets import FRAME, PACKET, Direction, Fragmentation, Verdict
from portcall.records.recorded.claims import PACKET_OPTION
from portcall.sources.pcapng import INTERFACE

RECORDS = (Path(records.__file__).parents[1] / "kernels" / "records.pxd").read_text()
TWINS = {
    "Frame": FRAME,
    "Packet": PACKET,
    "Flow": FLOW,
    "Datagram": DATAGRAM,
    "VerdictTally": VERDICT_TALLY,
    "Interface": INTERFACE,
    "Payload": PAYLOAD,
    "Hello": HELLO,
    "Deferred": DEFERRED,
    "Series": SERIES,
    "CachedAnswer": CACHED_ANSWER,
    "Network": NETWORK,
    "FlowEnds": FLOW_ENDS,
    "Credit": CREDIT,
    "HostCredit": HOST_CREDIT,
    "TimeCell": TIME_CELL,
    "PacketOption": PACKET_OPTION,
}
C_TYPES = {name: getattr(ctypes, f"c_{name.removesuffix('_t')}") for name in re.findall(r"u?int\d+_t", RECORDS)}


def declared(struct_name):
    """The struct of that name in records.pxd, laid out by the platform's C rules."""
    body = re.search(rf"^cdef struct {struct_name}:\n((?:    .*\n)+)", RECORDS, re.MULTILINE).group(1)
    fields = re.findall(r"(\w+) (\w+)(?:\[(\d+)\])?", body)
    assert len(fields) == len(body.splitlines())
    return type(
        struct_name,
        (ctypes.Structure,),
        {"_fields_": [(name, C_TYPES[kind] * int(count) if count else C_TYPES[kind]) for kind, name, count in fields]},
    )


def enumerated():
    """Every number that records.pxd gives a name."""
    return {name: int(number, 0) for name, number in re.findall(r"^    ([A-Z]\w+) = (\w+)$", RECORDS, re.MULTILINE)}


@pytest.mark.parametrize("name", TWINS)
def test_a_struct_and_its_dtype_have_the_same_fields_at_the_same_places(name):
    struct, dtype = declared(name), TWINS[name]

    assert [(field, getattr(struct, field).offset, getattr(struct, field).size) for field, _ in struct._fields_] == [
        (field, dtype.fields[field][1], dtype.fields[field][0].itemsize) for field in dtype.names
    ]


@pytest.mark.parametrize("name", TWINS)
def test_a_struct_and_its_dtype_have_the_same_size(name):
    assert ctypes.sizeof(declared(name)) == TWINS[name].itemsize


def test_every_struct_has_a_dtype():
    assert set(re.findall(r"^cdef struct (\w+):", RECORDS, re.MULTILINE)) == set(TWINS)


@pytest.mark.parametrize("meanings", [Verdict, Direction, FlowKind, Fragmentation, OriginatorEvidence, HostKind])
def test_numbers_mean_the_same_on_both_sides(meanings):
    prefixes = {Fragmentation: "FRAGMENT_", OriginatorEvidence: "ORIGINATOR_", HostKind: "HOST_"}
    renamed = {(Direction, "UNKNOWN"): "UNKNOWN_DIRECTION"}
    numbers = enumerated()

    for meaning in meanings:
        name = renamed.get((meanings, meaning.name), prefixes.get(meanings, "") + meaning.name)
        assert numbers[name] == meaning, name


def test_owners_of_cells_begin_at_the_same_numbers_on_both_sides():
    numbers = enumerated()

    assert numbers["FIRST_DATAGRAM"] == FIRST_DATAGRAM > max(Verdict)
    assert (numbers["FIRST_FLOW"], numbers["FIRST_UNMATCHED"]) == (FIRST_FLOW, FIRST_UNMATCHED)


def kernel_users():
    """(dtype, what hands an array of it to the compiled kernel that uses it)."""
    pcap = {"big": False, "fraction_ns": 1, "header_bytes": 16, "link": 1, "swapped_lengths": 0}
    no_bytes = np.zeros(1, np.uint8)
    detections = RowDetections(no_bytes)
    store = FlowTable()._store
    decoder = FrameDecoder(inner=False)
    sums, hosts = Sums(CREDIT, CREDITS).with_room(16), Sums(HOST_CREDIT, HOST_CREDITS).with_room(16)
    crediting = partial(credit, by_host=False, both_ends=True, sums=sums, hosts=hosts)
    reading = partial(ends.read, askers=no_bytes.repeat(8), rules=_port_rules(), decides=True)
    held = partial(HeldSegments, arena=np.zeros(10 * MOST_HELD_BYTES, np.uint8), of_row=np.zeros(8, np.uint32))
    known, networks = np.zeros(8, FLOW_ENDS), np.zeros(8, NETWORK)
    return {
        "Frame, walking": (FRAME, lambda rows: PcapWalk(**pcap).walk(no_bytes, 0, 0, rows)),
        "Frame, walking blocks": (FRAME, lambda rows: PcapngWalk().walk(no_bytes, 0, 0, rows)),
        "PacketOption": (
            PACKET_OPTION,
            lambda rows: list_packet_options(
                np.zeros(0, FRAME), no_bytes, big=False, out_options=rows, out_left_out=np.zeros(1, np.uint64)
            ),
        ),
        "Frame, decoding": (FRAME, lambda rows: decoder.decode(rows[:0], no_bytes, np.zeros(1, PACKET))),
        "Packet, decoding": (PACKET, lambda rows: decoder.decode(np.zeros(0, FRAME), no_bytes, rows)),
        "Packet, folding": (PACKET, lambda rows: store.fold(rows[:0], 1)),
        "Flow": (FLOW, lambda rows: setattr(store, "flows", rows)),
        "Flow, reading": (FLOW, lambda rows: reading(rows, networks=networks, out_ends=known)),
        "FlowEnds, reading": (FLOW_ENDS, lambda rows: reading(np.zeros(8, FLOW), networks=networks, out_ends=rows)),
        "Flow, crediting": (FLOW, lambda rows: crediting(rows, known)),
        "FlowEnds, crediting": (FLOW_ENDS, lambda rows: crediting(np.zeros(8, FLOW), rows)),
        "Network": (NETWORK, lambda rows: reading(np.zeros(8, FLOW), networks=rows, out_ends=known)),
        "Datagram": (DATAGRAM, lambda rows: setattr(store, "datagrams", rows)),
        "Interface": (INTERFACE, lambda rows: PcapngWalk().describe(rows, 0, 0)),
        "Hello": (HELLO, lambda rows: Deferral(rows, np.zeros(1, DEFERRED), no_bytes)),
        "Deferred": (DEFERRED, lambda rows: Deferral(np.zeros(1, HELLO), rows, no_bytes)),
        "Deferred, holding": (DEFERRED, held),
        "Series": (SERIES, lambda rows: setattr(detections, "series", rows)),
        "CachedAnswer": (CACHED_ANSWER, lambda rows: DnsAnswerStore(rows, np.zeros(16, np.uint64), 1)),
        "Payload": (PAYLOAD, lambda rows: setattr(store, "out_payloads", rows)),
        "VerdictTally": (VERDICT_TALLY, lambda rows: setattr(store, "tallies", rows)),
    }


@pytest.mark.parametrize("user", kernel_users())
def test_the_compiled_kernel_takes_our_records_and_no_others(user):
    """Cython compares the buffer's format with the struct that it was compiled with."""
    dtype, use = kernel_users()[user]

    use(np.zeros(8, dtype))

    with pytest.raises(ValueError, match=r"Buffer dtype mismatch|Expected"):
        use(np.zeros(8, np.dtype([("one", "u1", (dtype.itemsize,))])))
