# Asking for memory before it is needed, where the compiler knows how: a hint that changes no result.
cdef extern from *:
    """
    #if defined(__GNUC__) || defined(__clang__)
    #define portcall_prefetch(address) __builtin_prefetch((address), 1)
    #else
    #define portcall_prefetch(address) ((void)(address))
    #endif
    """
    void portcall_prefetch(const void *address) noexcept nogil
