"""States of conversations in the words of people."""

import pytest

from portcall.errors import UsageError
from portcall.sockets.state_words import state_of


@pytest.mark.parametrize(
    ("word", "state"), [("established", "ESTAB"), ("Time_Wait", "TIME-WAIT"), ("syn-received", "SYN-RECV")]
)
def test_a_state_is_found_by_its_long_name_too(word, state):
    assert state_of(word) == state


def test_a_word_for_no_state_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match=r"no state 'establisht'.*established"):
        state_of("establisht")
