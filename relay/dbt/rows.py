"""The meaning of one row of a run_results.json. No I/O here.

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
    """What a run did to a node. An untouched node has no standing."""

    REBUILT = "rebuilt"
    PARTIAL = "partial"
    FAILED = "failed"
    SKIPPED = "skipped"  # because something it needs failed
    SAMPLED = "sampled"  # --empty or --sample: the table may not have all of the data
    NO_ROW = "no row"  # may have been executed, but its step has no row for it


WORST_FIRST = (
    Standing.SAMPLED,
    Standing.FAILED,
    Standing.SKIPPED,
    Standing.NO_ROW,
    Standing.PARTIAL,
    Standing.REBUILT,
)


def standing_of(row: Result) -> Standing | None:
    """The standing of a row's node; None if the run did nothing to it.

    The statuses are those of NodeStatus in dbt-core 1.x, core/dbt/artifacts/schemas/results.py
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
    """The standing of a success; for a microbatch model it depends on its batches."""
    if _was_left_alone(row):
        return None
    batches = row.batch_results
    if batches is None or not batches.failed:
        return Standing.REBUILT
    return Standing.PARTIAL if batches.successful else Standing.FAILED


def _was_left_alone(row: Result) -> bool:
    """A success that did nothing.

    `dbt clone` reports No-op if the relation exists (core/dbt/task/clone.py). An adapter
    returns `skip` for a materialized view or dynamic table without changes
    (dbt-adapters, materialized_view_execute_no_op; dagster-io/dagster#34216).
    """
    answer = row.adapter_response
    skipped = isinstance(answer, AdapterResponse) and answer.code == "skip"
    return skipped or "no-op" in _message(row)


def _had_nothing_to_build(row: Result) -> bool:
    """Fusion's plain `Skipped` (stats.rs, NoOp): nothing has failed."""
    return _message(row) == "skipped"


def _message(row: Result) -> str:
    return (row.message or "").lower()


def status_of(row: Result) -> str:
    """The status in lower case; some engines write it capitalized."""
    return row.status if row.status in KNOWN else row.status.lower()
