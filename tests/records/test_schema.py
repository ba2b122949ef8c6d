"""Columns: the promise of the interface, word for word."""

from __future__ import annotations

import pytest

from portcall.errors import UsageError
from portcall.records.packets import Verdict
from portcall.records.schema import GROUPINGS, REASONS, column_names, columns

GROUPED = [
    "app_source",
    "process",
    "pid",
    "flows",
    "packets_out",
    "packets_in",
    "bytes_out",
    "bytes_in",
    "payload_out",
    "payload_in",
    "first_ns",
    "last_ns",
    "top_host",
    "services",
    "owner_quality",
    "unattributed_reason",
    "top_host_country",
    "top_host_network",
    "top_host_reverse_name",
    "script",
    "bucket_ns",
]
FLOW = [
    "protocol",
    "client_ip",
    "client_port",
    "server_ip",
    "server_port",
    "packets_to_server",
    "bytes_to_server",
    "payload_to_server",
    "packets_to_client",
    "bytes_to_client",
    "payload_to_client",
    "first_ns",
    "last_ns",
    "tcp_flags_to_server",
    "tcp_flags_to_client",
    "state",
    "service",
    "client_port_class",
    "server_port_class",
    "tls_server_name",
    "http_host",
    "hostname",
    "hostname_source",
    "app",
    "app_source",
    "client_pid",
    "client_process",
    "client_exe",
    "client_user",
    "client_container",
    "server_pid",
    "server_process",
    "server_exe",
    "server_user",
    "server_container",
    "owner_quality",
    "owner_source",
    "unattributed_reason",
]


@pytest.mark.parametrize("by", ["app", "service", "host"])
def test_grouped_columns_are_those_of_the_interface_in_its_order(by):
    assert list(column_names(by)) == [by, *GROUPED]


def test_the_columns_by_time_are_the_same_with_the_bucket_first():
    assert list(column_names("time")) == ["bucket_ns", *(name for name in GROUPED if name != "bucket_ns")]


def test_flow_columns_begin_with_those_of_the_interface_in_its_order():
    assert list(column_names("flow"))[: len(FLOW)] == FLOW


@pytest.mark.parametrize("by", GROUPINGS)
def test_every_column_says_what_it_means_and_bytes_and_times_say_their_unit(by):
    for column in columns(by):
        assert column.meaning
        assert (column.unit == "ns") == column.name.endswith("_ns")
        assert (column.unit == "bytes") == column.name.startswith(("bytes_", "payload_"))


def test_every_reason_that_a_frame_can_have_is_in_the_closed_list():
    assert {verdict.reason for verdict in Verdict} - {None} <= set(REASONS)


def test_a_grouping_that_does_not_exist_is_a_usage_error():
    with pytest.raises(UsageError, match="no such grouping"):
        columns("colour")
