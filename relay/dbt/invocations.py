"""The steps of a run, each with its run_results.json. No I/O here.

dbt Cloud serves the file that is in `target/` after a step: possibly one that a previous step
wrote, or that is committed to the repository. A file counts only for the step that wrote it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import msgspec

from relay.dbt.artifacts import UNNAMED, UNREADABLE, Args, Result, RunResults
from relay.dbt.runs import REBUILDABLE, REBUILDING_COMMANDS, TESTING_COMMANDS, DbtRun, Step
from relay.notation import read_time

CLOCK_SLACK = timedelta(minutes=5)  # between the clocks of dbt Cloud and of what runs dbt

# Other values of `args.which` than the command's name. `dbt retry` writes the retried command.
_WHICH = {
    "docs": frozenset({"docs", "generate"}),
    "list": frozenset({"list", "ls"}),
    "ls": frozenset({"list", "ls"}),
    "source": frozenset({"source", "freshness", "source-freshness"}),
}


@dataclass(frozen=True, slots=True)
class Invocation:
    """A step of a run and the run_results.json that is served for it, or None.

    `retries` is the earlier invocation that a `dbt retry` continues, None if unknown.
    """

    run: DbtRun
    step: Step
    run_results: RunResults | None
    retries: "Invocation | None" = None

    @property
    def rows(self) -> list[Result]:
        """The rows of its file."""
        return self.run_results.results if self.run_results else []

    @property
    def identity(self) -> str:
        """Identifies its file: an invocation_id alone may repeat, or be absent."""
        file = self.run_results
        if file is None or not (file.metadata.invocation_id or file.metadata.generated_at):
            return f"{self.run.dbt_run_id}/{self.step.index}"
        return f"{file.metadata.invocation_id}/{file.metadata.generated_at}/{file.which}"

    @property
    def which(self) -> str | None:
        """The dbt command; the step's if the file has none, as with Fusion."""
        written = self.run_results.which if self.run_results else None
        return written or self.step.dbt_command

    @property
    def rebuilds(self) -> bool:
        """Whether its command rebuilds nodes."""
        return self.which in REBUILDING_COMMANDS

    @property
    def counts(self) -> bool:
        """Whether its command rebuilds nodes or runs tests."""
        return self.which in TESTING_COMMANDS

    @property
    def executed(self) -> frozenset[str]:
        """The nodes with a row, in any status, if its command rebuilds nodes."""
        rows = self.rows if self.rebuilds else ()
        return frozenset(row.unique_id for row in rows if row.unique_id.startswith(REBUILDABLE))

    @property
    def rows_with_relation(self) -> list[Result]:
        """Its rows of models, seeds and snapshots, without ephemeral models: they hold nothing.

        Fusion and Core 2 write rows of these, and Core 1.x with --fail-fast. Their `relation_name`
        is null, or left out where other rows have one (2.0.0-preview.196, 2.0.0-alpha.4). Before
        dbt 1.7 no row has one.
        """
        names_relations = any(row.relation_name is not msgspec.UNSET for row in self.rows)
        none = (None, msgspec.UNSET) if names_relations else (None,)
        return [
            row
            for row in self.rows
            if row.unique_id.startswith(REBUILDABLE)
            and not (row.relation_name in none and _may_be_ephemeral(row))
        ]

    @property
    def has_an_unnamed_row(self) -> bool:
        """Whether one of its rows has no readable unique_id."""
        return any(row.status == UNNAMED for row in self.rows)

    @property
    def may_leave_out_microbatches(self) -> bool:
        """Whether its engine, Core 2 or Fusion, writes no row for a failed microbatch model."""
        version = self.run_results.metadata.dbt_version if self.run_results else None
        return (version or "1").partition(".")[0] not in ("0", "1")

    @property
    def was_sampled(self) -> bool:
        """Whether the tables have no rows or only a sample, although dbt reports success.

        https://docs.getdbt.com/docs/build/empty-flag, .../sample-flag. Fusion and Core 2 do not
        write these flags, so the step's command is checked too. A retry keeps the flags of the
        retried invocation.
        """
        return self._has_sample_flag or (self.retries is not None and self.retries.was_sampled)

    @property
    def foreign_because(self) -> str | None:
        """Why the file cannot be the step's own, or None.

        It must have been written within the run, and by the step's command.
        """
        written_at = self._written_at
        if written_at is None:
            return "it has no write time (metadata.generated_at)"
        if not self._is_within_the_run(written_at):
            return f"it is dated {written_at.isoformat(timespec='seconds')}, not within the run"
        if not self._matches_command:
            return f"`dbt {self.which}` wrote it"
        return None

    @property
    def other_target(self) -> str | None:
        """The target that it builds and tests; None for the job's own.

        A retry uses the target of the retried invocation, even if its own command names another:
        dbt-core, core/dbt/task/retry.py.
        """
        if self.retries is not None:
            return self.retries.other_target
        named = self.step.named_target
        return None if named == self.run.target else named

    @property
    def is_of_the_jobs_target(self) -> bool:
        """Whether it builds and tests the job's own target."""
        return self.other_target is None

    @property
    def _has_sample_flag(self) -> bool:
        args = self.run_results.args if self.run_results else Args()
        other = args.other or {}
        flags = [word for word in self.step.words if word in ("--empty", "--no-empty")]
        return (
            bool(args.empty or args.sample or other.get("empty") or other.get("sample"))
            or flags[-1:] == ["--empty"]
            or any(word.split("=")[0] == "--sample" for word in self.step.words)
        )

    def _is_within_the_run(self, at: datetime) -> bool:
        started_at, finished_at = self.run.started_at, self.run.finished_at
        if started_at is None or at < started_at - CLOCK_SLACK:
            return False
        return finished_at is None or at <= finished_at + CLOCK_SLACK

    @property
    def _written_at(self) -> datetime | None:
        if self.run_results is None:
            return None
        metadata = self.run_results.metadata
        return read_time(metadata.invocation_started_at) or read_time(metadata.generated_at)

    @property
    def _matches_command(self) -> bool:
        command = self.step.dbt_command
        which = self.run_results.which if self.run_results else None
        if command in (None, "retry") or which is None:
            return True
        return which in _WHICH.get(command or "", {command})


@dataclass(frozen=True, slots=True)
class Sorted:
    """Invocations by the origin of their file, each in the order of runs and steps.

    `own` wrote their file. `with_foreign_file` have one that was written outside their run, or by
    a different command. `without_any_file` have none, or one that an earlier step wrote.
    """

    own: tuple[Invocation, ...]
    with_foreign_file: tuple[Invocation, ...]
    without_any_file: tuple[Invocation, ...]

    @property
    def without_file(self) -> tuple[Invocation, ...]:
        """Those that have no file of their own."""
        return (*self.with_foreign_file, *self.without_any_file)


def sort_by_origin(invocations: Iterable[Invocation]) -> Sorted:
    """Separate files that their step wrote from files that were already there."""
    own: dict[str, Invocation] = {}
    foreign: list[Invocation] = []
    none: list[Invocation] = []
    in_order = sorted(invocations, key=lambda one: (one.run.dbt_run_id, one.step.index))
    for invocation in in_order:
        if invocation.run_results is None or invocation.identity in own:
            none.append(invocation)
        elif invocation.foreign_because is None:
            earlier = _retried_by(invocation, list(own.values()))
            own[invocation.identity] = replace(invocation, retries=earlier)
        else:
            foreign.append(invocation)
    return Sorted(tuple(own.values()), tuple(foreign), tuple(none))


def _may_be_ephemeral(row: Result) -> bool:
    return row.unique_id.startswith("model.") and row.status != UNREADABLE


def _retried_by(invocation: Invocation, earlier: list[Invocation]) -> Invocation | None:
    """For a retry, the last earlier invocation with the same `which`, or None."""
    if invocation.step.dbt_command != "retry":
        return None
    same = (one for one in reversed(earlier) if invocation.which in (one.which, "retry"))
    return next(same, None)
