"""``live --metrics [ADDRESS:]PORT``: counters of this run for Prometheus, at ``/metrics``."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from portcall.commands.output import say
from portcall.errors import UsageError
from portcall.exports.prometheus import CONTENT_TYPE, Counters, metrics_text
from portcall.system.text_server import Address, TextServer

if TYPE_CHECKING:
    import argparse

    from portcall.records.report import Report

_PATH = "/metrics"
_LOOPBACK = "127.0.0.1"
_MOST_PORT = 65535
_RIGHT = "Write it like 9100, 127.0.0.1:9100 or [::1]:9100"


def add_metrics_option(parser: argparse.ArgumentParser) -> None:
    """Declare it."""
    parser.add_argument(
        "--metrics",
        metavar="[ADDRESS:]PORT",
        help="serve counters by app for Prometheus at /metrics (address: 127.0.0.1 unless it is given)",
    )


class Metrics:
    """The counters of one run, and who serves them; a context, which stops serving."""

    def __init__(self, where: str) -> None:
        """UsageError for what is no address, PortcallError where nobody can listen there."""
        self._server = TextServer(metrics_address(where), _PATH, CONTENT_TYPE)
        self._counters = Counters()
        address = self._server.address
        reach = "" if address.is_loopback else ", for every host that reaches this one: it says which apps run here"
        say(f"metrics are at http://{address}{_PATH}{reach}")

    def __enter__(self) -> Metrics:  # noqa: PYI034 - Self is of Python 3.11
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()

    def fileno(self) -> int:
        """A file that is readable when somebody asks."""
        return self._server.fileno()

    def turn(self, now_s: float) -> None:
        """Answer whoever asks, as far as that can be done at once."""
        self._server.turn(now_s)

    def tell(self, report: Report) -> None:
        """Serve this report of everything so far from now on."""
        self._server.text = metrics_text(report, self._counters)


def metrics_address(text: str) -> Address:
    """Where to listen. UsageError for anything but a port, or an address and a port."""
    host, colon, port = text.strip().rpartition(":")
    if not colon:
        host = _LOOPBACK
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    host = _LOOPBACK if host == "localhost" else host
    try:
        ip_address(host)
    except ValueError:
        raise UsageError(f"--metrics {text}: not an address and a port. {_RIGHT}") from None
    if not (port.isascii() and port.isdigit() and len(port) <= len(str(_MOST_PORT)) and int(port) <= _MOST_PORT):
        raise UsageError(f"--metrics {text}: not a port. {_RIGHT}")
    return Address(host, int(port))
