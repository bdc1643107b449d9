"""A Census sync run's life: what it said last, and what that means. No I/O here.

Values only; `vendors/census/` makes them from the API's answers.
https://developers.getcensus.com/api-reference/sync-runs/fetch-sync-run
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

# Census's words for a run under way. Its words have changed five times: one that is not
# known here is no end either, it is followed until the deadline.
GOING_WORDS = frozenset({"queued", "working"})
CANCELED_WORDS = frozenset({"canceled", "cancelled"})
ENDING_WORDS = frozenset({"completed", "failed", "skipped"}) | CANCELED_WORDS


class Outcome(StrEnum):
    """How a sync run ended, for us."""

    COMPLETED = "completed"
    COMPLETED_WITH_REJECTS = "completed_with_rejects"
    FAILED = "failed"
    CANCELED = "canceled"
    SKIPPED = "skipped"  # an earlier run was still going: this one did nothing
    ABANDONED = "abandoned"  # it did not end within the deadline
    REFUSED = "refused"  # Census would not start it


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRun:
    """A sync run as Census last described it.

    `status` is Census's word, in capitals or not. Counts are None where Census gave none: a failed
    run has none. `completed_at` is None for a failed run too, so that it is no sign of an end.
    `full_sync` is None where Census did not say. `trigger_reason` is what Census says started it.
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
        """How it ended; None while it has not, or its status is unknown."""
        if self.canceled or self._word in CANCELED_WORDS:
            # A flag beside the status: a canceled run can read `completed`.
            return Outcome.CANCELED
        match self._word:
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
        return self._word not in GOING_WORDS | ENDING_WORDS

    @property
    def _word(self) -> str:
        return self.status.casefold()
