"""--where: what an expression means for one row, and how a wrong one is refused."""

from __future__ import annotations

import pytest

from portcall.errors import UsageError
from portcall.queries.row_filter import compile_where
from portcall.records.schema import GROUPINGS, column_names

ROW = dict.fromkeys(column_names("app")) | {
    "app": "https",
    "bytes_out": 10,
    "bytes_in": 2_000_000,
    "packets_out": 3,
    "packets_in": 4,
    "payload_out": 1,
    "payload_in": 1,
    "first_ns": 0,
    "last_ns": 1_500_000_000,
    "top_host": "10.1.2.3",
    "services": ["https", "dns"],
}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("app=https", True),
        ("app = 'https'", True),
        ('app="dns"', False),
        ("app!=dns", True),
        ("app~^ht", True),
        ("app ~ '(s|t)$' and not app ~ dns", True),
        ("bytes=2000010", True),
        ("bytes>1MB", True),
        ("bytes>2MiB", False),
        ("bytes<=2.00001MB", True),
        ("packets>=7 and payload<3", True),
        ("duration=1.5", True),
        ("duration>1600ms", False),
        ("last_ns>1s", True),
        ("top_host=10.0.0.0/8", True),
        ("top_host=10.1.2.3", True),
        ("top_host!=10.0.0.0/8", False),
        ("top_host=2001:db8::/32", False),
        ("services=dns", True),
        ("services!=dns", False),
        ("services~^d", True),
        ("process=null", True),
        ("app!=null", True),
        ("process='null'", False),
        ("process=curl", False),
        ("process!=curl", True),
        ("pid>5", False),
        ("pid!=5", True),
        ("app=dns or app=ssh or bytes>1", True),
        ("app=dns and app=ssh or bytes>1", True),
        ("app=dns and (app=ssh or bytes>1)", False),
        ("NOT app=dns AND bytes>1", True),
        ("not not app=https", True),
    ],
)
def test_an_expression_holds_or_not(expression, expected):
    assert compile_where(expression, "app")(ROW) is expected


def test_a_host_that_is_a_name_is_in_no_network():
    assert not compile_where("host=10.0.0.0/8", "host")({"host": "example.org"})


def test_an_address_is_the_same_however_it_is_written():
    assert compile_where("client_ip=2001:0DB8:0::1", "flow")({"client_ip": "2001:db8::1"})


@pytest.mark.parametrize("value", ["www.example.com", "WWW.Example.COM", "www.example.com."])
@pytest.mark.parametrize(
    ("by", "column"),
    [
        ("flow", "hostname"),
        ("flow", "http_host"),
        ("flow", "server_reverse_name"),
        ("host", "host"),
        ("app", "top_host"),
    ],
)
def test_a_name_of_a_host_is_the_same_in_any_case_and_with_its_last_dot(by, column, value):
    for name in ("www.example.com", "Www.example.com", "www.example.com."):
        assert compile_where(f"{column}={value}", by)({column: name})
        assert not compile_where(f"{column}!={value}", by)({column: name})
    assert not compile_where(f"{column}={value}", by)({column: "example.com"})


@pytest.mark.parametrize("by", GROUPINGS)
def test_every_column_can_be_compared(by):
    for name in column_names(by):
        assert compile_where(f"{name}=null", by)(dict.fromkeys(column_names(by)))


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("byts>1", "Did you mean 'bytes'"),
        ("client_ip=10.0.0.1", "no column 'client_ip' by app"),
        ("app>3", "compare it with =, != or ~"),
        ("bytes~3", "~ is for texts"),
        ("bytes>1s", "which '1s' is not"),
        ("bytes>1XB", "which '1XB' is not"),
        ("packets>1MB", "which '1MB' is not"),
        ("app~'('", "not a regular expression"),
        ("process<null", "null is only = or !="),
        ("", "cannot read it to its end"),
        ("bytes", "cannot read it"),
        ("bytes>1 and", "cannot read it from 'and'"),
        ("(bytes>1", "cannot read it"),
        ("bytes>1)", "cannot read it from"),
        ("(" * 1000 + "bytes>1" + ")" * 1000, "too deeply nested"),
        ("bytes>1 or " * 1000 + "bytes>1", "longer than 4096"),
    ],
)
def test_an_expression_that_makes_no_sense_is_a_usage_error_that_says_why(expression, words):
    with pytest.raises(UsageError, match="--where") as error:
        compile_where(expression, "app")

    assert words in str(error.value)


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("pids=7", True), ("pids=8", False), ("pids!=8", True), ("pids!=7", False), ("pids>8", True),
        ("pids=null", False), ("bytes=30", True), ("age_ns>1min", True),
        ("round_trip_ns=null", True), ("remote_ip=10.0.0.0/8", True),
    ],
)  # fmt: skip
def test_columns_of_sockets_can_be_compared(expression, holds):
    row = dict.fromkeys(column_names("conns")) | {
        "pids": [7, 9], "bytes_sent": 10, "bytes_received": 20, "age_ns": 61 * 10**9, "remote_ip": "10.0.0.1",
    }  # fmt: skip

    assert compile_where(expression, "conns")(row) == holds


def test_a_conversation_without_counts_has_no_bytes():
    row = dict.fromkeys(column_names("conns"))

    assert compile_where("bytes=null", "conns")(row)
    assert not compile_where("bytes>=0", "conns")(row)


def test_ports_have_no_bytes_to_compare():
    with pytest.raises(UsageError, match="no column 'bytes' by ports"):
        compile_where("bytes>1", "ports")
