"""``portcall live -o page.html``: the page of traffic whose processes are known."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from page_reader import PageReader

pytestmark = [
    pytest.mark.root,
    pytest.mark.usefixtures("alone_on_loopback"),
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="live capture on Linux needs root"),
]
TALK = """
import socket, threading
with socket.create_server(("127.0.0.1", 0)) as server:
    def serve():
        with server.accept()[0] as connection:
            connection.sendall(bytes(70_000))
    thread = threading.Thread(target=serve)
    thread.start()
    with socket.create_connection(server.getsockname()) as connection:
        while connection.recv(65536):
            pass
    thread.join()
"""


def test_the_page_of_a_command_names_its_process_in_every_table_that_has_some(tmp_path):
    path = tmp_path / "page.html"
    ran = subprocess.run(
        [sys.executable, "-m", "portcall", "live", "-i", "lo", "-o", path, "--", sys.executable, "-c", TALK],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr

    page = PageReader(path.read_text(encoding="utf-8"))
    coverage, tables = page.report["coverage"], {by: page.table(by)[1] for by in page.report["tables"]}

    assert list(tables) == ["app", "process", "host", "service", "flow"]
    assert coverage["dropped_by_kernel"] == 0
    for by in ("app", "process", "host"):
        total = sum(row["bytes_out"] + row["bytes_in"] for row in tables[by])
        assert total == coverage["bytes"] + coverage["bytes_credited_twice"] > 140_000
    (process,) = tables["process"]
    assert process["owner_quality"] == "exact"
    (flow,) = tables["flow"]
    assert (flow["client_pid"], flow["server_pid"], flow["interface"]) == (process["pid"], process["pid"], "lo")
    assert flow["bytes_to_client"] > 70_000
