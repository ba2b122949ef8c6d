"""One text for whoever asks by HTTP, from within a loop that has more important things to do.

Nothing here waits: sockets do not block, a turn does what can be done at once, and whoever is slow is left. Clients,
the bytes of a request and the time of a connection are bounded. The loop polls ``fileno`` and then calls ``turn``.
"""

from __future__ import annotations

import selectors
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import NamedTuple

from portcall.errors import PortcallError

_MOST_CLIENTS = 16
_MOST_REQUEST_BYTES = 8192
_PATIENCE_S = 5.0
"""How long a client may take for its request and for the answer."""
_PIECE_BYTES = 64 << 10


class Address(NamedTuple):
    """Where to listen."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return ip_address(self.host).is_loopback

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(slots=True)
class _Client:
    """A connection; ``answer`` is what is still to be sent."""

    until_s: float
    request: bytearray = field(default_factory=bytearray)
    answer: memoryview | None = None


class TextServer:
    """Serves ``text`` at ``path``. PortcallError where it cannot listen."""

    def __init__(self, address: Address, path: str, content_type: str) -> None:
        self._path, self._content_type = path.encode(), content_type
        self.text = ""
        """What is served from now on."""
        self._clients: dict[socket.socket, _Client] = {}
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind(address)
            self._socket.listen(_MOST_CLIENTS)
        except OSError as error:
            self._socket.close()
            raise PortcallError(f"cannot listen on {address}: {(error.strerror or str(error)).lower()}") from error
        self._socket.settimeout(0)
        self.address = Address(*self._socket.getsockname()[:2])
        """Where it listens, with the port that the system chose where 0 was asked for."""
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._socket, selectors.EVENT_READ)

    def close(self) -> None:
        """Leave everybody, and listen no more."""
        for client in list(self._clients):
            self._leave(client)
        self._selector.close()
        self._socket.close()

    def fileno(self) -> int:
        """A file that is readable when there is something to do in a turn."""
        selector: selectors.EpollSelector = self._selector  # type: ignore[assignment]  # or kqueue, which has it too
        return selector.fileno()

    def turn(self, now_s: float) -> None:
        """Do what can be done at once. ``now_s`` is of any clock that goes forward."""
        for key, _ in self._selector.select(0):
            if key.fileobj is self._socket:
                self._accept(now_s)
            elif isinstance(key.fileobj, socket.socket):
                self._serve(key.fileobj)
        for connection, client in list(self._clients.items()):
            if now_s >= client.until_s:
                self._leave(connection)

    def _accept(self, now_s: float) -> None:
        for _ in range(_MOST_CLIENTS):
            try:
                connection, _ = self._socket.accept()
            except OSError:  # there is nobody more, or it has gone, or files are short: those who wait are tried again
                return
            if len(self._clients) >= _MOST_CLIENTS:
                connection.close()
                continue
            connection.settimeout(0)
            self._clients[connection] = _Client(now_s + _PATIENCE_S)
            self._selector.register(connection, selectors.EVENT_READ)
            self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        client = self._clients[connection]
        try:
            if client.answer is None:
                self._read(connection, client)
            while client.answer:
                client.answer = client.answer[connection.send(client.answer[:_PIECE_BYTES]) :]
        except BlockingIOError:
            return  # it goes on when there is more, or more room
        except OSError:  # it has gone
            self._leave(connection)
            return
        if client.answer is not None:
            with suppress(OSError):  # it may have gone
                connection.shutdown(socket.SHUT_WR)
            self._leave(connection)

    def _read(self, connection: socket.socket, client: _Client) -> None:
        """Read on; BlockingIOError as long as the request is not whole."""
        while b"\r\n\r\n" not in client.request and len(client.request) < _MOST_REQUEST_BYTES:
            more = connection.recv(_MOST_REQUEST_BYTES - len(client.request))
            if not more:
                raise ConnectionResetError  # before it has asked
            client.request += more
        client.answer = memoryview(self._answer(bytes(client.request)))
        self._selector.modify(connection, selectors.EVENT_WRITE)

    def _answer(self, request: bytes) -> bytes:
        method, _, rest = request.partition(b"\r\n")[0].partition(b" ")
        target, _, version = rest.partition(b" ")
        if b"\r\n\r\n" not in request:
            return _response("431 Request Header Fields Too Large", "the request is too long\n")
        if not version.startswith(b"HTTP/1."):
            return _response("400 Bad Request", "this is no request of HTTP/1\n")
        if method not in (b"GET", b"HEAD"):
            return _response("405 Method Not Allowed", "only GET\n", "Allow: GET, HEAD\r\n")
        if target.partition(b"?")[0] != self._path:
            return _response("404 Not Found", f"there is only {self._path.decode()}\n")
        return _response("200 OK", self.text, f"Content-Type: {self._content_type}\r\n", has_body=method == b"GET")

    def _leave(self, connection: socket.socket) -> None:
        del self._clients[connection]
        self._selector.unregister(connection)
        connection.close()


def _response(status: str, text: str, fields: str = "", *, has_body: bool = True) -> bytes:
    body = text.encode()
    kind = "" if "Content-Type" in fields else "Content-Type: text/plain; charset=utf-8\r\n"
    head = f"HTTP/1.1 {status}\r\n{kind}{fields}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body * has_body
