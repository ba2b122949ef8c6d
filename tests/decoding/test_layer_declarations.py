"""What a layer declares beside its function is what the compiled kernel walks by, and nobody else has to know of it."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from layer_declarations import LAYERS, announced, layers, write_tables
from portcall.decoding.decoder import Decoder
from portcall.records.packets import FRAME, FrameBatch, Verdict

LINKS = {number for numbers, _ in announced("link type", layers()) for number in numbers}
NEW_LAYER = '''

cdef inline int frame_with_counter(Cursor *cursor) noexcept nogil:
    """A counter before Ethernet: 0 counter:32

    link type: 65534 (a switch's), 65535
    UDP port: 65535
    """
    cursor.at += 4
    return ETHERNET
'''


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(LAYERS, tmp_path / "layers")


def test_the_kernel_supports_the_link_types_that_are_declared_and_no_others():
    frames = np.zeros(1 << 16, FRAME)
    frames["link"], frames["captured"], frames["wire"] = np.arange(1 << 16), 1, 1

    packets = Decoder().decode(FrameBatch(frames, np.zeros(1, np.uint8), 1))

    assert set(np.flatnonzero(packets["verdict"] != Verdict.UNSUPPORTED_LINK).tolist()) == LINKS


def test_the_tables_were_compiled_as_the_layers_declare_them_now(folder):
    write_tables(folder)

    for name in ("numbers.pxd", "steps.pxd"):
        assert (folder / name).read_text() == (LAYERS / name).read_text(), "run: make kernels"


def test_a_layer_that_declares_itself_has_a_constant_its_numbers_and_a_step(folder):
    family = folder / "links_wired.pxd"
    family.write_text(family.read_text() + NEW_LAYER)

    write_tables(folder)

    numbers, steps = (folder / "numbers.pxd").read_text(), (folder / "steps.pxd").read_text()
    assert "    FRAME_WITH_COUNTER\n" in numbers
    assert f"number == {65534:#x} or number == {65535:#x}:\n        return FRAME_WITH_COUNTER\n" in numbers
    assert f"number == {65535:#x}:\n        return FRAME_WITH_COUNTER\n" in numbers
    assert "layer == FRAME_WITH_COUNTER:\n        return frame_with_counter(cursor)\n" in steps


def test_a_number_that_leads_to_two_layers_is_refused(folder):
    family = folder / "links_wired.pxd"
    family.write_text(family.read_text() + NEW_LAYER.replace("65534 (a switch's)", "113"))

    with pytest.raises(ValueError, match="link type 0x71 leads to cooked and to frame_with_counter"):
        write_tables(folder)


def test_a_layer_without_a_docstring_is_refused(folder):
    family = folder / "tags.pxd"
    family.write_text(family.read_text() + "\n\ncdef inline int odd(Cursor *cursor) noexcept nogil:\n    return 1\n")

    with pytest.raises(ValueError, match=r"tags\.pxd: no docstring says what these layers are: odd"):
        write_tables(folder)


def test_a_number_that_cannot_be_read_is_refused(folder):
    family = folder / "links_wired.pxd"
    family.write_text(family.read_text() + NEW_LAYER.replace("65534 (a switch's)", "five hundred"))

    with pytest.raises(ValueError, match="five hundred"):
        write_tables(folder)
