"""Steps of a run that may have executed nodes, or failed tests, without a row for them.

No I/O here.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from relay.dbt.invocations import Invocation, Sorted
from relay.dbt.rows import SOMETHING_FAILED, Standing, status_of
from relay.dbt.runs import CANCELLED, REBUILDING_COMMANDS, Step
from relay.dbt.tested import results_of_tests

_RUN_TESTS = frozenset({"build", "test", "retry"})  # a retry may run tests, whatever it retries


@dataclass(frozen=True, slots=True)
class Unaccounted:
    """A step that rebuilds nodes, and may lack rows of nodes that failed or were built in it.

    Or one that wrote no file and built only a sample. `standing` is that of its nodes. `known` are
    the nodes with a row in it or in a later step; it may have changed what an earlier step built.
    `only_microbatches`: another row explains the failure, so only microbatch models may lack rows.
    """

    step: Step
    known: frozenset[str]
    only_microbatches: bool = False
    standing: Standing = Standing.NO_ROW


@dataclass(frozen=True, slots=True)
class UnaccountedTests:
    """A failed step that may lack a row of a failed test.

    `known` are the tests with a result in it or in a later step.
    """

    step: Step
    known: frozenset[str]

    @property
    def name(self) -> str:
        """The name for these tests in lists of failed tests."""
        return f"results unknown, of step {self.step.index} (dbt {self.step.dbt_command})"

    @property
    def problem(self) -> str:
        """What is unknown, and the consequence."""
        return (
            "the step failed, and no run_results.json of its own shows what failed: its tests may"
            " have, so the syncs of what they test are withheld (test_failed), where tests: block"
        )


def unaccounted_steps(origins: Sorted, *, built_something: bool) -> Iterator[Unaccounted]:
    """The steps of these invocations that rebuild nodes, and may lack rows for some.

    Steps without a file count only if the run built something.
    """
    yield from _without_row(origins.own)
    if built_something:
        yield from _without_file(origins)


def unaccounted_tests(origins: Sorted) -> Iterator[UnaccountedTests]:
    """The steps of these invocations that may lack a row of a failed test.

    A retry's tests are known from the retried invocation. A step that never started ran no test.
    """
    own = origins.own
    for place, invocation in enumerate(own):
        if _may_lack_a_failed_test(invocation):
            yield UnaccountedTests(invocation.step, _tested_since(invocation, own[place:]))
    for invocation in origins.without_file:
        step, earlier = invocation.step, _before(invocation, own)
        is_known_retry = step.dbt_command == "retry" and any(one.counts for one in earlier)
        has_died = step.has_begun and not step.succeeded and step.dbt_command in _RUN_TESTS
        if has_died and not is_known_retry:
            yield UnaccountedTests(step, _tested_since(invocation, own[len(earlier) :]))


def _without_row(own: tuple[Invocation, ...]) -> Iterator[Unaccounted]:
    """The invocations that may have executed a node without a row for it.

    A node that a retry executes has a row, and a standing, in the retried invocation.
    """
    for place, invocation in enumerate(own):
        if not invocation.rebuilds or invocation.retries:
            continue
        has_an_unnamed_row = invocation.has_an_unnamed_row
        if has_an_unnamed_row or _may_lack_a_failed_row(invocation):
            known = _known_since(invocation, own[place:], own)
            only_microbatches = not has_an_unnamed_row and _shows_what_failed(invocation)
            yield Unaccounted(invocation.step, known, only_microbatches)


def _may_lack_a_failed_row(invocation: Invocation) -> bool:
    """Core 2 and Fusion write no row for a microbatch model with a failed batch."""
    if invocation.step.succeeded:
        return False
    return invocation.may_leave_out_microbatches or not _shows_what_failed(invocation)


def _may_lack_a_failed_test(invocation: Invocation) -> bool:
    runs_tests = invocation.which in _RUN_TESTS and not invocation.retries
    return runs_tests and not (invocation.step.succeeded or _shows_what_failed(invocation))


def _shows_what_failed(invocation: Invocation) -> bool:
    """Whether a row shows why the step failed.

    False for a cancelled step: dbt then writes no row for the nodes that were in progress
    (dbt-core, core/dbt/task/runnable.py, KeyboardInterrupt).
    """
    if invocation.step.status == CANCELLED:
        return False
    return any(status_of(row) in SOMETHING_FAILED for row in invocation.rows)


def _without_file(origins: Sorted) -> Iterator[Unaccounted]:
    """The steps without a file of their own that may have changed what the run had built.

    A retry's nodes are known from the retried invocation, if that wrote a file.
    """
    own = origins.own
    for invocation in origins.without_file:
        standing = _standing_without_file(invocation)
        earlier = _before(invocation, own)
        is_known_retry = invocation.step.dbt_command == "retry" and any(
            one.rebuilds for one in earlier
        )
        if standing is not None and not is_known_retry:
            known = _known_since(invocation, own[len(earlier) :], own)
            yield Unaccounted(invocation.step, known, standing=standing)


def _standing_without_file(invocation: Invocation) -> Standing | None:
    """The standing of the nodes of a step without a file; None if there is nothing to doubt.

    A step that never started did nothing. A failed one was killed, cancelled or out of memory. A
    successful one built complete tables, unless its command builds a sample: a file that another
    step wrote does not count.
    """
    step = invocation.step
    if step.dbt_command not in REBUILDING_COMMANDS or not step.has_begun:
        return None
    if not step.succeeded:
        return Standing.NO_ROW
    was_sampled = replace(invocation, run_results=None).was_sampled
    return Standing.SAMPLED if was_sampled else None


def _known_since(
    failed: Invocation, since: Iterable[Invocation], own: Iterable[Invocation]
) -> frozenset[str]:
    """The nodes that are known despite a failed step: executed since, in the same target.

    For a step with another target also the nodes of the job's own target, which it does not touch.
    """
    of_job = [one for one in own if one.is_of_the_jobs_target]
    untouched = () if failed.is_of_the_jobs_target else of_job
    same_place = _of_the_target_of(failed, since)
    return frozenset[str]().union(*(one.executed for one in (*same_place, *untouched)))


def _tested_since(failed: Invocation, since: Iterable[Invocation]) -> frozenset[str]:
    """The tests that have a result since, in the failed step's target."""
    return frozenset(
        test
        for invocation in _of_the_target_of(failed, since)
        if invocation.counts
        for test, _ in results_of_tests(invocation)
    )


def _of_the_target_of(one: Invocation, others: Iterable[Invocation]) -> Iterator[Invocation]:
    return (other for other in others if other.other_target == one.other_target)


def _before(invocation: Invocation, own: Iterable[Invocation]) -> list[Invocation]:
    place = (invocation.run.dbt_run_id, invocation.step.index)
    return [one for one in own if (one.run.dbt_run_id, one.step.index) < place]
