"""A run's findings combined with the history: the input of a decision. No I/O here."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from relay.decision.consistency import outdated_models
from relay.decision.findings import Findings
from relay.decision.history import Build, History
from relay.decision.mapping import Sync


@dataclass(frozen=True)
class Case:
    """Findings, history and the time of the decision."""

    findings: Findings
    history: History
    now: datetime

    @functools.cached_property
    def outdated(self) -> Mapping[str, str]:
        """The models that are older than a rebuild of their parent, and that parent."""
        return outdated_models(self.findings, self.history)

    @property
    def finished_at(self) -> datetime:
        """When the run ended; now, if dbt Cloud did not report it."""
        return self.findings.run.finished_at or self.now

    def affected(self, sync: Sync) -> frozenset[str]:
        """The sync's models that the run touched and that no other run of the chain has triggered.

        Models for which a retry of this run has triggered the sync are left out; so are those for
        which a retried run has, unless this run executed them again.
        """
        touched = self.findings.touched_by(sync)
        history = self.history.of(sync)
        if not (history.answered_before or history.answered_since):
            return touched
        touched_anew = self.findings.was_touched_by_this_run
        before = {node for node in history.answered_before if not touched_anew(node)}
        return touched - history.answered_since - before

    def rebuilt_at(self, sync: Sync, affected: frozenset[str]) -> datetime | None:
        """When the run ended, if it rebuilt one of the affected models; else None.

        A run whose job or environment does not count for the sync rebuilds none of its models: it
        may have built into another schema.
        """
        run = self.findings.run
        counts = sync.lists_job(run.dbt_job_id) and sync.lists_environment(run.environment_id)
        if not counts or affected.isdisjoint(self.findings.rebuilt):
            return None
        return self.finished_at

    def missing(self, sync: Sync, affected: frozenset[str]) -> frozenset[str]:
        """The sync's models that were not rebuilt since it last ran, or not within `within`."""
        waited_for = self.findings.models_of(sync) - affected - self.findings.outcome.reused
        return frozenset(node for node in waited_for if not self._was_built_before(node, sync))

    def last_build(self, node: str, sync: Sync) -> Build | None:
        """The node's build by the last earlier run that counts for the sync, or None."""
        builds = self.history.builds.get(node, ())
        counting = (
            build
            for build in builds
            if sync.lists_job(build.dbt_job_id) and sync.lists_environment(build.environment_id)
        )
        return max(counting, key=lambda build: build.finished_at, default=None)

    def _was_built_before(self, node: str, sync: Sync) -> bool:
        last = self.last_build(node, sync)
        if last is None or not last.is_good or (last.failed_a_test and sync.tests == "block"):
            return False
        covers_until = self.history.of(sync).covers_until
        earliest = self.finished_at - timedelta(seconds=sync.within)
        return last.finished_at >= earliest and (
            covers_until is None or last.finished_at > covers_until
        )

    def covers_until(self, sync: Sync) -> datetime:
        """When the newest run covered by a trigger finished.

        Webhooks arrive in any order: with `require: all` that may be a later run than this one.
        """
        if sync.require != "all":
            return self.finished_at
        builds = (self.last_build(node, sync) for node in self.findings.models_of(sync))
        return max((self.finished_at, *(build.finished_at for build in builds if build)))

    def cools_down_until(self, sync: Sync) -> datetime | None:
        """When the sync's cool-down ends; None if it has none, or it is over."""
        triggered_at = self.history.of(sync).triggered_at
        if sync.at_most_every is None or triggered_at is None:
            return None
        until = triggered_at + timedelta(seconds=sync.at_most_every)
        return until if until > self.now else None
