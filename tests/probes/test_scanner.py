"""Ports are asked for real: sockets of the test's own on loopback, of both IP versions."""

from __future__ import annotations

import errno
import socket
import threading
from contextlib import closing, contextmanager

import pytest

from portcall.probes import Target
from portcall.probes.scanner import Manner, _Question, _told_later, ask_all

LOOPBACK = {4: "127.0.0.1", 6: "::1"}
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
QUICK = Manner(timeout_s=0.2)
PATIENT = Manner(timeout_s=20)
BOTH = pytest.mark.parametrize("version", [4, 6])


def asked(target: Target, manner: Manner = PATIENT):
    (answer,) = asked_all([target], manner)
    return answer


def asked_all(targets: list[Target], manner: Manner = PATIENT):
    answers = []
    ask_all(targets, manner, answers.append)
    return answers


def bound(version: int, kind: socket.SocketKind) -> socket.socket:
    made = socket.socket(FAMILIES[version], kind)
    made.bind((LOOPBACK[version], 0))
    return made


def listening(version: int) -> socket.socket:
    made = bound(version, socket.SOCK_STREAM)
    made.listen()
    return made


def target_of(listener: socket.socket, protocol: str = "tcp") -> Target:
    return Target(protocol, 4 if listener.family == socket.AF_INET else 6, listener.getsockname())


@contextmanager
def answering(version: int, answer: bytes):
    """A UDP socket that gives one answer to whoever asks; it yields what it was asked, in a list."""
    questions = []

    def serve() -> None:
        data, asker = server.recvfrom(2048)
        questions.append(data)
        server.sendto(answer, asker)

    with bound(version, socket.SOCK_DGRAM) as server:
        server.settimeout(20)
        thread = threading.Thread(target=serve)
        thread.start()
        yield target_of(server, "udp"), questions
        thread.join()


@BOTH
def test_a_port_on_which_somebody_listens_is_open(version):
    with listening(version) as listener:
        answer = asked(target_of(listener))

    assert (answer.verdict, answer.reason) == ("open", "accepted")


@BOTH
def test_the_time_to_connect_is_told_in_nanoseconds(version):
    with listening(version) as listener:
        answer = asked(target_of(listener))

    assert 1_000 < answer.answer_ns < 20e9


@BOTH
def test_a_port_on_which_nobody_listens_is_closed(version):
    with bound(version, socket.SOCK_STREAM) as silent:  # bound, so that nobody else takes it meanwhile
        answer = asked(target_of(silent))

    assert (answer.verdict, answer.reason, answer.icmp) == ("closed", "refused", None)


@BOTH
def test_a_listener_of_one_ip_version_says_nothing_of_the_other(version):
    with bound(version, socket.SOCK_STREAM) as silent, closing(socket.socket(FAMILIES[10 - version])) as other:
        other.bind((LOOPBACK[10 - version], silent.getsockname()[1]))
        other.listen()
        answers = asked_all([target_of(silent), target_of(other)])

    assert {answer.target.ip_version: answer.verdict for answer in answers} == {version: "closed", 10 - version: "open"}


def test_nothing_is_said_on_a_connection():
    with listening(4) as listener:
        asked(target_of(listener))
        with listener.accept()[0] as connection:
            connection.settimeout(20)
            inspected = connection.recv(100)

    assert inspected == b""


def test_a_banner_is_what_the_service_says_first():
    with listening(4) as listener:
        greeter = threading.Thread(target=lambda: _greet(listener, b"220 \x1b[31mhello\r\n"))
        greeter.start()
        answer = asked(target_of(listener), Manner(timeout_s=20, is_banner_wanted=True))
        greeter.join()

    assert answer.banner == b"220 \x1b[31mhello\r\n"


def test_a_service_that_waits_to_be_spoken_to_has_no_banner_and_is_open():
    with listening(4) as listener:
        answer = asked(target_of(listener), Manner(timeout_s=0.2, is_banner_wanted=True))

    assert (answer.verdict, answer.banner) == ("open", b"")


def test_a_banner_is_not_read_unless_it_is_wanted():
    with listening(4) as listener:
        greeter = threading.Thread(target=lambda: _greet(listener, b"220 hello\r\n"))
        greeter.start()
        answer = asked(target_of(listener))
        greeter.join()

    assert answer.banner == b""


def _greet(listener: socket.socket, words: bytes) -> None:
    with listener.accept()[0] as connection:
        connection.sendall(words)


@BOTH
def test_a_udp_port_that_nobody_has_is_closed_by_the_hosts_own_word(version):
    with bound(version, socket.SOCK_DGRAM) as had:
        target = target_of(had, "udp")

    answer = asked(target)

    assert (answer.verdict, answer.reason) == ("closed", "port unreachable")
    assert answer.icmp == {4: (3, 3), 6: (1, 4)}[version]
    assert answer.said_by == LOOPBACK[version]


@BOTH
def test_a_udp_port_that_answers_is_open(version):
    with answering(version, b"yes?") as (target, _):
        answer = asked(target)

    assert (answer.verdict, answer.reason) == ("open", "answered")


def test_an_unknown_udp_port_is_asked_by_an_empty_datagram():
    with answering(4, b"yes?") as (target, questions):
        asked(target)

    assert questions == [b""]


def test_a_udp_port_that_is_silent_may_be_open_or_filtered():
    with bound(4, socket.SOCK_DGRAM) as silent:
        answer = asked(target_of(silent, "udp"), QUICK)

    assert (answer.verdict, answer.reason, answer.answer_ns) == ("open-or-filtered", "no answer", None)


def test_a_silent_udp_port_is_asked_twice_and_no_more():
    with bound(4, socket.SOCK_DGRAM) as silent:
        silent.settimeout(0)
        asked(target_of(silent, "udp"), QUICK)
        inspected = [silent.recv(10), silent.recv(10)]

        with pytest.raises(BlockingIOError):
            silent.recv(10)
    assert inspected == [b"", b""]


def test_more_targets_than_are_asked_at_a_time_are_all_answered():
    with listening(4) as listener, bound(4, socket.SOCK_STREAM) as silent:
        targets = [target_of(listener), target_of(silent)] * 20
        answers = asked_all(targets, Manner(timeout_s=20, concurrency=3))

    assert sorted(answer.verdict for answer in answers) == ["closed"] * 20 + ["open"] * 20


@pytest.mark.parametrize("code", [errno.ECONNRESET, errno.EPIPE])
def test_a_connection_that_is_reset_once_it_stood_was_open(code):
    with bound(4, socket.SOCK_STREAM) as asking:
        answer = _told_later(_Question(asking, target_of(asking)), code)

    assert (answer.verdict, answer.reason) == ("open", "accepted, then reset")


def test_an_unreachable_host_of_which_no_icmp_error_is_known_is_filtered():
    with bound(4, socket.SOCK_STREAM) as asking:
        answer = _told_later(_Question(asking, target_of(asking)), errno.EHOSTUNREACH)

    assert (answer.verdict, answer.reason) == ("filtered", "no route to host")
