"""The sync runs that relay would have started: cool-downs, and one run at a time. No I/O here."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from relay.decision.plan import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelledTrigger:
    """A trigger as relay would record it; `first_run_id` is the first of its retry chain."""

    dbt_run_id: int
    first_run_id: int
    because: tuple[str, ...]
    due_at: datetime
    covers_until: datetime

    @classmethod
    def of(cls, verdict: Verdict, dbt_run_id: int, first_run_id: int) -> "ModelledTrigger":
        """The trigger of a verdict that has a due time."""
        assert verdict.due_at is not None
        return cls(
            dbt_run_id=dbt_run_id,
            first_run_id=first_run_id,
            because=verdict.models,
            due_at=verdict.due_at,
            covers_until=verdict.covers_until,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelledRun:
    """A sync run that relay would have started, for one trigger or several."""

    began_at: datetime
    ended_at: datetime
    dbt_run_ids: tuple[int, ...]


@dataclass(slots=True)
class ModelledSync:
    """One sync's triggers and sync runs, up to the time it was last advanced to.

    Each sync run takes `duration`. A trigger that comes during one waits; all that are due when it
    ends become one run, as in the service. `covers_until` is when the newest dbt run ended that its
    triggers cover.
    """

    duration: timedelta
    triggers: list[ModelledTrigger] = field(default_factory=list)
    runs: list[ModelledRun] = field(default_factory=list)
    waiting: list[ModelledTrigger] = field(default_factory=list)
    covers_until: datetime | None = None

    def add(self, trigger: ModelledTrigger) -> None:
        """Record a trigger, which waits until `advance` starts it."""
        self.triggers.append(trigger)
        self.waiting.append(trigger)
        self.covers_until = max(trigger.covers_until, self.covers_until or trigger.covers_until)

    def advance(self, now: datetime) -> None:
        """Start every sync run that begins until now."""
        while self.waiting:
            due_at = min(trigger.due_at for trigger in self.waiting)
            begins_at = max(due_at, self.runs[-1].ended_at) if self.runs else due_at
            if begins_at > now:
                return
            self._start(begins_at)

    def _start(self, at: datetime) -> None:
        due = [trigger for trigger in self.waiting if trigger.due_at <= at]
        self.waiting = [trigger for trigger in self.waiting if trigger.due_at > at]
        dbt_run_ids = tuple(trigger.dbt_run_id for trigger in due)
        self.runs.append(
            ModelledRun(began_at=at, ended_at=at + self.duration, dbt_run_ids=dbt_run_ids)
        )

    def triggered_at(self) -> datetime | None:
        """When its last sync run began; None if none has."""
        return self.runs[-1].began_at if self.runs else None
