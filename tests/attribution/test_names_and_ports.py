"""What is told of a server from its port, what was recognised, and its names."""

from __future__ import annotations

import pytest
from scapy.layers.inet import IP, TCP

from capture_bytes import pcap_header, pcap_record
from dissectors.tls_handshakes import client_hello
from portcall.runs import offline


@pytest.fixture
def row_of(tmp_path):
    """The flow row of what a client says first to a server's port over TCP."""

    def read(port, sent):
        frame = bytes(IP(src="10.0.0.1", dst="10.0.0.2") / TCP(sport=50000, dport=port, flags="PA") / sent)
        path = tmp_path / "said.pcap"
        path.write_bytes(pcap_header(link=101) + pcap_record(frame))
        [row] = offline.read([str(path)], by="flow").report
        return row

    return read


@pytest.mark.parametrize(
    ("port", "service"),
    [(443, "https"), (993, "imaps"), (10443, "tls"), (22, "tls")],
    ids=["its own", "curated", "IANA's alone: cirrossp", "another protocol's"],
)
def test_tls_carries_the_service_of_a_port_that_people_use(row_of, port, service):
    row = row_of(port, client_hello("192.0.2.1"))

    assert (row["service"], row["app"], row["application_protocol"]) == (service, service, "tls")


def test_what_was_heard_names_a_port_that_only_iana_knows(row_of):
    row = row_of(6346, b"GNUTELLA CONNECT/0.6\r\n\r\n")

    assert (row["service"], row["application_protocol"]) == ("gnutella", "gnutella")


def test_a_port_that_only_iana_knows_names_nothing_by_itself(row_of):
    row = row_of(9999, b"\0\1\2\3")

    assert (row["service"], row["app"], row["unattributed_reason"]) == (None, None, "no-owner")
