"""One reading of the database, as text."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from relay.decision.mapping import SyncMapping
from relay.freshness import cause_now
from relay.operations.readiness import WORKER_DEAD_AFTER
from relay.store import Store, jobs
from relay.store import observations as observed
from relay.store.holds import open_hold
from relay.store.metrics import JobFigures, ServiceFigures, SyncFigures
from relay.store.observations import Observation
from relay.web.metrics import catalogue
from relay.web.metrics.exposition import family, tallied_family
from relay.web.metrics.syncs import SyncLines, SyncRow, is_capped
from relay.workspaces import DEFAULT_WORKSPACE

OTHER_TASK = "other"
_FORMER_TASKS = {former: task for task, former in jobs.FORMER_NAMES.items()}
_OF_OBSERVATIONS = {
    observed.MAPPING: catalogue.MAPPING_OK,
    observed.MAPPING_SYNCS: catalogue.MAPPING_SYNCS,
    observed.MAPPING_LOADED: catalogue.MAPPING_LOADED,
    observed.WEBHOOK_SUBSCRIPTION: catalogue.SUBSCRIPTION_OK,
}


class Reading:
    """Reads and writes all; keeps what it wrote of a mapping for the next time."""

    def __init__(self) -> None:
        self._lines: SyncLines | None = None

    def exposition(self, store: Store, mapping: SyncMapping | None) -> str:
        """The text. Raises DatabaseUnavailable, psycopg.Error."""
        figures = store.metrics.service(silent_after=WORKER_DEAD_AFTER)
        tallied = store.metrics.counters()
        return "".join(
            (
                *(tallied_family(metric, tallied) for metric in catalogue.COUNTERS),
                *_service(figures),
                *_jobs(store.metrics.jobs()),
                *_observations(store.observations.all(), mapping),
                _census_versions(store, mapping),
                self._syncs(store, mapping, figures),
            )
        )

    def _syncs(self, store: Store, mapping: SyncMapping | None, figures: ServiceFigures) -> str:
        capped = mapping is not None and is_capped(mapping)
        text = family(catalogue.SERIES_CAPPED, [((), float(capped))])
        if mapping is None or capped:
            return text
        if self._lines is None or self._lines.mapping is not mapping:
            self._lines = SyncLines(mapping)
        rows = _sync_rows(store, mapping, figures.now)
        return text + self._lines.exposition(rows, store.metrics.sync_records())


def _sync_rows(store: Store, mapping: SyncMapping, now: datetime) -> Iterator[SyncRow]:
    stored, holds = store.metrics.syncs(), store.holds.open(now=now)
    for sync in mapping.syncs:
        key = sync.key
        figures = stored.get(key) or SyncFigures(workspace=sync.workspace, sync_id=sync.sync_id)
        because = cause_now(
            figures.because,
            is_held=open_hold(holds, key) is not None,
            is_due=figures.due_at is None or figures.due_at <= now.timestamp(),
        )
        yield SyncRow(key, figures, because)


def _service(figures: ServiceFigures) -> Iterator[str]:
    yield family(catalogue.LAST_DELIVERY, [((), _unix_time(figures.last_delivery_at))])
    yield family(catalogue.LAST_CATCH_UP, [((), _unix_time(figures.last_catch_up_at))])
    yield family(catalogue.WORKERS, [((), figures.workers)])
    yield family(catalogue.HEARTBEAT, [((), _unix_time(figures.heartbeat_at))])
    given_up = {
        "dbt_run": figures.given_up_dbt_runs,
        "trigger": figures.given_up_triggers,
        "sync_run": figures.given_up_sync_runs,
    }
    yield family(catalogue.GIVEN_UP, (((what,), number) for what, number in given_up.items()))
    states = ((state, getattr(figures, state)) for state in catalogue.OPEN_STATES)
    yield family(catalogue.OPEN_SYNC_RUNS, (((state,), number) for state, number in states))


def _jobs(rows: Sequence[JobFigures]) -> Iterator[str]:
    numbers = {(task, state): 0 for task in jobs.TASKS for state in ("due", "scheduled", "doing")}
    oldest = dict.fromkeys(jobs.TASKS, 0.0)
    for row in rows:
        task = _FORMER_TASKS.get(row.task, row.task)
        task = task if task in jobs.TASKS else OTHER_TASK
        for state, number in (("due", row.due), ("scheduled", row.scheduled), ("doing", row.doing)):
            numbers[task, state] = numbers.get((task, state), 0) + number
        since = _unix_time(row.oldest_due_at) or 0.0
        known = oldest.get(task) or since
        oldest[task] = min(known, since or known)
    yield family(catalogue.JOBS, numbers.items())
    yield family(catalogue.OLDEST_DUE_JOB, (((task,), since) for task, since in oldest.items()))


def _observations(rows: Sequence[Observation], mapping: SyncMapping | None) -> Iterator[str]:
    values = {row.name: row.value for row in rows}
    for name, metric in _OF_OBSERVATIONS.items():
        yield family(metric, [((), values.get(name))])
    known = _workspaces(mapping)
    pauses = (
        (row.subject.partition("/"), row.value)
        for row in rows
        if row.name == observed.VENDOR_PAUSED_UNTIL
    )
    yield family(
        catalogue.VENDOR_PAUSED_UNTIL,
        (((vendor, name), until) for (vendor, _, name), until in pauses if name in {"", *known}),
    )


def _census_versions(store: Store, mapping: SyncMapping | None) -> str:
    known = _workspaces(mapping)
    versions = store.census_versions.by_workspace().items()
    return family(catalogue.CENSUS_API, ((each, 1) for each in versions if each[0] in known))


def _unix_time(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()


def _workspaces(mapping: SyncMapping | None) -> set[str]:
    return {DEFAULT_WORKSPACE, *(() if mapping is None else mapping.workspaces)}
