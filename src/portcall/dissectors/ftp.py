"""FTP's control connection (RFC 959, RFC 4217): told from SMTP, which greets with 220 too, by port and words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._inside import with_hello
from portcall.dissectors._openings import DIGITS, words
from portcall.dissectors._text import as_text, first_line, is_printable
from portcall.speech import TCP, WAIT, Finding, Role

if TYPE_CHECKING:
    from portcall.dissectors._openings import Opening
    from portcall.speech import Ends, Speech, Wait

TRANSPORTS = frozenset({TCP})
CERTAINTY = Certainty.STRUCTURE
PORTS = frozenset({21, 990, 2121})
OPENINGS: dict[int, tuple[Opening, ...]] = {
    TCP: (
        {0: b"12345", 1: DIGITS, 2: DIGITS, 3: b" -"},
        words(
            *(b"USE", b"PAS", b"AUT", b"FEA", b"SYS", b"OPT", b"HOS", b"CLN", b"TYP", b"EPS", b"POR", b"EPR", b"LIS"),
            *(b"NLS", b"MLS", b"RET", b"STO", b"CWD", b"PWD", b"XPW", b"QUI", b"NOO", b"SIZ", b"MDT", b"PBS", b"PRO"),
            *(b"ACC", b"HEL", b"SIT", b"RES", b"DEL", b"MKD", b"RMD", b"RNF", b"RNT", b"CDU", b"STA", b"ABO", b"APP"),
        ),
    )
}

_REPLY = re.compile(rb"[1-5]\d\d[ -]")
_SURE_GREETING = re.compile(rb"(?:220|120|421|530)[ -](?![^\r\n]{0,512}SMTP)[^\r\n]{0,512}FTP", re.IGNORECASE)
_COMMAND = re.compile(
    rb"(?:USER|PASS|AUTH|FEAT|SYST|OPTS|HOST|CLNT|TYPE|PASV|EPSV|PORT|EPRT|LIST|NLST|MLSD|RETR|STOR|CWD|PWD|XPWD|QUIT|"
    rb"NOOP|SIZE|MDTM|PBSZ|PROT|ACCT|HELP|SITE|REST|DELE|MKD|RMD|RNFR|RNTO|CDUP|STAT|ABOR|APPE)\b",
    re.IGNORECASE,
)
_SURE_COMMAND = re.compile(
    rb"(?:USER [^\s:]{1,64}\r?\n(?:PASS|SYST)\b|AUTH (?:TLS|SSL|GSSAPI)\r?\n|OPTS UTF8 ON\b|"
    rb"(?:USER anonymous|FEAT|SYST|PASV|EPSV|TYPE [AI])\r?\n)",
    re.IGNORECASE,
)
_UPGRADE = re.compile(rb"(?:^|\n)AUTH (?:TLS|SSL)\b", re.IGNORECASE)
_SETTLED = re.compile(rb"(?:^|\n)(?:USER|QUIT)\b", re.IGNORECASE)


def listen(said: Speech, answered: Speech, ends: Ends) -> Finding | Wait | None:
    """The greeting of a server or the first commands of a client."""
    line = first_line(said.data)
    if line is None:
        is_begun = not said.is_ended and len(said.data) < 1024 and is_printable(said.data.rstrip(b"\r"))  # noqa: PLR2004
        is_text = is_begun and (said.data[:1].isalpha() or said.data[:1] in b"1245")
        return WAIT if is_text else None
    if not is_printable(line):
        return None
    role = _role(said.data, answered.data, ends)
    if role is None:
        is_greeting = line[:3] == b"220" and not answered.data and not said.is_ended
        return WAIT if is_greeting else None
    client = said if role is Role.CLIENT else answered
    details: list[tuple[str, str]] = [("greeting", as_text(line))] if role is Role.SERVER else []
    if has_upgrade := _UPGRADE.search(client.data, 0, 4096) is not None:
        details.append(("starttls", "yes"))
    is_settled = len(client.data) > 4096 or _SETTLED.search(client.data) is not None  # noqa: PLR2004 - enough for a hello
    is_final = said.is_ended or (is_settled and not has_upgrade)
    finding = Finding("ftp", role, details=tuple(details), is_final=is_final)
    return with_hello(finding, said, answered, ends) if has_upgrade else finding


def _role(said: bytes, answered: bytes, ends: Ends) -> Role | None:
    if _SURE_GREETING.match(said):
        return Role.SERVER
    if _REPLY.match(said) and (ends.source_port in PORTS or _SURE_COMMAND.match(answered)):
        return Role.SERVER
    if _COMMAND.match(said) and (ends.target_port in PORTS or _SURE_GREETING.match(answered)):
        return Role.CLIENT
    return Role.CLIENT if _SURE_COMMAND.match(said) and (not answered or _REPLY.match(answered)) else None
