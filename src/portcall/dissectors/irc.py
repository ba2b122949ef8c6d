"""IRC (RFC 1459, RFC 2812): the lines by which a client registers, a server's first ones, and the TLS of STARTTLS."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._expressions import Expression
from portcall.dissectors._inside import with_upgrade
from portcall.dissectors._prefixes import DIGITS, LETTERS, PRINTABLE, words
from portcall.records.detections import TCP, WAIT, Detection, Role

if TYPE_CHECKING:
    from portcall.dissectors._prefixes import Prefix
    from portcall.records.detections import Ends, Payload, Wait

TRANSPORTS = frozenset({TCP})
CERTAINTY = Certainty.STRUCTURE
PORTS = frozenset({194, 6660, 6661, 6662, 6663, 6664, 6665, 6666, 6667, 6668, 6669, 7000})
PREFIXES: dict[int, tuple[Prefix, ...]] = {
    TCP: (
        words(
            *(b"CAP ", b"STAR", b"PASS", b"NICK", b"USER", b"NOTI", b"ERRO", b"PRIV", b"JOIN", b"PING", b"PONG"),
            *(b"MODE", b"WHO ", b"PART", b"QUIT"),
        ),
        {0: b":", 1: PRINTABLE, **dict.fromkeys(range(2, 8), b" " + PRINTABLE)},
        {0: b"@", 1: b"+" + LETTERS + DIGITS, **dict.fromkeys(range(2, 8), range(0x20, 0x100))},
    )
}

_CLIENT = Expression(
    rb"(?:CAP (?:LS|REQ|END)\b|(?:PASS [^\r\n]{1,128}\r?\n)?"
    rb"(?:NICK [^ \r\n]{1,64}\r?\n|USER \S{1,64} \S{1,64} \S{1,255} :))",
    re.IGNORECASE,
)
_SERVER = Expression(
    rb"(?:@[+A-Za-z0-9][^\x00- ]{0,511} )?:[!-~]{1,128} (?:NOTICE [!-~]{1,64} :|00[1-4] [!-~]{1,64} |"
    rb"CAP [!-~]{1,64} |4\d\d [!-~]{1,64} )|"
    rb"NOTICE (?:AUTH|\*) :|ERROR :Closing Link"
)
_LATER = Expression(
    rb"(?:PRIVMSG|JOIN|PING|PONG|NOTICE|MODE|WHO|PART|QUIT) [^\r\n]{1,400}\r?\n|:[!-~]{1,128} [A-Z0-9]{3,8} "
)
_UPGRADE = Expression(rb"(?:^|\n)STARTTLS\r?\n", re.IGNORECASE)
_SETTLED = Expression(rb"(?:^|\n)(?:USER|JOIN) ", re.IGNORECASE)
_MOST_ASKED_BYTES = 1024
_BEGINNING = Expression(rb"(?:[A-Z:@][^\x00-\x08\x0a-\x1f]{0,255})?\r?\Z", re.IGNORECASE)


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """The first lines of this end; what comes in mid-conversation counts on the own ports only."""
    data = sent.data
    is_upgrade = _UPGRADE.match(data) and (ends.target_port in PORTS or _SERVER.match(answered.data))
    if _CLIENT.match(data) or is_upgrade:
        return _inspect(Role.CLIENT, sent, answered, ends)
    if _SERVER.match(data):
        return _inspect(Role.SERVER, sent, answered, ends)
    if ends.has_port(*PORTS) and _LATER.match(data):
        return Detection("irc")
    return WAIT if not sent.is_ended and len(data) < 256 and _BEGINNING.match(data) else None  # noqa: PLR2004 - a line


def _inspect(role: Role, sent: Payload, answered: Payload, ends: Ends) -> Detection:
    """With the TLS that the client asks for (numeric 670 allows it), which it may until it has registered."""
    asked = (sent if role is Role.CLIENT else answered).data
    if _UPGRADE.search(asked, 0, _MOST_ASKED_BYTES):
        return with_upgrade(Detection("irc", role, details=(("starttls", "yes"),)), sent, answered, ends)
    is_settled = _SETTLED.search(asked, 0, _MOST_ASKED_BYTES) or len(asked) > _MOST_ASKED_BYTES
    return Detection("irc", role, is_final=sent.is_ended or bool(is_settled))
