"""The wiring of ``explain``: words and the sockets of this machine now → what is said of them."""

from __future__ import annotations

import random
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from portcall.enrichment.geoip import Origins
from portcall.enrichment.reverse_dns import reverse_names
from portcall.errors import UsageError
from portcall.explanation import facts
from portcall.explanation.quiz import make_quiz
from portcall.explanation.subject import parse_subject
from portcall.explanation.tutorial import write_tutorial
from portcall.owners.socket_listing import list_sockets
from portcall.sockets.query import is_held_by
from portcall.system.port_ranges import read_port_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from portcall.explanation.facts import Explanation
    from portcall.explanation.quiz import QuizQuestion
    from portcall.explanation.tutorial import Tutorial


def explain(words: str, *, geo: Sequence[str] = (), resolve: bool = False) -> Explanation:
    """What the words mean, and who has that here; UsageError, with what may have been meant, where that is nothing."""
    origins = Origins(geo) if geo else None
    try:
        subject = parse_subject(words)
    except UsageError as error:
        raise _perhaps_process(words.strip()) or error from None
    addresses = subject.addresses
    machine = facts.Machine(
        listing=list_sockets(),
        settings=read_port_settings(),
        origins={address: origins.look_up(address) for address in addresses} if origins else {},
        reverse_names=reverse_names(addresses) if resolve else {},
    )
    return facts.explain(subject, machine)


def tell_everything() -> Tutorial:
    """The tutorial of ports, on this machine's sockets."""
    listing = list_sockets()
    tutorial = write_tutorial(facts.Machine(listing, read_port_settings()))
    return replace(tutorial, degradations=listing.degradations)


def quiz(seed: int | None = None) -> list[QuizQuestion]:
    """Five questions, some about this machine's sockets; those of a seed are always the same, so about none."""
    sockets = list_sockets().sockets if seed is None else ()
    return make_quiz(sockets, random.Random(seed))  # noqa: S311 - questions, no secrets


def _perhaps_process(words: str) -> UsageError | None:
    if words and any(is_held_by(socket, words) for socket in list_sockets().sockets):
        command = shlex.join(["portcall", "who", words])
        return UsageError(f"{words!r} is a process, no port or address. Did you mean '{command}'?")
    return None
