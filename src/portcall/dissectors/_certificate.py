"""Whom a server's certificate is for, read from the handshake message that carries it."""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import TYPE_CHECKING

from portcall.dissectors._hello import named
from portcall.records.detections import Name, NameKind

if TYPE_CHECKING:
    from cryptography import x509

_MOST_CERTIFICATE_BYTES = 16 * 1024


def certificate_names(body: bytes) -> tuple[Name, ...] | None:
    """The name in the first certificate of a Certificate message (RFC 5246 §7.4.2), the server's own.

    The first DNS name among the subject's alternatives, else the subject's common name; empty where there is neither.
    None: the message is cut before the certificate's end.
    """
    # list length 3 | length 3 | certificate | …
    if len(body) < 6:  # noqa: PLR2004 - the two lengths
        return None if int.from_bytes(body[:3], "big") or len(body) < 3 else ()  # noqa: PLR2004 - an empty list
    end = 6 + int.from_bytes(body[3:6], "big")
    return names_of(body[6:end]) if end <= len(body) else None


@lru_cache(maxsize=128)  # busy servers show theirs again and again
def names_of(certificate: bytes) -> tuple[Name, ...]:
    """The name in one certificate (X.509, DER), as above."""
    if len(certificate) > _MOST_CERTIFICATE_BYTES:
        return ()
    from cryptography import x509

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd certificates, which are no affair of ours
        try:
            parsed = x509.load_der_x509_certificate(certificate)
            text = _alternative_name(parsed) or _common_name(parsed)
        except (ValueError, x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
            return ()
    return named(NameKind.CERTIFICATE, text.encode("utf-8", "surrogateescape"))


def _alternative_name(certificate: x509.Certificate) -> str:
    from cryptography import x509

    try:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ""
    return next(iter(alternatives.get_values_for_type(x509.DNSName)), "")


def _common_name(certificate: x509.Certificate) -> str:
    from cryptography.x509.oid import NameOID

    attributes = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    value = attributes[0].value if attributes else ""
    return value if isinstance(value, str) else ""
