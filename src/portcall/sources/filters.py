"""pcap filters, in tcpdump's syntax, over frames of any source.

scapy hands the expression to libpcap's compiler, and libpcap runs what came out: so an expression means what it means
to tcpdump. It is compiled once for each link type that turns up.
"""

from __future__ import annotations

import ctypes
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from portcall.errors import PortcallError, UsageError
from portcall.kernels.gathering import select
from portcall.sources.selection import selected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from portcall.records.packets import FrameBatch

_REMEDY = "install libpcap: 'sudo apt install libpcap0.8' (Debian); macOS has it"
_ETHERNET = 1


def asks_for_tag(expression: str | None) -> bool:
    """Whether it looks at VLAN tags, which Linux takes off a frame before its own filter sees it."""
    return "vlan" in re.findall(r"\w+", expression or "")


class FrameFilter:
    """Keeps the frames that match; UsageError where the expression is wrong, before any frame is read."""

    def __init__(self, expression: str) -> None:
        self._expression = expression
        try:
            import scapy.libs.winpcapy as libpcap
            from scapy.arch.common import compile_filter
            from scapy.error import Scapy_Exception
        except (ImportError, OSError) as error:
            raise PortcallError(f"--filter needs libpcap, which is not here; {_REMEDY}") from error
        self._compile_filter: Any = compile_filter  # Any: scapy's ctypes structure stays in this class
        self._failure: type[Exception] = Scapy_Exception
        self._interpreter = _address(libpcap._lib.bpf_filter)  # noqa: SLF001 (the only way to it)
        self._programs: dict[int, Any] = {}
        self._program(_ETHERNET)

    def matching(self, batches: Iterator[FrameBatch]) -> Iterator[FrameBatch]:
        """The same batches with the frames that match, numbered as if there were no others."""
        return selected(batches, self._matches)

    def instructions(self, link: int) -> bytes:
        """The program for frames of one link type as the kernel takes it, struct sock_filter[n] (linux/filter.h)."""
        program = self._program(link)
        return ctypes.string_at(ctypes.cast(program.bf_insns, ctypes.c_void_p), 8 * program.bf_len)

    def _matches(self, batch: FrameBatch) -> Any:  # Any: a NumPy mask
        matches = np.zeros(len(batch.frames), np.uint8)
        links = batch.frames["link"]
        for link in set(links.tolist()):
            found = np.zeros(len(batch.frames), np.uint8)
            program = self._program(link)
            select(batch.frames, batch.buffer, self._interpreter, _address(program.bf_insns), found)
            matches |= found & (links == link)
        return matches.astype(bool)

    def _program(self, link: int) -> Any:  # Any: scapy's bpf_program
        if link not in self._programs:
            try:
                self._programs[link] = self._compile_filter(self._expression, linktype=_LinkType(link))
            except UnicodeEncodeError as error:  # bytes on the command line that are no text
                raise UsageError(f"--filter {self._expression!r}: it has bytes that are no text in UTF-8") from error
            except self._failure as error:
                raise UsageError(f"--filter {self._expression!r} (link type {link}): {error}") from error
            except ImportError as error:
                raise PortcallError(f"--filter needs libpcap, which is not here; {_REMEDY}") from error
        return self._programs[link]


class _LinkType(int):
    """A link type for scapy, which takes 0, that of BSD loopback, for none, and that of an interface here instead."""

    def __bool__(self) -> bool:
        return True


def _address(pointer: Any) -> int:  # Any: ctypes knows pointers by run time only
    return ctypes.cast(pointer, ctypes.c_void_p).value or 0
