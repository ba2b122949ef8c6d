"""What an agent asks about this machine, answered for a process that is confined, by a fork of it from before.

Who holds sockets takes looks into other processes that nobody has who parses captures. Whoever takes that one over
learns here what ``ports``, ``who`` and ``explain`` tell, and nothing else.

    asked  {"tool": "who", "words": {"port": "443"}}     told  {"answer": {…}} or {"refused": "…"}     JSON, a line each
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

from portcall.errors import PortcallError, UsageError
from portcall.system.helper_process import ForkedHelper

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping

    from portcall.runs.agents.bounded_answers import Answer

TOOLS = ("ports", "who", "explain")
_MOST_ASKED = 1 << 16
"""Bytes of a question."""


class MachineHelper:
    """Begins the fork, which is to be done while this process has one thread and nothing open."""

    def __init__(self) -> None:
        self._helper = ForkedHelper("portcall looks", _serve)
        self._stream = self._helper.link.makefile("rwb")
        self._turn = threading.Lock()  # tools are called by several threads

    def ask(self, tool: str, **words: object) -> Answer:
        """Its answer; UsageError as it has it, PortcallError where it has ended."""
        line, asked = b"", json.dumps({"tool": tool, "words": words}).encode() + b"\n"
        if len(asked) > _MOST_ASKED:  # it would be taken for two, and each later answer for that of the question before
            raise UsageError(f"{tool}: a question has {_MOST_ASKED} bytes at most, and this one {len(asked)}")
        try:
            with self._turn:
                self._stream.write(asked)
                self._stream.flush()
                line = self._stream.readline()
        except OSError:  # as where it has ended before
            pass
        if not line:
            raise PortcallError("the process that looks at this machine has ended: start portcall again")
        told = json.loads(line)
        if "refused" in told:
            raise UsageError(str(told["refused"]))
        answer: Answer = told["answer"]
        return answer


def _serve(link: socket.socket) -> None:
    from portcall.system.confinement import scope_to_look
    from portcall.system.privileges import give_up_rights

    give_up_rights({}, scope_to_look())
    from portcall.runs.agents.bounded_answers import Answers

    answers = Answers(None)
    tools = {name: getattr(answers, name) for name in TOOLS}
    with link.makefile("rwb") as stream:
        while line := stream.readline(_MOST_ASKED):
            stream.write(json.dumps(_told(line, tools)).encode() + b"\n")
            stream.flush()


def _told(line: bytes, tools: Mapping[str, Callable[..., Answer]]) -> dict[str, Any]:  # Any: plain values
    try:
        asked = json.loads(line)
        return {"answer": tools[asked["tool"]](**asked["words"])}
    except PortcallError as error:
        return {"refused": str(error)}
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return {"refused": "this is no question about this machine"}
