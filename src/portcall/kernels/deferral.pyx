"""What a kernel leaves to Python: plain hellos whose names are new, and payloads that only dissectors know.

It gathers in arrays that are made once, until its owner takes it and calls ``clear``; so Python is asked once a gathering.
"""

from libc.stdint cimport uint8_t

from portcall.kernels cimport hello_numbers, plain_parsers
from portcall.kernels.records cimport Deferred, Hello

TLS_HELLO, HTTP_REQUEST = plain_parsers.TLS_HELLO, plain_parsers.HTTP_REQUEST
DNS_ANSWER, DNS_QUESTION = plain_parsers.DNS_ANSWER, plain_parsers.DNS_QUESTION
TLS_ANSWER, HTTP_ANSWER = plain_parsers.TLS_ANSWER, plain_parsers.HTTP_ANSWER
MEDIA, MEDIA_ANSWER = plain_parsers.MEDIA, plain_parsers.MEDIA_ANSWER
"""Kinds of Hello, and of names that are numbered …"""

COVERED, BOTH, SAID = hello_numbers.COVERED, hello_numbers.BOTH, hello_numbers.SAID
"""… and of what else is: a name that may be a cover; what both sides of a row say; and, with a kind added, what one of that says besides its name."""

MOST_KEPT_BYTES = _MOST_KEPT_BYTES
"""Of one payload."""


cdef class Deferral:
    """``hellos`` and ``payloads``, with their bytes in ``arena``. Kernels fill them through ``deferral.pxd``."""

    def __init__(self, Hello[::1] hellos not None, Deferred[::1] payloads not None, uint8_t[::1] arena not None):
        self.hellos, self.payloads, self.arena = hellos, payloads, arena

    def clear(self):
        """Forget what was taken."""
        self.hello_count = self.hello_next = self.payload_count = self.payload_next = self.arena_used = 0

    cdef bytes bytes_at(self, Py_ssize_t at, Py_ssize_t length):
        """A part of the arena."""
        if length > self.arena.shape[0] - at:
            raise IndexError("this part of the arena was never filled")
        return (<const char *>&self.arena[at])[:length] if length else b""
