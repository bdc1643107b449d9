"""One delivery, and what followed from it."""

from typing import Any

from werkzeug.exceptions import NotFound

from relay.dashboard.visit import Visit


def view(visit: Visit, **ids: Any) -> None:
    """STUB."""
    raise NotFound
