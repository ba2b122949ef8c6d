"""The fork that looks at this machine for an agent, asked from a process of its own, as it is begun before threads."""

from __future__ import annotations

import json
import subprocess
import sys

PROGRAM = """
import json
from portcall.errors import UsageError
from portcall.runs.agents.machine_helper import MachineHelper

machine = MachineHelper()
try:
    machine.ask("who", port="9" * 70_000)
except UsageError as error:
    refused = str(error)
print(json.dumps([refused, machine.ask("explain", subject="443"), machine.ask("explain", subject="22")]))
"""


def test_a_question_that_is_too_long_is_refused_and_later_ones_get_their_own_answers():
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60)

    refused, https, ssh = json.loads(ran.stdout)
    assert refused.startswith("who: a question has 65536 bytes at most")
    assert ("HTTPS" in str(https), "SSH" in str(ssh)) == (True, True)
