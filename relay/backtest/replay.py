"""Decides past dbt runs one after the other, in the order of their end. No I/O here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from sys import intern

from relay.backtest.durations import durations_of
from relay.backtest.effects import Effects
from relay.backtest.lags import Rebuild
from relay.backtest.memory import Memory
from relay.backtest.modelled import ModelledSync
from relay.backtest.unknowns import Known, Unknown, unknowns_of
from relay.dbt.runs import FinishedRun
from relay.decision.case import Case
from relay.decision.findings import Findings
from relay.decision.gates import Reason
from relay.decision.history import History
from relay.decision.mapping import Sync, SyncMapping
from relay.decision.plan import Plan, Verdict, decide
from relay.sync_runs import SyncRun
from relay.workspaces import SyncKey

# From a run's end until relay hears of it: a real delivery came 28 seconds after it.
HEARD_AFTER = timedelta(seconds=30)
MOST_MODELS = 20  # of one decision

# A rebuild that relay withholds on purpose has no lag to compare.
_SHIPPED = frozenset({Reason.REBUILT, Reason.COOLING_DOWN, Reason.WAITING_FOR_MODELS})


@dataclass(frozen=True, slots=True)
class RealRuns:
    """A sync's runs as Census lists them, oldest first, with the last one before the window.

    `problem` is why they could not be read; None if they could.
    """

    runs: tuple[SyncRun, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What relay would have decided on a sync after a dbt run.

    `models` are its causes, at most MOST_MODELS of `models_in_all`. `due_at` is when the sync would
    be triggered, None for never. With `unknown`, what happened before might change the decision.
    """

    dbt_run_id: int
    decided_at: datetime
    workspace: str
    sync_id: int
    reason: Reason
    models: tuple[str, ...]
    models_in_all: int
    due_at: datetime | None
    unknown: tuple[Unknown, ...]


@dataclass(frozen=True, slots=True)
class Unread:
    """A dbt run that could not be read or, for `syncs`, not be decided, and why."""

    dbt_run_id: int
    ended_at: datetime
    problem: str
    syncs: tuple[SyncKey, ...] | None = None


@dataclass(slots=True)
class Replayed:
    """What the replay found about one sync."""

    effects: Effects = field(default_factory=Effects)
    rebuilds: list[Rebuild] = field(default_factory=list)


class Replay:
    """The decisions on an account's runs from `since` on, with a history of its own."""

    def __init__(
        self, mapping: SyncMapping, real: Mapping[SyncKey, RealRuns], *, since: datetime
    ) -> None:
        self.mapping = mapping
        self.real = real
        self.since = since
        self.durations = durations_of({sync.key: real[sync.key].runs for sync in mapping.syncs})
        takes = {key: duration.takes for key, duration in self.durations.items()}
        self._memory = Memory(mapping, takes)
        self._replayed = {sync.key: Replayed() for sync in mapping.syncs}
        self._read: set[int] = set()
        self.decisions: list[Decision] = []
        self.unread: list[Unread] = []
        self.never_count = 0

    @property
    def runs_read(self) -> int:
        """How many runs were read, those that never count too."""
        return len(self._read)

    def replayed(self, key: SyncKey) -> Replayed:
        """What was found about a sync."""
        return self._replayed[key]

    def modelled(self, key: SyncKey) -> ModelledSync:
        """The triggers and sync runs that relay would have made of a sync."""
        return self._memory.modelled(key)

    def finish(self, until: datetime) -> None:
        """Start the sync runs that begin until the end of the window."""
        self._memory.advance(until)

    def add(self, findings: Findings, listed: FinishedRun) -> None:
        """Decide a run as the service does when it hears of it. Runs come in order of their end."""
        run, now = findings.run, listed.finished_at + HEARD_AFTER
        self._read.add(run.dbt_run_id)
        if run.never_counts_because:
            self.never_count += 1
            return
        self._memory.advance(now)
        history = self._memory.history(run, findings.nodes_needing_history(self.mapping))
        plan = decide(findings, self.mapping, history, now=now)
        self._memory.record(run, plan, now)
        self._record_decisions(findings, plan, history, now)
        self._record_effects(findings, plan, listed)

    def add_unread(self, listed: FinishedRun, problem: str) -> None:
        """Count a run that could not be read: what it did to the syncs it may affect is unknown."""
        self.unread.append(Unread(listed.dbt_run_id, listed.finished_at, problem))
        for sync in self.mapping.syncs:
            if _may_count(listed, sync):
                effects = self._replayed[sync.key].effects
                effects.add_unknown(listed.dbt_run_id, listed.finished_at)

    def _record_decisions(
        self, findings: Findings, plan: Plan, history: History, now: datetime
    ) -> None:
        case = Case(findings, history, now)
        known = Known(self.since, self._read, bool(self.unread))
        for verdict in plan.verdicts:
            unknown = unknowns_of(case, verdict, known)
            self.decisions.append(_decision(findings.run.dbt_run_id, verdict, unknown, now))

    def _record_effects(self, findings: Findings, plan: Plan, listed: FinishedRun) -> None:
        verdicts = {verdict.sync.key: verdict for verdict in plan.verdicts}
        undecided = {one.sync.key for one in plan.undecided}
        if plan.undecided:
            keys = tuple(one.sync.key for one in plan.undecided)
            problem = plan.problem or ""
            self.unread.append(Unread(listed.dbt_run_id, listed.finished_at, problem, keys))
        for sync in self.mapping.syncs:
            if sync.key in undecided:
                effects = self._replayed[sync.key].effects
                began_at = findings.run.started_at
                effects.add_unknown(listed.dbt_run_id, listed.finished_at, began_at=began_at)
            elif sync.counts(findings.run):
                self._record_effect(findings, sync, verdicts.get(sync.key), listed.finished_at)

    def _record_effect(
        self, findings: Findings, sync: Sync, verdict: Verdict | None, ended_at: datetime
    ) -> None:
        replayed = self._replayed[sync.key]
        effect = replayed.effects.add(findings, sync, ended_at)
        if effect is None or verdict is None or verdict.reason not in _SHIPPED:
            return
        rebuilt_at = effect.rebuilt_at or ended_at
        replayed.rebuilds.append(Rebuild(dbt_run_id=effect.dbt_run_id, rebuilt_at=rebuilt_at))


def _may_count(listed: FinishedRun, sync: Sync) -> bool:
    job, environment = listed.dbt_job_id, listed.environment_id
    return (job is None or sync.lists_job(job)) and (
        environment is None or sync.lists_environment(environment)
    )


def _decision(
    dbt_run_id: int, verdict: Verdict, unknown: Sequence[Unknown], now: datetime
) -> Decision:
    return Decision(
        dbt_run_id=dbt_run_id,
        decided_at=now,
        workspace=verdict.sync.workspace,
        sync_id=verdict.sync.sync_id,
        reason=verdict.reason,
        models=tuple(map(intern, verdict.models[:MOST_MODELS])),
        models_in_all=len(verdict.models),
        due_at=verdict.due_at,
        unknown=tuple(unknown),
    )
