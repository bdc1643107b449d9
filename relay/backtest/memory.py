"""The history of a replay, in memory: what relay's database would hold. No I/O here.

The rules are those of `store/history.py` and `store/decisions.py`; a test replays the same runs
through both, and compares the decisions.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

import msgspec

from relay.backtest.modelled import ModelledSync, ModelledTrigger
from relay.dbt.runs import DbtRun
from relay.decision.history import Build, History, SyncHistory
from relay.decision.mapping import Sync, SyncMapping
from relay.decision.plan import Plan
from relay.workspaces import SyncKey

_BuildKey = tuple[int | None, int | None]  # job and environment


class Memory:
    """The decisions so far. Runs are recorded in the order of their end."""

    def __init__(self, mapping: SyncMapping, durations: Mapping[SyncKey, timedelta]) -> None:
        """`durations` says for each sync how long one of its sync runs takes."""
        self._mapping = mapping
        self._modelled = {sync.key: ModelledSync(durations[sync.key]) for sync in mapping.syncs}
        self._builds: dict[tuple[int | None, str], dict[_BuildKey, Build]] = {}

    def modelled(self, key: SyncKey) -> ModelledSync:
        """The triggers and sync runs of a sync."""
        return self._modelled[key]

    def advance(self, now: datetime) -> None:
        """Start every sync run that begins until now."""
        for modelled in self._modelled.values():
            modelled.advance(now)

    def history(self, run: DbtRun, nodes: Collection[str]) -> History:
        """The history for a decision on this run, with the earlier builds of the given nodes."""
        return History(
            syncs={sync.key: self._of_sync(sync, run) for sync in self._mapping.syncs},
            builds=self._builds_of(run, nodes),
        )

    def record(self, run: DbtRun, plan: Plan, now: datetime) -> None:
        """Record a plan: its triggers, and what the run built."""
        for verdict in plan.due:
            trigger = ModelledTrigger.of(verdict, run.dbt_run_id, run.first_run_id)
            self._modelled[verdict.sync.key].add(trigger)
        for node, build in plan.builds.items():
            self._record_build(run.project_id, node, build)
        self.advance(now)

    def _of_sync(self, sync: Sync, run: DbtRun) -> SyncHistory:
        modelled = self._modelled[sync.key]
        before, since = _answered(modelled, run)
        return SyncHistory(
            answered_before=before,
            answered_since=since,
            covers_until=modelled.covers_until if sync.require == "all" else None,
            triggered_at=modelled.triggered_at() if sync.at_most_every else None,
        )

    def _builds_of(self, run: DbtRun, nodes: Collection[str]) -> dict[str, tuple[Build, ...]]:
        found = {node: self._builds.get((run.project_id, node), {}) for node in nodes}
        return {node: tuple(builds.values()) for node, builds in found.items() if builds}

    def _record_build(self, project_id: int | None, node: str, build: Build) -> None:
        """Record a build, unless a later run of the job is recorded."""
        builds = self._builds.setdefault((project_id, node), {})
        key = (build.dbt_job_id, build.environment_id)
        known = builds.get(key)
        if known is None:
            builds[key] = build
        elif known.finished_at <= build.finished_at:
            builds[key] = msgspec.structs.replace(
                build, began=build.began or known.began, ended=build.ended or known.ended
            )


def _answered(modelled: ModelledSync, run: DbtRun) -> tuple[frozenset[str], frozenset[str]]:
    """The models that triggered the sync in earlier and in later runs of the retry chain."""
    before, since = frozenset[str](), frozenset[str]()
    if not run.retried_runs:
        return before, since  # the others of its chain, if any, end after it
    for trigger in modelled.triggers:
        if trigger.first_run_id != run.first_run_id or trigger.dbt_run_id == run.dbt_run_id:
            continue
        if trigger.dbt_run_id < run.dbt_run_id:
            before = before.union(trigger.because)
        else:
            since = since.union(trigger.because)
    return before, since
