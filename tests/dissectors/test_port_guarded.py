"""The rules that count on their own ports: for some of each kind a message laid out by its source."""

import pytest
from inspecting import TCP, UDP, inspect

from portcall.dissectors import port_guarded
from portcall.dissectors._port_guarded import RULES
from portcall.records.detections import WAIT

MESSAGES = {
    ("gtp-c", 2123): (UDP, bytes.fromhex("3201000400000000") + bytes(4)),
    ("gtp-u", 2152): (UDP, bytes.fromhex("30ff000400000001") + bytes(4)),
    ("pfcp", 8805): (UDP, bytes.fromhex("2001000c00000100") + bytes(8)),
    ("bfd", 3784): (UDP, bytes.fromhex("20400318") + bytes(20)),
    ("hsrp", 1985): (UDP, bytes(20)),
    ("ldp", 646): (UDP, bytes.fromhex("0001001ec0000201") + bytes(26)),
    ("rip", 520): (UDP, b"\2\2\0\0" + bytes(20)),
    ("ptp", 319): (UDP, b"\0\2\0\x2c" + bytes(40)),
    ("tacacs", 49): (TCP, b"\xc0\1\1\0" + b"sess" + b"\0\0\0\x08" + bytes(8)),
    ("openflow", 6653): (TCP, b"\4\0\0\x08\0\0\0\1"),
    ("l2tp", 1701): (UDP, b"\xc8\2\0\x0c" + bytes(8)),
    ("vxlan", 4789): (UDP, b"\x08\0\0\0\0\0\x2a\0" + bytes(14)),
    ("geneve", 6081): (UDP, b"\0\0\x65\x58\0\0\x2a\0" + bytes(14)),
    ("nat-pmp", 5351): (UDP, b"\0\0"),
    ("pcp", 5351): (UDP, b"\2\1" + bytes(58)),
    ("ipmi", 623): (UDP, b"\6\0\xff\7" + bytes(19)),
    ("statsd", 8125): (UDP, b"page.views:1|c"),
    ("afp", 548): (TCP, b"\0\2\0\1" + bytes(4) + b"\0\0\0\6" + bytes(4) + b"\0\0\0\0\0\0"),
    ("whois", 43): (TCP, b"example.org\r\n"),
    ("iax", 4569): (UDP, b"\x80\1\0\0\0\0\0\3\0\0\6\1"),
    ("skinny", 2000): (TCP, b"\4\0\0\0\x12\0\0\0\0\0\0\0"),
    ("zoom", 8801): (UDP, b"\1\0\2" + bytes(20)),
    ("telegram-voip", 533): (UDP, b"t" * 16 + b"\xff" * 12 + b"\xfe\xff\xff\xff"),
    ("dropbox-lan", 17500): (UDP, b'{"host_int": 1, "version": [2, 0]}'),
    ("coap", 5683): (UDP, bytes.fromhex("40017d34bb2e77656c6c2d6b6e6f776e")),
    ("trdp", 17224): (UDP, b"\0\0\0\1\1\0Pd" + bytes(40)),
    ("someip", 30490): (UDP, bytes.fromhex("ffff81000000000c0000000001010200") + bytes(4)),
    ("modbus", 502): (TCP, bytes.fromhex("000100000006010300000001")),
    ("afs", 7001): (UDP, bytes(20) + b"\1\5" + bytes(6)),
    ("oscar", 5190): (TCP, b"\x2a\1\0\1\0\4\0\0\0\1"),
    ("egd", 18246): (UDP, b"\x0d\1" + bytes(30)),
    ("dis", 3000): (UDP, b"\6\1\1\1" + bytes(4) + b"\0\x0c\0\0"),
    ("fins", 9600): (UDP, bytes.fromhex("8000020000000000007a0101")),
}
SAMPLES = list(MESSAGES.values())


@pytest.mark.parametrize(("told", "message"), MESSAGES.items(), ids=str)
def test_a_message_counts_on_its_port_only(told, message):
    (protocol, port), (transport, sent) = told, message

    assert inspect(port_guarded, transport, sent, target_port=port).protocol == protocol
    assert inspect(port_guarded, transport, sent, source_port=port).protocol == protocol
    assert inspect(port_guarded, transport, sent) is None


@pytest.mark.parametrize("port", sorted(port_guarded.PORTS))
def test_a_web_request_is_none_of_them(port):
    inspected = inspect(port_guarded, TCP, b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", target_port=port)

    # WHOIS asks in any words; its port is all there is.
    assert inspected is None or port == 43


def test_a_stream_is_waited_for():
    assert inspect(port_guarded, TCP, b"\0\1\0\0", target_port=502) is WAIT


def test_every_rule_has_ports():
    assert [rule for rule in RULES if not isinstance(rule.where, frozenset)] == []
