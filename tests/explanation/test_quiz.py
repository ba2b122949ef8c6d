"""Five questions with one right answer each."""

from __future__ import annotations

import random

import pytest

from machine_builder import machine, system_socket
from portcall.explanation.quiz import QUESTIONS, QuizQuestion, make_quiz
from portcall.labels.port_services import PortClass, class_of

SOCKETS = machine(
    system_socket("0.0.0.0 80", process="nginx 10"),
    system_socket("127.0.0.1 5432", process="postgres 20"),
    system_socket("127.0.0.1 54823", "127.0.0.1 5432", "app 30"),
    system_socket("127.0.0.1 5432", "127.0.0.1 54823", "postgres 20"),
    system_socket(":: 22", process="sshd 40"),
).listing.sockets
SEEDS = range(60)


def quiz(seed, sockets=SOCKETS):
    return make_quiz(sockets, random.Random(seed))


def questions(sockets=SOCKETS):
    return [question for seed in SEEDS for question in quiz(seed, sockets)]


def about(start):
    found = [question for question in questions() if question.text.startswith(start)]
    assert found
    return found


def right(question):
    return question.choices[question.right]


@pytest.mark.parametrize("sockets", [SOCKETS, ()], ids=["sockets", "none"])
def test_there_are_always_five_different_questions(sockets):
    for seed in SEEDS:
        texts = [question.text for question in quiz(seed, sockets)]
        assert len(set(texts)) == QUESTIONS


def test_the_same_seed_asks_the_same():
    assert quiz(7) == quiz(7)


def test_other_seeds_ask_something_else():
    assert len({tuple(quiz(seed)) for seed in SEEDS}) == len(SEEDS)


def test_no_question_has_a_choice_twice():
    for question in questions():
        assert len(set(question.choices)) == len(question.choices) >= 3


def test_the_right_choice_is_not_always_at_the_same_place():
    assert {question.letter for question in questions()} == set("abcd")


def test_facts_and_this_machines_sockets_are_both_asked():
    texts = [question.text for question in quiz(1)]

    about_here = [text for text in texts if "this machine waits" in text or "in use on" in text or "gets data" in text]
    assert 0 < len(about_here) < QUESTIONS


def test_the_process_that_gets_data_is_the_one_with_that_socket():
    holders = {"127.0.0.1:80 ": "nginx (pid 10)", "127.0.0.1:5432 ": "postgres (pid 20)", "[::1]:22 ": "sshd (pid 40)"}

    for question in about("Which process gets data that is sent to"):
        (expected,) = (name for end, name in holders.items() if end in question.text)
        assert right(question) == expected


def test_the_process_of_a_conversation_is_the_one_at_that_end():
    for question in about("Which process gets data for"):
        expected = "app (pid 30)" if "for 127.0.0.1:54823," in question.text else "postgres (pid 20)"
        assert right(question) == expected


def test_the_class_that_is_right_is_the_ports():
    for question in about("Port "):
        port = int(question.text.split()[1])
        assert right(question).startswith(PortClass(class_of(port)).label)


def test_who_can_reach_a_socket_is_told_by_its_address():
    for question in about("A socket of this machine waits at"):
        is_local = "127.0.0.1" in question.text
        assert right(question).startswith("programs on this machine" if is_local else "whoever reaches")


def test_a_shared_end_is_not_asked_about():
    shared = [system_socket("0.0.0.0 80", process="one 1"), system_socket("0.0.0.0 80", process="two 2")]

    assert not [question for question in questions(shared) if "gets data" in question.text and "80 by" in question.text]


def test_the_port_of_a_service_is_the_one_that_labels_know():
    for question in about("At which port does PostgreSQL"):
        assert right(question) == "5432"


@pytest.mark.parametrize("answer", ["b", "B", " b ", "b)", "5432"])
def test_a_letter_or_the_words_are_an_answer(answer):
    question = QuizQuestion("?", ("80", "5432", "22"), 1, "")

    assert question.is_right(answer)


@pytest.mark.parametrize("answer", ["a", "d", "", "80", "543", "bb"])
def test_anything_else_is_wrong(answer):
    question = QuizQuestion("?", ("80", "5432", "22"), 1, "")

    assert not question.is_right(answer)
