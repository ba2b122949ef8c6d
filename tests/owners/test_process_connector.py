"""Process events of the kernel: those that nobody drains in time are lost, and counted."""

from __future__ import annotations

import os
import subprocess

import pytest

from portcall.owners.process_connector import ProcessConnector

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root"),
]


@pytest.fixture
def connector():
    try:
        made = ProcessConnector(most_waiting=4)
    except OSError as error:
        pytest.skip(f"the kernel does not tell here: {error}")
    yield made
    made.close()


def test_events_that_gave_way_to_later_ones_are_counted(connector):
    for _ in range(100):
        subprocess.run(["true"], check=True)
        if connector.lost:
            break

    assert connector.lost > 0
    assert len(connector.drain()) <= 4
