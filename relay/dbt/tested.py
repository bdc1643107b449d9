"""The test results of an invocation. No I/O here."""

from collections.abc import Iterator

from relay.dbt.artifacts import UNNAMED, UNREADABLE, Result
from relay.dbt.invocations import Invocation
from relay.dbt.rows import KNOWN, status_of

TESTS = ("test.", "unit_test.")
WORST_LAST = ("pass", "warn", "error", "fail")  # an error may have the severity warn
FAILED = frozenset({"fail", "error"})
_MEANS = {status: status for status in WORST_LAST} | {
    "runtime error": "error",
    "partial success": "fail",
    UNREADABLE: "fail",
}


def results_of_tests(invocation: Invocation) -> Iterator[tuple[str, str]]:
    """Each test that ran, with its result: one of WORST_LAST.

    If the step failed, a row with an unknown status counts as a failure; so does a row without a
    unique_id, for any test.
    """
    failed = not invocation.step.succeeded
    for row in invocation.rows:
        if row.unique_id.startswith(TESTS):
            status = status_of(row)
            if status in _MEANS:
                yield row.unique_id, _MEANS[status]
            elif failed and status not in KNOWN:
                yield row.unique_id, "fail"
        elif failed and row.status == UNNAMED:
            yield name_of(row, invocation), "fail"


def name_of(row: Result, invocation: Invocation) -> str:
    """The unique_id of a row; a text with its step if the row has none."""
    return row.unique_id or f"unknown, in step {invocation.step.index}"
