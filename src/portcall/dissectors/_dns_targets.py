"""Names that a DNS answer leads to: whoever asked goes there next, and the addresses may stand behind the answers.

::

    NS (RFC 1035 §3.3.11)        name
    MX (RFC 1035 §3.3.9)         preference 2 | name
    SRV (RFC 2782)               priority 2 | weight 2 | port 2 | name
    SVCB, HTTPS (RFC 9460 §2.2)  priority 2 | name; the root for the record's own

A name server, a mail server and the host of a service are called by their own names. Who is reached by a service
binding is called as the client asked for it. Glue for what no answer names was not asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.dissectors._dns_message import ADDRESS, ADDRESS_6, HTTPS, MAIL_SERVER, NAME_SERVER, SERVICE, SERVICE_HOST
from portcall.dissectors._domain_names import read_name
from portcall.dissectors._service_bindings import service_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from portcall.dissectors._dns_message import Record

_NAME_AT = {NAME_SERVER: 0, MAIL_SERVER: 2, SERVICE_HOST: 6, SERVICE: 2, HTTPS: 2}
LEADS_ON = frozenset(_NAME_AT)
"""Types of records that name somebody else."""


def led_to(
    data: bytes, answers: list[Record], additions: list[Record], asked_for: dict[bytes, tuple[bytes, int]]
) -> Iterator[tuple[bytes, Record]]:
    """Addresses behind the answers that these lead to, each with the name that it is called by, in lower case."""
    names: dict[bytes, bytes] = {}
    for name, kind, _, _, start, end in answers:
        at = _NAME_AT.get(kind)
        target = None if at is None else read_name(data, start + at)
        if target is None or target[1] > end:
            continue
        owner = name.lower()
        if kind in (SERVICE, HTTPS):
            served = service_name(asked_for.get(owner, (owner, 0))[0], target[0])
            names.setdefault(target[0].lower() or owner, served)
        else:
            names.setdefault(target[0].lower(), target[0].lower())
    for record in additions if names else ():
        if record[1] in (ADDRESS, ADDRESS_6) and (called := names.get(record[0].lower())):
            yield called, record
