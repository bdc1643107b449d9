"""Work in a thread beside what is measured."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


@contextmanager
def in_background(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Work until the block ends, which sets the event, and raise what the work raised.

    An error that is lost in its thread leaves a measurement beside nothing.
    """
    stopping = threading.Event()
    with ThreadPoolExecutor(1) as thread:
        working = thread.submit(work, stopping)
        try:
            yield
        finally:
            stopping.set()
    working.result()
