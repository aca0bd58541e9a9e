"""Settings of the process's memory allocator for a network that needs the same buffers over and over.

In: nothing. Out: nothing; malloc keeps freed memory and reuses it. By default, glibc returns large blocks to the system as soon
as they are free, so every layer of every window gets fresh pages that the kernel must zero, and every thread gets its own arena,
so that equal runs end at different sizes. Nothing here changes results.
"""

import ctypes
import functools
import platform

# Parameters of mallopt(3), from glibc's malloc.h
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
M_ARENA_MAX = -8

LARGEST_KEPT = 32 << 20  # bytes: the most that every glibc accepts; buffers of single windows are smaller
KEPT = 1 << 30  # bytes that may stay free at the top of the heap before they are returned


@functools.cache
def keep_buffers() -> bool:
    """Let malloc reuse freed buffers, from one heap for all threads; False where the C library is not glibc.

    Memory that one thread frees, any other can use: blocks are large and calls few, so the single lock is no bottleneck.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    settings = {M_ARENA_MAX: 1, M_MMAP_THRESHOLD: LARGEST_KEPT, M_TRIM_THRESHOLD: KEPT}
    return all(mallopt(parameter, value) == 1 for parameter, value in settings.items())
