"""A dbt Cloud run: what kind it was, how it ended, its steps. No I/O here.

Values only; `vendors/dbt_cloud/` creates them from responses of the Administrative API.
"""

import re
import shlex
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import pairwise

# https://docs.getdbt.com/dbt-cloud/api-v2: the status codes of runs and of steps.
QUEUED, SUCCESS, ERROR, CANCELLED = 1, 10, 20, 30
ENDED = frozenset({SUCCESS, ERROR, CANCELLED})
_STATUS_NAMES = {SUCCESS: "success", ERROR: "error", CANCELLED: "cancelled"}
_STEP_STATUS_NAMES = {**_STATUS_NAMES, QUEUED: "queued", 2: "starting", 3: "running"}

# The job types and cause categories whose runs build into a separate schema.
NEVER_COUNTING_KINDS = frozenset({"ci", "merge"})

# The node types that exist in the warehouse, by the prefix of their unique_ids.
REBUILDABLE = ("model.", "seed.", "snapshot.")

# The dbt commands that change tables and views in the warehouse.
REBUILDING_COMMANDS = frozenset({"build", "run", "seed", "snapshot", "retry", "clone"})
# The commands that may run tests. A retry of `dbt run` writes `run`, and has rows of tests.
TESTING_COMMANDS = REBUILDING_COMMANDS | {"test"}
# These write no run_results.json; nor do the steps before a run's first command.
WITHOUT_RESULTS = frozenset({"debug", "deps"})
PREPARING_STEPS = 3
# Other dbt commands, to find the command between a step's flags.
_OTHER_COMMANDS = frozenset(
    {"clean", "compile", "debug", "deps", "docs", "init", "list", "ls", "parse", "run-operation"}
    | {"show", "source", "test", "freshness"}
)
# Options with a value that may precede a command: those of dbt 1.12 (core/dbt/cli/main.py,
# global_flags), and of other releases and engines.
_OPTIONS_WITH_A_WORD = frozenset(
    {"--log-format", "--log-format-file", "--log-level", "--log-level-file", "--log-path"}
    | {"--log-file-max-bytes", "--printer-width", "--record-timing-info", "-r"}
    | {"--profile", "--profiles-dir", "--project-dir", "--target", "-t", "--target-path"}
    | {"--state", "--defer-state", "--threads", "--vars", "--indirect-selection"}
    | {"--maximum-seed-size-mib", "--partial-parse-file-path", "--v2-parser"}
    | {"--warn-error-options", "--event-buffer-size"}
    | {"--deprecated-defer", "--deprecated-favor-state", "--deprecated-state"}
)
# Short options, which may be combined, also with the value of the last one: `-xtdev`.
_SHORT_OPTION = re.compile(r"-[dfhqx]*([a-zA-Z])=?(.*)", re.DOTALL)


def split_option(word: str) -> tuple[str, str | None]:
    """An option's name, and its value if the same word contains it, else None."""
    if glued := _SHORT_OPTION.fullmatch(word):
        return f"-{glued[1]}", glued[2] or None
    option, equals, value = word.partition("=")
    return option, value if equals else None


def _takes_the_next_word(word: str) -> bool:
    option, value = split_option(word)
    return value is None and option in _OPTIONS_WITH_A_WORD


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a run; `index` counts from 1, and the first three steps prepare the run.

    `command` is its dbt command, None if it has none (git clone, profile). `has_begun` is False
    only if dbt Cloud reports so, as for the steps after a failed one.
    """

    index: int
    name: str
    status: int
    command: str | None
    has_begun: bool = True

    @property
    def words(self) -> tuple[str, ...]:
        """The command's words, split as in a shell."""
        try:
            return tuple(shlex.split(self.command or ""))
        except ValueError:  # an open quotation mark
            return tuple((self.command or "").split())

    @property
    def dbt_command(self) -> str | None:
        """`build` of `dbt --no-use-colors build --select customers`, or None."""
        known = REBUILDING_COMMANDS | _OTHER_COMMANDS
        words = iter(self.words)
        for word in words:
            if word in known:
                return word
            if _takes_the_next_word(word):
                next(words, None)
        return None

    @property
    def named_target(self) -> str | None:
        """The target in the command itself; None if it uses the job's."""
        named = None  # the last one counts, as for dbt
        for word, following in pairwise((*self.words, "")):
            option, value = split_option(word)
            if option in ("--target", "-t"):
                named = following if value is None else value
        return named

    @property
    def writes_no_results(self) -> bool:
        """Whether its command has dbt not write run_results.json."""
        flags = [word for word in self.words if word in ("--write-json", "--no-write-json")]
        return flags[-1:] == ["--no-write-json"]

    @property
    def status_name(self) -> str:
        """The status in dbt Cloud's word, or its code if that is unknown."""
        return _STEP_STATUS_NAMES.get(self.status, str(self.status))

    @property
    def succeeded(self) -> bool:
        return self.status == SUCCESS

    @property
    def may_have_run_results(self) -> bool:
        """Whether it may have written a run_results.json; preparing steps do not."""
        prepares = self.command is None and self.index <= PREPARING_STEPS
        return not prepares and self.dbt_command not in WITHOUT_RESULTS

    @property
    def must_have_run_results(self) -> bool:
        """Whether a missing run_results.json can only mean that it is not available yet.

        A failed step may have been killed before dbt wrote one.
        """
        return self.succeeded and self.dbt_command in REBUILDING_COMMANDS


class NotCounted(StrEnum):
    """Why the results of a step do not count."""

    PREPARES = "prepares the run"  # before its first command
    REBUILDS_NOTHING = "rebuilds nothing"  # docs, test, compile, …, or no dbt command
    NOT_BEGUN = "did not begin"
    NOT_ITS_OWN = "its results are not its own"  # its file was there before, or is another step's


@dataclass(frozen=True, slots=True)
class JudgedStep:
    """A step, and why its results do not count; None if they do."""

    step: Step
    not_counted: NotCounted | None

    @property
    def counts(self) -> bool:
        """Whether its results count: it rebuilds, and wrote them itself."""
        return self.not_counted is None


def judged(steps: Iterable[Step], *, not_of_this_run: Collection[int]) -> tuple[JudgedStep, ...]:
    """The steps, of which those of these indexes have a file that they did not write."""
    return tuple(JudgedStep(step, _not_counted(step, not_of_this_run)) for step in steps)


def _not_counted(step: Step, not_of_this_run: Collection[int]) -> NotCounted | None:
    if step.command is None and step.index <= PREPARING_STEPS:
        return NotCounted.PREPARES
    if step.dbt_command not in REBUILDING_COMMANDS:
        return NotCounted.REBUILDS_NOTHING
    if not step.has_begun:
        return NotCounted.NOT_BEGUN
    return NotCounted.NOT_ITS_OWN if step.index in not_of_this_run else None


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedRun:
    """A finished run in a list of runs.

    Ids are dbt Cloud's; None if it reports none. `finished_at` is timezone-aware.
    """

    dbt_run_id: int
    dbt_job_id: int | None
    environment_id: int | None
    finished_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DbtRun:
    """A run and what it was started for. Ids and names are dbt Cloud's; None if it reports none.

    `cause` is why it was started, in dbt Cloud's words, for people.
    `retried_runs` are the runs that it retries, directly or transitively.
    """

    dbt_account_id: int
    dbt_run_id: int
    dbt_job_id: int | None
    project_id: int | None
    environment_id: int | None
    status: int
    started_at: datetime | None = None
    finished_at: datetime | None = None
    job_type: str | None = None
    cause_category: str | None = None
    pull_request_id: str | None = None
    schema_override: str | None = None
    git_sha: str | None = None
    target: str | None = None
    job_name: str | None = None
    environment_name: str | None = None
    cause: str | None = None
    retrying_run_id: int | None = None
    steps: tuple[Step, ...] = ()
    retried_runs: tuple["DbtRun", ...] = ()

    @property
    def key(self) -> tuple[int, int]:
        """Its identity: account and run id."""
        return self.dbt_account_id, self.dbt_run_id

    def in_retry_chain(self, dbt_run_id: int | None) -> "DbtRun":
        """The run of this id among the runs that it retries, else itself."""
        return next((run for run in self.retried_runs if run.dbt_run_id == dbt_run_id), self)

    @property
    def first_run_id(self) -> int:
        """The first run of its retry chain: itself, if it retries none."""
        return min(run.dbt_run_id for run in (self, *self.retried_runs))

    @property
    def has_ended(self) -> bool:
        return self.status in ENDED

    @property
    def was_cancelled(self) -> bool:
        return self.status == CANCELLED

    @property
    def status_name(self) -> str:
        """`success`, `error` or `cancelled`."""
        return _STATUS_NAMES.get(self.status, str(self.status))

    @property
    def never_counts_because(self) -> str | None:
        """Why the run never counts (it built into a separate schema); None if it may count.

        https://docs.getdbt.com/docs/deploy/ci-jobs, .../merge-jobs
        """
        if self.pull_request_id:
            return "pull_request"
        if self.schema_override:
            return "schema_override"
        for kind in (self.job_type, self.cause_category):
            if kind in NEVER_COUNTING_KINDS:
                return f"{kind}_job"
        return None
