"""An action: a page that shows what it would do, with a form that does it once."""

from typing import Protocol

from flask import Blueprint

from relay.dashboard.database import Database
from relay.dashboard.visit import VisitWith


class Action(Protocol):
    """An action's routes."""

    def add_routes(self, dashboard: Blueprint, database: Database, visit_with: VisitWith) -> None:
        """Add the preview, the action itself and its result."""
