"""What the kernel hears in the captures of the corpus is what the dissectors hear there."""

from __future__ import annotations

import pytest

from examples import DEEPER
from inspected_flows import assert_same


def test_the_kernel_tells_what_the_dissectors_tell_of_the_corpus(corpus_folder):
    captures = sorted((corpus_folder / "captures").iterdir())

    for path in captures:
        assert_same(path)

    assert len(captures) > 1000


@pytest.mark.parametrize("snap_bytes", [96, 200])
def test_the_kernel_tells_what_the_dissectors_tell_of_the_corpus_cut(corpus_folder, snap_bytes):
    captures = sorted((corpus_folder / "captures").iterdir())

    for path in captures if DEEPER > 1 else captures[snap_bytes % 3 :: 3]:
        assert_same(path, snap_bytes)
