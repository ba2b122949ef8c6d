"""FTP's control connection (RFC 959, RFC 4217): told from SMTP, which greets with 220 too, by port and words.

It announces each connection for data (RFC 959 §4.1.2, RFC 2428, RFC 1639), by a client's command or a server's answer::

    PORT h1,h2,h3,h4,p1,p2         227 … h1,h2,h3,h4,p1,p2
    EPRT |1 or 2|address|port|     229 … (|||port|)
    LPRT 4,4,h1 … 2,p1,p2          228 … 6,16,h1 … 2,p1,p2
"""

from __future__ import annotations

import ipaddress
import re
from contextlib import suppress
from itertools import chain, islice
from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._expressions import Expression
from portcall.dissectors._inside import with_upgrade
from portcall.dissectors._prefixes import DIGITS, words
from portcall.dissectors._text import as_text, first_line, is_printable
from portcall.records.detections import TCP, WAIT, Detection, ExpectedFlow, Role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from portcall.dissectors._prefixes import Prefix
    from portcall.records.detections import Ends, Payload, Wait

TRANSPORTS = frozenset({TCP})
CERTAINTY = Certainty.STRUCTURE
PORTS = frozenset({21, 990, 2121})
PREFIXES: dict[int, tuple[Prefix, ...]] = {TCP: ({0: b"12345", 1: DIGITS, 2: DIGITS, 3: b" -"},)}
TEXT_PREFIXES: dict[int, tuple[Prefix, ...]] = {
    TCP: (
        words(
            *(b"USE", b"PAS", b"AUT", b"FEA", b"SYS", b"OPT", b"HOS", b"CLN", b"TYP", b"EPS", b"POR", b"EPR", b"LIS"),
            *(b"NLS", b"MLS", b"RET", b"STO", b"CWD", b"PWD", b"XPW", b"QUI", b"NOO", b"SIZ", b"MDT", b"PBS", b"PRO"),
            *(
                b"ACC",
                b"HEL",
                b"SIT",
                b"RES",
                b"DEL",
                b"MKD",
                b"RMD",
                b"RNF",
                b"RNT",
                b"CDU",
                b"STA",
                b"ABO",
                b"APP",
                b"LPR",
                b"LPS",
            ),
        ),
    )
}
INSPECTS_ALWAYS = True  # transfers are announced as long as it lasts

_REPLY = Expression(rb"[1-5]\d\d[ -]")
_SURE_GREETING = Expression(rb"(?:220|120|421|530)[ -](?![^\r\n]{0,512}SMTP)[^\r\n]{0,512}FTP", re.IGNORECASE)
_COMMAND = Expression(
    rb"(?:USER|PASS|AUTH|FEAT|SYST|OPTS|HOST|CLNT|TYPE|PASV|EPSV|PORT|EPRT|LIST|NLST|MLSD|RETR|STOR|CWD|PWD|XPWD|QUIT|"
    rb"NOOP|SIZE|MDTM|PBSZ|PROT|ACCT|HELP|SITE|REST|DELE|MKD|RMD|RNFR|RNTO|CDUP|STAT|ABOR|APPE)(?!\S)",
    re.IGNORECASE,
)
_SURE_COMMAND = Expression(
    rb"(?:USER [^\s:]{1,64}\r?\n(?:PASS|SYST)\b|AUTH (?:TLS|SSL|GSSAPI)\r?\n|OPTS UTF8 ON\b|"
    rb"(?:USER anonymous|FEAT|SYST|PASV|EPSV|TYPE [AI])\r?\n)",
    re.IGNORECASE,
)
_UPGRADE = Expression(rb"(?:^|\n)AUTH (?:TLS|SSL)\b", re.IGNORECASE)
_NUMBERS = rb"\d{1,3}(?:,\d{1,3})"
_ANNOUNCED = Expression(
    rb"^(?:PORT |227 [^\r\n\d]{0,128})(?P<plain>" + _NUMBERS + rb"{5})\b"
    rb"|^(?:LPRT |228 [^\r\n\d]{0,128})(?P<long>" + _NUMBERS + rb"{8,20})\b"
    rb"|^EPRT (?P<bar>[!-~])[12](?P=bar)(?P<address>[0-9A-Fa-f.:]{2,45})(?P=bar)(?P<port>\d{1,5})(?P=bar)"
    rb"|^229 [^\r\n(]{0,128}\((?P<mark>[!-~])(?P=mark){2}(?P<own>\d{1,5})(?P=mark)\)",
    re.IGNORECASE | re.MULTILINE,
)
_MOST_ANNOUNCED = 64
_SETTLED = Expression(rb"(?:^|\n)(?:USER|QUIT)\b", re.IGNORECASE)


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """The greeting of a server or the first commands of a client."""
    line = first_line(sent.data)
    if line is None:
        is_begun = not sent.is_ended and len(sent.data) < 1024 and is_printable(sent.data.rstrip(b"\r"))  # noqa: PLR2004
        is_text = is_begun and (sent.data[:1].isalpha() or sent.data[:1] in b"1245")
        return WAIT if is_text else None
    if not is_printable(line):
        return None
    role = _role(sent.data, answered.data, ends)
    if role is None:
        is_greeting = line[:3] == b"220" and not answered.data and not sent.is_ended
        return WAIT if is_greeting else None
    client = sent if role is Role.CLIENT else answered
    details: list[tuple[str, str]] = [("greeting", as_text(line))] if role is Role.SERVER else []
    if has_upgrade := _UPGRADE.search(client.data, 0, 4096) is not None:
        details.append(("starttls", "yes"))
    is_settled = len(client.data) > 4096 or _SETTLED.search(client.data) is not None  # noqa: PLR2004 - enough for a hello
    is_final = sent.is_ended or (is_settled and not has_upgrade)
    expected = tuple(islice(chain.from_iterable(map(_expected, _ANNOUNCED.finditer(sent.data))), _MOST_ANNOUNCED))
    detection = Detection("ftp", role, details=tuple(details), expected=expected, is_final=is_final)
    return with_upgrade(detection, sent, answered, ends) if has_upgrade else detection


def _expected(announced: re.Match[bytes]) -> Iterator[ExpectedFlow]:
    """The connections that may follow: to the address announced and, of a server behind a translator, to its own."""
    own, port = announced["own"], announced["port"]
    if own:
        yield from _to(b"", int(own))
    elif port:
        with suppress(ValueError):
            yield from _to(ipaddress.ip_address(announced["address"].decode()).packed, int(port))
    else:
        numbers = bytes(min(int(number), 255) for number in (announced["plain"] or announced["long"]).split(b","))
        address, rest = (numbers[:4], b"\2" + numbers[4:]) if announced["plain"] else _long(numbers)
        if len(address) in (4, 16) and len(rest) == 3 and rest[0] == 2:  # noqa: PLR2004 - IPv4, IPv6; a port's two bytes
            yield from _to(address, int.from_bytes(rest[1:], "big"))
            yield from _to(b"", int.from_bytes(rest[1:], "big"))


def _long(numbers: bytes) -> tuple[bytes, bytes]:
    """The address, and the length of the port with the port, of RFC 1639's notation; the first is the IP version."""
    return numbers[2 : 2 + numbers[1]], numbers[2 + numbers[1] :]


def _to(address: bytes, port: int) -> Iterator[ExpectedFlow]:
    if 0 < port < 1 << 16:
        yield ExpectedFlow("ftp-data", TCP, port, address)


def _role(sent: bytes, answered: bytes, ends: Ends) -> Role | None:
    if _ANNOUNCED.match(sent):
        return Role.SERVER if sent[:1] == b"2" else Role.CLIENT
    if _SURE_GREETING.match(sent):
        return Role.SERVER
    if _REPLY.match(sent) and (ends.source_port in PORTS or _SURE_COMMAND.match(answered)):
        return Role.SERVER
    if _COMMAND.match(sent) and (ends.target_port in PORTS or _SURE_GREETING.match(answered)):
        return Role.CLIENT
    return Role.CLIENT if _SURE_COMMAND.match(sent) and (not answered or _REPLY.match(answered)) else None
