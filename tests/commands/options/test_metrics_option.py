"""Where metrics are served: this machine alone, unless an address is named."""

import socket

import pytest

from portcall.commands.options.metrics_option import Metrics, metrics_address
from portcall.errors import UsageError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("9100", ("127.0.0.1", 9100)),
        ("127.0.0.1:9100", ("127.0.0.1", 9100)),
        ("localhost:9100", ("127.0.0.1", 9100)),
        ("[::1]:9100", ("::1", 9100)),
        ("0.0.0.0:65535", ("0.0.0.0", 65535)),
        ("192.0.2.1:0", ("192.0.2.1", 0)),
    ],
)
def test_an_address_is_loopback_unless_it_is_named(text, address):
    assert metrics_address(text) == address


@pytest.mark.parametrize(
    "text", ["", ":", "x", "65536", "-1", "9100x", "example.org:9100", ":9100", "1.2.3:4", "[::1]", "٣"]
)
def test_anything_else_is_refused_with_what_is_right(text):
    with pytest.raises(UsageError, match="Write it like 9100"):
        metrics_address(text)


def test_where_it_is_served_is_said(capsys):
    with Metrics("0"):
        pass

    said = capsys.readouterr().err
    assert said.startswith("portcall: metrics are at http://127.0.0.1:")
    assert "every host" not in said


def test_that_others_can_read_it_is_said(capsys):
    with Metrics("0.0.0.0:0"):
        pass

    assert "for every host that reaches this one" in capsys.readouterr().err


def test_nobody_is_served_afterwards(capsys):
    with Metrics("0") as metrics:
        address = metrics._server.address
    capsys.readouterr()

    with socket.socket() as client:
        assert client.connect_ex(address) != 0
