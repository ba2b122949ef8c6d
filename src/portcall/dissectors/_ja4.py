"""JA4, the fingerprint of a TLS client: ``t13d1516h2_8daaf6152771_e5627efa2ab1``.

It tells programs apart by what they offer: browsers, curl, malware kits. By FoxIO's specification of JA4 (BSD 3-Clause;
github.com/FoxIO-LLC/ja4, technical_details/JA4.md). The other fingerprints of that family have other licences and are
not made here.
"""

from __future__ import annotations

from functools import lru_cache

GREASE = frozenset(0x0A0A + 0x1010 * step for step in range(16))
"""Values that mean nothing, sent so that nobody relies on knowing them all (RFC 8701)."""

_GREASE_TEXTS = frozenset(f"{value:04x}" for value in GREASE)
_SERVER_NAME, _SIGNATURE_ALGORITHMS, _APPLICATION_PROTOCOLS = 0, 13, 16
_HASHED_NOTHING = "000000000000"
_VERSIONS = {
    0x0304: "13",
    0x0303: "12",
    0x0302: "11",
    0x0301: "10",
    0x0300: "s3",
    0x0002: "s2",
    0xFEFF: "d1",
    0xFEFD: "d2",
    0xFEFC: "d3",
}


def ja4(carrier: str, version: int, cipher_suites: bytes, extensions: dict[int, bytes], protocol: bytes) -> str:
    """The fingerprint.

    The carrier is ``t`` for TCP, ``q`` for QUIC, ``d`` for DTLS; the version is the newest offered; cipher suites are
    two bytes each, extensions bodies by kind; the protocol is the first of ALPN, empty where there is none.
    """
    kinds = tuple(sorted([kind for kind in extensions if kind not in GREASE]))
    suites_count, suites_hash = _hashed_suites(cipher_suites)
    return (
        f"{carrier}{_VERSIONS.get(version, '00')}{'d' if _SERVER_NAME in extensions else 'i'}"
        f"{suites_count:02}{min(len(kinds), 99):02}{_ends_of(protocol)}"
        f"_{suites_hash}_{_hashed_extensions(kinds, extensions.get(_SIGNATURE_ALGORITHMS, b''))}"
    )


# Hashes are kept, because there are far fewer programs than connections: 3 µs instead of 14.


@lru_cache(maxsize=256)
def _hashed_suites(cipher_suites: bytes) -> tuple[int, str]:
    suites = sorted(_shorts_text(cipher_suites))
    return min(len(suites), 99), _hashed(",".join(suites)) if suites else _HASHED_NOTHING


@lru_cache(maxsize=256)
def _hashed_extensions(kinds: tuple[int, ...], signature_algorithms: bytes) -> str:
    hashed = [f"{kind:04x}" for kind in kinds if kind not in (_SERVER_NAME, _APPLICATION_PROTOCOLS)]
    algorithms = _shorts_text(signature_algorithms[2:])  # after their length
    text = "_".join([",".join(hashed), ",".join(algorithms)]) if algorithms else ",".join(hashed)
    return _hashed(text) if hashed else _HASHED_NOTHING


def _shorts_text(data: bytes) -> list[str]:
    if len(data) < 2:  # noqa: PLR2004 - one of them
        return []
    whole = data[: len(data) & ~1]
    return [text for text in whole.hex(",", -2).split(",") if text not in _GREASE_TEXTS]


def _hashed(text: str) -> str:
    import hashlib  # it loads OpenSSL

    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _ends_of(protocol: bytes) -> str:
    if not protocol:
        return "00"
    ends = protocol[:1] + protocol[-1:]
    if ends.isalnum():  # of bytes: ASCII only
        return ends.decode()
    digits = protocol.hex()
    return digits[0] + digits[-1]
