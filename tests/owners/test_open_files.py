"""Who has a socket open, also where a process's first thread does not show it."""

import os
import socket
import sys

import pytest

from odd_processes import KINDS, odd_server
from portcall.owners import open_files
from portcall.owners.open_files import open_sockets
from portcall.owners.processes import find_process
from portcall.owners.socket_listing import list_sockets

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")


@pytest.fixture(params=KINDS)
def server(request):
    with odd_server(request.param) as told:
        yield told


def test_a_process_has_the_sockets_that_it_opened():
    with socket.socket() as held:
        inode = os.fstat(held.fileno()).st_ino

        path = open_sockets(os.getpid())[inode]

        assert path.endswith(f"/fd/{held.fileno()}")


def test_a_process_that_ended_is_an_error():
    with pytest.raises(FileNotFoundError):
        open_sockets(1 << 30)


def test_a_listener_of_any_thread_has_its_process(server):
    pid, port = server

    (one,) = (one for one in list_sockets().sockets if one.local_port == port and one.state == "LISTEN")

    assert [owner.pid for owner in one.holders] == [pid]


def test_without_kcmp_a_thread_is_looked_at_where_the_first_shows_nothing(monkeypatch):
    monkeypatch.setattr(open_files, "_KCMP", {})
    with odd_server("first thread ended") as (pid, _):
        assert open_sockets(pid)


def test_a_process_whose_first_thread_ended_still_has_its_program_and_command_line(server):
    pid, _ = server

    program = find_process(pid).program

    assert (program.exe, program.cmdline[0]) == (os.path.realpath(sys.executable), sys.executable)


def test_a_table_that_threads_share_is_read_once():
    with odd_server("files of its own") as (pid, _):
        tables = open_files._file_tables(pid)

    assert len(tables) == 2
    assert len(open_files._file_tables(os.getpid())) == 1
