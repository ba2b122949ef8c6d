"""Instructions against the words that the kernel's documentation gives for them."""

from __future__ import annotations

import pytest

from portcall.owners.ebpf.assembler import R0, R1, R2, R6, R10, Assembler


def words(code):
    return [code[i : i + 8].hex() for i in range(0, len(code), 8)]


@pytest.mark.parametrize(
    ("emit", "word"),
    [
        (lambda a: a.set(R1, 5), "b701000005000000"),
        (lambda a: a.set(R6, R1), "bf16000000000000"),
        (lambda a: a.compute(R0, ">>", 32), "7700000020000000"),
        (lambda a: a.compute(R0, "-", R1), "1f10000000000000"),
        (lambda a: a.load(4, R0, R6, 36), "6160240000000000"),
        (lambda a: a.load(1, R0, R10, -8), "71a0f8ff00000000"),
        (lambda a: a.store(8, R10, -104, R0), "7b0a98ff00000000"),
        (lambda a: a.store(1, R10, -1, 6), "720affff06000000"),
        (lambda a: a.atomic_add(R0, 0, R1), "db10000000000000"),
        (lambda a: a.host_order(16, R0), "dc00000010000000"),
        (lambda a: a.call(46), "850000002e000000"),
        (lambda a: a.set(R1, -1), "b7010000ffffffff"),
    ],
)
def test_an_instruction_is_the_word_the_kernel_reads(emit, word):
    assert words(emit(Assembler()).build()) == [word]


def test_a_map_takes_two_words():
    assert words(Assembler().map(R1, 7).build()) == ["1811000007000000", "0000000000000000"]


def test_exit_returns_its_result():
    assert words(Assembler().exit(1).build()) == ["b700000001000000", "9500000000000000"]


def test_an_address_is_a_copy_and_an_offset():
    assert words(Assembler().address(R2, R10, -8).build()) == ["bfa2000000000000", "07020000f8ffffff"]


def test_a_jump_counts_the_instructions_it_skips():
    code = Assembler().jump_if(R0, "==", 0, "end").set(R0, 1).label("end").exit(0).build()

    assert words(code)[0] == "1500010000000000"


def test_a_jump_to_a_label_that_is_nowhere_is_refused():
    with pytest.raises(KeyError):
        Assembler().jump("nowhere").build()


def test_a_label_that_is_there_twice_is_refused():
    with pytest.raises(ValueError, match="twice"):
        Assembler().label("here").label("here")
