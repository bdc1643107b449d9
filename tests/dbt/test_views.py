"""Views that a run did not execute stand as what they read, and the syncs of them with it."""

import cases
import pytest
from cases import dbt_run, mapping_of, outcome, sync
from hypothesis import given
from hypothesis import strategies as st

from relay.dbt.manifest import Lineage, read_manifest
from relay.dbt.nodes import Config, DependsOn, Node
from relay.dbt.outcome import NodeResult
from relay.dbt.rows import Standing
from relay.dbt.views import WORST_FIRST, Views
from relay.decision.findings import needs_lineage
from relay.decision.history import History, SyncHistory
from relay.sandbox import recordings

REBUILT, PARTIAL, FAILED, SKIPPED, SAMPLED, _ = Standing


def lineage(**parents):
    """`view=["table"]`: what each node reads; `v…` are views, `e…` ephemeral, others tables."""
    kinds = {"v": "view", "e": "ephemeral", "m": "materialized_view", "i": "incremental"}
    nodes = [
        Node(
            unique_id(name),
            name=name,
            config=Config(materialized=kinds.get(name[0], "table")),
            depends_on=DependsOn(tuple(unique_id(each) for each in reads)),
        )
        for name, reads in parents.items()
    ]
    return Lineage({node.unique_id: node for node in nodes})


def unique_id(name):
    return name if "." in name else f"model.shop.{name}"


def executed(**standings):
    return outcome({unique_id(name): standing for name, standing in standings.items()})


def standing(known, did, view="v"):
    return Views(did, known).standings.get(unique_id(view))


class TestAView:
    @pytest.mark.parametrize(
        ("parents", "did", "expected"),
        [
            ({"v": ["t"]}, {"t": REBUILT}, REBUILT),
            ({"v": ["t", "u"]}, {"t": REBUILT}, REBUILT),
            ({"v": ["v1"], "v1": ["e2"], "e2": ["t"]}, {"t": REBUILT}, REBUILT),
            ({"v": ["i"]}, {"i": REBUILT}, REBUILT),
            ({"v": ["t"]}, {"u": REBUILT}, None),
            ({"v": ["t"], "t": ["u"]}, {"u": REBUILT}, None),  # the table between holds old rows
            ({"v": ["m"], "m": ["t"]}, {"t": REBUILT}, None),  # so does a materialized view
            ({"v": ["t", "u"]}, {"t": REBUILT, "u": FAILED}, FAILED),
            ({"v": ["t", "u"]}, {"t": REBUILT, "u": SKIPPED}, SKIPPED),
            ({"v": ["t", "u"]}, {"t": REBUILT, "u": PARTIAL}, PARTIAL),
            ({"v": ["t", "u"]}, {"t": FAILED, "u": SAMPLED}, SAMPLED),
            ({"v": ["v1", "t"], "v1": ["u"]}, {"t": REBUILT, "u": FAILED}, FAILED),
            ({"v": ["t", "v1"], "v1": ["v"]}, {"t": REBUILT}, REBUILT),  # a circle ends
            ({"v": ["v"]}, {"t": REBUILT}, None),
        ],
    )
    def test_stands_as_the_worst_of_what_it_reads(self, parents, did, expected):
        assert standing(lineage(**parents), executed(**did)) == expected

    @pytest.mark.parametrize("resource", ["seed.shop.t", "snapshot.shop.t"])
    def test_may_read_a_seed_or_a_snapshot(self, resource):
        did = outcome({resource: REBUILT})
        assert standing(lineage(v=[resource]), did) is REBUILT

    @pytest.mark.parametrize(
        ("did", "expected"),
        [
            ({"v": REBUILT, "t": FAILED}, None),
            ({"v": REBUILT, "t": REBUILT}, None),
            ({"v": FAILED, "t": REBUILT}, None),
            ({"v": REBUILT, "t": SAMPLED}, SAMPLED),
        ],
    )
    def test_that_was_executed_stands_on_its_own_unless_it_shows_a_sample(self, did, expected):
        assert standing(lineage(v=["t"]), executed(**did)) == expected

    def test_tells_what_it_stands_on(self):
        known = lineage(v=["v1", "t", "other"], v1=["e"], e=["u", "w"])
        views = Views(executed(t=REBUILT, u=REBUILT), known)
        assert views.executed_behind(unique_id("v")) == (unique_id("t"), unique_id("u"))

    def test_tells_what_makes_it_stand_no_better(self):
        views = Views(executed(t=REBUILT, u=FAILED), lineage(v=["t", "v1"], v1=["u"]))
        assert views.executed_behind(unique_id("v")) == (unique_id("u"),)

    def test_is_not_known_without_a_lineage(self):
        assert Views(executed(t=REBUILT), Lineage({})).standings == {}

    def test_in_a_very_long_row_of_views_is_found(self):
        names = [f"v{number}" for number in range(5000)]
        row = {name: [before] for before, name in zip(["t", *names], names, strict=False)}
        assert standing(lineage(**row), executed(t=REBUILT), names[-1]) is REBUILT


# A view is told by its number alone; it reads some of the six nodes, also itself.
GRAPHS = st.lists(st.sets(st.integers(0, 5)), min_size=6, max_size=6)
STANDINGS = st.dictionaries(st.integers(0, 5), st.sampled_from(Standing), max_size=6)


@given(GRAPHS, STANDINGS)
def test_any_graph_of_views_stands_as_the_worst_that_can_be_reached(reads, did):
    names = [f"v{number}" for number in range(6)]
    known = lineage(**{names[at]: [names[each] for each in reads[at]] for at in range(6)})
    views = Views(executed(**{names[at]: each for at, each in did.items()}), known)
    for at, name in enumerate(names):
        if at not in did and Standing.SAMPLED not in did.values():
            reached = {did[each] for each in nearest_executed(at, reads, did)}
            worst = next((each for each in WORST_FIRST if each in reached), None)
            assert views.standings.get(unique_id(name)) == worst
    for view in views.standings:
        assert set(views.executed_behind(view)) <= {unique_id(names[at]) for at in did}


def nearest_executed(start, reads, did):
    left, seen = [start], {start}
    while left:
        for parent in reads[left.pop()] - seen:
            seen.add(parent)
            if parent in did:
                yield parent
            else:
                left.append(parent)


KNOWN = lineage(crm=["v_orders"], v_orders=["e_orders", "t"], e_orders=["u"], v_other=["x"])


def plan_of(a_sync, did, *, known=KNOWN, answered=None):
    mapping = mapping_of(a_sync)
    assert known is not None or not needs_lineage(dbt_run(), did, mapping)
    history = History({("default", 1): answered} if answered else {})
    return cases.plan_of(did, mapping, lineage=known, history=history)


class TestASyncOfAView:
    def test_is_triggered_by_the_table_behind_it_and_told_through_which(self):
        plan = plan_of(sync("v_orders"), executed(u=REBUILT))
        (trigger,) = plan.triggers
        assert trigger.models == (unique_id("v_orders"),)
        assert trigger.through == {unique_id("v_orders"): (unique_id("u"),)}

    def test_is_withheld_by_a_table_behind_it_that_failed(self):
        plan = plan_of(sync("v_orders"), executed(t=REBUILT, u=FAILED))
        (held,) = plan.withheld
        assert (held.reason, held.models) == ("model_failed", (unique_id("v_orders"),))
        assert held.through == {unique_id("v_orders"): (unique_id("u"),)}

    @pytest.mark.parametrize(
        "word", ["v_orders", "model.shop.v_orders", "v_*", "config.materialized:view", "+crm"]
    )
    def test_may_select_it_by_any_word(self, word):
        (trigger,) = plan_of(sync(word), executed(u=REBUILT)).triggers
        assert unique_id("v_orders") in trigger.models

    def test_is_not_concerned_by_another_table(self):
        plan = plan_of(sync("v_orders"), executed(crm=REBUILT))
        assert (plan.triggers, plan.withheld) == ((), ())

    @pytest.mark.parametrize(
        ("tested", "reason"), [("u", "test_failed"), ("x", "rebuilt"), ("t", "test_failed")]
    )
    def test_is_withheld_when_a_table_behind_it_failed_a_test(self, tested, reason):
        test = Node("test.shop.t.1", attached_node=unique_id(tested))
        known = Lineage({**KNOWN.nodes, test.unique_id: test})
        did = outcome({unique_id("u"): REBUILT}, tests={test.unique_id: "fail"})
        (verdict,) = plan_of(sync("v_orders"), did, known=known).verdicts
        assert (verdict.reason, verdict.models) == (reason, (unique_id("v_orders"),))

    def test_is_withheld_by_an_unknown_failed_test(self):
        did = outcome({unique_id("u"): REBUILT}, tests={"test.shop.unheard_of.1": "fail"})
        assert [held.reason for held in plan_of(sync("v_orders"), did).withheld] == ["test_failed"]

    @pytest.mark.parametrize(
        ("executed_in", "triggers"),
        [({"t": 8, "u": 8}, 0), ({"t": 8, "u": 9}, 1), ({"t": 9, "u": 9}, 1)],
    )
    def test_goes_again_after_a_retry_only_if_that_touched_a_table_behind_it(
        self, executed_in, triggers
    ):
        did = outcome(
            {unique_id(name): NodeResult(REBUILT, run) for name, run in executed_in.items()}
        )
        before = SyncHistory(answered_before=frozenset({unique_id("v_orders")}))
        assert len(plan_of(sync("v_orders"), did, answered=before).triggers) == triggers

    def test_of_a_name_that_was_executed_does_not_look_at_views_of_that_name(self):
        """So it is decided the same whether another sync made relay fetch the manifest or not."""
        known = lineage(**{"dim.v1": [], "t": []})
        known.nodes["model.shop.dim.v2"] = Node(
            "model.shop.dim.v2",
            name="dim",
            config=Config(materialized="view"),
            depends_on=DependsOn((unique_id("t"),)),
        )
        did = outcome({"model.shop.dim.v1": REBUILT, unique_id("t"): FAILED})
        with_lineage = plan_of(sync("dim"), did, known=known)
        assert with_lineage == plan_of(sync("dim"), did, known=None)
        assert [trigger.models for trigger in with_lineage.triggers] == [("model.shop.dim.v1",)]


class TestTheManifest:
    @pytest.mark.parametrize(
        ("words", "did", "needed"),
        [
            (["t"], {"t": REBUILT}, False),
            (["t"], {"u": REBUILT}, True),  # `t` may be a view on `u`
            (["t", "u"], {"u": REBUILT}, True),
            (["t", "u"], {"t": REBUILT, "u": REBUILT, "x": FAILED}, False),
            (["t"], {"t": REBUILT, "x": SAMPLED}, True),  # `t` may be a view on `x`
            (["t*"], {"t": REBUILT}, True),  # a view may match as well
            (["t"], {}, False),
        ],
    )
    def test_is_needed_where_a_word_may_mean_a_view(self, words, did, needed):
        mapping = mapping_of(sync(*words))
        assert needs_lineage(dbt_run(), executed(**did), mapping) is needed

    def test_recorded_by_dbt_has_views_on_views_and_on_ephemeral_models(self):
        recorded = read_manifest(recordings.load("run_tables_under_view").manifest)
        did = outcome({"model.jaffle_crm.customers": REBUILT})
        assert Views(did, recorded).standings == {"model.jaffle_crm.crm_customers": REBUILT}
