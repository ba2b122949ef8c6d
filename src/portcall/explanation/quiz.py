"""Five questions about ports: from what is true everywhere, and from the sockets that this machine has now.

Facts, sockets and a source of chance in, questions out; the same seed and sockets give the same questions. What is
right is never guessed: a question about a socket is asked only where the listing knows the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from portcall.explanation import receivers as delivery
from portcall.explanation.service_facts import service_facts
from portcall.explanation.socket_sentences import local_end, remote_end, who
from portcall.explanation.subject import CLASS_RANGES, End
from portcall.explanation.tutorial import PORTS_TO_KNOW
from portcall.labels.addresses import address_kind
from portcall.labels.port_services import PortClass, class_of

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from portcall.records.sockets import SystemSocket

QUESTIONS = 5
_MOST_OF_SOCKETS = 3  # so that facts are asked too
_CHOICES = 4
_LETTERS = "abcd"
_NOBODY = "nobody: the kernel refuses it"
_EVERYBODY = "every program that has a socket"


@dataclass(frozen=True, slots=True)
class QuizQuestion:
    """A question with one right choice."""

    text: str
    choices: tuple[str, ...]
    right: int
    """Which of the choices."""
    explanation: str

    @property
    def letter(self) -> str:
        """How the right choice is called."""
        return _LETTERS[self.right]

    @property
    def lettered(self) -> list[tuple[str, str]]:
        """The choices with what each is called."""
        return list(zip(_LETTERS, self.choices))  # noqa: B905 - there may be fewer than letters

    def is_choice(self, answer: str) -> bool:
        """Whether an answer is the letter of a choice, or its words."""
        return any(_plain(answer) in (letter, choice.lower()) for letter, choice in self.lettered)

    def is_right(self, answer: str) -> bool:
        """Whether an answer, a letter or the words of a choice, is the right one."""
        return _plain(answer) in (self.letter, self.choices[self.right].lower())


def make_quiz(sockets: Sequence[SystemSocket], chance: random.Random) -> list[QuizQuestion]:
    """Five questions, up to three of them about the sockets."""
    about_sockets = [question for make in _ABOUT_SOCKETS if (question := make(sockets, chance))]
    chance.shuffle(about_sockets)
    chosen = about_sockets[:_MOST_OF_SOCKETS]
    facts = chance.sample(_FACTS, QUESTIONS - len(chosen) - 1)
    questions = [*chosen, _service_question(chance), *(_question(*fact, chance) for fact in facts)]
    chance.shuffle(questions)
    return questions


def _plain(answer: str) -> str:
    return answer.strip().rstrip(").").lower()


def _question(text: str, choices: Sequence[str], explanation: str, chance: random.Random) -> QuizQuestion:
    """A question of choices of which the first is right; they change places."""
    mixed = list(choices)
    chance.shuffle(mixed)
    return QuizQuestion(text, tuple(mixed), mixed.index(choices[0]), explanation)


_FACTS = (
    (
        "Which numbers can a port have?",
        ("0 to 65535", "0 to 255", "1 to 1024", "any number"),
        "A port takes 16 bits of the TCP or UDP header, so there are 65536 of them.",
    ),
    (
        "A packet has found this machine by its IP address. What does the port number decide?",
        ("which program gets it", "which cable it came by", "how fast it is", "who may read it"),
        "The address is the harbour, the port the berth: the kernel hands the data to the socket with that port.",
    ),
    (
        "Two programs talk to servers on port 443 at once. Why do their answers not get mixed up?",
        (
            "each conversation has its own port on this side",
            "the servers take turns",
            "answers carry the program's name",
            "only one of them can be connected",
        ),
        "The system lends each connection a source port, and answers come back to that one.",
    ),
    (
        "A program uses TCP port 53. May another one use UDP port 53?",
        (
            "yes: TCP and UDP have ports of their own",
            "no: a number belongs to one program",
            "only root",
            "only for DNS",
        ),
        "The transport is part of what tells sockets apart; tcp/53 and udp/53 have nothing to do with each other.",
    ),
    (
        "When does DNS use TCP instead of UDP?",
        ("for large answers and copies of zones", "always", "never", "when the name is secret"),
        "A usual answer fits into one UDP packet. What does not fit, or must not be lost, goes over TCP port 53.",
    ),
    (
        "What is a socket?",
        ("an address and a port", "a port alone", "a cable", "a name for a server"),
        "One end of network traffic: the address leads to the machine, the port to the program.",
    ),
    (
        "What tells one TCP conversation from all others?",
        (
            "both addresses and both ports",
            "the server's port",
            "the client's address",
            "the process that opened it",
        ),
        "That is the 4-tuple: two conversations may share three of its parts, never all four.",
    ),
    (
        "A database waits at 127.0.0.1:3306. Who can connect to it?",
        ("programs on this machine", "everybody", "this building", "root alone"),
        "127.0.0.1 is the loopback address: what is sent to it never leaves the machine.",
    ),
    (
        "A web server waits at 0.0.0.0:80. Which address is that?",
        (
            "none: it means every address of the machine",
            "the router's",
            "the machine's first one",
            "one that is switched off",
        ),
        "0.0.0.0 is the wildcard: what comes to port 80 of any address reaches the server, as far as firewalls let it.",
    ),
    (
        "A connection is in the state TIME-WAIT. What goes on?",
        (
            "it is over, and remembered for late packets",
            "it waits for a password",
            "it is slow",
            "it waits for somebody to connect",
        ),
        "For a minute no new connection gets the same four parts, so that no late packet reaches the wrong one.",
    ),
    (
        "You connect to a port and hear nothing until you give up. What is likely?",
        ("a firewall drops the packets", "the port is open", "no program listens there", "the name is wrong"),
        "A port without a program refuses at once; silence means that something on the way throws the packets away.",
    ),
    (
        "Which ports need root's rights to listen on, unless the administrator says otherwise?",
        ("those below 1024", "those above 49151", "all", "none"),
        "The well-known ports: so an ordinary user cannot pretend to be the machine's web or mail server.",
    ),
    (
        "Which of these ports speaks without encryption?",
        ("80 (HTTP)", "443 (HTTPS)", "22 (SSH)", "993 (IMAP over TLS)"),
        "HTTP on port 80 is plain text: whoever is on the way can read and change it.",
    ),
)
"""(question, choices of which the first is right, explanation)."""


def _service_question(chance: random.Random) -> QuizQuestion:
    """Which service lives at one of the ports to know, or the other way round."""
    titles = {port: title for port in PORTS_TO_KNOW if (title := _title(port))}
    port, *others = chance.sample(sorted(titles), _CHOICES)
    facts = service_facts(port, _transport(port))
    explanation = f"{titles[port]} lives at {facts.transport}/{port}. {facts.description}"
    if chance.random() < 1 / 2:
        choices = [titles[one] for one in (port, *others)]
        return _question(f"Which service usually waits at port {port}?", choices, explanation, chance)
    ports = [str(one) for one in (port, *others)]
    return _question(f"At which port does {titles[port]} usually wait?", ports, explanation, chance)


def _transport(port: int) -> str:
    return "tcp" if service_facts(port, "tcp").title else "udp"


def _title(port: int) -> str | None:
    return service_facts(port, _transport(port)).title


def _receiver_question(sockets: Sequence[SystemSocket], chance: random.Random) -> QuizQuestion | None:
    """Which process gets what is sent to an end of this machine."""
    named = [socket for socket in sockets if socket.is_listening and len(socket.holders) == 1]
    named = [socket for socket in named if address_kind(socket.local_ip).name != "multicast"]
    if not named:
        return None
    socket = chance.choice(named)
    loopback = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, nothing binds
    end = End(loopback.get(socket.local_ip, socket.local_ip), socket.local_port)
    if [one for one in delivery.receivers(sockets, end, socket.protocol) if one.holders != socket.holders]:
        return None  # it is shared, or something else is nearer
    return _process_question(
        f"Which process gets data that is sent to {end} by {socket.protocol.upper()}?",
        socket,
        f"It waits at {local_end(socket)}, and no socket fits {end} better.",
        sockets,
        chance,
    )


def _conversation_question(sockets: Sequence[SystemSocket], chance: random.Random) -> QuizQuestion | None:
    """Which process gets what one peer answers to a port that it was lent."""
    named = [socket for socket in sockets if socket.state == "ESTAB" and len(socket.holders) == 1]
    if not named:
        return None
    socket = chance.choice(named)
    end, peer = local_end(socket), remote_end(socket)
    return _process_question(
        f"Which process gets data for {end}, from {peer} by {socket.protocol.upper()}?",
        socket,
        f"The socket of just this conversation, {end} ↔ {peer}, is its own.",
        sockets,
        chance,
    )


def _process_question(
    text: str, socket: SystemSocket, why: str, sockets: Sequence[SystemSocket], chance: random.Random
) -> QuizQuestion:
    """The right process among others of this machine, and among answers that would be wrong anywhere."""
    right = who(socket)
    names = {who(one) for one in sockets if len(one.holders) == 1} - {right}
    others = chance.sample(sorted(names), min(len(names), _CHOICES - 2))
    choices = [right, *others, _NOBODY, _EVERYBODY][:_CHOICES]
    return _question(text, choices, why, chance)


def _class_question(sockets: Sequence[SystemSocket], chance: random.Random) -> QuizQuestion | None:
    """Which range a port belongs to that is in use here."""
    ports = sorted({socket.local_port for socket in sockets})
    if not ports:
        return None
    port = chance.choice(ports)
    right = class_of(port)
    ranges = {one: f"{one.label} ({CLASS_RANGES[one][0]}–{CLASS_RANGES[one][1]})" for one in PortClass}
    choices = [ranges[right], *(words for one, words in ranges.items() if one is not right)]
    return _question(
        f"Port {port} is in use on this machine. Which class of ports is it in?",
        choices,
        f"{port} is between {CLASS_RANGES[right][0]} and {CLASS_RANGES[right][1]}: {ranges[right].split(' ')[0]}.",
        chance,
    )


def _reach_question(sockets: Sequence[SystemSocket], chance: random.Random) -> QuizQuestion | None:
    """Who can reach a socket that waits here."""
    reaches = {
        "loopback": "programs on this machine alone",
        "wildcard": "whoever reaches any address of this machine",
    }
    waiting = [s for s in sockets if s.is_listening and address_kind(s.local_ip).name in reaches]
    if not waiting:
        return None
    socket = chance.choice(waiting)
    kind = address_kind(socket.local_ip)
    other = next(words for name, words in reaches.items() if name != kind.name)
    choices = [reaches[kind.name], other, "root alone", "the machine that connected first"]
    return _question(
        f"A socket of this machine waits at {local_end(socket)}. Who can reach it, firewalls aside?",
        choices,
        f"{socket.local_ip} is a {kind.name} address: {kind.meaning}.",
        chance,
    )


_ABOUT_SOCKETS: tuple[Callable[[Sequence[SystemSocket], random.Random], QuizQuestion | None], ...] = (
    _receiver_question,
    _conversation_question,
    _class_question,
    _reach_question,
)
