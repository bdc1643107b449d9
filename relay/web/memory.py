"""Has glibc give memory back that is not needed any more."""

import ctypes

M_MMAP_THRESHOLD = -3  # glibc's malloc.h
LARGE = 2**17  # bytes: glibc's own threshold, at first


def return_freed_memory() -> None:
    """Have what is large go back to the system as soon as it is freed. No effect without glibc.

    By itself glibc raises the threshold when the first large body is freed, and takes the next
    ones from its arenas, which keep what lies below anything that is still in use.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGE)
