"""Numbers for what was found, of one shard and of several."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from portcall.inspection.detection_table import DetectionTable
from portcall.records.detections import Detection, Name, NameKind

NAMED = Detection("tls", names=(Name(NameKind.TLS_SNI, "www.example.com"),), details=(("alpn", "h2"),))
PLAIN = Detection("ssh")


def table_of(*detections):
    table = DetectionTable()
    return table, [table.number(detection) for detection in detections]


def test_merging_says_which_number_each_detection_has_here():
    table, [ssh] = table_of(PLAIN)
    later, [tls, later_ssh] = table_of(NAMED, PLAIN)

    numbers = table.merge(later)

    assert numbers[[0, later_ssh]].tolist() == [0, ssh]
    assert table[numbers[tls]] == NAMED


def test_a_table_of_what_another_gave_has_the_same_numbers():
    table, numbers = table_of(PLAIN, NAMED)

    same = DetectionTable.of_plain(table.plain(), 3)

    assert [same[number] for number in numbers] == [PLAIN, NAMED]
    assert same.left_out == 3


def test_what_finds_no_room_when_tables_merge_is_counted():
    table = DetectionTable(most_bytes=30)
    table.number(PLAIN)
    later, [tls] = table_of(NAMED)

    numbers = table.merge(later)

    assert table[numbers[tls]] == Detection("tls")
    assert table.left_out == 1


@pytest.mark.parametrize("plain", [None, [[]], [["tls", [["odd-kind", "a"]], []]], [[1, [], []]], [["a", [], [["b"]]]]])
def test_what_no_table_gives_is_refused(plain):
    with pytest.raises(ValueError):  # noqa: PT011 - each says something else
        DetectionTable.of_plain(plain, 0)


def test_what_the_table_counts_is_what_it_takes():
    table = DetectionTable()
    tracemalloc.start()

    for number in range(20_000):
        name = Name(NameKind.TLS_SNI, f"www.example{number:06}.com")
        table.number(Detection("tls", names=(name,)))

    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(table) == 20_001
    assert table._bytes <= held <= 3 * table._bytes + 2**20  # some are at hand as they came


def test_what_no_row_has_is_forgotten_and_the_others_stay_what_they_are():
    table, numbers = table_of(*(Detection("tls", details=(("alpn", f"h{number}"),)) for number in range(30)))

    new = table.keep(np.array([numbers[20], numbers[25]], np.int32))

    assert [table[new[numbers[at]]] for at in (20, 25)] == [
        Detection("tls", details=(("alpn", f"h{number}"),)) for number in (20, 25)
    ]
    assert len(table) == 8 + 2
    assert table.number(Detection("tls", details=(("alpn", "h25"),))) == new[numbers[25]]
