"""Expected fingerprints and their parts are those of FoxIO's specification and of the test results beside its tools."""

import hashlib

import pytest

from portcall.dissectors._ja4 import GREASE, ja4

SUITES = bytes.fromhex("130113021303c02bc02fc02cc030cca9cca8c013c014009c009d002f0035")
KINDS = (0x1B, 0, 0x33, 0x10, 0x4469, 0x17, 0x2D, 0xD, 5, 0x23, 0x12, 0x2B, 0xFF01, 0xB, 0xA, 0x15)
ALGORITHMS = bytes.fromhex("001004030804040105030805050108060601")


def fingerprint(version=0x0304, suites=SUITES, kinds=KINDS, algorithms=ALGORITHMS, protocol=b"h2"):
    extensions = dict.fromkeys(kinds, b"")
    if algorithms:
        extensions[13] = algorithms
    return ja4("t", version, suites, extensions, protocol)


def test_the_example_of_the_specification():
    assert fingerprint() == "t13d1516h2_8daaf6152771_e5627efa2ab1"


def test_without_signature_algorithms_nothing_follows_the_extensions():
    kinds = [kind for kind in KINDS if kind != 13]
    listed = "0005,000a,000b,0012,0015,0017,001b,0023,002b,002d,0033,4469,ff01"

    expected = hashlib.sha256(listed.encode()).hexdigest()[:12]

    assert fingerprint(kinds=kinds, algorithms=b"") == f"t13d1515h2_8daaf6152771_{expected}"


def test_grease_counts_nowhere():
    kinds = (*KINDS, 0x0A0A, 0xFAFA)

    assert fingerprint(suites=b"\x1a\x1a" + SUITES, kinds=kinds) == fingerprint()
    assert len(GREASE) == 16


def test_the_order_of_suites_and_extensions_does_not_matter():
    backwards = b"".join(SUITES[at : at + 2] for at in range(len(SUITES) - 2, -1, -2))

    assert fingerprint(suites=backwards, kinds=KINDS[::-1]) == fingerprint()


def test_without_a_name_it_begins_with_i():
    assert fingerprint(kinds=[kind for kind in KINDS if kind]) == "t13i1515h2_8daaf6152771_e5627efa2ab1"


def test_what_is_not_there_hashes_to_zeros():
    assert fingerprint(suites=b"", kinds=(), algorithms=b"", protocol=b"") == "t13i000000_000000000000_000000000000"


def test_no_more_than_99_are_counted():
    suites = b"".join(number.to_bytes(2, "big") for number in range(200))

    assert fingerprint(suites=suites, kinds=range(150)).startswith("t13d9999h2_")


@pytest.mark.parametrize(
    ("protocol", "ends"),
    [
        (b"http/1.1", "h1"),
        (b"h", "hh"),
        (b"", "00"),
        (b"\xab", "ab"),
        (b"\xab\xcd", "ad"),
        (b"0\xab", "3b"),
        (b"01\xab\xcd", "3d"),
        (b"0\xab\xcd1", "01"),
    ],
)
def test_the_ends_of_the_first_protocol(protocol, ends):
    assert fingerprint(protocol=protocol)[8:10] == ends


@pytest.mark.parametrize(
    ("version", "text"),
    [
        (0x0303, "12"),
        (0x0302, "11"),
        (0x0301, "10"),
        (0x0300, "s3"),
        (0x0002, "s2"),
        (0xFEFF, "d1"),
        (0xFEFD, "d2"),
        (0xFEFC, "d3"),
        (0x7F1C, "00"),
    ],
)
def test_versions_have_two_characters(version, text):
    assert fingerprint(version)[1:3] == text
