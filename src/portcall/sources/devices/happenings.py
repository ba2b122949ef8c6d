"""What happened to interfaces and network namespaces while they were listened to: each said once, with its time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from portcall.records.report import Degradation

if TYPE_CHECKING:
    from portcall.sources.devices.interface_watch import Changes

MOST_SAID = 20
"""Of changes; who has more of them knows how it goes."""

_INTERFACES, _NAMESPACES = "interfaces", "network namespaces"
_COUNTS_AGAIN = "none is needed: it counts again when it returns"
_MISSES_NOTHING = "-i any, which also has their first packets"
_FOLLOWED_BY_NAME = "--netns NAME of one with a name, or --netns all: these are followed"
_FOUND_SOON = "none is needed: a name is found at once, packets of that moment may be missing"


class Happenings:
    """Sentences in order of time, as degradations of the report."""

    def __init__(self) -> None:
        self.degradations: list[Degradation] = []
        self._said = 0
        self._namespaces_gone: set[str] = set()

    def tell(self, changes: Changes, namespace: str | None) -> None:
        """What became of interfaces of a namespace, None for one's own."""
        where = f" ({namespace})" if namespace else ""
        for name in changes.went:
            self._say(_INTERFACES, f"{name}{where} went at {_now()}", _COUNTS_AGAIN)
        for name in changes.returned:
            self._say(_INTERFACES, f"{name}{where} was gone, and counts again since {_now()}", _MISSES_NOTHING)
        for name in changes.came:
            self._say(_INTERFACES, f"{name}{where} came, and counts since {_now()}", _MISSES_NOTHING)

    def tell_gone(self, name: str, *, is_followed: bool) -> None:
        """That a namespace is no more; one that is not followed may have been meant by the number of a process."""
        if is_followed:
            self._namespaces_gone.add(name)
            self._say(_NAMESPACES, f"{name} went at {_now()}; what passed before counts", _COUNTS_AGAIN)
            return
        called = f"process {name}" if name.isdigit() else name
        reason = f"{called} is gone since {_now()}: what comes in its place does not count"
        self._say(_NAMESPACES, reason, _FOLLOWED_BY_NAME)

    def tell_come(self, name: str, *, is_there_twice: bool) -> None:
        """That there is a namespace of that name, which is said of one that was gone, or is another's now."""
        if is_there_twice or name in self._namespaces_gone:
            self._namespaces_gone.discard(name)
            reason = f"{name} was made anew, and counts again since {_now()}"
            self._say(_NAMESPACES, reason, _FOUND_SOON)

    def miss(self, feature: str, reason: str, remedy: str) -> None:
        """What cannot be captured; the first of each kind, told by its remedy, only."""
        if (feature, remedy) not in [(told.feature, told.remedy) for told in self.degradations]:
            self.degradations.append(Degradation(feature, reason, remedy))

    def _say(self, feature: str, reason: str, remedy: str) -> None:
        self._said += 1
        if self._said <= MOST_SAID:
            self.degradations.append(Degradation(feature, reason, remedy))
        elif self._said == MOST_SAID + 1:
            reason = f"more came and went after {_now()}, which is not listed"
            self.degradations.append(Degradation(feature, reason, "none is needed: they count as those above"))


def _now() -> str:
    return time.strftime("%H:%M:%S")
