"""Syncs that look back: they wait for all of their models, or run only so often."""

from datetime import timedelta

import pytest
from cases import NOON, dbt_run, mapping_of, sync

from relay.dbt.artifacts import RebuiltModels, Standing, Timing
from relay.dbt.manifest import Lineage
from relay.dbt.nodes import Config, DependsOn, Node
from relay.dbt.runs import CANCELLED
from relay.decision.history import Build, History, SyncHistory
from relay.decision.plan import Case, needs_lineage

REBUILT, FAILED = Standing.REBUILT, Standing.FAILED
A, B, V = "model.shop.a", "model.shop.b", "model.shop.v"
VIEW = Node(V, name="v", config=Config(materialized="view"), depends_on=DependsOn((B,)))
TEST = Node("test.shop.t.1", attached_node=A)
LINEAGE = Lineage({A: Node(A, name="a"), B: Node(B, name="b"), V: VIEW, TEST.unique_id: TEST})


def build(hours_ago, **fields):
    given = {"dbt_run_id": 8, "dbt_job_id": 7, "environment_id": 3, "is_good": True}
    return Build(**(given | fields), finished_at=NOON - timedelta(hours=hours_ago))


def decide(run, did, mapping, lineage, history, *, now):
    """As the service does: told only of the builds that the run looks back at."""
    case = Case(run, did, mapping, lineage, now=now)
    looked_at = history.builds.keys() & case.looks_back_at
    builds = {node: history.builds[node] for node in looked_at}
    return case.decide(History(history.syncs, builds))


def plan(a_sync, nodes, *, of=None, builds=None, past=None, reused=(), tests=None, now=NOON):
    of = of or dbt_run()
    did = RebuiltModels(nodes, dict.fromkeys(nodes, 9), frozenset(reused), tests or {})
    mapping = mapping_of(a_sync)
    history = History({("default", 1): past or SyncHistory()}, builds or {})
    return decide(of, did, mapping, LINEAGE, history, now=now)


def outcome(a_sync, nodes, **given):
    """`triggered`, or the reason and the models; None where the run does not concern the sync."""
    decided = plan(a_sync, nodes, **given)
    if decided.triggers:
        return "triggered"
    return next(((held.reason, held.models) for held in decided.withheld), None)


ALL = sync("a", "b", require="all")
WAITS = ("waiting_for_models", (B,))
ALL_WHATEVER_THEIR_AGE = sync("a", "b", require="all", consistency="ignore")


class TestRequireAll:
    @pytest.mark.parametrize("a_sync", [ALL, ALL_WHATEVER_THEIR_AGE])
    def test_looks_back_whether_parents_are_checked_or_not(self, a_sync):
        assert outcome(a_sync, {A: REBUILT}, builds={B: (build(1),)}) == "triggered"

    @pytest.mark.parametrize(
        ("nodes", "builds", "past", "expected"),
        [
            ({A: REBUILT, B: REBUILT}, {}, {}, "triggered"),
            ({A: REBUILT}, {}, {}, WAITS),
            ({A: REBUILT}, {B: (build(1),)}, {}, "triggered"),
            ({A: REBUILT}, {B: (build(24),)}, {}, "triggered"),  # just within
            ({A: REBUILT}, {B: (build(24.1),)}, {}, WAITS),
            # since the sync last ran
            ({A: REBUILT}, {B: (build(1),)}, {"ran_for": NOON - timedelta(hours=2)}, "triggered"),
            ({A: REBUILT}, {B: (build(2),)}, {"ran_for": NOON - timedelta(hours=2)}, WAITS),
            ({A: REBUILT}, {B: (build(3),)}, {"ran_for": NOON - timedelta(hours=2)}, WAITS),
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
        assert outcome(ALL, nodes, builds=builds, past=SyncHistory(**past)) == expected

    def test_a_failed_test_counts_only_where_tests_do(self):
        builds = {B: (build(1, failed_a_test=True),)}
        assert outcome(sync("a", "b", require="all", tests="ignore"), {A: REBUILT}, builds=builds)

    @pytest.mark.parametrize(
        ("hours", "within", "expected"), [(1, 3600, "triggered"), (2, 3600, WAITS)]
    )
    def test_a_rebuild_counts_within_the_time_that_is_set(self, hours, within, expected):
        a_sync = sync("a", "b", require="all", within=within)
        assert outcome(a_sync, {A: REBUILT}, builds={B: (build(hours),)}) == expected

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
        assert outcome(a_sync, {A: REBUILT}, builds=builds) == expected

    def test_a_reused_model_satisfies_and_never_triggers(self):
        assert outcome(ALL, {A: REBUILT}, reused=[B]) == "triggered"
        assert outcome(ALL, {}, reused=[A, B]) is None
        assert plan(ALL, {}, reused=[B]).builds[B].is_good

    def test_a_view_satisfies_when_what_it_reads_was_rebuilt(self):
        a_sync = sync("a", "v", require="all")
        assert outcome(a_sync, {A: REBUILT, B: REBUILT}) == "triggered"
        assert outcome(a_sync, {A: REBUILT}) == ("waiting_for_models", (V,))
        assert outcome(a_sync, {A: REBUILT}, builds={V: (build(1),)}) == "triggered"

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
        did = RebuiltModels({A: REBUILT, B: REBUILT}, {A: 8, B: 9})
        mapping = mapping_of(ALL)
        decided = decide(dbt_run(earlier=(first,)), did, mapping, LINEAGE, History(), now=NOON)
        assert {node: each.dbt_run_id for node, each in decided.builds.items()} == {
            A: 8,
            B: 9,
            V: 9,
        }
        assert decided.builds[A].finished_at == first.finished_at

    def test_keeps_nothing_of_a_cancelled_run_nor_for_a_sync_that_waits_for_nothing(self):
        assert plan(ALL, {A: REBUILT}, of=dbt_run(status=CANCELLED)).builds == {}
        assert plan(sync("a", "b"), {A: REBUILT}).builds == {}

    def test_needs_the_manifest_to_know_all_of_its_models(self):
        mapping = mapping_of(ALL)
        assert needs_lineage(dbt_run(), RebuiltModels({A: REBUILT, B: REBUILT}), mapping)
        assert needs_lineage(dbt_run(), RebuiltModels(reused=frozenset({A})), mapping)
        assert not needs_lineage(dbt_run(), RebuiltModels(), mapping)


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
    """`m=(1, 2, 3)`: executed by invocation 1, from minute 2 to minute 3."""
    return {
        f"model.shop.{name}": (
            invocation,
            Timing(at(began).isoformat(), at(ended).isoformat()),
        )
        for name, (invocation, began, ended) in minutes.items()
    }


def judged(a_sync, timings, builds=None, *, of=None):
    did = RebuiltModels(dict.fromkeys(timings, REBUILT), timings=timings)
    mapping = mapping_of(a_sync)
    decided = decide(of or dbt_run(), did, mapping, FAMILY, History({}, builds or {}), now=NOON)
    return [(held.reason, held.models) for held in decided.withheld]


class TestConsistency:
    """`m` reads the table `p`, through the view `w`."""

    @pytest.mark.parametrize(
        ("timings", "builds", "expected"),
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
        self, timings, builds, expected
    ):
        known = {node: (build(1, **fields),) for node, fields in builds.items()}
        assert judged(BLOCK, spans(**timings), known) == expected

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
        timings = spans(p=(1, 0, 5))
        did = RebuiltModels({P: REBUILT}, timings=timings)
        mapping = mapping_of(BLOCK)
        kept = decide(dbt_run(), did, mapping, FAMILY, History(), now=NOON).builds
        assert {node: (each.began, each.ended) for node, each in kept.items()} == {
            W: (None, None),
            P: (at(0), at(5)),
        }

    def test_asks_for_the_manifest_where_it_is_written_down(self):
        mapping = mapping_of(BLOCK)
        assert needs_lineage(dbt_run(), RebuiltModels({M: REBUILT, P: REBUILT}), mapping)


class TestAtMostEvery:
    @pytest.mark.parametrize(
        ("minutes_ago", "expected"),
        [(None, None), (29, NOON + timedelta(minutes=1)), (30, None), (31, None)],
    )
    def test_holds_a_trigger_until_the_time_has_come(self, minutes_ago, expected):
        ago = NOON - timedelta(minutes=minutes_ago) if minutes_ago else None
        decided = plan(
            sync("a", at_most_every=1800), {A: REBUILT}, past=SyncHistory(triggered_at=ago)
        )
        assert [held.until for held in decided.withheld] == ([expected] if expected else [])
        assert [held.reason for held in decided.withheld] == ["cooling_down"] * bool(expected)
        assert len(decided.triggers) == (0 if expected else 1)

    def test_comes_after_every_other_reason(self):
        just_now = SyncHistory(triggered_at=NOON)
        a_sync = sync("a", "b", at_most_every=1800, require="all")
        assert outcome(a_sync, {A: REBUILT}, past=just_now) == WAITS
        assert outcome(a_sync, {A: FAILED}, past=just_now) == ("model_failed", (A,))
