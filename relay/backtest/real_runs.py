"""What Census's own sync runs shipped, by the state of the models they read. No I/O here."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import takewhile

from relay.backtest.effects import Effect
from relay.sync_runs import Outcome, SyncRun

SHIPPING = frozenset({Outcome.COMPLETED, Outcome.COMPLETED_WITH_REJECTS})


class Fault(StrEnum):
    """Why a sync run shipped nothing new, or half-built data.

    `before_rebuild`: it began while a dbt run was running that rebuilt one of its models after
    that. `model_failed`, `test_failed`: one of its models had failed, or a test of one had, when it
    began. `unchanged`: nothing of its models was rebuilt since its previous real run.
    """

    BEFORE_REBUILD = "before_rebuild"
    MODEL_FAILED = "model_failed"
    TEST_FAILED = "test_failed"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A fault of a sync run: the dbt run that shows it, None if none does, and its models."""

    fault: Fault
    dbt_run_id: int | None = None
    models: tuple[str, ...] = ()
    previous_sync_run_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedRun:
    """A completed sync run of Census; `is_certain` is False if what came before is unknown.

    An uncertain run without a finding may have shipped anything.
    """

    sync_run_id: int
    began_at: datetime
    ended_at: datetime
    trigger_reason: str | None
    findings: tuple[Finding, ...]
    is_certain: bool


@dataclass(slots=True)
class _Models:
    """The state of a sync's models after some dbt runs: which have failed, and in which run."""

    failed: dict[str, int] = field(default_factory=dict)
    failed_tests: dict[str, int] = field(default_factory=dict)
    is_known: bool = False

    def apply(self, effect: Effect) -> None:
        self.is_known = effect.is_known
        if not effect.is_known:  # it may have fixed them
            self.failed.clear()
            self.failed_tests.clear()
        for model in effect.fixed:
            self.failed_tests.pop(model, None)
        for model in effect.fixed | effect.failed_tests:
            self.failed.pop(model, None)
        self.failed |= dict.fromkeys(effect.failed, effect.dbt_run_id)
        self.failed_tests |= dict.fromkeys(effect.failed_tests, effect.dbt_run_id)


def began_at(run: SyncRun) -> datetime | None:
    """When a sync run was created; None where Census does not say."""
    return run.created_at


def ended_at(run: SyncRun) -> datetime | None:
    """When a sync run that has ended did; None where Census does not say."""
    return run.completed_at or run.updated_at


def judge_runs(
    effects: Sequence[Effect], runs: Sequence[SyncRun], *, since: datetime
) -> Iterator[JudgedRun]:
    """Judge the completed runs that began from `since` on, by the dbt runs of their sync.

    `effects` are in the order of their end; `runs`, also earlier ones, of their beginning.
    """
    shipping = [(run, *times) for run in runs if (times := _times(run)) is not None]
    longest = max((each.ended_at - each.began_at for each in effects), default=timedelta())
    models, done = _Models(), 0
    previous: tuple[SyncRun, datetime] | None = None
    for run, began, ended in shipping:
        while done < len(effects) and effects[done].ended_at <= began:
            models.apply(effects[done])
            done += 1
        if began >= since:
            findings = (
                *_before_rebuild(effects, done, began, longest),
                *_failures(models),
                *_unchanged(effects, done, began, longest, previous, since),
            )
            yield JudgedRun(
                sync_run_id=run.sync_run_id,
                began_at=began,
                ended_at=ended,
                trigger_reason=run.trigger_reason,
                findings=findings,
                is_certain=models.is_known,
            )
        previous = run, began


def _times(run: SyncRun) -> tuple[datetime, datetime] | None:
    began, ended = began_at(run), ended_at(run)
    is_usable = run.outcome in SHIPPING and began is not None and ended is not None
    return (began, ended) if is_usable and began and ended else None


def _before_rebuild(
    effects: Sequence[Effect], done: int, at: datetime, longest: timedelta
) -> Iterator[Finding]:
    for effect in _ending_until(effects, done, at + longest):
        if effect.is_under_way(at):
            yield Finding(fault=Fault.BEFORE_REBUILD, dbt_run_id=effect.dbt_run_id)
            return


def _failures(models: _Models) -> Iterator[Finding]:
    of_each = ((Fault.MODEL_FAILED, models.failed), (Fault.TEST_FAILED, models.failed_tests))
    for fault, failed in of_each:
        if failed:
            newest = max(failed.values())
            named = tuple(sorted(model for model, run in failed.items() if run == newest))
            yield Finding(fault=fault, dbt_run_id=newest, models=named)


def _unchanged(
    effects: Sequence[Effect],
    done: int,
    at: datetime,
    longest: timedelta,
    previous: tuple[SyncRun, datetime] | None,
    since: datetime,
) -> Iterator[Finding]:
    """The finding that nothing changed; none if something did, or it is not known."""
    if previous is None or previous[1] < since:
        return
    run, shipped_at = previous
    for effect in _ended_since(effects, done, shipped_at, at + longest):
        if not effect.is_known or effect.rebuilt_between(shipped_at, at):
            return
    yield Finding(fault=Fault.UNCHANGED, previous_sync_run_id=run.sync_run_id)


def _ended_since(
    effects: Sequence[Effect], done: int, after: datetime, until: datetime
) -> Iterator[Effect]:
    """Those that ended in this time: the first `done` backwards, then the others."""
    backwards = (effects[place] for place in range(done - 1, -1, -1))
    yield from takewhile(lambda effect: effect.ended_at > after, backwards)
    yield from _ending_until(effects, done, until)


def _ending_until(effects: Sequence[Effect], first: int, until: datetime) -> Iterator[Effect]:
    onwards = (effects[place] for place in range(first, len(effects)))
    return takewhile(lambda effect: effect.ended_at <= until, onwards)
