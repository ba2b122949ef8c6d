"""Raw and ping sockets as /proc/net lists them: real sockets of this process."""

import os
import socket
import sys

import numpy as np
import pytest

from portcall.owners import raw_sockets
from portcall.owners.raw_sockets import list_raw_sockets, read_list, write_cookies

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc/net is Linux's")
SO_COOKIE = 57


def test_a_list_reads_as_the_kernel_wrote_it():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port, inode = listener.getsockname()[1], os.fstat(listener.fileno()).st_ino
        (row,) = [row for row in read_list("tcp") if row["inode"] == inode]

    assert (row["source"][:4].tobytes(), int(row["source_port"])) == (b"\x7f\0\0\1", port)


def test_an_ipv6_address_is_read_whole():
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        inode = os.fstat(listener.fileno()).st_ino
        (row,) = [row for row in read_list("tcp6") if row["inode"] == inode]

    assert row["source"].tobytes() == bytes(15) + b"\1"


def test_a_list_that_this_kernel_lacks_is_empty():
    assert list(read_list("no-such-list")) == []


def test_damaged_lines_are_left_out(tmp_path):
    (tmp_path / "raw").write_text("header\n  0: 0100007F:0001\n\n")

    assert list(read_list("raw", tmp_path)) == []


@pytest.mark.root
@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="raw sockets need root")
def test_a_raw_socket_is_listed_by_its_protocol_with_the_cookie_of_its_holder():
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, 253) as raw:
        inode = os.fstat(raw.fileno()).st_ino
        rows = list_raw_sockets()[253]
        write_cookies(rows, {inode: [os.getpid()]})
        cookie = int.from_bytes(raw.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8), sys.byteorder)

    (row,) = rows[rows["inode"] == inode]
    assert (int(row["source_port"]), int(row["cookie"])) == (0, cookie)


def test_a_socket_that_nobody_may_be_asked_for_has_a_mark_in_place_of_a_cookie():
    rows = np.zeros(1, raw_sockets.DIAG)
    rows["cookie"] = 1 << 63 | 5

    write_cookies(rows, {})

    assert int(rows["cookie"][0]) == 1 << 63 | 5
