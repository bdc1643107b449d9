"""Whether triggers are sent to Census, or only recorded."""

from enum import Enum


class Mode(Enum):
    """How a process works."""

    LIVE = "live"
    DRY_RUN = "dry_run"  # RELAY_DRY_RUN: everything but the POST that starts a sync run
