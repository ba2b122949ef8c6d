"""Words for the numbers that TLS chooses: versions, cipher suites, curves, alerts.

From IANA's "Transport Layer Security (TLS) Parameters" (https://www.iana.org/assignments/tls-parameters, 2026-01); the
cipher suites are in ``data/tls_cipher_suites.csv``, as scapy 2.6 lists them and with those of TLS 1.3.
"""

from __future__ import annotations

from functools import cache

from portcall.labels.data_files import data_text

_VERSIONS = {
    0x0002: "SSLv2",
    0x0300: "SSLv3",
    0x0301: "TLSv10",
    0x0302: "TLSv11",
    0x0303: "TLSv12",
    0x0304: "TLSv13",
    0xFEFF: "DTLSv10",
    0xFEFD: "DTLSv12",
    0xFEFC: "DTLSv13",
}
_CURVES = {
    19: "secp192r1",
    21: "secp224r1",
    22: "secp256k1",
    23: "secp256r1",
    24: "secp384r1",
    25: "secp521r1",
    26: "brainpoolP256r1",
    27: "brainpoolP384r1",
    28: "brainpoolP512r1",
    29: "x25519",
    30: "x448",
    256: "ffdhe2048",
    257: "ffdhe3072",
    258: "ffdhe4096",
    4587: "SecP256r1MLKEM768",
    4588: "X25519MLKEM768",
    25497: "X25519Kyber768Draft00",
}
_ALERTS = {
    0: "close_notify",
    10: "unexpected_message",
    20: "bad_record_mac",
    22: "record_overflow",
    40: "handshake_failure",
    42: "bad_certificate",
    43: "unsupported_certificate",
    44: "certificate_revoked",
    45: "certificate_expired",
    46: "certificate_unknown",
    47: "illegal_parameter",
    48: "unknown_ca",
    49: "access_denied",
    50: "decode_error",
    51: "decrypt_error",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
    90: "user_canceled",
    100: "no_renegotiation",
    109: "missing_extension",
    110: "unsupported_extension",
    112: "unrecognized_name",
    116: "certificate_required",
    120: "no_application_protocol",
}


def version_word(number: int) -> str:
    """A version as Zeek calls it: ``TLSv12``; ``unknown-768`` where it has no name."""
    return _VERSIONS.get(number, f"unknown-{number}")


def cipher_word(number: int) -> str:
    """A cipher suite: ``TLS_AES_128_GCM_SHA256``; ``unknown-64250`` where it has no name."""
    return _cipher_suites().get(number, f"unknown-{number}")


def curve_word(number: int) -> str:
    """A named group: ``x25519``; ``unknown-9999`` where it has no name."""
    return _CURVES.get(number, f"unknown-{number}")


def alert_word(number: int) -> str:
    """An alert: ``handshake_failure``; ``unknown-9`` where it has no name."""
    return _ALERTS.get(number, f"unknown-{number}")


@cache
def _cipher_suites() -> dict[int, str]:
    lines = data_text("tls_cipher_suites.csv").partition("number,name\n")[2].splitlines()
    return {int(number): name for number, _, name in (line.partition(",") for line in lines)}
