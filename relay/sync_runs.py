"""A Census sync run: its last status, and what that means. No I/O here.

Values only; `vendors/census/` creates them from API responses.
https://developers.getcensus.com/api-reference/sync-runs/fetch-sync-run
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

# Census's statuses of a running sync run. They have changed five times: an unknown status does not
# count as an end, and the run is polled until the deadline.
RUNNING_STATUSES = frozenset({"queued", "working"})
CANCELED_STATUSES = frozenset({"canceled", "cancelled"})
FINAL_STATUSES = frozenset({"completed", "failed", "skipped"}) | CANCELED_STATUSES


class Outcome(StrEnum):
    """How a sync run ended."""

    COMPLETED = "completed"
    COMPLETED_WITH_REJECTS = "completed_with_rejects"
    FAILED = "failed"
    CANCELED = "canceled"
    SKIPPED = "skipped"  # an earlier run was still running: this one did nothing
    ABANDONED = "abandoned"  # it did not end within the deadline
    REFUSED = "refused"  # Census would not start it
    DISABLED = "disabled"  # the mapping disabled its sync before it was sent
    DRY_RUN = "dry_run"  # it was not sent, because of RELAY_DRY_RUN


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRun:
    """A sync run as Census last described it.

    `status` is Census's, in upper or lower case. Counts are None if Census reports none, as for a
    failed run. `completed_at` is None for a failed run too, so it does not show whether a run has
    ended. `full_sync` is None if Census does not report it. `trigger_reason` is what started it.
    """

    sync_run_id: int
    status: str
    canceled: bool = False
    created_at: datetime | None = None
    updated_at: datetime | None = None
    completed_at: datetime | None = None
    full_sync: bool | None = None
    trigger_reason: str | None = None
    records_processed: int | None = None
    records_updated: int | None = None
    records_failed: int | None = None
    records_invalid: int | None = None
    error_code: str | None = None
    error_message: str | None = None

    @property
    def outcome(self) -> Outcome | None:
        """How it ended; None while it is running, or its status is unknown."""
        if self.canceled or self._normalized_status in CANCELED_STATUSES:
            # A separate flag: a canceled run can have the status `completed`.
            return Outcome.CANCELED
        match self._normalized_status:
            case "completed" if self.records_failed or self.records_invalid:
                return Outcome.COMPLETED_WITH_REJECTS
            case "completed":
                return Outcome.COMPLETED
            case "failed":
                return Outcome.FAILED
            case "skipped":
                return Outcome.SKIPPED
            case _:
                return None

    @property
    def has_unknown_status(self) -> bool:
        return self._normalized_status not in RUNNING_STATUSES | FINAL_STATUSES

    @property
    def _normalized_status(self) -> str:
        return self.status.casefold()
