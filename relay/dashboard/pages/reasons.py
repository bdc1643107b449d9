"""Every reason code, with its meaning and what to do; each has an anchor that pages link to."""

import msgspec

from relay.dashboard.visit import Visit
from relay.dbt.deliveries import Ignored
from relay.decision.gates import Reason


class Meaning(msgspec.Struct, frozen=True):
    """A reason code; in its texts, what is written in the mapping file is between backticks.

    `decision` is None for codes that are no reason of a decision.
    """

    code: str
    decision: str | None
    because: str
    what_to_do: str | None = None


class ReasonsPage(msgspec.Struct, frozen=True, kw_only=True):
    """The reasons of decisions in the order in which they are judged, and the other codes."""

    reasons: tuple[Meaning, ...]
    never_counts: tuple[Meaning, ...]
    ignored: tuple[Meaning, ...]


def view(_visit: Visit) -> ReasonsPage:
    """The same for everybody."""
    return ReasonsPage(reasons=REASONS, never_counts=NEVER_COUNTS, ignored=IGNORED)


# Held against docs/reasons.md by a test: what it says there is said here.
REASONS = (
    Meaning(
        Reason.SYNC_DISABLED,
        "withheld",
        "the mapping says `enabled: false`",
        "nothing, or remove it from the mapping",
    ),
    Meaning(
        Reason.JOB_NOT_LISTED,
        "withheld",
        "the run's job is not in the sync's `jobs`",
        "nothing, if the job is not meant to trigger; otherwise add its id",
    ),
    Meaning(
        Reason.ENVIRONMENT_NOT_LISTED,
        "withheld",
        "the run's environment is not in `environments`",
        "as above",
    ),
    Meaning(
        Reason.RUN_CANCELLED,
        "withheld",
        "the run was cancelled",
        "run the dbt job again",
    ),
    Meaning(
        Reason.SAMPLE_RUN,
        "withheld",
        "one of its models was built with `--empty` or `--sample`: the table does not have all "
        "its rows",
        "build it again without that flag as soon as possible: the table in production is "
        "incomplete",
    ),
    Meaning(
        Reason.MODEL_FAILED,
        "withheld",
        "one of its models failed, or was skipped because something failed",
        "repair the model, and retry or rerun the job",
    ),
    Meaning(
        Reason.PARTIAL_REBUILD,
        "withheld",
        "one of its models was rebuilt partly: some batches of a microbatch model failed",
        "retry the run in dbt",
    ),
    Meaning(
        Reason.TEST_FAILED,
        "withheld",
        "a test failed on one of its models, and `tests` is `block`",
        "check the data. If it may be synced all the same: `relay trigger ID`. If the test does "
        "not matter: `tests: ignore`, or `severity: warn` in dbt",
    ),
    Meaning(
        Reason.STALE_PARENT,
        "withheld",
        "`consistency: block`, and these of its models began to be built before a rebuild of "
        "what they read had ended",
        "nothing: the next rebuild of these models triggers it. If this happens daily, let one "
        "job build both",
    ),
    Meaning(
        Reason.WAITING_FOR_MODELS,
        "withheld",
        "`require: all`, and these of its models were not rebuilt since the sync last ran, or "
        "longer ago than `within`",
        "nothing, until the job of the missing models has run",
    ),
    Meaning(
        Reason.COOLING_DOWN,
        "delayed",
        "`at_most_every` has not passed since its last start",
        "nothing: it is triggered at `until`",
    ),
    Meaning(
        Reason.REBUILT,
        "triggered",
        "at least one of its models was rebuilt, and no condition above is met",
        "if the sync is held, the trigger waits for `relay release`",
    ),
)
NEVER_COUNTS = (
    Meaning("pull_request", None, "was started for a pull or merge request"),
    Meaning("schema_override", None, "built into a schema of its own"),
    Meaning("ci_job", None, "is of a CI job"),
    Meaning("merge_job", None, "is of a merge job"),
)
IGNORED = (
    Meaning(Ignored.UNREADABLE, None, "its body is not valid JSON"),
    Meaning(Ignored.NOT_AN_EVENT, None, "its body is not an event of dbt Cloud"),
    Meaning(
        Ignored.OTHER_EVENT_TYPE,
        None,
        "it is of another type: only the end of a run with its artifacts counts",
    ),
    Meaning(Ignored.OTHER_ACCOUNT, None, "it is of another account than `DBT_CLOUD_ACCOUNT_ID`"),
    Meaning(Ignored.NO_RUN_ID, None, "it names no run"),
    Meaning(Ignored.NO_RUN_STATUS, None, "it has no status: what *Test endpoint* sends"),
    Meaning(Ignored.TOO_OLD, None, "it was sent, or its run ended, more than 29 days ago"),
)
CODES = frozenset(meaning.code for meaning in (*REASONS, *NEVER_COUNTS, *IGNORED))
