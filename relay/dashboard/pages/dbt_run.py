"""One dbt run: every sync's decision, its models and steps."""

from typing import Any

from werkzeug.exceptions import NotFound

from relay.dashboard.visit import Visit


def view(visit: Visit, **ids: Any) -> None:
    """STUB."""
    raise NotFound
