"""A step that failed, and does not say which tests failed in it, leaves their results unknown."""

from dataclasses import replace

import msgspec
import pytest
from cases import NOON, dbt_run

from relay.dbt.artifacts import read_run_results
from relay.dbt.invocations import Invocation
from relay.dbt.outcome import outcome_of
from relay.dbt.rows import Standing
from relay.dbt.runs import CANCELLED, ERROR, SUCCESS, Step

ORDERS, TEST, OTHER = "model.shop.orders", "test.shop.t.1", "test.shop.t.2"


def written(rows, *, which, index, version="1.12.6"):
    file = {
        "metadata": {
            "invocation_id": f"{which}{index}",
            "generated_at": NOON.isoformat(),
            "dbt_version": version,
        },
        "args": {"which": which},
        "results": [{"unique_id": node, "status": status} for node, status in rows.items()],
    }
    return read_run_results(msgspec.json.encode(file))


def ran(command, rows, *, index, status=SUCCESS, run=9, version="1.12.6", which=None):
    """A step with a file of these rows; with none, where `rows` is None."""
    which = which or command.split()[1]
    read = written(rows, which=which, index=index, version=version) if rows is not None else None
    return Invocation(
        dbt_run(dbt_run_id=run), Step(index=index, name="", status=status, command=command), read
    )


BUILT = ran("dbt run", {ORDERS: "success"}, index=4)


def unknown(*invocations):
    """The steps whose tests are unknown, each with the tests that are known all the same."""
    unaccounted = outcome_of(invocations).unaccounted_tests
    return [(one.step.index, one.known) for one in unaccounted]


class TestAStepWithoutItsOwnFile:
    @pytest.mark.parametrize("status", [ERROR, CANCELLED])
    @pytest.mark.parametrize("command", ["dbt test", "dbt test -s orders", "dbt build"])
    def test_leaves_its_tests_unknown_where_it_failed(self, command, status):
        assert unknown(BUILT, ran(command, None, index=5, status=status)) == [(5, frozenset())]

    def test_so_where_an_earlier_steps_file_is_served_for_it_or_one_of_another_day(self):
        died = ran("dbt test", None, index=5, status=ERROR)
        of_another_run = written({TEST: "pass"}, which="test", index=5)
        of_another_run.metadata.generated_at = "2020-01-01T00:00:00Z"
        for served in (BUILT.run_results, of_another_run):
            assert unknown(BUILT, replace(died, run_results=served)) == [(5, frozenset())]

    @pytest.mark.parametrize(
        ("command", "status"),
        [
            ("dbt test", SUCCESS),
            ("dbt run", ERROR),
            ("dbt seed", ERROR),
            ("dbt docs generate", ERROR),
            ("dbt source freshness", ERROR),
            (None, ERROR),
        ],
    )
    def test_does_not_where_it_succeeded_or_runs_no_tests(self, command, status):
        silent = Step(index=5, name="", status=status, command=command)
        assert unknown(BUILT, Invocation(dbt_run(), silent, None)) == []

    def test_does_not_where_it_never_began(self):
        """A test that did not run has not failed."""
        died = ran("dbt test", None, index=5, status=CANCELLED)
        assert unknown(BUILT, replace(died, step=replace(died.step, has_begun=False))) == []

    def test_does_not_matter_where_the_run_built_nothing(self):
        assert unknown(ran("dbt test", None, index=5, status=ERROR)) == []

    def test_is_made_good_by_the_results_of_a_later_step(self):
        died = ran("dbt test", None, index=5, status=ERROR)
        later = ran("dbt test", {TEST: "pass", OTHER: "skipped"}, index=6)
        assert unknown(BUILT, died, later) == [(5, {TEST})]

    def test_is_made_good_by_the_results_of_a_run_that_retries_it(self):
        died = ran("dbt test", None, index=5, status=CANCELLED)
        later = ran("dbt test", {TEST: "fail"}, index=4, run=10, status=ERROR)
        assert unknown(BUILT, died, later) == [(5, {TEST})]

    def test_is_not_made_good_by_the_results_on_another_target(self):
        died = ran("dbt test", None, index=5, status=ERROR)
        later = ran("dbt test --target dev", {TEST: "pass"}, index=6, which="test")
        assert unknown(BUILT, died, later) == [(5, frozenset())]

    def test_is_unknown_in_each_run_of_a_chain(self):
        first = ran("dbt test", None, index=5, status=CANCELLED)
        second = ran("dbt test", None, index=4, run=10, status=ERROR)
        assert unknown(BUILT, first, second) == [(5, frozenset()), (4, frozenset())]

    def test_of_a_retry_all_is_known_from_what_it_retries(self):
        failed = ran("dbt test", {TEST: "fail"}, index=5, status=ERROR)
        retry = ran("dbt retry", None, index=4, run=10, status=ERROR)
        outcome = outcome_of([BUILT, failed, retry])
        assert (outcome.unaccounted_tests, outcome.failed_tests) == ((), {TEST})


class TestAStepWithoutAFailedRow:
    @pytest.mark.parametrize("rows", [{}, {TEST: "pass"}, {TEST: "warn"}])
    @pytest.mark.parametrize("command", ["dbt test", "dbt build"])
    def test_leaves_the_tests_without_a_row_unknown(self, command, rows):
        failed = ran(command, rows, index=5, status=ERROR)
        assert unknown(BUILT, failed) == [(5, frozenset(rows))]

    @pytest.mark.parametrize("rows", [{TEST: "fail"}, {TEST: "error"}, {OTHER: "runtime error"}])
    def test_does_not_where_a_row_says_what_failed(self, rows):
        assert unknown(BUILT, ran("dbt test", rows, index=5, status=ERROR)) == []

    def test_does_not_where_it_succeeded(self):
        assert unknown(BUILT, ran("dbt test", {TEST: "pass"}, index=5)) == []

    def test_of_core_2_only_microbatches_are_left_out_beside_a_failed_row(self):
        failed = ran("dbt build", {ORDERS: "error"}, index=5, status=ERROR, version="2.0.0")
        assert unknown(BUILT, failed) == []

    def test_of_a_retry_all_is_known_from_what_it_retries(self):
        failed = ran("dbt test", {TEST: "fail"}, index=5, status=ERROR)
        retry = ran("dbt retry", {TEST: "pass"}, index=6, status=ERROR, which="test")
        assert unknown(BUILT, failed, retry) == []

    def test_leaves_them_unknown_beside_a_failed_row_where_it_was_cancelled(self):
        """dbt Core writes what was done until then, and no row of what it was at."""
        cancelled = ran("dbt build", {OTHER: "fail"}, index=5, status=CANCELLED)
        outcome = outcome_of([BUILT, cancelled])
        assert [one.known for one in outcome.unaccounted_tests] == [{OTHER}]
        (unaccounted,) = outcome.unaccounted
        assert (unaccounted.known, unaccounted.only_microbatches) == (frozenset(), False)


class TestARow:
    @pytest.mark.parametrize(
        ("word", "step_status", "expected"),
        [
            ("runtime error", ERROR, "error"),
            ("runtime error", SUCCESS, "error"),
            ("partial success", ERROR, "fail"),
            ("exploded", ERROR, "fail"),
            ("exploded", CANCELLED, "fail"),
            ("exploded", SUCCESS, None),
            ("FAIL", ERROR, "fail"),
            ("skipped", ERROR, None),
            ("reused", ERROR, None),
            ("no-op", ERROR, None),
        ],
    )
    def test_of_a_test_is_no_pass_where_it_may_have_failed(self, word, step_status, expected):
        step = ran("dbt build", {ORDERS: "success", TEST: word}, index=4, status=step_status)
        assert outcome_of([step]).tests.get(TEST) == expected

    @pytest.mark.parametrize(
        ("step_status", "expected"), [(ERROR, Standing.FAILED), (SUCCESS, Standing.REBUILT)]
    )
    def test_of_a_model_with_an_unknown_status_may_be_what_failed(self, step_status, expected):
        odd = ran("dbt build", {ORDERS: "exploded"}, index=5, status=step_status)
        outcome = outcome_of([BUILT, odd])
        assert outcome.standings == {ORDERS: expected}
        assert outcome.unknown_statuses == {"exploded": ORDERS}
