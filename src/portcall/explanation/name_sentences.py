"""What a conversation's server is called, and who says so: in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.records.detections import OUTER_KINDS, NameKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    Row = dict[str, Any]  # Any: plain values of several types, see schema

_NAME_SOURCES = {
    NameKind.TLS_SNI.value: "the client asked for it when it began TLS (SNI)",
    NameKind.QUIC_SNI.value: "the client asked for it when it began QUIC (SNI)",
    NameKind.HTTP_HOST.value: "the client's HTTP request is to it (Host)",
    NameKind.CERTIFICATE.value: "the server's certificate is for it",
    NameKind.REALM.value: "a STUN or TURN relay of it says that it serves this domain",
    NameKind.TLS_SNI_OUTER.value: "a cover: it stands outside an encrypted hello (ECH), which asks for another name",
    NameKind.QUIC_SNI_OUTER.value: "a cover: it stands outside an encrypted hello (ECH) of QUIC, for another",
    NameKind.DNS.value: "inferred: the conversation does not say it, but its client had been told that it is there",
    NameKind.CAPTURE.value: "the capture file itself says so",
}
COVERS = frozenset(kind.value for kind in OUTER_KINDS.values())
"""The sources of names that are covers."""
_MAY_BE_COVERS = frozenset(kind.value for kind in OUTER_KINDS)


def name_sentences(row: Row, told: Iterable[str], hidden: Sequence[str]) -> Iterator[str]:
    """Of a row of ``--by flow``; ``told``: what resolvers called the server; ``hidden``: names behind a cover."""
    hostname, source = row["hostname"], row["hostname_source"]
    if hostname is None:
        if source:
            names = ", ".join(dict.fromkeys(told))
            yield f"ambiguous: several names share the address, and none is guessed: {names}"
        elif row["server_port_class"] is not None:
            yield "none: nothing names the server"
        return
    is_inspected = source not in (NameKind.DNS.value, NameKind.CAPTURE.value)
    where = f", frame {row['evidence_frame']}" if is_inspected and row["evidence_frame"] else ""
    yield f"{hostname}: {_NAME_SOURCES[source]}{where}"
    sent = dict.fromkeys(name for name in (row["tls_server_name"], row["http_host"]) if name not in (None, hostname))
    yield from (f"as sent: {name}" for name in sent)
    if hidden:
        yield f"behind it: {', '.join(hidden)}, as DNS had offered this client (HTTPS record with ech)"
    elif source in COVERS:
        yield "behind it: not known"
    elif source in _MAY_BE_COVERS and "ech=yes" in (row["said"] or ()):
        yield "its hello has an encrypted one (ECH) or what looks like it (GREASE): which, nobody on the way can tell"
