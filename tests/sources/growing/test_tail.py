"""A growing capture gives whole records, however its writer's bytes are cut, and never the same one twice."""

from __future__ import annotations

import gzip
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture_bytes import enhanced, interface, pcap_header, pcap_record, read_frames, section
from portcall.errors import CaptureError
from portcall.sources.growing.tail import Tail

CAPTURES = Path(__file__).parents[3] / "captures"
PCAP = pcap_header() + b"".join(pcap_record(bytes([number]) * 60, seconds=number) for number in range(1, 9))
PCAPNG = section() + interface() + b"".join(enhanced(bytes([number]) * 60) for number in range(8))


def append(path, content):
    with path.open("ab") as stream:
        stream.write(content)


def taken(tail):
    """The numbers of the frames that are there now."""
    numbers = []
    while (batch := tail.next()) is not None:
        numbers += range(batch.first_number, batch.first_number + len(batch.frames))
    return numbers


def ended(tail):
    numbers = [n for batch in tail.end() for n in range(batch.first_number, batch.first_number + len(batch.frames))]
    tail.close()
    return numbers


@pytest.mark.parametrize("whole", [PCAP, PCAPNG, gzip.compress(PCAP), PCAP + PCAPNG], ids=["pcap", "ng", "gz", "both"])
@given(data=st.data())
def test_a_file_written_in_pieces_has_each_frame_once(whole, tmp_path_factory, data):
    path = tmp_path_factory.mktemp("tail") / "growing"
    cuts = sorted(data.draw(st.sets(st.integers(1, len(whole) - 1), max_size=5)))
    path.write_bytes(b"")
    tail = Tail(str(path))

    numbers = []
    for start, stop in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        append(path, whole[start:stop])
        numbers += taken(tail)
    numbers += ended(tail)

    path.write_bytes(whole)
    assert numbers == list(range(1, len(read_frames(path)[0]) + 1))
    assert tail.problem is None


def test_a_record_that_is_not_whole_yet_is_waited_for(tmp_path):
    path = tmp_path / "growing.pcap"
    path.write_bytes(PCAP[:-1])
    tail = Tail(str(path))

    before = taken(tail)
    append(path, PCAP[-1:])

    assert (before, taken(tail)) == (list(range(1, 8)), [8])
    assert not tail.is_over
    tail.close()


def test_a_record_that_is_never_whole_is_a_problem_once_the_file_is_over(tmp_path):
    path = tmp_path / "growing.pcap"
    path.write_bytes(PCAP[:-1])
    tail = Tail(str(path))

    numbers = taken(tail) + ended(tail)

    assert len(numbers) == 7
    assert "the file ends inside a record" in str(tail.problem)


def test_frames_that_were_counted_before_are_passed_over(tmp_path):
    path = tmp_path / "growing.pcap"
    path.write_bytes(PCAP)
    tail = Tail(str(path), passed_frames=5)

    assert taken(tail) == [6, 7, 8]
    assert tail.frames == 8
    tail.close()


def test_damage_ends_a_tail_and_says_where(tmp_path):
    path = tmp_path / "growing.pcap"
    path.write_bytes(PCAP + pcap_record(b"x" * 60, wire=2**31) + b"\xff" * 64)
    tail = Tail(str(path))

    taken(tail)

    assert tail.is_over
    assert "at byte" in str(tail.problem)
    tail.close()


@pytest.mark.parametrize("anew", [PCAP[:400], pcap_header() + pcap_record(b"y" * 900, seconds=99)], ids=["cut", "anew"])
def test_a_file_that_is_cut_or_written_anew_is_over_and_says_so(tmp_path, anew):
    path = tmp_path / "growing.pcap"
    path.write_bytes(PCAP)
    tail = Tail(str(path))
    taken(tail)

    with path.open("r+b") as stream:  # the same file, as tcpdump -W has it
        stream.truncate()
        stream.write(anew)

    assert taken(tail) == []
    assert tail.is_over
    assert tail.was_rewritten
    tail.close()


def test_a_file_that_was_written_anew_and_is_longer_by_now_gives_none_of_its_new_bytes(tmp_path):
    path = tmp_path / "growing.pcap"
    path.write_bytes(PCAP)
    tail = Tail(str(path))
    taken(tail)

    with path.open("r+b") as stream:
        stream.truncate()
        stream.write(pcap_header() + 30 * pcap_record(b"y" * 90, seconds=99))

    assert taken(tail) == []
    assert tail.was_rewritten
    tail.close()


def test_a_file_that_is_unlinked_is_read_to_its_end(tmp_path):
    path = tmp_path / "growing.pcap"
    path.write_bytes(PCAP[:300])
    tail = Tail(str(path))
    before = taken(tail)
    append(path, PCAP[300:])
    path.unlink()

    assert before + ended(tail) == list(range(1, 9))


def test_what_is_no_capture_is_over_at_once(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("not a capture, but long enough")
    tail = Tail(str(path))

    taken(tail)

    assert tail.is_over
    assert "no capture begins here" in str(tail.problem)
    tail.close()


def test_a_file_that_is_not_there_is_said():
    with pytest.raises(CaptureError, match="no such file"):
        Tail("/nowhere/a.pcap")


def test_closing_leaves_no_thread(tmp_path):
    path = tmp_path / "growing.pcap"
    path.write_bytes(PCAP)
    before = threading.active_count()
    tails = [Tail(str(path)) for _ in range(3)]
    taken(tails[0])
    tails[1].next()

    for tail in tails:
        tail.close()

    assert threading.active_count() == before


def test_a_large_compressed_file_needs_no_second_thread(tmp_path):
    path = tmp_path / "growing.pcap.gz"
    whole = PCAP + 3000 * pcap_record(b"z" * 1400)
    path.write_bytes(gzip.compress(whole, 1))
    tail = Tail(str(path))

    assert len(taken(tail)) == 3008
    assert [thread.name for thread in threading.enumerate()].count("read ahead") == 0
    tail.close()


@pytest.mark.parametrize("name", ["dns.pcap", "office.pcapng", "cooked.pcapng"])
def test_real_captures_give_what_reading_them_gives(name):
    tail = Tail(str(CAPTURES / name))

    numbers = taken(tail) + ended(tail)

    assert numbers == list(range(1, len(read_frames(CAPTURES / name)[0]) + 1))
