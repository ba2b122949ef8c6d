"""The table of link types agrees with what names it and what reads it."""

from __future__ import annotations

import pytest

from portcall.decoding.link_types import LINKS, entries
from portcall.kernels.headers import LINK_LAYERS


def test_every_listed_layer_is_one_that_the_kernel_has():
    assert set(LINKS.values()) <= set(LINK_LAYERS)


def test_every_layer_that_a_frame_may_begin_with_belongs_to_a_link_type():
    assert set(LINK_LAYERS) - set(LINKS.values()) - {"unsupported"} <= {"avs", "radiotap", "wifi", "llc"}


@pytest.mark.parametrize("link", LINKS)
def test_the_kernels_table_leads_to_the_layer_that_is_listed(link):
    assert entries()[link] == LINK_LAYERS[LINKS[link]] != LINK_LAYERS["unsupported"]


def test_every_other_link_type_is_unsupported():
    unlisted = set(range(1 << 16)) - set(LINKS)

    assert set(entries()[sorted(unlisted)]) == {LINK_LAYERS["unsupported"]}
