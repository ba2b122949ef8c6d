# Records as an argument. To hand an array to a typed memoryview compares its whole format with the struct, which takes as long
# as decoding a hundred packets. The format is the dtype's, and all parts of an array share one dtype object: so kernels that are
# called once a batch compare when a dtype is new to them, and then borrow the bytes without asking what is in them.
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyObject_GetBuffer


cdef inline Py_ssize_t borrow(object array, size_t record_bytes, Py_buffer *out_view) except -1:
    """How many records of a compared dtype the array has; they stay where they are until PyBuffer_Release(out_view)."""
    PyObject_GetBuffer(array, out_view, PyBUF_SIMPLE)
    return out_view.len // <Py_ssize_t>record_bytes


cdef inline Py_ssize_t borrow_writable(object array, size_t record_bytes, Py_buffer *out_view) except -1:
    """The same of an array that is written to."""
    PyObject_GetBuffer(array, out_view, PyBUF_SIMPLE | PyBUF_WRITABLE)
    return out_view.len // <Py_ssize_t>record_bytes
