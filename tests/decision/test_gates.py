"""Syncs that look back: they wait for all of their models, or run only so often."""

from datetime import timedelta

import pytest
from cases import NOON, dbt_run, mapping_of, outcome, plan_of, sync

from relay.dbt.manifest import Lineage
from relay.dbt.nodes import Config, DependsOn, Node
from relay.dbt.outcome import NodeResult
from relay.dbt.rows import Standing
from relay.dbt.runs import CANCELLED
from relay.decision.findings import needs_lineage
from relay.decision.history import Build, History, SyncHistory

REBUILT, FAILED = Standing.REBUILT, Standing.FAILED
A, B, V = "model.shop.a", "model.shop.b", "model.shop.v"
VIEW = Node(V, name="v", config=Config(materialized="view"), depends_on=DependsOn((B,)))
TEST = Node("test.shop.t.1", attached_node=A)
LINEAGE = Lineage({A: Node(A, name="a"), B: Node(B, name="b"), V: VIEW, TEST.unique_id: TEST})


def build(hours_ago, **fields):
    given = {"dbt_run_id": 8, "dbt_job_id": 7, "environment_id": 3, "is_good": True}
    return Build(**(given | fields), finished_at=NOON - timedelta(hours=hours_ago))


def plan(a_sync, nodes, *, of=None, builds=None, past=None, reused=(), tests=None):
    did = outcome(nodes, reused=reused, tests=tests)
    history = History({("default", 1): past or SyncHistory()}, builds or {})
    return plan_of(did, mapping_of(a_sync), of=of, lineage=LINEAGE, history=history)


def decided(a_sync, nodes, **given):
    """`triggered`, or the reason and the models; None where the run does not affect the sync."""
    made = plan(a_sync, nodes, **given)
    if made.triggers:
        return "triggered"
    return next(((held.reason, held.models) for held in made.withheld), None)


ALL = sync("a", "b", require="all")
WAITS = ("waiting_for_models", (B,))
ALL_WHATEVER_THEIR_AGE = sync("a", "b", require="all", consistency="ignore")


class TestRequireAll:
    @pytest.mark.parametrize("a_sync", [ALL, ALL_WHATEVER_THEIR_AGE])
    def test_looks_back_whether_parents_are_checked_or_not(self, a_sync):
        assert decided(a_sync, {A: REBUILT}, builds={B: (build(1),)}) == "triggered"

    @pytest.mark.parametrize(
        ("nodes", "builds", "past", "expected"),
        [
            ({A: REBUILT, B: REBUILT}, {}, {}, "triggered"),
            ({A: REBUILT}, {}, {}, WAITS),
            ({A: REBUILT}, {B: (build(1),)}, {}, "triggered"),
            ({A: REBUILT}, {B: (build(24),)}, {}, "triggered"),  # just within
            ({A: REBUILT}, {B: (build(24.1),)}, {}, WAITS),
            # since the sync last ran
            (
                {A: REBUILT},
                {B: (build(1),)},
                {"covers_until": NOON - timedelta(hours=2)},
                "triggered",
            ),
            ({A: REBUILT}, {B: (build(2),)}, {"covers_until": NOON - timedelta(hours=2)}, WAITS),
            ({A: REBUILT}, {B: (build(3),)}, {"covers_until": NOON - timedelta(hours=2)}, WAITS),
            # the last run of any of its jobs to touch it decides
            ({A: REBUILT}, {B: (build(2), build(1, is_good=False))}, {}, WAITS),
            ({A: REBUILT}, {B: (build(1), build(2, is_good=False))}, {}, "triggered"),
            ({A: REBUILT}, {B: (build(1, failed_a_test=True),)}, {}, WAITS),
            ({}, {A: (build(1),), B: (build(1),)}, {}, None),
            ({A: FAILED}, {B: (build(1),)}, {}, ("model_failed", (A,))),
        ],
    )
    def test_waits_until_each_model_was_rebuilt_since_the_sync_last_ran(
        self, nodes, builds, past, expected
    ):
        assert decided(ALL, nodes, builds=builds, past=SyncHistory(**past)) == expected

    def test_a_failed_test_counts_only_where_tests_do(self):
        builds = {B: (build(1, failed_a_test=True),)}
        assert decided(sync("a", "b", require="all", tests="ignore"), {A: REBUILT}, builds=builds)

    @pytest.mark.parametrize(
        ("hours", "within", "expected"), [(1, 3600, "triggered"), (2, 3600, WAITS)]
    )
    def test_a_rebuild_counts_within_the_time_that_is_set(self, hours, within, expected):
        a_sync = sync("a", "b", require="all", within=within)
        assert decided(a_sync, {A: REBUILT}, builds={B: (build(hours),)}) == expected

    @pytest.mark.parametrize(
        ("listed", "expected"),
        [
            ({}, "triggered"),
            ({"jobs": frozenset({7, 8})}, "triggered"),
            ({"jobs": frozenset({7})}, WAITS),
            ({"environments": frozenset({3})}, WAITS),
        ],
    )
    def test_only_jobs_and_environments_that_count_satisfy(self, listed, expected):
        builds = {B: (build(1, dbt_job_id=8, environment_id=4),)}
        if "jobs" in listed:
            builds = {B: (build(1, dbt_job_id=8),)}
        a_sync = sync("a", "b", require="all", **listed)
        assert decided(a_sync, {A: REBUILT}, builds=builds) == expected

    def test_a_reused_model_satisfies_and_never_triggers(self):
        assert decided(ALL, {A: REBUILT}, reused=[B]) == "triggered"
        assert decided(ALL, {}, reused=[A, B]) is None
        assert plan(ALL, {}, reused=[B]).builds[B].is_good

    def test_a_view_satisfies_when_what_it_reads_was_rebuilt(self):
        a_sync = sync("a", "v", require="all")
        assert decided(a_sync, {A: REBUILT, B: REBUILT}) == "triggered"
        assert decided(a_sync, {A: REBUILT}) == ("waiting_for_models", (V,))
        assert decided(a_sync, {A: REBUILT}, builds={V: (build(1),)}) == "triggered"

    def test_keeps_what_the_run_did_to_each_node(self):
        kept = plan(ALL, {A: REBUILT, B: FAILED}, tests={TEST.unique_id: "fail"}).builds
        assert {node: (each.is_good, each.failed_a_test) for node, each in kept.items()} == {
            A: (True, True),
            B: (False, False),
            V: (False, False),  # a view on b
        }
        assert {each.finished_at for each in kept.values()} == {NOON}

    def test_keeps_what_an_earlier_attempt_did_as_that_ones(self):
        first = dbt_run(dbt_run_id=8, finished_at=NOON - timedelta(hours=1))
        did = outcome({A: NodeResult(REBUILT, 8), B: NodeResult(REBUILT, 9)})
        run = dbt_run(retried_runs=(first,))
        builds = plan_of(did, mapping_of(ALL), of=run, lineage=LINEAGE).builds
        assert {node: build.dbt_run_id for node, build in builds.items()} == {A: 8, B: 9, V: 9}
        assert builds[A].finished_at == first.finished_at

    def test_keeps_nothing_of_a_cancelled_run_nor_for_a_sync_that_waits_for_nothing(self):
        assert plan(ALL, {A: REBUILT}, of=dbt_run(status=CANCELLED)).builds == {}
        assert plan(sync("a", "b"), {A: REBUILT}).builds == {}

    def test_needs_the_manifest_to_know_all_of_its_models(self):
        mapping = mapping_of(ALL)
        assert needs_lineage(dbt_run(), outcome({A: REBUILT, B: REBUILT}), mapping)
        assert needs_lineage(dbt_run(), outcome(reused=[A]), mapping)
        assert not needs_lineage(dbt_run(), outcome(), mapping)


P, M, W = "model.shop.p", "model.shop.m", "model.shop.w"
FAMILY = Lineage(
    {
        P: Node(P, name="p", config=Config(materialized="table")),
        W: Node(W, name="w", config=Config(materialized="view"), depends_on=DependsOn((P,))),
        M: Node(M, name="m", config=Config(materialized="table"), depends_on=DependsOn((W,))),
    }
)
BLOCK = sync("m", "p", consistency="block")


def at(minute):
    return NOON + timedelta(minutes=minute)


def spans(**minutes):
    """`m=(1, 2, 3)`: rebuilt by invocation 1, from minute 2 to minute 3."""
    return {
        f"model.shop.{name}": NodeResult(REBUILT, 9, str(invocation), at(began), at(ended))
        for name, (invocation, began, ended) in minutes.items()
    }


def judged(a_sync, nodes, builds=None):
    history = History({}, builds or {})
    made = plan_of(outcome(nodes), mapping_of(a_sync), lineage=FAMILY, history=history)
    return [(held.reason, held.models) for held in made.withheld]


class TestConsistency:
    """`m` reads the table `p`, through the view `w`."""

    @pytest.mark.parametrize(
        ("nodes", "builds", "expected"),
        [
            ({"p": (1, 0, 5), "m": (1, 6, 7)}, {}, []),
            ({"p": (1, 0, 5), "m": (1, 4, 7)}, {}, []),  # dbt ordered these itself
            ({"p": (2, 0, 5), "m": (1, 4, 7)}, {}, [("stale_parent", (M,))]),
            ({"p": (2, 0, 5), "m": (1, 5, 7)}, {}, []),
            ({"p": (2, 8, 9), "m": (1, 4, 7)}, {}, [("stale_parent", (M,))]),
            ({"m": (1, 4, 7)}, {P: {"began": at(0), "ended": at(5)}}, [("stale_parent", (M,))]),
            ({"m": (1, 4, 7)}, {P: {"began": at(0), "ended": at(3)}}, []),
            ({"m": (1, 4, 7)}, {P: {"environment_id": 4, "ended": at(5)}}, []),
            ({"m": (1, 4, 7)}, {P: {}}, []),  # nobody knows when
            ({"p": (1, 4, 7)}, {M: {"began": at(0), "ended": at(5)}}, [("stale_parent", (M,))]),
            ({"p": (1, 4, 7)}, {}, []),
        ],
    )
    def test_withholds_what_has_a_model_that_began_before_its_parents_rebuild_ended(
        self, nodes, builds, expected
    ):
        known = {node: (build(1, **fields),) for node, fields in builds.items()}
        assert judged(BLOCK, spans(**nodes), known) == expected

    def test_also_where_the_parent_is_no_model_of_the_syncs(self):
        known = {P: (build(1, began=at(0), ended=at(5)),)}
        only_m = sync("m", consistency="block")
        assert judged(only_m, spans(m=(1, 4, 7)), known) == [("stale_parent", (M,))]

    @pytest.mark.parametrize(
        ("a_sync", "is_withheld"),
        [
            (sync("m", "p"), False),  # names alone: the manifest is not needed for them
            (sync("m", "p", consistency="block"), True),
            (sync("m", "p", require="all"), True),
            (sync("config.materialized:table"), True),
            (sync("config.materialized:table", consistency="ignore"), False),
        ],
    )
    def test_is_the_default_only_where_the_manifest_is_needed_anyway(self, a_sync, is_withheld):
        held = judged(a_sync, spans(p=(2, 8, 9), m=(1, 4, 7)))
        assert bool(held) is is_withheld

    def test_keeps_when_each_node_was_rebuilt(self):
        did = outcome(spans(p=(1, 0, 5)))
        kept = plan_of(did, mapping_of(BLOCK), lineage=FAMILY).builds
        assert {node: (each.began, each.ended) for node, each in kept.items()} == {
            W: (None, None),
            P: (at(0), at(5)),
        }

    def test_keeps_no_times_of_what_failed(self):
        did = outcome({P: NodeResult(FAILED, 9, "1", at(0), at(5))})
        kept = plan_of(did, mapping_of(BLOCK), lineage=FAMILY).builds[P]
        assert (kept.is_good, kept.began, kept.ended) == (False, None, None)

    def test_needs_the_manifest_if_it_is_set(self):
        mapping = mapping_of(BLOCK)
        assert needs_lineage(dbt_run(), outcome({M: REBUILT, P: REBUILT}), mapping)


class TestAtMostEvery:
    @pytest.mark.parametrize(
        ("minutes_ago", "expected"),
        [(None, None), (29, NOON + timedelta(minutes=1)), (30, None), (31, None)],
    )
    def test_holds_a_trigger_until_the_time_has_come(self, minutes_ago, expected):
        ago = NOON - timedelta(minutes=minutes_ago) if minutes_ago else None
        a_sync = sync("a", at_most_every=1800)
        made = plan(a_sync, {A: REBUILT}, past=SyncHistory(triggered_at=ago))
        assert [held.due_at for held in made.delayed] == ([expected] if expected else [])
        assert [held.reason for held in made.withheld] == ["cooling_down"] * bool(expected)
        assert len(made.triggers) == (0 if expected else 1)

    def test_comes_after_every_other_reason(self):
        just_now = SyncHistory(triggered_at=NOON)
        a_sync = sync("a", "b", at_most_every=1800, require="all")
        assert decided(a_sync, {A: REBUILT}, past=just_now) == WAITS
        assert decided(a_sync, {A: FAILED}, past=just_now) == ("model_failed", (A,))
