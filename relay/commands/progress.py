"""A progress line on a terminal's stderr, for what takes longer than a second."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SHOWN_AFTER = 1.0  # seconds
ERASE_LINE = "\r\x1b[K"


class Progress:
    """One line that is replaced, and erased at the end. Thread-safe."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lock = threading.Lock()
        self._is_shown = False
        self._is_over = False

    def update(self, text: str) -> None:
        """Replace the text."""
        with self._lock:
            self._text = text
            if self._is_shown:
                self._write()

    def show(self) -> None:
        """Show the text, unless it was erased."""
        with self._lock:
            if not self._is_over:
                self._is_shown = True
                self._write()

    def erase(self) -> None:
        """Erase the line; it is not shown again."""
        with self._lock:
            self._is_over = True
            if self._is_shown:
                _write(ERASE_LINE)

    def _write(self) -> None:
        _write(f"{ERASE_LINE}{self._text} …")


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


@contextmanager
def progress(text: str) -> Iterator[Progress]:
    """Show the text if the block takes longer than a second and stderr is a terminal."""
    shown = Progress(text)
    timer = threading.Timer(SHOWN_AFTER, shown.show)
    timer.daemon = True
    if sys.stderr.isatty():
        timer.start()
    try:
        yield shown
    finally:
        timer.cancel()
        shown.erase()
