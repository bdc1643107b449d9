"""What a run did to models: kept when it is planned, and shown for each sync."""

import json
from datetime import timedelta

import pytest
from flask import render_template_string
from mappings import mapping_text, sync_entry
from sandbox_runs import NIGHT, build_run, night

from relay.postgres.connections import open_pool
from relay.sandbox import story
from relay.store.pages.models import ModelPages
from relay.worker import tasks

CUSTOMERS, ORDERS = "model.jaffle_crm.customers", "model.jaffle_crm.orders"
ACCOUNT = story.DBT_ACCOUNT_ID


@pytest.fixture(name="models_of")
def _models_of(database):
    """The models of a sync, as its page reads them."""
    with open_pool(database, max_size=1) as pool:
        yield lambda sync_id: ModelPages(pool).of_sync(ACCOUNT, ("default", sync_id))


@pytest.fixture(name="shown")
def _shown(app_with):
    """The part of a sync's page that shows these models."""

    def shown(models):
        app = app_with()
        template = '{% include "_sync_models.html" %}'
        with app.test_request_context("/mapping"):
            return render_template_string(template, page={"models": models})

    return shown


@pytest.fixture(name="both")
def _both(relay):
    """The service with sync 5123, which requires customers and orders, compared with dbt."""
    relay.map(mapping_text(sync_entry(5123, "customers", "orders", require="all")))
    relay.sandbox.dbt_cloud.add_run(night(100))
    tasks.check_drift(relay.services)
    return relay


def test_a_run_keeps_what_it_did_to_models_and_which_syncs_read_them(one, sql):
    one.deliver(night())
    one.work()
    ((models,),) = sql("SELECT models FROM relay.dbt_runs")
    assert models["models"][0] == [CUSTOMERS, "rebuilt", False, [5123]]
    assert [ORDERS, "rebuilt", False, []] in models["models"]
    assert models["counts"]["rebuilt"] == len(models["models"])
    columns = (
        "node, dbt_job_id, job_name, dbt_run_id, result, failed_a_test, rebuilt_at = finished_at"
    )
    assert sql(f"SELECT {columns} FROM relay.model_states") == [
        (CUSTOMERS, 278164, "Nightly build", NIGHT, "rebuilt", False, True)
    ]


def test_a_failed_run_leaves_the_last_rebuild_known(one, sql):
    one.deliver(night())
    one.work()
    one.tick(60)
    one.deliver(night(1, recording="build_model_error"))
    one.work()
    ((run_id, result, rebuilt_before),) = sql(
        "SELECT dbt_run_id, result, rebuilt_at < finished_at FROM relay.model_states"
    )
    assert (run_id, result, rebuilt_before) == (NIGHT + 1, "skipped", True)


def test_an_older_run_that_comes_later_changes_nothing(one, sql):
    one.deliver(build_run("customers", number=1))
    one.work()
    earlier = one.clock() - timedelta(hours=9)
    one.deliver(build_run("customers", finished_at=earlier))
    one.work()
    assert sql("SELECT dbt_run_id FROM relay.model_states") == [(NIGHT + 1,)]


def test_a_run_that_never_counts_keeps_nothing(one, sql):
    one.deliver(story.ci_run(pull_request_id=7))
    one.work()
    assert sql("SELECT models FROM relay.dbt_runs") == [(None,)]
    assert sql("SELECT count(*) FROM relay.model_states") == [(0,)]


def test_a_sync_shows_its_models_with_their_last_run(one, models_of, shown):
    one.deliver(night())
    one.work()
    assert models_of(5123) == ()
    assert "No worker has compared this sync" in shown(())
    tasks.check_drift(one.services)
    (model,) = models_of(5123)
    assert (model.node, model.board) == (CUSTOMERS, None)
    (built,) = model.built_by
    assert (built.job_name, built.dbt_run_id, built.result) == ("Nightly build", NIGHT, "rebuilt")
    assert built.rebuilt_at == built.finished_at
    html = shown((model,))
    assert f'href="/runs/{NIGHT}"' in html
    assert "Board" not in html


def test_a_sync_that_requires_all_shows_which_are_in_and_which_are_awaited(both, models_of, shown):
    assert {model.board for model in models_of(5123)} == {None}
    both.deliver(build_run("customers"))
    both.work()
    orders, customers = models_of(5123)
    assert (orders.node, orders.board.is_awaited) == (ORDERS, True)
    assert (customers.node, customers.board.is_awaited) == (CUSTOMERS, False)
    assert (orders.built_by, orders.board.since) == ((), "it never ran")
    html = shown((orders, customers))
    assert "1 was awaited (it never ran; rebuilds since then count)" in html
    both.deliver(build_run("orders", number=1))
    both.work()
    boards = [model.board for model in models_of(5123)]
    assert [(board.is_awaited, board.dbt_run_id) for board in boards] == [(False, NIGHT + 1)] * 2


def test_a_model_that_failed_is_awaited(both, models_of):
    both.deliver(night(recording="build_model_error"))
    both.work()
    assert {model.node: model.board.is_awaited for model in models_of(5123)}[CUSTOMERS] is True


def test_a_decision_for_a_job_that_does_not_count_says_nothing_of_the_board(both, models_of):
    text = mapping_text(sync_entry(5123, "customers", "orders", require="all", jobs=[1]))
    both.map(text)
    both.deliver(build_run("customers"))
    both.work()
    assert {model.board for model in models_of(5123)} == {None}


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "\u202eevil", "x" * 400, "'\""])
def test_names_from_outside_are_text(sql, clock, models_of, shown, name):
    row = ("default", 5123, name, name, [name])
    sql("INSERT INTO relay.selections VALUES (%s, %s, %s, %s, %s)", *row)
    state = (ACCOUNT, name, 7, name, NIGHT, clock(), name, None, None)
    sql(f"INSERT INTO relay.model_states VALUES ({', '.join(['%s'] * 9)})", *state)
    html = shown(models_of(5123))
    for harm in ("<script>", "\u202e", "x" * 301):
        assert harm not in html
    assert "not known" in html


def test_a_comparison_replaces_what_was_selected_before(both, sql):
    both.map(mapping_text(sync_entry(5124, "crm_orders")))
    tasks.check_drift(both.services)
    assert {row[0] for row in sql("SELECT sync_id FROM relay.selections")} == {5124}
    ((digest, found),) = sql("SELECT digest, found FROM relay.coverage")
    assert digest == both.services.mapping.current.digest
    assert found["words"] == {"crm_orders": 1}
    assert json.dumps(found["lacks"]) == "null"


def test_a_comparison_without_a_project_leaves_the_last_one(both, sql):
    both.tick(8 * 86400)
    tasks.check_drift(both.services)
    assert sql("SELECT count(*) FROM relay.selections") == [(2,)]
