"""A sync of a view that a run did not execute is decided by what the view reads."""

from dataclasses import replace

import cases
import pytest
from cases import dbt_run, executed, lineage_of, mapping_of, outcome, sync, unique_id

from relay.dbt.manifest import Lineage
from relay.dbt.nodes import Config, DependsOn, Node
from relay.dbt.outcome import NodeResult
from relay.dbt.rows import Standing
from relay.dbt.runs import ERROR, Step
from relay.dbt.unaccounted import Unaccounted
from relay.decision.findings import needs_lineage
from relay.decision.history import History, SyncHistory

REBUILT, PARTIAL, FAILED, SKIPPED, SAMPLED, _ = Standing
KNOWN = lineage_of(crm=["v_orders"], v_orders=["e_orders", "t"], e_orders=["u"], v_other=["x"])


def plan_of(a_sync, did, *, known=KNOWN, answered=None):
    mapping = mapping_of(a_sync)
    assert known is not None or not needs_lineage(dbt_run(), did, mapping)
    history = History({("default", 1): answered} if answered else {})
    return cases.plan_of(did, mapping, lineage=known, history=history)


class TestASyncOfAView:
    def test_is_triggered_by_the_table_it_reads_and_reports_which(self):
        plan = plan_of(sync("v_orders"), executed(u=REBUILT))
        (trigger,) = plan.triggers
        assert trigger.models == (unique_id("v_orders"),)
        assert trigger.through == {unique_id("v_orders"): (unique_id("u"),)}

    def test_is_withheld_by_a_table_behind_it_that_failed(self):
        plan = plan_of(sync("v_orders"), executed(t=REBUILT, u=FAILED))
        (held,) = plan.withheld
        assert (held.reason, held.models) == ("model_failed", (unique_id("v_orders"),))
        assert held.through == {unique_id("v_orders"): (unique_id("u"),)}

    @pytest.mark.parametrize("view", ["v_orders", "e_orders"])
    @pytest.mark.parametrize("only_microbatches", [False, True])
    def test_is_withheld_by_a_table_behind_it_that_a_failed_step_has_no_row_of(
        self, view, only_microbatches
    ):
        microbatch = Config(materialized="incremental", incremental_strategy="microbatch")
        u = Node(unique_id("u"), name="u", config=microbatch)
        known = lineage_of(v_orders=["e_orders", "t"], e_orders=["u", "t"], t=[])
        known = Lineage({**known.nodes, u.unique_id: u})
        step = Step(index=4, name="", status=ERROR, command="dbt build -s t u")
        unaccounted = Unaccounted(step, frozenset({unique_id("t")}), only_microbatches)
        did = replace(executed(t=REBUILT), unaccounted=(unaccounted,))
        (held,) = plan_of(sync(view), did, known=known).withheld
        assert (held.reason, held.models) == ("model_failed", (unique_id(view),))
        assert held.through == {unique_id(view): (unique_id("u"),)}

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

    @pytest.mark.parametrize(
        ("standing", "reason"), [(REBUILT, "rebuilt"), (SKIPPED, "model_failed")]
    )
    def test_that_was_executed_is_not_withheld_when_a_table_behind_it_failed_a_test(
        self, standing, reason
    ):
        """The first after `dbt run` and `dbt test`; `dbt build` skips it."""
        test = Node("test.shop.t.1", attached_node=unique_id("t"))
        known = Lineage({**KNOWN.nodes, test.unique_id: test})
        did = outcome(
            {unique_id("t"): REBUILT, unique_id("v_orders"): standing},
            tests={test.unique_id: "fail"},
        )
        (verdict,) = plan_of(sync("v_orders"), did, known=known).verdicts
        assert verdict.reason == reason

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
        known = lineage_of(dim=[], t=[])
        known.nodes["model.crm.dim"] = Node(
            "model.crm.dim",
            name="dim",
            config=Config(materialized="view"),
            depends_on=DependsOn((unique_id("t"),)),
        )
        did = outcome({unique_id("dim"): REBUILT, unique_id("t"): FAILED})
        with_lineage = plan_of(sync("dim"), did, known=known)
        assert with_lineage == plan_of(sync("dim"), did, known=None)
        assert [trigger.models for trigger in with_lineage.triggers] == [(unique_id("dim"),)]


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
