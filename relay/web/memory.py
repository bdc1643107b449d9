"""Makes glibc return freed memory to the system."""

import ctypes

M_MMAP_THRESHOLD = -3  # glibc's malloc.h
LARGE = 2**17  # bytes: glibc's own threshold, at first


def return_freed_memory() -> None:
    """Return large blocks to the system as soon as they are freed. No effect without glibc.

    By default glibc raises the threshold when the first large body is freed, and allocates the
    next ones in its arenas, which cannot shrink below a block that is still in use.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGE)
