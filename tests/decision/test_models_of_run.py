"""What a run did to models, as it is kept for people: which first, how many, which syncs."""

from datetime import timedelta

import pytest
from cases import NOON, RUN, dbt_run, lineage_of, mapping_of, outcome, sync, unique_id

from relay.dbt.manifest import Lineage
from relay.dbt.nodes import Node
from relay.dbt.outcome import NodeResult
from relay.dbt.rows import Standing
from relay.dbt.runs import CANCELLED
from relay.decision import models_of_run
from relay.decision.findings import Findings

A, B, V = unique_id("a"), unique_id("b"), unique_id("v")
REBUILT, FAILED, SKIPPED = Standing.REBUILT, Standing.FAILED, Standing.SKIPPED
LINEAGE = lineage_of(a=[], b=[], v=["a"])
TEST = Node("test.shop.t.1", attached_node=B)


def kept(did, *syncs, of=None, lineage=LINEAGE, undecidable=None):
    findings = Findings(of or dbt_run(), did, lineage, undecidable or {})
    return models_of_run.models_of_run(findings, mapping_of(*syncs), now=NOON)


def listed(run_models):
    return [(model.unique_id, model.result, model.syncs) for model in run_models.models]


def test_the_failed_come_first_then_those_that_syncs_read():
    run_models = kept(
        outcome({unique_id("d"): FAILED, A: REBUILT, B: SKIPPED, unique_id("c"): REBUILT}),
        sync("b", sync_id=5123),
    )
    assert listed(run_models) == [
        (unique_id("d"), "failed", ()),
        (B, "skipped", (5123,)),
        (A, "rebuilt", ()),
        (unique_id("c"), "rebuilt", ()),
    ]
    assert run_models.counts == {"rebuilt": 2, "skipped": 1, "failed": 1}


def test_a_view_that_was_not_executed_is_there_if_a_sync_reads_it():
    assert listed(kept(outcome({A: REBUILT}))) == [(A, "rebuilt", ())]
    read = kept(outcome({A: REBUILT}), sync("v", sync_id=7, workspace="emea"))
    assert listed(read) == [(V, "rebuilt", ("emea/7",)), (A, "rebuilt", ())]
    assert read.counts == {"rebuilt": 1}


def test_a_reused_model_is_up_to_date_and_no_rebuild():
    run_models = kept(outcome({A: REBUILT}, reused=[B]), sync("b"))
    assert listed(run_models)[0] == (B, "reused", (1,))
    (state,) = run_models.states
    assert (state.result, state.rebuilt_at) == ("reused", None)


def test_a_failed_test_is_told_also_of_a_model_that_was_not_built():
    lineage = Lineage({**LINEAGE.nodes, TEST.unique_id: TEST})
    did = outcome({A: REBUILT}, tests={TEST.unique_id: "fail"})
    run_models = kept(did, sync("b", sync_id=5), lineage=lineage)
    tested = [(one.unique_id, one.result, one.failed_a_test) for one in run_models.models]
    assert tested == [(B, "not built", True), (A, "rebuilt", False)]
    assert run_models.models[0].syncs == (5,)
    assert run_models.states == ()


def test_without_a_manifest_it_is_not_known_which_models_failed_a_test():
    did = outcome({A: REBUILT}, tests={TEST.unique_id: "fail"})
    run_models = kept(did, sync("a", tests="ignore"), lineage=None)
    assert [one.failed_a_test for one in (*run_models.models, *run_models.states)] == [None, None]


def test_a_state_is_of_the_run_of_the_retry_chain_that_executed_the_model():
    first = dbt_run(dbt_run_id=8, finished_at=NOON - timedelta(hours=1), job_name="Nightly")
    retry = dbt_run(retried_runs=(first,), job_name="Nightly")
    did = outcome({A: NodeResult(REBUILT, 8), B: NodeResult(REBUILT, RUN)})
    states = kept(did, sync("a", "b"), of=retry).states
    assert [(one.dbt_run_id, one.rebuilt_at) for one in states] == [
        (8, NOON - timedelta(hours=1)),
        (RUN, NOON),
    ]


@pytest.mark.parametrize(
    ("run", "undecidable"),
    [({"status": CANCELLED}, {}), ({}, {("default", 1): ValueError()})],
)
def test_no_state_is_taken_from_a_run_of_which_not_all_is_known(run, undecidable):
    run_models = kept(outcome({A: REBUILT}), sync("a"), of=dbt_run(**run), undecidable=undecidable)
    assert run_models.states == ()
    assert len(run_models.models) == 1


def test_nothing_is_kept_of_a_run_that_never_counts():
    assert kept(outcome({A: REBUILT}), sync("a"), of=dbt_run(job_type="ci")) is None


def test_it_is_bounded():
    many = {unique_id(f"m{number:04}"): REBUILT for number in range(2100)}
    reading = [sync("path:models", sync_id=number) for number in range(1, 30)]
    nodes = {key: Node(key, name=key, path="models/m.sql") for key in many}
    run_models = kept(outcome(many), *reading, lineage=Lineage(nodes))
    assert len(run_models.models) == models_of_run.MOST_MODELS
    assert {len(one.syncs) for one in run_models.models} == {models_of_run.MOST_SYNCS}
    assert len(run_models.states) == models_of_run.MOST_STATES
    assert run_models.counts == {"rebuilt": 2100}


def test_a_sync_whose_models_cannot_be_selected_hides_no_other(monkeypatch):
    touched = Findings.touched_by

    def touched_by(self, one):
        if one.sync_id == 1:
            raise RuntimeError
        return touched(self, one)

    monkeypatch.setattr(Findings, "touched_by", touched_by)
    assert listed(kept(outcome({A: REBUILT}), sync("a"), sync("v", "a", sync_id=2)))[0][2] == (2,)


def test_a_model_whose_id_no_key_has_room_for_has_no_state():
    long = unique_id("x" * 10_000)
    run_models = kept(outcome({long: REBUILT, A: REBUILT}), sync("x" * 10_000, "a"), lineage=None)
    assert [state.unique_id for state in run_models.states] == [A]
