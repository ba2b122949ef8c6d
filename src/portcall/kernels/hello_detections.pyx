"""What plain hellos make of their rows; the kernel ``inspect`` fills it through ``hello_detections.pxd``."""

from libc.stdint cimport uint8_t

from portcall.kernels.deferral cimport Deferral
from portcall.kernels.held_segments cimport HeldSegments


cdef class HelloDetections(RowDetections):
    """Detections with names, which are numbers in ``detections``. What has none yet gathers in the deferral; a hello that goes on
    in another segment is held, and what is to answer one is ``awaited``. ``reads_hellos``: without it they are all left to the
    dissectors. ``reads_details``: what they say besides names is wanted, of both sides.
    """

    def __init__(self, uint8_t[::1] inspected, Deferral deferral not None, HeldSegments held not None):
        super().__init__(inspected)
        self.deferral, self.held, self.reads_hellos, self.tells_media = deferral, held, True, True
