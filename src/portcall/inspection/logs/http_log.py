"""http.log: each request of HTTP/1 with the response to it (RFC 9112).

Headers are read when they are whole; of bodies only the length counts, as it was transferred, without the sizes of
chunks. What is no HTTP ends the listening to that side.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from portcall.dissectors._messages import field_pattern, find_end, read_fields, read_request, read_status
from portcall.records.payloads.log_entries import LogEntry

if TYPE_CHECKING:
    from portcall.dissectors._messages import Request, Status
    from portcall.records.payloads.log_entries import LogValue

    Fields = dict[str, LogValue]

_MOST_HEADER_BYTES = 32 << 10
_MOST_WAITING = 256  # requests without their response
_PROXIES = (
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-From",
    "Client-IP",
    "Via",
    "Xroxy-Connection",
    "Proxy-Connection",
)
_FIELDS = field_pattern(
    *("Host", "Referer", "User-Agent", "Origin", "Authorization", "Content-Length", "Transfer-Encoding"), *_PROXIES
)
_WORDS = {b"host": "host", b"referer": "referrer", b"user-agent": "user_agent", b"origin": "origin"}
_WITHOUT_BODY = frozenset({b"204", b"304"})


@dataclass(slots=True, eq=False)
class _Transaction:
    """A request and what answers it."""

    ts_ns: int
    depth: int
    fields: Fields = field(default_factory=dict)
    method: bytes = b""
    lengths: list[int] = field(default_factory=lambda: [0, 0])


@dataclass(slots=True)
class _Side:
    """How far one side was read: a header, or a body of so many bytes (None: until the end), or chunks."""

    buffer: bytearray = field(default_factory=bytearray)
    place: str = "header"
    left: int | None = 0
    is_deaf: bool = False


class HttpLog:
    """The requests and responses of one connection."""

    def __init__(self) -> None:
        self._sides = (_Side(), _Side())
        self._client: int | None = None
        self._waiting: list[_Transaction] = []
        self._current: list[_Transaction | None] = [None, None]
        self._depth = 0
        self._found: list[LogEntry] = []
        self.is_tunnel = False
        """Whether the server agreed to carry another protocol (CONNECT)."""

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be learnt."""
        return all(side.is_deaf for side in self._sides) and not self.is_tunnel

    @property
    def held_bytes(self) -> int:
        """What waits for more."""
        return sum(len(side.buffer) for side in self._sides) + 1000 * len(self._waiting)

    def feed(self, side: int, data: bytes, ts_ns: int) -> list[LogEntry]:
        """What more of one side's stream completes."""
        state = self._sides[side]
        if not state.is_deaf:
            state.buffer += data
            while state.buffer and not state.is_deaf and self._step(side, state, ts_ns):
                pass
        found, self._found = self._found, []
        return found

    def finish(self) -> list[LogEntry]:
        """What is not complete, as far as it came."""
        for transaction in self._waiting:
            self._log(transaction)
        self._waiting.clear()
        found, self._found = self._found, []
        return found

    def _step(self, side: int, state: _Side, ts_ns: int) -> bool:
        """Read on in one side's buffer; whether there may be more to read."""
        if state.place == "header":
            return self._header(side, state, ts_ns)
        if state.place == "chunk":
            return self._chunk_size(side, state)
        size = len(state.buffer) if state.left is None else min(state.left, len(state.buffer))
        del state.buffer[:size]
        current = self._current[side]
        if current and state.place != "chunk end":
            current.lengths[side != self._client] += size
        if state.left is None:
            return False
        state.left -= size
        if state.left:
            return False
        if state.place == "body":
            self._end(side, state)
        else:
            state.place, state.left = ("chunk end", 2) if state.place == "chunk data" else ("chunk", 0)
        return True

    def _chunk_size(self, side: int, state: _Side) -> bool:
        end = state.buffer.find(b"\n", 0, 256)
        if end < 0:
            state.is_deaf = len(state.buffer) >= 256  # noqa: PLR2004 - a size is shorter
            return False
        try:
            size = int(bytes(state.buffer[:end]).split(b";")[0].strip() or b"x", 16)
        except ValueError:
            state.is_deaf = True
            return False
        del state.buffer[: end + 1]
        if size < 0:
            state.is_deaf = True
        elif size:
            state.place, state.left = "chunk data", size
        else:  # trailers end with an empty line, which readers of headers skip
            self._end(side, state)
        return not state.is_deaf

    def _header(self, side: int, state: _Side, ts_ns: int) -> bool:
        blank = len(state.buffer) - len(state.buffer.lstrip(b"\r\n"))
        del state.buffer[:blank]
        data = bytes(state.buffer[:_MOST_HEADER_BYTES])
        status = read_status(data) if side != self._client else None
        request = None if status or self._client == 1 - side else read_request(data)
        start = request or status
        if start is None or start.scheme != b"HTTP":
            state.is_deaf = start is not None or b"\n" in data or len(data) >= _MOST_HEADER_BYTES
            return False
        end = find_end(data, start.end)
        if end < 0:
            state.is_deaf = len(data) >= _MOST_HEADER_BYTES
            return False
        headers = read_fields(data, start.end, end, _FIELDS)
        del state.buffer[:end]
        if request:
            self._client = side
            self._request(side, request, headers, ts_ns)
        elif status:
            self._client = 1 - side
            self._response(side, status, _message_of(data[: status.end]), headers, ts_ns)
        return True

    def _request(self, side: int, request: Request, headers: dict[bytes, bytes], ts_ns: int) -> None:
        self._depth += 1
        transaction = _Transaction(ts_ns, self._depth, {}, request.method)
        uri = unquote_to_bytes(request.target)
        transaction.fields |= {"method": request.method, "uri": uri, "version": request.version}
        transaction.fields |= {name: headers[word] for word, name in _WORDS.items() if word in headers}
        username = _username(headers.get(b"authorization", b""))
        if username is not None:
            transaction.fields["username"] = username
        proxied = [b"%s -> %s" % (name.upper().encode(), headers[name.lower().encode()])
                   for name in _PROXIES if name.lower().encode() in headers]  # fmt: skip
        if proxied:
            transaction.fields["proxied"] = proxied
        self._waiting.append(transaction)
        if len(self._waiting) > _MOST_WAITING:
            self._log(self._waiting.pop(0))
        self._current[side] = transaction
        self._begin_body(side, headers, is_open=False)

    def _response(self, side: int, status: Status, message: bytes, headers: dict[bytes, bytes], ts_ns: int) -> None:
        if not self._waiting:
            self._depth += 1
            self._waiting.append(_Transaction(ts_ns, self._depth, {"version": status.version}))
        transaction = self._waiting[0]
        if status.code.startswith(b"1") and status.code != b"101":
            transaction.fields |= {"info_code": int(status.code), "info_msg": message}
            return
        transaction.fields |= {"status_code": int(status.code), "status_msg": message, "version": status.version}
        self._current[side] = transaction
        if transaction.method == b"CONNECT" and status.code.startswith(b"2"):
            self._end(side, self._sides[side])
            self.is_tunnel = True
            for state in self._sides:
                state.is_deaf = True
        elif transaction.method == b"HEAD" or status.code in _WITHOUT_BODY or status.code == b"101":
            self._end(side, self._sides[side])
            if status.code == b"101":  # Switching Protocols
                for state in self._sides:
                    state.is_deaf = True
        else:
            self._begin_body(side, headers, is_open=True)

    def _begin_body(self, side: int, headers: dict[bytes, bytes], *, is_open: bool) -> None:
        """``is_open``: a body without a length goes on until the connection ends (RFC 9112 §6.3)."""
        state, length = self._sides[side], headers.get(b"content-length", b"").strip()
        if headers.get(b"transfer-encoding", b"").lower().rstrip().endswith(b"chunked"):
            state.place, state.left = "chunk", 0
        elif length.isdigit() and len(length) < 19:  # noqa: PLR2004 - fits into 63 bits
            state.place, state.left = "body", int(length)
            if not state.left:
                self._end(side, state)
        elif is_open:
            state.place, state.left = "body", None
        else:
            self._end(side, state)

    def _end(self, side: int, state: _Side) -> None:
        """One message of a side is over."""
        state.place, state.left = "header", 0
        transaction, self._current[side] = self._current[side], None
        if side != self._client and transaction and transaction in self._waiting:
            self._waiting.remove(transaction)
            self._log(transaction)

    def _log(self, transaction: _Transaction) -> None:
        to_server, to_client = transaction.lengths
        counted: Fields = {
            "trans_depth": transaction.depth,
            "request_body_len": to_server,
            "response_body_len": to_client,
            "tags": [],
        }
        self._found.append(LogEntry("http", transaction.ts_ns, {**transaction.fields, **counted}))


def _message_of(line: bytes) -> bytes:
    """The words of a status line."""
    return b" ".join(line.strip().split(b" ")[2:])


def _username(authorization: bytes) -> bytes | None:
    """Who says to be there by Basic authentication (RFC 7617); passwords are not kept."""
    scheme, _, credentials = authorization.partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        return base64.b64decode(credentials.strip()).partition(b":")[0]
    except (binascii.Error, ValueError):
        return None
