"""What a backtest found: totals, each sync, each difference. No I/O here."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from relay.backtest.differences import Difference, differences_of
from relay.backtest.durations import Origin
from relay.backtest.lags import Lag, lags_of
from relay.backtest.medians import median
from relay.backtest.modelled import ModelledRun
from relay.backtest.real_runs import Fault, JudgedRun, began_at, judge_runs
from relay.backtest.replay import HEARD_AFTER, Decision, Replay, Unread
from relay.decision.gates import Reason
from relay.decision.mapping import Sync


@dataclass(frozen=True, slots=True, kw_only=True)
class LagSummary:
    """The lags of rebuilds, in seconds; the medians are of the `compared` ones, None without any.

    `compared` have a sync run of Census and of relay after them; `without_real` and
    `without_modelled` lack the one or the other.
    """

    rebuilds: int
    compared: int
    without_real: int
    without_modelled: int
    real_median: float | None
    modelled_median: float | None
    sooner_median: float | None

    @classmethod
    def of(cls, lags: Sequence[Lag]) -> "LagSummary":
        """Summarize these lags."""
        compared = [lag for lag in lags if lag.sooner_seconds is not None]
        return cls(
            rebuilds=len(lags),
            compared=len(compared),
            without_real=sum(lag.real_seconds is None for lag in lags),
            without_modelled=sum(lag.modelled_seconds is None for lag in lags),
            real_median=_median(lag.real_seconds for lag in compared),
            modelled_median=_median(lag.modelled_seconds for lag in compared),
            sooner_median=_median(lag.sooner_seconds for lag in compared),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Sync runs: those that relay would have started, and those of Census in the window.

    `waiting` are triggers of relay's that wait at its end. `real` are all of Census's; of these
    `completed` were judged, `faulty` have at least one fault of `faults`, and `uncertain` have
    none, but what came before the window may be one.
    """

    modelled: int
    waiting: int
    real: int
    completed: int
    faulty: int
    uncertain: int
    faults: Mapping[Fault, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """One sync. `problem` is why Census's runs of it could not be read; then none are counted.

    `run_seconds` is how long a modelled run of it takes, `run_seconds_of` what that is taken from.
    """

    workspace: str
    sync_id: int
    name: str | None
    enabled: bool
    problem: str | None
    counts: Counts
    withheld: Mapping[Reason, int]
    unknown_decisions: int
    lag: LagSummary
    run_seconds: float
    run_seconds_of: Origin
    modelled_runs: tuple[ModelledRun, ...]
    real_runs: tuple[JudgedRun, ...]
    lags: tuple[Lag, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The dbt runs of the window: `listed` in all, of which `from_cache` were not asked for again.

    `never_count` are CI and merge runs and those into a schema of their own.
    """

    listed: int
    read: int
    from_cache: int
    never_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The whole backtest; `differences` are in the order of their time."""

    since: datetime
    until: datetime
    heard_after_seconds: float
    dbt_runs: Reading
    unread: tuple[Unread, ...]
    totals: Counts
    lag: LagSummary
    unknown_decisions: int
    syncs: tuple[SyncReport, ...]
    differences: tuple[Difference, ...]
    decisions: tuple[Decision, ...]

    @property
    def is_complete(self) -> bool:
        """Whether everything was read and decided."""
        return not self.unread and not any(sync.problem for sync in self.syncs)


def report_of(replay: Replay, *, listed: int, from_cache: int, until: datetime) -> Report:
    """The report of a finished replay; `listed` runs, of which `from_cache` were in the cache."""
    replay.finish(until)
    by_sync = _decisions_by_sync(replay.decisions)
    syncs = tuple(
        _report_on(replay, sync, by_sync.get(sync.key, [])) for sync in replay.mapping.syncs
    )
    found = [
        difference
        for sync in syncs
        for difference in differences_of(sync.workspace, sync.sync_id, sync.real_runs, sync.lags)
    ]
    return Report(
        since=replay.since,
        until=until,
        heard_after_seconds=HEARD_AFTER.total_seconds(),
        dbt_runs=Reading(
            listed=listed,
            read=replay.runs_read,
            from_cache=from_cache,
            never_count=replay.never_count,
        ),
        unread=tuple(replay.unread),
        totals=_sum(sync.counts for sync in syncs),
        lag=LagSummary.of([lag for sync in syncs for lag in sync.lags]),
        unknown_decisions=sum(sync.unknown_decisions for sync in syncs),
        syncs=syncs,
        differences=tuple(sorted(found, key=lambda one: (one.at, one.sync_id))),
        decisions=tuple(replay.decisions),
    )


def _decisions_by_sync(decisions: Iterable[Decision]) -> dict[tuple[str, int], list[Decision]]:
    by_sync: dict[tuple[str, int], list[Decision]] = {}
    for decision in decisions:
        by_sync.setdefault((decision.workspace, decision.sync_id), []).append(decision)
    return by_sync


def _report_on(replay: Replay, sync: Sync, decisions: Sequence[Decision]) -> SyncReport:
    modelled, real = replay.modelled(sync.key), replay.real[sync.key]
    replayed, duration = replay.replayed(sync.key), replay.durations[sync.key]
    judged = tuple(_judged(replay, sync))
    in_window = [run for run in real.runs if (at := began_at(run)) and at >= replay.since]
    # Without Census's runs there is nothing to compare a rebuild with.
    rebuilds = () if real.problem or not sync.enabled else replayed.rebuilds
    lags = tuple(lags_of(rebuilds, judged, modelled.runs))
    return SyncReport(
        workspace=sync.workspace,
        sync_id=sync.sync_id,
        name=sync.name,
        enabled=sync.enabled,
        problem=real.problem,
        counts=_counts(judged, len(modelled.runs), len(modelled.waiting), len(in_window)),
        withheld=Counter(each.reason for each in decisions if each.reason is not Reason.REBUILT),
        unknown_decisions=sum(bool(decision.unknown) for decision in decisions),
        lag=LagSummary.of(lags),
        run_seconds=duration.takes.total_seconds(),
        run_seconds_of=duration.origin,
        modelled_runs=tuple(modelled.runs),
        real_runs=judged,
        lags=lags,
    )


def _judged(replay: Replay, sync: Sync) -> Iterator[JudgedRun]:
    """Census's completed runs; of a disabled sync, what its models did was not looked at."""
    effects = replay.replayed(sync.key).effects.in_order
    if sync.enabled:
        yield from judge_runs(effects, replay.real[sync.key].runs, since=replay.since)


def _counts(judged: Sequence[JudgedRun], modelled: int, waiting: int, real: int) -> Counts:
    return Counts(
        modelled=modelled,
        waiting=waiting,
        real=real,
        completed=len(judged),
        faulty=sum(bool(run.findings) for run in judged),
        uncertain=sum(not run.findings and not run.is_certain for run in judged),
        faults=Counter(finding.fault for run in judged for finding in run.findings),
    )


def _sum(counts: Iterable[Counts]) -> Counts:
    every = list(counts)
    return Counts(
        modelled=sum(each.modelled for each in every),
        waiting=sum(each.waiting for each in every),
        real=sum(each.real for each in every),
        completed=sum(each.completed for each in every),
        faulty=sum(each.faulty for each in every),
        uncertain=sum(each.uncertain for each in every),
        faults=sum((Counter(each.faults) for each in every), Counter()),
    )


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
