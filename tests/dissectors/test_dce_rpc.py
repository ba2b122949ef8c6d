"""DCE/RPC over UDP, by C706 §12.5 (the connectionless header)."""

import uuid

import pytest
from inspecting import TCP, UDP, datagrams, inspect

from payload_builder import INTERFACE, remote_call
from portcall.dissectors import dce_rpc
from portcall.records.detections import Ends, Payload, Role

PROFINET = uuid.UUID("dea00001-6c97-11d1-8271-00a02442df7d")
SAMPLES = [(UDP, remote_call()), (UDP, remote_call(2, order=">"))]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("kind", "role"),
    [(0, Role.CLIENT), (1, Role.CLIENT), (7, Role.CLIENT), (2, Role.SERVER), (6, Role.SERVER), (9, None)],
)
def test_a_call_tells_on_any_port_who_calls_which_interface(order, kind, role):
    inspected = inspect(dce_rpc, UDP, remote_call(kind, order=order))

    assert (inspected.protocol, inspected.role) == ("dcerpc", role)
    assert dict(inspected.details) == {"interface": str(INTERFACE)}


@pytest.mark.parametrize("order", ["<", ">"])
def test_profinet_has_interfaces_of_its_own(order):
    assert inspect(dce_rpc, UDP, remote_call(order=order, interface=PROFINET)).protocol == "profinet-io"


@pytest.mark.parametrize(
    "sent",
    [
        remote_call(11),
        remote_call(length=3),
        remote_call(length=5),
        remote_call(flags=(0x80, 0)),
        remote_call(flags=(0, 1)),
        remote_call(interface=uuid.UUID(int=0)),
        b"\5" + remote_call()[1:],
        remote_call()[:79],
    ],
)
def test_every_field_has_to_agree(sent):
    assert inspect(dce_rpc, UDP, sent) is None


def test_a_seal_may_follow_the_body():
    assert inspect(dce_rpc, UDP, remote_call(length=2, authentication=10)).protocol == "dcerpc"


def test_of_a_datagram_that_the_capture_has_cut_the_header_tells():
    cut = datagrams(remote_call())._replace(data=remote_call(length=900), is_ended=True)

    assert dce_rpc.inspect(cut, Payload(b""), Ends(UDP, 50000, 40000)).protocol == "dcerpc"


def test_a_stream_does_not_speak_version_4():
    assert inspect(dce_rpc, TCP, remote_call()) is None
