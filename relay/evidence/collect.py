"""Collects from dbt Cloud what a run did: the run, each step's run_results.json, the manifest."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

from relay.dbt.artifacts import RunResults
from relay.dbt.decoding import gc_paused
from relay.dbt.invocations import Invocation, sort_by_origin
from relay.dbt.manifest import Lineage
from relay.dbt.outcome import RunOutcome, outcome_of
from relay.dbt.runs import TESTING_COMMANDS, DbtRun, Step
from relay.errors import BadArtifact, Unavailable
from relay.evidence.lineage_cache import LineageCache, ProjectState
from relay.notation import write_duration
from relay.settings import DbtCloudSettings
from relay.vendors.dbt_cloud import DbtCloud

MAX_RETRIES = 20  # the length of a chain of runs that each retry the one before
# After the end of a run, for the run_results.json of a step that must have written one.
LONGEST_WAIT = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A run, the invocations of it and of the runs that it retries, and their outcome."""

    run: DbtRun
    invocations: tuple[Invocation, ...] = ()
    outcome: RunOutcome = field(default_factory=RunOutcome)


class RunReader(Protocol):
    """What is asked of dbt Cloud about one run; each raises Unavailable, Rejected, BadArtifact."""

    def get_run(self, dbt_run_id: int, /) -> DbtRun:
        """A run with its steps."""

    def get_retried_run(self, dbt_run_id: int, /) -> DbtRun:
        """A run that another one retries."""

    def get_run_results(self, dbt_run_id: int, /, *, step: int) -> RunResults | None:
        """The step's run_results.json; None if it has none."""

    def get_manifest(self, dbt_run_id: int, /, *, step: int) -> Lineage:
        """The project at that step."""


class Lineages(Protocol):
    """The lineages that were read before."""

    def get(self, state: ProjectState, *, now: datetime) -> Lineage | None:
        """The lineage of this state; None if it is not known, or too old."""

    def put(self, state: ProjectState, lineage: Lineage, *, now: datetime) -> None:
        """Keep a lineage."""


class Collector:
    """Reads from dbt Cloud; writes nothing but the lineage cache on disk."""

    def __init__(self, dbt_cloud: RunReader, lineages: Lineages, *, waits_for: timedelta) -> None:
        """`waits_for` is how long after a run's end a file may still become available."""
        self._dbt_cloud = dbt_cloud
        self._lineages = lineages
        self._waits_for = waits_for
        self._one_lineage = threading.Lock()

    def collect(self, dbt_run_id: int, *, now: datetime) -> Evidence:
        """What a run did. For a run that never counts only the run itself is fetched.

        After `waits_for`, a missing file is ignored. Raises Unavailable (also while a file is not
        available yet), Rejected, BadArtifact.
        """
        run = self._dbt_cloud.get_run(dbt_run_id)
        if not run.has_ended:
            raise Unavailable(f"dbt run {dbt_run_id} has not ended yet")
        if run.never_counts_because:
            return Evidence(run)
        run = replace(run, retried_runs=tuple(self._retried_runs(run)))
        invocations = tuple(
            invocation
            for one_run in (*run.retried_runs, run)
            for invocation in self._invocations(one_run, now)
        )
        return Evidence(run, invocations, outcome_of(invocations))

    @contextmanager
    def lineage(self, evidence: Evidence, *, now: datetime) -> Iterator[Lineage]:
        """The project as the run saw it.

        A worker loads one at a time, because it may be large; and several runs that end together
        then fetch it only once. Raises as `collect` does.
        """
        with self._one_lineage:
            lineage = self._lineage(evidence, now)
            with gc_paused():  # a collection would traverse all of these nodes
                yield lineage

    def _retried_runs(self, run: DbtRun) -> Iterator[DbtRun]:
        """The runs that it retries: dbt executes only what they left undone, so they count too."""
        latest, seen = run, {run.dbt_run_id}
        while run.retrying_run_id is not None and run.retrying_run_id not in seen:
            if len(seen) > MAX_RETRIES:
                raise BadArtifact(
                    f"dbt run {latest.dbt_run_id} retries more than {MAX_RETRIES} runs, one "
                    "after the other: relay does not evaluate that many"
                )
            seen.add(run.retrying_run_id)
            retried = self._dbt_cloud.get_retried_run(run.retrying_run_id)
            _require_usable_retried_run(retried, run)
            run = retried
            yield run

    def _invocations(self, run: DbtRun, now: datetime) -> list[Invocation]:
        invocations = [
            Invocation(run, step, self._run_results(run, step))
            for step in run.steps
            if step.may_have_run_results
        ]
        self._wait_for_late_files(run, invocations, now)
        for step in _without_file(invocations):
            if step.succeeded and not (step.command or step.name):
                raise BadArtifact(
                    f"step {step.index} of dbt run {run.dbt_run_id} succeeded, but has neither "
                    "name, command nor run_results.json: relay cannot know what it did"
                )
        return invocations

    def _run_results(self, run: DbtRun, step: Step) -> RunResults | None:
        """The file that dbt Cloud serves for the step, or None.

        An unreadable file of a step that rebuilds and tests nothing counts as empty.
        """
        try:
            return self._dbt_cloud.get_run_results(run.dbt_run_id, step=step.index)
        except BadArtifact:
            if _may_have_decisive_results(step):
                raise
            return RunResults([])

    def _wait_for_late_files(
        self, run: DbtRun, invocations: list[Invocation], now: datetime
    ) -> None:
        """Raise Unavailable while a step's file may still become available.

        If no step has a file, relay cannot decide without it, and always raises.
        """
        without_file = _without_file(invocations)
        late = [step for step in without_file if _must_have_written(step)]
        if not late:
            return
        what = (
            f"step {late[0].index} of dbt run {run.dbt_run_id} ({late[0].command}) succeeded, but"
            " has no run_results.json yet"
        )
        if len(without_file) == len(invocations):
            raise Unavailable(
                f"{what}, nor has any other step; does the job set DBT_WRITE_JSON=false?"
            )
        if run.finished_at is not None and now - run.finished_at < self._waits_for:
            within = write_duration(int(self._waits_for.total_seconds()))
            raise Unavailable(
                f"{what}; if none comes within {within} of the run's end, as with"
                " DBT_WRITE_JSON=false, relay decides without it"
            )

    def _lineage(self, evidence: Evidence, now: datetime) -> Lineage:
        """The project as the last invocation that counts saw it.

        If its manifest lacks nodes that an earlier invocation executed (another commit, other
        --vars), the nodes of the earlier manifest are added.
        """
        known: Lineage | None = None
        own = sort_by_origin(evidence.invocations).own
        for invocation in reversed([invocation for invocation in own if invocation.counts]):
            if known is None or invocation.executed - known.nodes.keys():
                seen = self._seen_by(invocation, now)
                known = known.completed_by(seen) if known else seen
        return known or Lineage({})

    def _seen_by(self, invocation: Invocation, now: datetime) -> Lineage:
        """The project as one invocation saw it. Raises BadArtifact for another's manifest."""
        run = invocation.run
        state = ProjectState.of(invocation)
        kept = self._lineages.get(state, now=now) if state is not None else None
        if kept is not None and not invocation.executed - kept.nodes.keys():
            return kept
        step = invocation.step.index
        lineage = self._dbt_cloud.get_manifest(run.dbt_run_id, step=step)
        unknown = invocation.executed - lineage.nodes.keys()
        if unknown:
            raise BadArtifact(
                f"manifest.json of step {step} of dbt run {run.dbt_run_id} is of another "
                f"invocation: it lacks {min(unknown)}, which the step executed"
            )
        if state is not None:
            self._lineages.put(state, lineage, now=now)
        return lineage


def _require_usable_retried_run(retried: DbtRun, run: DbtRun) -> None:
    """Raise Unavailable if the retried run has not ended, BadArtifact if it never counts."""
    which = f"dbt run {retried.dbt_run_id}, which dbt run {run.dbt_run_id} retries,"
    if not retried.has_ended:
        raise Unavailable(f"{which} has not ended yet")
    if retried.never_counts_because:
        raise BadArtifact(
            f"{which} built into a schema of its own ({retried.never_counts_because}): "
            "relay cannot know what the retry has left in production"
        )


def _without_file(invocations: list[Invocation]) -> list[Step]:
    return [one.step for one in invocations if one.run_results is None]


def _must_have_written(step: Step) -> bool:
    return step.must_have_run_results and not step.writes_no_results


def _may_have_decisive_results(step: Step) -> bool:
    """Whether its file may have rows of nodes or tests; true also for an unknown command."""
    is_known_harmless = step.dbt_command is not None and step.dbt_command not in TESTING_COMMANDS
    return not (is_known_harmless or step.writes_no_results)


def collector_of(settings: DbtCloudSettings, dbt_cloud: DbtCloud) -> Collector:
    """The collector of the settings' account, with its lineage cache in the data folder.

    It waits for a late file at most a third of RELAY_RETRY_FOR.
    """
    waits_for = min(LONGEST_WAIT, timedelta(seconds=settings.retry_for) / 3)
    lineages = LineageCache(settings.data_dir / "lineages")
    return Collector(dbt_cloud, lineages, waits_for=waits_for)
