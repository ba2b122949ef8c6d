"""What a listing says of sockets whose processes are hidden."""

from __future__ import annotations

from dataclasses import replace

from portcall.records.report import Degradation
from portcall.records.sockets import HIDDEN_PROCESSES
from socket_builder import listing, owner, system_socket

SHOWN, HIDDEN = system_socket("0.0.0.0:80", owners=[owner()]), system_socket("0.0.0.0:22")
HIDES, ELSEWHERE = Degradation(HIDDEN_PROCESSES, "1 of 2", "sudo"), Degradation("network namespaces", "1 of 2", "sudo")
LISTING = replace(listing(SHOWN, HIDDEN), degradations=(HIDES, ELSEWHERE))


def test_hidden_processes_matter_where_a_socket_of_one_is_spoken_of():
    assert LISTING.about([SHOWN, HIDDEN]) == LISTING


def test_hidden_processes_of_other_sockets_do_not_matter_and_all_else_does():
    assert LISTING.about([SHOWN]).degradations == (ELSEWHERE,)
    assert LISTING.about([]).degradations == (ELSEWHERE,)
    assert LISTING.about([SHOWN]).sockets == LISTING.sockets
