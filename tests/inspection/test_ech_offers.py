"""Offers of ECH: who was told what, and when; what travels; and that they are bounded."""

import pytest

from portcall.inspection import ech_offers
from portcall.inspection.ech_offers import EchOffers
from portcall.records.detections import EchOffer
from portcall.records.packets import NO_TIME

ONE, OTHER = bytes(15) + b"\1", bytes(15) + b"\2"


def told(*notes):
    offers = EchOffers()
    for client, time_ns, name, cover in notes:
        offers.note(client, time_ns, [EchOffer(name, cover)])
    return offers


def test_a_client_knows_the_names_that_it_was_told_before():
    offers = told((ONE, 5, "a.example", "cover.example"), (ONE, 9, "b.example", "cover.example"))

    assert [sorted(offers.names(ONE, "Cover.example.", time_ns)) for time_ns in (4, 5, 9, NO_TIME)] == [
        [], ["a.example"], ["a.example", "b.example"], ["a.example", "b.example"],
    ]  # fmt: skip
    assert not offers.names(OTHER, "cover.example", 9)


def test_in_whichever_order_shards_merge_the_first_time_counts():
    notes = [(ONE, 9, "a.example", "cover.example"), (ONE, 5, "a.example", "cover.example")]
    for first, second in (notes, notes[::-1]):
        merged = told(first)
        merged.merge(told(second))

        assert merged.plain() == [[ONE.hex(), "cover.example", [["a.example", 5]]]]


def test_what_leaves_the_process_comes_back():
    offers = told((ONE, NO_TIME, "a.example", "cover.example"), (OTHER, 7, "b.example", "other.example"))

    assert EchOffers.of_plain(offers.plain()).plain() == offers.plain()


@pytest.mark.parametrize(
    "plain", [{}, [["00", "c", [["n", 5]]]], [[ONE.hex(), "c", [["n", "5"]]]], [[ONE.hex(), 3, [["n", 5]]]]]
)
def test_what_nothing_can_give_is_refused(plain):
    with pytest.raises(ValueError, match=r"is something else|too few"):
        EchOffers.of_plain(plain)


def test_what_was_told_longest_ago_goes_first(monkeypatch):
    monkeypatch.setattr(ech_offers, "_MOST_OFFERS", 2)
    offers = told(*((ONE, number, f"{number}.example", "cover.example") for number in range(5)))

    assert sorted(offers.names(ONE, "cover.example", 9)) == ["3.example", "4.example"]


def test_a_cover_of_which_no_name_is_left_is_forgotten(monkeypatch):
    monkeypatch.setattr(ech_offers, "_MOST_OFFERS", 1)
    offers = told((ONE, 1, "a.example", "one.example"), (OTHER, 2, "b.example", "other.example"))

    assert (offers.has_cover("one.example"), offers.has_cover("other.example")) == (False, True)
