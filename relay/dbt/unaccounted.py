"""Steps of a run that may have spoilt nodes, or failed tests, without a row that says so.

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
    """A step that rebuilds, and may have no row of what failed or was built in it.

    Or one that wrote no file, and left no more than a sample: `standing` is that of its nodes.
    `known` are the nodes that it, or a later step, has a row for; what an earlier step built it may
    have spoilt. `only_microbatches`: another row says that it failed, so that only these may have
    failed beside it.
    """

    step: Step
    known: frozenset[str]
    only_microbatches: bool = False
    standing: Standing = Standing.NO_ROW


@dataclass(frozen=True, slots=True)
class UnaccountedTests:
    """A step that failed, and may have no row of a test that failed in it.

    `known` are the tests that it, or a later step, has a result of.
    """

    step: Step
    known: frozenset[str]

    @property
    def name(self) -> str:
        """What stands for these tests where failed tests are named."""
        return f"results unknown, of step {self.step.index} (dbt {self.step.dbt_command})"

    @property
    def problem(self) -> str:
        """What is unknown, and what it means."""
        return (
            "the step failed, and no run_results.json of its own says what failed: its tests may"
            " have, so the syncs of what they test are withheld (test_failed), where tests: block"
        )


def unaccounted_steps(origins: Sorted, *, built_something: bool) -> Iterator[Unaccounted]:
    """The steps of these invocations that rebuild, and may have no row of what they spoilt.

    Where the run built nothing, a step without a file has nothing to spoil.
    """
    yield from _without_row(origins.own)
    if built_something:
        yield from _without_file(origins)


def unaccounted_tests(origins: Sorted) -> Iterator[UnaccountedTests]:
    """The steps of these invocations that may have no row of a test that failed in them.

    Of a retry all is known from what it retries. A step that never began ran no test.
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
    """The invocations that may have executed a node and have no row that says so.

    Whatever a retry executes has a row in what it retries, and a standing from there.
    """
    for place, invocation in enumerate(own):
        if not invocation.rebuilds or invocation.retries:
            continue
        has_an_unnamed_row = invocation.has_an_unnamed_row
        if has_an_unnamed_row or _may_lack_a_failed_row(invocation):
            known = _known_since(invocation, own[place:], own)
            only_microbatches = not has_an_unnamed_row and _says_what_failed(invocation)
            yield Unaccounted(invocation.step, known, only_microbatches)


def _may_lack_a_failed_row(invocation: Invocation) -> bool:
    """Core 2 and Fusion write none of a microbatch model with a failing batch."""
    if invocation.step.succeeded:
        return False
    return invocation.may_leave_out_microbatches or not _says_what_failed(invocation)


def _may_lack_a_failed_test(invocation: Invocation) -> bool:
    runs_tests = invocation.which in _RUN_TESTS and not invocation.retries
    return runs_tests and not (invocation.step.succeeded or _says_what_failed(invocation))


def _says_what_failed(invocation: Invocation) -> bool:
    """Whether a row says why the step failed.

    Not of one that was cancelled: dbt then writes what was done, and no row of what it was at
    (dbt-core, core/dbt/task/runnable.py, KeyboardInterrupt).
    """
    if invocation.step.status == CANCELLED:
        return False
    return any(status_of(row) in SOMETHING_FAILED for row in invocation.rows)


def _without_file(origins: Sorted) -> Iterator[Unaccounted]:
    """The steps without a file of their own that may have spoilt what the run had built.

    Of a retry all is known from what it retries, as far as that wrote a file.
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
    """What a step without a file may have left behind; None where it spoilt nothing.

    One that never began did nothing. One that failed was killed, cancelled or out of memory. What a
    green one built is whole, unless its command says that it builds a sample: a file that it did
    not write says nothing of it.
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
    """What a failed step leaves known: what was executed since, in the place that it builds.

    Of a step with another target also what the job's own target built: it does not touch that.
    """
    of_job = [one for one in own if one.is_of_the_jobs_target]
    untouched = () if failed.is_of_the_jobs_target else of_job
    same_place = _of_the_target_of(failed, since)
    return frozenset[str]().union(*(one.executed for one in (*same_place, *untouched)))


def _tested_since(failed: Invocation, since: Iterable[Invocation]) -> frozenset[str]:
    """The tests that have a result since, in the place that a failed step tests."""
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
