"""The wiring of ``ports``, ``conns`` and ``who``: the sockets that exist now → a report about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from portcall.enrichment.geoip import Origins
from portcall.owners.socket_listing import list_sockets
from portcall.queries.row_choice import chooser
from portcall.records.schema import COUNTS, Listing
from portcall.records.sockets import SocketCoverage
from portcall.runs import arguments as given
from portcall.sockets.rows import conversation_rows, count_rows, held_rows, port_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from portcall.records.sockets import SocketListing, SystemSocket
    from portcall.sockets.query import SocketQuery

    Row = dict[str, Any]  # Any: plain values of several types, see schema

LOCAL, REMOTE = "local", "connected to"


@dataclass(frozen=True, slots=True)
class Choice:
    """Which rows are wanted."""

    namespaces: Sequence[str] = ()
    """Names of network namespaces, or ``all``; none: one's own."""
    where: str | None = None
    """An expression over the columns of one row; of conversations that are counted, over those of one."""
    top: int | None = None
    """At most so many rows."""


def chosen(netns: given.Text | Iterable[given.Text], where: str | None, top: int | None) -> Choice:
    """What a program asks for; UsageError where an argument is something else."""
    return Choice(given.texts("netns", netns), given.optional_text("where", where), given.optional_count("top", top))


def ports(choice: Choice) -> Listing:
    """Who listens where, and who can reach it."""
    choose = chooser(choice.where, "ports", choice.top)
    listing = list_sockets(choice.namespaces, only_listening=True)
    every = port_rows(listing)
    return _report("ports", listing, choose(every), len(every))


def conversations(
    choice: Choice,
    *,
    query: SocketQuery | None = None,
    states: Sequence[str] = (),
    by: str | None = None,
    geo: Sequence[str] = (),
    resolve: bool = False,
) -> Listing:
    """Who talks with whom; or, ``by`` one of ``schema.COUNTS``, how many conversations of what is chosen there are.

    ``query`` means either end, or a process. ``geo`` are databases that tell countries and networks; ``resolve`` asks
    reverse DNS for the addresses that are left.
    """
    choose = chooser(choice.where, "conns", None if by else choice.top)
    origins = Origins(geo) if geo else None
    listing = list_sockets(choice.namespaces)
    every = conversation_rows(listing, query.means if query else None)
    if origins:
        every = list(map(origins.completed, every))
    chosen = choose([row for row in every if not states or row["state"] in states])
    of = len(every)
    if by is not None:
        counted = count_rows(chosen, by)
        chosen, of = counted[: choice.top], len(counted)
    if resolve:
        from portcall.enrichment.reverse_dns import with_reverse_names

        chosen = with_reverse_names(chosen)
    return _report(COUNTS[by] if by else "conns", listing, chosen, of)


def who(query: SocketQuery, choice: Choice) -> Listing:
    """The sockets that the query means, and the conversations with such a port elsewhere."""
    from portcall.sockets.query import PROCESS, first_called

    choose = chooser(choice.where, "who", choice.top)
    listing = list_sockets(choice.namespaces)
    relations: dict[SystemSocket, str] = {}
    meanings: dict[SystemSocket, list[str]] = {}
    for socket in listing.sockets:
        if found := query.meanings(socket):
            if query.process and PROCESS in found:
                socket = first_called(socket, query.process)  # noqa: PLW2901 - the same one, told the other way
            relations[socket], meanings[socket] = LOCAL, found
        elif query.means_remote(socket):
            relations[socket] = REMOTE
    rows = held_rows(listing, relations, meanings)
    about = listing if query.process else listing.about(relations)  # any hidden process may have that name
    return _report("who", about, choose(rows), len(rows))


def _report(by: str, listing: SocketListing, rows: list[Row], of: int) -> Listing:
    coverage = SocketCoverage(len(listing.sockets), listing.unseen_holders)
    window_ns = listing.time_ns, listing.time_ns
    return Listing(by, "sockets", rows, window_ns, coverage, list(listing.degradations), of - len(rows))
