"""``live --metrics`` as people run it: what a scraper reads while it listens is what passed."""

import os
import re
import socket
import subprocess
import sys
import threading
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

pytestmark = [
    pytest.mark.root,
    pytest.mark.usefixtures("alone_on_loopback"),
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="live capture on Linux needs root"),
]
DEADLINE_S = 60
SENT = 50_000


def test_a_scraper_sees_bytes_grow_while_a_silent_client_waits():
    command = [sys.executable, "-m", "portcall", "live", "-i", "lo", "--metrics", "0", "--by", "flow"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment
    ) as live:
        try:
            url = next(
                match[0] for line in live.stderr if (match := re.search(r"http://127\.0\.0\.1:\d+/metrics", line))
            )
            threading.Thread(target=live.stderr.read, daemon=True).start()
            port = int(url.split(":")[2].split("/")[0])
            with socket.create_connection(("127.0.0.1", port)):  # says nothing, and is not waited for
                before = captured(url)
                _exchange()
                after = before
                for _ in range(600):
                    after = captured(url)
                    if after > before + SENT:
                        break
        finally:
            live.terminate()
            live.wait(DEADLINE_S)

    assert after > before + SENT


def captured(url):
    with urllib.request.urlopen(url, timeout=DEADLINE_S) as response:  # noqa: S310 - ours
        families = list(text_string_to_metric_families(response.read().decode()))
    (family,) = [family for family in families if family.name == "portcall_captured_bytes"]
    return family.samples[0].value


def _exchange():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        accepted, _ = server.accept()
        client.sendall(bytes(SENT))
        client.shutdown(socket.SHUT_WR)
        while accepted.recv(65536):
            pass
        accepted.close()
