"""What is detected of each row of one flow table, in columns; kernels fill them through ``row_detections.pxd``."""

from libc.stdint cimport uint8_t


cdef class RowDetections:
    """By row: ``inspected``, which the table shares; ``found``, the number of what it is; ``evidence``, the number of the packet
    that told it; ``asked``, 2 × the number of the first packet that told which end is the client, + 1 where that is the high one,
    0 where none did; and ``series``, what datagrams have told so far that mean something only together.

    The numbers of detections, and the prefixes of what is seen in mid-flow (both halves of their bits), are its owner's.
    """

    def __init__(self, uint8_t[::1] inspected not None):
        self.inspected = inspected
