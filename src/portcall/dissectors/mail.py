"""SMTP (RFC 5321), POP3 (RFC 1939), IMAP (RFC 9051) and ManageSieve (RFC 5804): greetings, first commands, STARTTLS.

FTP greets with 220 as SMTP does, and Redis says +OK as POP3 does: there the port decides, else the word SMTP in the
greeting, else what the client says to it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from portcall.dissectors import Certainty
from portcall.dissectors._expressions import Expression
from portcall.dissectors._inside import with_upgrade
from portcall.dissectors._prefixes import DIGITS, LETTERS, PRINTABLE, words
from portcall.dissectors._text import as_text, first_line, is_printable
from portcall.records.detections import TCP, WAIT, Detection, Role

if TYPE_CHECKING:
    from portcall.dissectors._prefixes import Prefix
    from portcall.records.detections import Ends, Payload, Wait


class _Protocol(NamedTuple):
    """How to know one of them; all patterns match at the start."""

    name: str
    ports: frozenset[int]
    greeting: Expression
    sure_greeting: Expression
    """On any port."""
    command: Expression
    sure_command: Expression
    upgrade: Expression
    """The command that asks for TLS, anywhere at the start of a line."""
    settled: Expression
    """A command after which nobody asks for it."""


def _words(pattern: bytes) -> Expression:
    return Expression(pattern, re.IGNORECASE)


_PROTOCOLS = (
    _Protocol(
        "smtp",
        frozenset({25, 465, 587, 2525}),
        _words(rb"[245]\d\d[ -](?![^\r\n]{0,512}FTP)"),
        _words(rb"220[ -][^\r\n]{0,256}\b(?:E?SMTP|LMTP|Postfix|Exim|Sendmail)\b"),
        _words(rb"(?:EHLO|HELO|LHLO|MAIL FROM:|RCPT TO:|STARTTLS|AUTH |DATA|RSET|NOOP|QUIT|XCLIENT )"),
        _words(rb"(?:EHLO|HELO|LHLO) [!-~]{1,255}\r?\n"),
        _words(rb"(?:^|\n)STARTTLS\r?\n"),
        _words(rb"(?:^|\n)(?:MAIL FROM|AUTH |QUIT)"),
    ),
    _Protocol(
        "pop3",
        frozenset({110, 995}),
        _words(rb"(?:\+OK\b|-ERR\b)"),
        _words(rb"\+OK [^\r\n]{0,256}\b(?:POP3?|Dovecot)\b"),
        _words(rb"(?:USER |PASS |CAPA\b|APOP |AUTH\b|STLS\b|STAT\b|LIST\b|RETR |UIDL\b|QUIT\b|NOOP\b|TOP |DELE )"),
        _words(rb"(?:CAPA|STLS|APOP [!-~]{1,128} [0-9a-f]{32})\r?\n"),
        _words(rb"(?:^|\n)STLS\r?\n"),
        _words(rb"(?:^|\n)(?:USER |AUTH |APOP |QUIT)"),
    ),
    _Protocol(
        "imap",
        frozenset({143, 993}),
        _words(rb"\* (?:OK|PREAUTH|BYE|BAD|NO|CAPABILITY|\d+ [A-Z]+)\b"),
        _words(rb"\* (?:OK|PREAUTH)\b[^\r\n]{0,512}(?:IMAP|\[CAPABILITY|Dovecot|Courier|Cyrus)"),
        _words(
            rb"[!-'+-~]{1,24} (?:UID )?(?:CAPABILITY|LOGIN|STARTTLS|NOOP|AUTHENTICATE|LOGOUT|ID|SELECT|EXAMINE|LIST|"
            rb"LSUB|IDLE|FETCH)(?=[ \r\n]|\Z)"
        ),
        _words(
            rb"[a-z0-9.]{1,16} (?:CAPABILITY\r?\n|STARTTLS\r?\n|LOGIN [^\r\n]{1,512}\r?\n|"
            rb"AUTHENTICATE [A-Z0-9-]{1,32}\b)"
        ),
        _words(rb"(?:^|\n)[!-~]{1,24} STARTTLS\r?\n"),
        _words(rb"(?:^|\n)[!-~]{1,24} (?:LOGIN |AUTHENTICATE |LOGOUT|SELECT )"),
    ),
    _Protocol(
        "sieve",
        frozenset({4190}),
        _words(rb'(?:"[A-Z]{3,16}"|OK|NO|BYE)[ \r]'),
        _words(rb'"(?:IMPLEMENTATION|SIEVE|MAXREDIRECTS|UNAUTHENTICATE|NOTIFY)"(?: "[^"\r\n]{0,512}")?\r?\n'),
        _words(
            rb"(?:AUTHENTICATE|STARTTLS|CAPABILITY|LOGOUT|NOOP|UNAUTHENTICATE|HAVESPACE|PUTSCRIPT|LISTSCRIPTS|SETACTIVE|"
            rb"GETSCRIPT|DELETESCRIPT|RENAMESCRIPT|CHECKSCRIPT)(?=[ \r\n]|\Z)"
        ),
        _words(rb'(?:AUTHENTICATE|GETSCRIPT|PUTSCRIPT) "[^"\r\n]{1,128}"|LISTSCRIPTS\r?\n'),
        _words(rb"(?:^|\n)STARTTLS\r?\n"),
        _words(rb"(?:^|\n)(?:AUTHENTICATE |LOGOUT|LISTSCRIPTS)"),
    ),
)

TRANSPORTS = frozenset({TCP})
CERTAINTY = Certainty.STRUCTURE
PORTS = frozenset().union(*[protocol.ports for protocol in _PROTOCOLS])
PREFIXES: dict[int, tuple[Prefix, ...]] = {
    TCP: (
        {0: b"245", 1: DIGITS, 2: DIGITS, 3: b" -"},
        {0: b"+-*", 1: b"OE ", 2: b"KR" + DIGITS + LETTERS},
        words(
            *(b"EHLO", b"HELO", b"LHLO", b"MAIL", b"RCPT", b"STAR", b"AUTH", b"DATA", b"RSET", b"NOOP", b"QUIT"),
            *(b"XCLI", b"USER", b"PASS", b"CAPA", b"APOP", b"STLS", b"STAT", b"LIST", b"RETR", b"UIDL", b"TOP "),
            *(b"DELE", b"LOGO", b"PUTS", b"GETS"),
        ),
        {0: b'"', 1: LETTERS, 2: LETTERS, 3: LETTERS, 4: LETTERS + b'"'},
    )
}
TEXT_PREFIXES: dict[int, tuple[Prefix, ...]] = {
    TCP: ({0: PRINTABLE, 1: b" " + PRINTABLE, 2: b" " + PRINTABLE, 3: b" " + PRINTABLE, 4: b" \r\n" + PRINTABLE},)
}

_ANY = _words(b"|".join(beginning.pattern for protocol in _PROTOCOLS for beginning in protocol[2:6]))
"""What any of them may begin with: one look at what none of them knows."""
_HELLO_NAME = Expression(rb"(?:EHLO|HELO|LHLO) +([^\r\n]{1,255})", re.IGNORECASE)


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """The greeting of a server or the first commands of a client."""
    line = first_line(sent.data)
    if line is None and not sent.is_ended:
        is_text = len(sent.data) < 1024 and is_printable(sent.data.rstrip(b"\r"))  # noqa: PLR2004 - more than any line
        return WAIT if is_text and (sent.data[:1].isalnum() or sent.data[:1] in b'+*-"') else None
    if not is_printable(sent.data[:512].split(b"\n", 1)[0].rstrip(b"\r")):
        return None
    if not _ANY.match(sent.data):
        return None
    is_waiting = False
    for protocol in _PROTOCOLS:
        role = _role(protocol, sent.data, answered.data, ends)
        if role is not None:
            return _inspect(protocol, role, sent, answered, ends)
        is_waiting |= not answered.data and bool(protocol.greeting.match(sent.data))
    return WAIT if is_waiting and not sent.is_ended else None


def _role(protocol: _Protocol, sent: bytes, answered: bytes, ends: Ends) -> Role | None:
    """Which end of this protocol speaks; None where it is not known to be this protocol."""
    if protocol.sure_greeting.match(sent):
        return Role.SERVER
    if protocol.sure_command.match(sent):
        return Role.CLIENT
    if protocol.greeting.match(sent) and (ends.source_port in protocol.ports or protocol.sure_command.match(answered)):
        return Role.SERVER
    is_expected = ends.target_port in protocol.ports or protocol.sure_greeting.match(answered)
    return Role.CLIENT if is_expected and protocol.command.match(sent) else None


def _inspect(protocol: _Protocol, role: Role, sent: Payload, answered: Payload, ends: Ends) -> Detection:
    details: list[tuple[str, str]] = []
    client = sent if role is Role.CLIENT else answered
    if role is Role.SERVER:
        details.append(("greeting", as_text(sent.data[:512].split(b"\n", 1)[0].rstrip(b"\r"))))
    elif name := _HELLO_NAME.match(sent.data):
        details.append(("hello", as_text(name[1].strip())))
    has_upgrade = protocol.upgrade.search(client.data) is not None
    if has_upgrade:
        details.append(("starttls", "yes"))
    is_settled = protocol.settled.search(client.data, 0, 4096) is not None or len(client.data) > 4096  # noqa: PLR2004
    detection = Detection(
        protocol.name, role, details=tuple(details), is_final=sent.is_ended or (is_settled and not has_upgrade)
    )
    return with_upgrade(detection, sent, answered, ends) if has_upgrade else detection
