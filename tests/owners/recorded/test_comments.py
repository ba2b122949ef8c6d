"""Comments on packets: each text is looked at once, and remembered within a bound."""

from __future__ import annotations

import pytest

from portcall.owners.recorded.comments import CommentTexts
from portcall.records.recorded.claims import ClaimedEnd


def named(*texts):
    comments = CommentTexts()
    return comments.named([comments.number(text.encode()) for text in texts])


def test_a_text_is_looked_at_once():
    comments = CommentTexts()

    numbers = [comments.number(b"PID: 5") for _ in range(1000)]

    assert (set(numbers), comments.parsed) == ({1}, 1)


def test_texts_beyond_the_bound_are_forgotten_and_looked_at_anew():
    comments = CommentTexts(most_bytes=10_000)

    for number in range(2000):
        if comments.is_full:
            comments.forget()
        assert comments.named([comments.number(b"PID: %d\nCmd: a" % (number + 1))]).recorded.owner.pid == number + 1

    assert comments.parsed == 2000
    assert len(comments._numbers) < 100


def test_what_names_nobody_has_no_number():
    assert [CommentTexts().number(text) for text in (b"", b"hello", b"\xff\xfe", b"pid: 5", b"u-x", b"rustnet")] == [
        0
    ] * 6


@pytest.mark.parametrize(
    "text",
    [
        "PID: 0\nCmd: a",
        "PID: -5\nCmd: a",
        "PID: 99999999999\nCmd: a",
        "PID: ٣\nCmd: a",
        "PID:\nCmd: a",
        "Cmd: /bin/a",
        "rustnet pid= process=",
        "rustnet app=HTTPS",
        "PID: -1, ProcName: x, EPID: 0, EProcName: , SVC: 0",
        "PID=",
        "PID=abc",
    ],
)
def test_texts_without_a_process_name_nobody(text):
    assert named(text).recorded is None


def test_the_path_of_a_descriptor_is_no_name():
    owner = named("PID: 5\nCmd: /dev/fd/5\nArgs: /usr/sbin/dropbear -F").recorded.owner

    assert (owner.program.name, owner.program.exe) == ("dropbear", None)


def test_pymobiledevice3_names_the_process_on_whose_behalf_another_acts():
    owner = named("PID: 5, ProcName: nsurlsessiond, EPID: 9, EProcName: News, SVC: 0").recorded.owner

    assert (owner.pid, owner.program.name, owner.parents) == (9, "News", ((5, "nsurlsessiond"),))


def test_a_name_with_commas_is_one_name():
    owner = named("PID: 5, ProcName: a, EPID: 7, b, EPID: 0, EProcName: , SVC: 0").recorded.owner

    assert owner.pid in {5, 7}


def test_rustnets_words_are_the_first_of_each():
    one = named("rustnet process=a pid=5 pid=6 direction=incoming sni=process=b")

    assert (one.recorded.owner.pid, one.recorded.owner.program.name, one.end) == (5, "a", ClaimedEnd.SERVER)
