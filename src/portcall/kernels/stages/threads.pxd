# Threads that wait for each other without Python's lock.

cdef extern from "pthread.h" nogil:
    ctypedef struct pthread_mutex_t:
        pass
    ctypedef struct pthread_cond_t:
        pass
    int pthread_mutex_init(pthread_mutex_t *, const void *)
    int pthread_mutex_destroy(pthread_mutex_t *)
    int pthread_mutex_lock(pthread_mutex_t *)
    int pthread_mutex_unlock(pthread_mutex_t *)
    int pthread_cond_init(pthread_cond_t *, const void *)
    int pthread_cond_destroy(pthread_cond_t *)
    int pthread_cond_wait(pthread_cond_t *, pthread_mutex_t *)
    int pthread_cond_timedwait(pthread_cond_t *, pthread_mutex_t *, const timespec *)
    int pthread_cond_broadcast(pthread_cond_t *)

cdef extern from "time.h" nogil:
    struct timespec:
        long tv_sec
        long tv_nsec
    int CLOCK_REALTIME
    int clock_gettime(int, timespec *)


cdef inline void wait_for(pthread_cond_t *changed, pthread_mutex_t *mutex, long at_most_ns) noexcept nogil:
    """Wait until somebody tells of a change, for less than a second."""
    cdef timespec until
    clock_gettime(CLOCK_REALTIME, &until)
    until.tv_nsec += at_most_ns
    if until.tv_nsec >= 1000000000:
        until.tv_sec, until.tv_nsec = until.tv_sec + 1, until.tv_nsec - 1000000000
    pthread_cond_timedwait(changed, mutex, &until)
