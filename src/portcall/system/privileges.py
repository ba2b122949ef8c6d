"""Rights of this process: given up as soon as sockets and programs are open, before a packet is parsed.

sudo says who asked (SUDO_UID, SUDO_GID): that user is what is left, in fact and for good. Root itself, or capabilities
of the interpreter's file, have nobody to become, and stay what they are. This module opens nothing and reads no packet.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def raise_priority() -> int | None:
    """Be served before those who are watched, so that no report of theirs is lost.

    Gives the priority before, for commands that are started; None where the system does not let us.
    """
    try:
        before = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PROCESS, 0, -10)
    except (AttributeError, PermissionError):  # Windows has none; users may not
        return None
    return before


def has_invoking_user(environment: Mapping[str, str]) -> bool:
    """Whether this is root, for a user who called sudo."""
    user, group = environment.get("SUDO_UID", ""), environment.get("SUDO_GID", "")
    return hasattr(os, "geteuid") and os.geteuid() == 0 and user.isdigit() and group.isdigit() and user != "0"


def become_invoking_user(environment: Mapping[str, str]) -> str | None:
    """Give up root for the user who called sudo; gives that user's number, None where there was nobody to become."""
    if not has_invoking_user(environment):
        return None
    user, group = environment["SUDO_UID"], environment["SUDO_GID"]
    os.initgroups(environment.get("SUDO_USER", "nobody"), int(group))
    os.setresgid(int(group), int(group), int(group))
    os.setresuid(int(user), int(user), int(user))
    return user
