"""Names by number: what goes in comes out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from portcall.labels.numbered_names import NumberedNames

NAMES = st.text(st.characters(), max_size=12) | st.sampled_from(["\ud800", "www.example.com", "\0"])


@given(st.lists(NAMES))
def test_every_name_has_the_number_of_its_first_coming_and_is_kept_as_it_was(added):
    names = NumberedNames()

    numbers = [names.add(name) for name in added]

    assert [names[number] for number in numbers] == added
    assert list(names) == list(dict.fromkeys(name for name in added if name))
    assert [names.find(name) for name in added] == numbers


def test_number_0_is_no_name():
    names = NumberedNames()

    assert (names[0], names.find(""), names.find("www.example.com"), len(names)) == ("", 0, None, 0)
