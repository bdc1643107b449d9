"""Words and times that the tasks share."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from relay.store import Cause
from relay.worker.services import Services


def dbt_runs(causes: Sequence[Cause]) -> dict[str, object]:
    """The newest dbt run behind an attempt, and all of them; none where a person asked for it."""
    ids = [cause.dbt_run_id for cause in causes if cause.dbt_run_id is not None]
    return {"dbt_run_id": max(ids, default=None), "dbt_run_ids": ids}


def because(causes: Sequence[Cause]) -> list[str]:
    """The rebuilt models behind an attempt."""
    return sorted({model for cause in causes for model in cause.because})


def through(causes: Sequence[Cause]) -> dict[str, list[str]]:
    """The views that an attempt answers, and what was rebuilt behind each."""
    behind: dict[str, set[str]] = {}
    for cause in causes:
        for view, nodes in cause.through.items():
            behind.setdefault(view, set()).update(nodes)
    return {view: sorted(behind[view]) for view in sorted(behind)}


def next_look(services: Services, now: datetime) -> datetime:
    """When to look at a running sync run again."""
    return now + timedelta(seconds=services.settings.follow_interval)


def is_past_the_deadline(services: Services, since: datetime | None, now: datetime) -> bool:
    """Whether what goes on since then is followed no longer."""
    deadline = timedelta(seconds=services.settings.follow_deadline)
    return since is None or now - since >= deadline
