"""HTTP/0.9 to 1.1 (RFC 9112): who is asked for what, through which proxy, by which program, and what answers.

The first request names the host: by the authority of its target (RFC 9112 §3.2.2), else by its Host field. A CONNECT
names whom the proxy shall connect to, and what is sent there is inspected too. HTTP/2 begins with words of its own: see
``http2``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._expressions import Expression
from portcall.dissectors._inside import after, with_inside, with_upgrade
from portcall.dissectors._messages import (
    field_pattern,
    find_end,
    may_become_start_line,
    read_fields,
    read_request,
    read_status,
)
from portcall.dissectors._prefixes import REQUEST_LINES, together
from portcall.dissectors._text import as_text
from portcall.records.detections import TCP, WAIT, Detection, Name, NameKind, Role

if TYPE_CHECKING:
    from portcall.dissectors._messages import Request, Status
    from portcall.dissectors._prefixes import Prefix
    from portcall.records.detections import Ends, Payload, Wait

TRANSPORTS = frozenset({TCP})
CERTAINTY = Certainty.MAGIC
PORTS = frozenset({80, 3128, 8000, 8008, 8080, 8888})
PREFIXES: dict[int, tuple[Prefix, ...]] = {TCP: (together(b"HTTP/", b"ICY/1"),)}
TEXT_PREFIXES = {TCP: REQUEST_LINES}
WORDS_ON_PORTS = {TCP: ((b" HTTP/1.", PORTS),)}
"""Where the capture began in the middle of a conversation, anything may stand before the next request."""

_INSIDE = frozenset({"http2", "mail", "ssh", "tls"})
_CLIENT_FIELDS = field_pattern("host", "user-agent", "upgrade")
_SERVER_FIELDS = field_pattern("server", "upgrade")
_KNOWN_METHOD = Expression(
    rb"(?:GET|POST|HEAD|PUT|DELETE|OPTIONS|PATCH|TRACE|CONNECT|PROPFIND|REPORT) (?:/|https?://|\*)[\t\x20-\xff]*\Z"
)
_REQUEST_WITHIN = Expression(rb"\n(?=(?:GET|POST|HEAD|PUT|DELETE|OPTIONS|CONNECT) \S{1,8192} HTTP/1\.[01]\r?\n)")
_CONNECT, _MOST_ROUNDS = b"CONNECT ", 8
"""As often may a proxy be asked, with what proves more of who asks; NTLM takes three."""
_AGREED = Expression(rb"HTTP/1\.[01] 2[0-9]{2}[ \r\n]")
_SIMPLE_REQUEST = Expression(rb"GET /[\x21-\xff]{0,2048}(?:\r?\n){1,2}\Z")
_NO_HEADER = Expression(rb"[\0-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""What stands in no field (RFC 9110 §5.5): the end of a header that holds it will not come."""
_ABSOLUTE_TARGET = Expression(rb"[A-Za-z][A-Za-z0-9+.-]{1,15}://(?:[^/?#@]{0,256}@)?([^/?#]{1,1024})")


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """The first request or response of this end."""
    data = sent.data
    if request := read_request(data):
        return (
            _inspect_request(sent, answered, request, ends)
            if request.scheme == b"HTTP" and request.method != b"PRI"
            else None
        )
    if status := read_status(data):
        return _inspect_status(sent, answered, status, ends) if status.scheme in {b"HTTP", b"ICY"} else None
    if ends.has_port(*PORTS):
        if _SIMPLE_REQUEST.match(data):
            return Detection("http", Role.CLIENT, details=(("version", "0.9"),))
        if not sent.is_from_start and (within := _REQUEST_WITHIN.search(data)):
            request = read_request(data, within.end())
            return _inspect_request(sent, answered, request, ends) if request else None
    if not sent.is_ended:
        return WAIT if may_become_start_line(data) else None
    return Detection("http", Role.CLIENT) if _KNOWN_METHOD.match(data) else None


def _inspect_request(sent: Payload, answered: Payload, request: Request, ends: Ends) -> Detection:
    data = sent.data
    end = find_end(data, request.end)
    fields = read_fields(data, request.end, end if end >= 0 else len(data), _CLIENT_FIELDS)
    host = fields.get(b"host", b"")
    names = [host] if host else []
    details: list[tuple[str, str]] = []
    if request.method == b"CONNECT":
        target = request.target.split(maxsplit=1)[0]
        names.insert(0, target)
        details.append(("connect", as_text(target)))
    elif request.target[0] != 0x2F and (absolute := _ABSOLUTE_TARGET.match(request.target)):  # noqa: PLR2004 - a slash
        names = [absolute[1]]  # also where it is an address: the Host field is to be ignored
        details.append(("proxied", as_text(absolute[1])))
    if agent := fields.get(b"user-agent"):
        details.append(("user_agent", as_text(agent)))
    if upgrade := fields.get(b"upgrade"):
        details.append(("upgrade", as_text(upgrade.lower())))
    detection = Detection(
        "websocket" if upgrade and upgrade.lower() == b"websocket" else "http",
        Role.CLIENT,
        tuple([Name(NameKind.HTTP_HOST, as_text(name)) for name in dict.fromkeys(names)]),
        tuple(details),
        is_final=end >= 0 or sent.is_ended or bool(_NO_HEADER.search(data, request.end)),
    )
    if upgrade and upgrade.lower().startswith(b"tls/") and end >= 0:  # RFC 2817
        return with_upgrade(detection, sent, answered, ends, end)
    if request.method != b"CONNECT" or end < 0:
        return detection
    return _with_tunnel(detection, sent, answered, ends, end)


def _inspect_status(sent: Payload, answered: Payload, status: Status, ends: Ends) -> Detection:
    data = sent.data
    end = find_end(data, status.end)
    fields = read_fields(data, status.end, end if end >= 0 else len(data), _SERVER_FIELDS)
    server, upgrade = fields.get(b"server"), fields.get(b"upgrade", b"").lower()
    detection = Detection(
        "websocket" if upgrade == b"websocket" and status.code == b"101" else "http",
        Role.SERVER,
        details=(("server", as_text(server)),) if server else (),
        is_final=end >= 0 or sent.is_ended or bool(_NO_HEADER.search(data, status.end)),
    )
    if upgrade.startswith(b"tls/") and status.code == b"101" and end >= 0:
        return with_upgrade(detection, sent, answered, ends, end)
    asked = read_request(answered.data)
    if end < 0 or asked is None or asked.method != b"CONNECT" or (status.code[:1] != b"2" and status.code != b"407"):
        return detection
    return _with_tunnel(detection, sent, answered, ends)


def _with_tunnel(detection: Detection, sent: Payload, answered: Payload, ends: Ends, end: int = 0) -> Detection:
    """The finding of what a proxy was asked (first up to ``end``), or answered, with what is said through it."""
    start, answered_start = _tunnel_start(sent.data, end), _tunnel_start(answered.data)
    if start < 0:
        return detection._replace(is_final=sent.is_ended)
    rest = after(answered, answered_start if answered_start >= 0 else len(answered.data))
    return with_inside(detection, after(sent, start), rest, ends, _INSIDE)


def _tunnel_start(data: bytes, end: int = 0) -> int:
    """Where one end's bytes of a tunnel begin: behind all requests or answers that it took; -1 while they may go on."""
    if not end and (status := read_status(data)):
        if status.code == b"407":  # the proxy wants to know who asks
            agreed = _AGREED.search(data, status.end)
            status = read_status(data, agreed.start()) if agreed else None
        return find_end(data, status.end) if status else -1
    for _ in range(_MOST_ROUNDS):
        request = read_request(data, end)
        if request is None or request.method != b"CONNECT":
            break
        end = find_end(data, request.end)
        if end < 0:
            return -1
    follows = data[end : end + len(_CONNECT)]
    return -1 if not end or (follows and _CONNECT.startswith(follows)) else end
