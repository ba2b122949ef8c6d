"""Commands that mend things, as they work here: with this interpreter, this command's full path, this user's rights.

``sudo portcall`` finds nothing where portcall is in a virtual environment, since sudo has a PATH of its own; nor does
``pip`` need to be this interpreter's. Root is never told to become root.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from portcall.system.privileges import was_root

ROOT_OF_THE_HOST = "run it as root of the host, not of a container"
_OF_THE_COMMAND = frozenset({"portcall", "__main__.py"})
_MOST_BYTES = 200
"""Of a whole command line that is told; of a longer one the subcommand is enough."""
_CONTROL_GROUPS = Path("/sys/fs/cgroup")


def pip_install(*words: str) -> str:
    """What installs packages, or options as they stand, for this interpreter."""
    return f"{_quoted(sys.executable)} -m pip install {' '.join(map(_quoted, words))}"


def this_command(*words: str) -> str:
    """Portcall by its full path with these words, or without any with those that it was given."""
    begun = _begun()
    given = sys.argv[1:] if Path(sys.argv[0]).name in _OF_THE_COMMAND else []
    line = " ".join(map(_quoted, [*begun, *(words or given)]))
    return line if len(line) <= _MOST_BYTES else " ".join(map(_quoted, [*begun, *(words or given)[:1]]))


def with_sudo(*words: str) -> str:
    """The same with root's rights; nothing for those who have them."""
    command = this_command(*words)
    return command if is_root() else f"sudo {command}"


def examples_here(text: str) -> str:
    """A text whose examples say ``sudo portcall``, with that as it works here."""
    command = " ".join(map(_quoted, _begun()))
    return text.replace("sudo portcall", command if is_root() else f"sudo {command}")


def more_rights(for_root: str) -> str:
    """How to run this again with more rights; ``for_root`` is what root lacks, who has no sudo to take."""
    if is_root():
        return for_root
    is_command = Path(sys.argv[0]).name in _OF_THE_COMMAND
    return f"run it with sudo: {with_sudo()}" if is_command else "run it as root"


def is_root() -> bool:
    """Whether this process has root's user number, or had it before it gave it up; though maybe not root's rights."""
    return hasattr(os, "geteuid") and (os.geteuid() == 0 or was_root())


def is_private_interpreter() -> bool:
    """Whether this Python's program is of one virtual environment alone, as ``python -m venv --copies`` makes it.

    Rights that are given to a program are everybody's who can start it: to the system's Python, every user's.
    """
    prefix = Path(sys.prefix).resolve()
    return sys.prefix != sys.base_prefix and prefix in Path(sys.executable).resolve().parents


def mount_control_groups() -> str:
    """What mounts the hierarchy of control groups where there is room for it."""
    unified = _CONTROL_GROUPS / "unified"
    place = unified if unified.is_dir() else _CONTROL_GROUPS
    sudo = "" if is_root() else "sudo "
    if place.is_dir() and (place == unified or not os.path.ismount(place)):
        return f"{sudo}mount -t cgroup2 none {place}"
    return f"{sudo}sh -c 'mkdir -p /run/cgroup2 && mount -t cgroup2 none /run/cgroup2'"


def _begun() -> list[str]:
    """What a command line of this very portcall begins with."""
    installed = Path(sys.executable).with_name("portcall")
    return [str(installed)] if installed.exists() else [sys.executable, "-m", "portcall"]


def _quoted(word: str) -> str:
    return shlex.quote(word)
