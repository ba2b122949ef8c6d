"""Explanations, the tutorial and the quiz for people: short headings at the left, sentences beside them.

Everything passes ``visible`` here: names of processes, of reverse DNS and of databases come from others.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from portcall.views.fitting import write_fitting
from portcall.views.text import terminal_columns, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import TextIO

    from rich.console import Console

    from portcall.explanation.facts import AddressFacts, Explanation, PortFacts
    from portcall.explanation.next_steps import Step
    from portcall.explanation.quiz import QuizQuestion
    from portcall.explanation.service_facts import ServiceFacts
    from portcall.explanation.tutorial import Tutorial

    Entry = tuple[str, str]  # heading, text

_WIDTH = 80  # of prose without a terminal; wider lines are hard to read
_LEAST_WIDTH = 20
_GAP = 2
_MOST_SOCKETS = 8
_MOST_COMMAND_WIDTH = 40


def write_explanation(explanation: Explanation, stream: TextIO) -> None:
    """Write everything that is said of a subject."""
    entries = [
        *_role_entries(explanation),
        *(entry for facts in explanation.addresses for entry in _address_entries(facts)),
        *(entry for facts in explanation.ports for entry in _port_entries(facts)),
        *_socket_entries(explanation),
        *_step_entries(explanation.next_steps),
    ]
    _write(stream, explanation.title, explanation.lessons, entries)


def write_tutorial_text(tutorial: Tutorial, stream: TextIO) -> None:
    """Write the tutorial."""
    passages = [(passage.heading, passage.text) for passage in tutorial.passages]
    _write(stream, "", (), [*passages, *_step_entries(tutorial.next_steps)])


def question_text(number: int, question: QuizQuestion) -> str:
    """A question with its choices, a line each."""
    choices = (_lines(f"   {letter}) {visible(choice)}", 6) for letter, choice in question.lettered)
    return "\n".join([_lines(f"{number}. {visible(question.text)}", 3), *choices])


def verdict_text(question: QuizQuestion, answer: str | None) -> str:
    """What became of the answer, and why; None where there was none."""
    if answer is not None and question.is_right(answer):
        return _lines(f"   Right. {visible(question.explanation)}", 3)
    right = f"it is {question.letter}) {visible(question.choices[question.right])}"
    words = f"   {'No answer' if answer is None else 'No'}: {right}. {visible(question.explanation)}"
    return _lines(words, 3)


def _lines(text: str, indent: int) -> str:
    """The text in lines of whole words, as wide as the terminal, those after the first indented."""
    width = max(min(terminal_columns(_WIDTH), _WIDTH), _LEAST_WIDTH)
    return textwrap.fill(text, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)


def _write(stream: TextIO, title: str, lessons: Sequence[str], entries: Iterable[Entry]) -> None:
    def draw(console: Console, _: bool) -> None:  # noqa: FBT001 - as write_fitting asks for it
        if title:
            console.print(Text(visible(title), style="bold"))
        for lesson in lessons:
            console.print(Text(visible(lesson)))
        if title:
            console.print()
        console.print(_grid(entries))

    write_fitting(stream, draw, None if stream.isatty() else _WIDTH)


def _grid(entries: Iterable[Entry]) -> Table:
    grid = Table.grid(padding=(0, _GAP, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for heading, text in entries:
        grid.add_row(Text(visible(heading), style="bold"), Text(visible(text)))
    return grid


def _port_entries(facts: PortFacts) -> Iterator[Entry]:
    first, last = facts.class_range
    words = f"{facts.port}: {facts.port_class} ({first}–{last}), {facts.class_meaning}; {facts.on_this_system}"
    yield "port", words
    for service in facts.services if any(service.name for service in facts.services) else ():
        yield f"{service.transport}/{facts.port}", _service_words(service)


def _service_words(service: ServiceFacts) -> str:
    title = f"{service.title}. " if service.title else ""
    encryption = f" {service.encryption}" if service.encryption else ""
    avoid = f" Better avoided: {service.avoid}" if service.avoid else ""
    return f"{title}{service.description}{encryption}{avoid}"


def _address_entries(facts: AddressFacts) -> Iterator[Entry]:
    whose = "; it is this machine's" if facts.is_own and facts.kind not in ("wildcard", "loopback") else ""
    yield "address", f"{facts.address}: {facts.kind}, {facts.meaning}{whose}"
    if facts.network or facts.country:
        yield "network", ", ".join(filter(None, (facts.network, facts.country)))
    if facts.reverse_name:
        yield "name", f"{facts.reverse_name} (what reverse DNS says: a claim of whoever holds the address)"


def _role_entries(explanation: Explanation) -> Iterator[Entry]:
    if explanation.kind != "conversation":
        return
    if explanation.roles is None:
        yield "server", "cannot be told: both ports are the same"
        return
    yield "server", f"{explanation.roles.server}: {explanation.roles.evidence}"
    yield "client", f"{explanation.roles.client}: the other end, which opened the conversation"


def _socket_entries(explanation: Explanation) -> Iterator[Entry]:
    sockets = [*explanation.here, *explanation.talking]
    if not sockets:
        yield "here now", "nothing: no socket of this machine has to do with it"
        return
    heading = "here now"
    for socket in sockets[:_MOST_SOCKETS]:
        yield heading, socket.sentence
        heading = ""
    if len(sockets) > _MOST_SOCKETS:
        yield "", f"and {len(sockets) - _MOST_SOCKETS} more"


def _step_entries(steps: Sequence[Step]) -> Iterator[Entry]:
    width = min(_MOST_COMMAND_WIDTH, max((len(step.command) for step in steps), default=0))
    for number, step in enumerate(steps):
        yield "" if number else "next", f"{step.command:{width}}  # {step.shows}"
