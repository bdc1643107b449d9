"""What became of an attempt to start a sync run. Values only."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """Census started a run; it is polled at `poll_at`."""

    sync_run_id: int
    at: datetime
    poll_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Found(Started):
    """A POST whose response was lost has started this run."""


@dataclass(frozen=True, slots=True)
class NotFound:
    """A POST whose response was lost started no run: it may be sent again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Retried:
    problem: str
    at: datetime
    backoff: timedelta

    @property
    def again_at(self) -> datetime:
        return self.at + self.backoff


@dataclass(frozen=True, slots=True, kw_only=True)
class NotStarted(_Retried):
    """The POST certainly started no run: it is sent again after the backoff."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unconfirmed(_Retried):
    """The POST may have started a run: reconcile after the backoff."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """No run will be started: Census refused, or the retries are exhausted.

    `http_status` is that of Census's refusal, None if it was not Census that refused.
    """

    problem: str
    at: datetime
    http_status: int | None = None


Result = Started | Found | NotFound | NotStarted | Unconfirmed | Refused
