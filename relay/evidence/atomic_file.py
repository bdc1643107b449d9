"""Writing a file of a cache, so that neither a reader nor a kill finds a part of it."""

import tempfile
from pathlib import Path


def write_atomically(file: Path, content: bytes) -> None:
    """Write a file that another process may read now, although this one may be killed.

    A temporary file that a kill leaves behind is in the same folder and has the same suffix, so it
    is removed like any other. Raises OSError.
    """
    with tempfile.NamedTemporaryFile(dir=file.parent, suffix=file.suffix, delete=False) as new:
        written = Path(new.name)
        try:
            new.write(content)
            new.flush()
            written.replace(file)
        except OSError:
            written.unlink()
            raise
