"""What one row of a run_results.json says of its node. No I/O here.

An unknown status counts as not rebuilt.
"""

from enum import StrEnum

from relay.dbt.artifacts import UNREADABLE, AdapterResponse, Result

_FAILED = frozenset({"error", "fail", "runtime error"})
SOMETHING_FAILED = _FAILED | {"partial success"}
KNOWN = (
    SOMETHING_FAILED | {"success", "skipped", "no-op", "reused"} | {"pass", "warn"}  # of tests
)


class Standing(StrEnum):
    """What a run did to a node. A node it did nothing to has no standing."""

    REBUILT = "rebuilt"
    PARTIAL = "partial"
    FAILED = "failed"
    SKIPPED = "skipped"  # because something it needs failed
    SAMPLED = "sampled"  # --empty or --sample: what stands there may not be all of the data
    NO_ROW = "no row"  # its step says neither that it was built nor that it failed


WORST_FIRST = (
    Standing.SAMPLED,
    Standing.FAILED,
    Standing.SKIPPED,
    Standing.NO_ROW,
    Standing.PARTIAL,
    Standing.REBUILT,
)


def standing_of(row: Result) -> Standing | None:
    """What a row says of its node; None where the run did nothing to it.

    The words are those of NodeStatus in dbt-core 1.x, core/dbt/artifacts/schemas/results.py
    (`partial success` since 1.9, `no-op` 1.10, `reused` 1.12), and of Fusion and Core v2 in
    crates/dbt-common/src/stats.rs: there a model's `warn` is "built, with warnings".
    """
    match status_of(row):
        case "success" | "warn":
            return _built(row)
        case "reused" if _message(row).startswith("cloned from"):
            return Standing.REBUILT  # stats.rs, ReusedCloned: a clone replaced the relation
        case "partial success":
            return Standing.PARTIAL
        case "skipped":
            return None if _had_nothing_to_build(row) else Standing.SKIPPED
        case status if status in _FAILED or status == UNREADABLE:
            return Standing.FAILED
        case _:
            return None


def _built(row: Result) -> Standing | None:
    """What a success is: of a microbatch model, as much as its batches are."""
    if _was_left_alone(row):
        return None
    batches = row.batch_results
    if batches is None or not batches.failed:
        return Standing.REBUILT
    return Standing.PARTIAL if batches.successful else Standing.FAILED


def _was_left_alone(row: Result) -> bool:
    """A success that did nothing.

    `dbt clone` says No-op where the relation is in place (core/dbt/task/clone.py). An adapter
    answers `skip` for a materialized view or dynamic table that it need not change
    (dbt-adapters, materialized_view_execute_no_op; dagster-io/dagster#34216).
    """
    answer = row.adapter_response
    skipped = isinstance(answer, AdapterResponse) and answer.code == "skip"
    return skipped or "no-op" in _message(row)


def _had_nothing_to_build(row: Result) -> bool:
    """Fusion's bare `Skipped` (stats.rs, NoOp): nothing has failed."""
    return _message(row) == "skipped"


def _message(row: Result) -> str:
    return (row.message or "").lower()


def status_of(row: Result) -> str:
    """The status in small letters, which not every writer of the file uses."""
    return row.status if row.status in KNOWN else row.status.lower()
