import pytest

from portcall.errors import UsageError
from portcall.recording.rotation import Rotation
from portcall.runs.recording.rotating import rotation_of


@pytest.mark.parametrize(
    ("written", "rotation"),
    [
        ("100MB", Rotation(most_bytes=100_000_000)),
        ("1GiB", Rotation(most_bytes=1 << 30)),
        ("100mb", Rotation(most_bytes=100_000_000)),
        ("64KiB", Rotation(most_bytes=1 << 16)),
        ("1h", Rotation(most_seconds=3600)),
        ("15min", Rotation(most_seconds=900)),
    ],
)
def test_a_size_or_a_time_says_when_another_file_begins(written, rotation):
    assert rotation_of(written, None) == rotation


@pytest.mark.parametrize("written", ["", "100", "0s", "1kB", "MB", "-1h", "1h30", "2000TB", "9" * 20 + "h"])
def test_what_is_neither_is_refused_with_an_example(written):
    with pytest.raises(UsageError, match=r"--rotate .*like 64MB .*or a time like 30s"):
        rotation_of(written, None)


def test_without_rotation_there_is_one_file():
    assert not rotation_of(None, None).is_wanted


def test_keeping_some_of_one_file_is_refused():
    with pytest.raises(UsageError, match=r"--rotate"):
        rotation_of(None, 3)
