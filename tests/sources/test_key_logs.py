"""Files of TLS secrets: what is read of them, and what is said of those that are none."""

import pytest

from portcall.errors import PortcallError
from portcall.sources.key_logs import secrets_of

RANDOM, SECRET = "ab" * 32, "cd" * 48
LINE = f"CLIENT_RANDOM {RANDOM} {SECRET}\n"


@pytest.fixture
def written(tmp_path):
    def write(content, name="keys.txt"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


def test_the_secrets_of_all_files_are_there_in_their_order(written):
    other = LINE.replace("ab", "ef")

    found = list(secrets_of([written("# a comment\r\n" + LINE, "1"), written(other, "2")]))

    assert [session for session, _ in found] == [("CLIENT_RANDOM", b"\xab" * 32), ("CLIENT_RANDOM", b"\xef" * 32)]


@pytest.mark.parametrize("content", ["", "# nothing yet\n", f"SERVER_TRAFFIC_SECRET_0 {RANDOM} {SECRET}\n"])
def test_a_file_without_secrets_that_open_anything_is_no_error(written, content):
    assert list(secrets_of([written(content)])) == []


@pytest.mark.parametrize(
    "content", ["hello\n", bytes(range(256)) * 40, "-----BEGIN PRIVATE KEY-----\nMIG\n", "a" * 70_000]
)
def test_a_file_of_something_else_is_refused_by_its_name(written, content):
    path = written(content)

    with pytest.raises(PortcallError, match=r"--tls-keys .*keys\.txt: at byte 0: no line of a key log"):
        list(secrets_of([path]))


def test_damage_between_lines_is_passed_over(written):
    found = list(secrets_of([written(LINE.encode() + b"\0" * 100_000 + b"\n" + LINE.encode())]))

    assert len(found) == 2


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(PortcallError, match="No such file"):
        list(secrets_of([str(tmp_path / "none")]))
