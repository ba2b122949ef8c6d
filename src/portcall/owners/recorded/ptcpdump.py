r"""ptcpdump's comments on packets: lines of ``Key: value``, in one comment or in several.

    PID: 321\nCmd: /usr/bin/curl\nArgs: curl https://…      UserId: 1000\nGroupId: 1000
    ThreadId: 7\nThreadName: main                            ParentPID: 45\nParentCmd: /usr/bin/bash\nParentArgs: -bash
    ContainerName: web\nContainerId: …                       PodName: …

portcall writes who received a packet on the same machine into lines with ``Receiver`` in front, behind the sender's.
``...`` at the end of a value says that it was cut. Arguments may hold line ends, so what stands behind them counts only
where nothing else says it. Source: mozillazg/ptcpdump, internal/writer/pcapng.go and internal/types.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.owners.recorded.words import number_of
from portcall.records.ownership import Owner, Program
from portcall.records.recorded.claims import UNKNOWN_PROGRAM, RecordedOwner, clean, clean_name
from portcall.system.interpreters import script_of

if TYPE_CHECKING:
    from collections.abc import Sequence

SOURCE = "ptcpdump"
_CUT = "..."
_ARGUMENTS = frozenset({"Args", "ParentArgs"})
_COMMANDS = ("Cmd", "Command")
_KEYS = frozenset({"PID", "TID", "ThreadId", "ThreadName", "UserId", "GroupId", *_COMMANDS, *_ARGUMENTS})
_KEYS |= {"ParentPID", "ParentCmd", "ParentCommand", "ContainerName", "ContainerId", "PodName"}
_RECEIVER = "Receiver "
_OF_A_DESCRIPTOR = "/dev/fd/"  # run without a path, as openwrt does


def is_one(comment: str) -> bool:
    """Whether a comment may be one of them."""
    return comment.partition(":")[0].removeprefix(_RECEIVER) in _KEYS


def owner_of(comments: Sequence[str]) -> RecordedOwner | None:
    """Whom the comments of one packet name; None where they name nobody."""
    return _owner_of(_said(comments))


def receiver_of(comments: Sequence[str]) -> RecordedOwner | None:
    """Who received the packet besides, on the same machine; None where nobody is named as that."""
    lines = [line for comment in comments for line in comment.split("\n") if line.startswith(_RECEIVER)]
    return _owner_of(_said(["\n".join(line.removeprefix(_RECEIVER) for line in lines)]))


def _owner_of(said: dict[str, str]) -> RecordedOwner | None:
    pid = number_of(said.get("PID", ""))
    if not pid:
        return None
    arguments = said.get("Args", "")
    program = _program(next((said[key] for key in _COMMANDS if said.get(key)), ""), arguments)
    program = program._replace(container=clean_name(said["ContainerName"]) if said.get("ContainerName") else None)
    user = number_of(said.get("UserId", ""))
    parent = number_of(said.get("ParentPID", ""))
    named = _program(said.get("ParentCmd") or said.get("ParentCommand", ""), said.get("ParentArgs", "")).name
    owner = Owner(pid, None, program, None if user is None else str(user), ((parent, named),) if parent else ())
    return RecordedOwner(owner, SOURCE)


def _said(comments: Sequence[str]) -> dict[str, str]:
    """What each key says first, before what stands behind arguments."""
    said: dict[str, str] = {}
    doubtful: dict[str, str] = {}
    for comment in comments:
        into = said
        for line in comment.split("\n"):
            key, colon, value = line.partition(":")
            if colon and key in _KEYS:
                into.setdefault(key, value.strip())
                into = doubtful if key in _ARGUMENTS else into
    return {**doubtful, **said}


def _program(command: str, arguments: str) -> Program:
    """What runs; of a path that was cut the end of the name is not known, and says so."""
    words = arguments.removesuffix(_CUT).split()
    is_cut = command.endswith(_CUT)
    path = clean(command) if command.startswith("/") and not is_cut else None
    if path and path.startswith(_OF_A_DESCRIPTOR) and words:
        path, command = None, words[0]
    name = clean_name(command.rpartition("/")[2])
    if not name:
        return UNKNOWN_PROGRAM
    script = script_of(words, path, is_cut=arguments.endswith(_CUT)) if words else None
    return Program(name, path, (), script=clean_name(script) if script else None)
