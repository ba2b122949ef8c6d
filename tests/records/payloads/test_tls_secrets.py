"""Key logs: which lines say something, and that all others are passed over."""

import pytest

from portcall.records.payloads.tls_secrets import read_key_log

RANDOM, SECRET = "ab" * 32, "cd" * 48


def read(*lines):
    return dict(read_key_log("\n".join(lines).encode()))


@pytest.mark.parametrize("label", ["CLIENT_RANDOM", "CLIENT_TRAFFIC_SECRET_0", "CLIENT_HANDSHAKE_TRAFFIC_SECRET"])
def test_a_secret_is_found_by_label_and_random(label):
    assert read(f"{label} {RANDOM} {SECRET}") == {(label, b"\xab" * 32): b"\xcd" * 48}


@pytest.mark.parametrize("label", ["ECH_SECRET", "ECH_CONFIG"])
@pytest.mark.parametrize("size", [32, 60])
def test_what_opens_an_encrypted_hello_is_found_likewise(label, size):
    assert read(f"{label} {RANDOM} {'cd' * size}") == {(label, b"\xab" * 32): b"\xcd" * size}


def test_lines_may_end_as_on_windows_and_in_any_case():
    assert read(f"CLIENT_RANDOM {RANDOM.upper()} {SECRET}\r", "") == {("CLIENT_RANDOM", b"\xab" * 32): b"\xcd" * 48}


@pytest.mark.parametrize(
    "line",
    [
        f"# CLIENT_RANDOM {RANDOM} {SECRET}",
        f"SERVER_TRAFFIC_SECRET_0 {RANDOM} {SECRET}",
        f"CLIENT_RANDOM {RANDOM[2:]} {SECRET}",
        f"CLIENT_RANDOM {RANDOM} {SECRET}0",
        f"CLIENT_RANDOM {RANDOM} abcd",
        f"CLIENT_RANDOM {RANDOM} {'cd' * 65}",
        "\0\xff",
    ],
)
def test_other_lines_are_passed_over(line):
    assert read(line) == {}
