"""The compiled hot loops: walk (bytes → frames), headers (frames → packets), folding (packets → flow rows).

Cython with bounds checks on. Kernels allocate nothing and never raise on what a packet contains: they write a verdict.
Arrays are passed as the records of ``records``; bytes from the network are read only through ``cursor.pxd``.
"""
