"""A database that the version before has written goes on: runs, attempts, cool-downs, sync runs."""

import threading
from pathlib import Path

import psycopg
import pytest
from freshness_oracle import expected_states, stored_states
from mappings import mapping_text, sync_entry
from sandbox_runs import NIGHT, build_run

from relay.postgres.migrate import migrate
from relay.postgres.migrations import HEAD
from relay.sandbox import story
from relay.worker.tasks import prune

DUMP = Path(__file__).parent / "dumps" / "0008.sql"
# That of the dump. In it, of runs NIGHT to NIGHT + 5: the first two are done, the second withheld
# syncs 5123 (model_failed), 5124 (test_failed) and 5125. For the next two, a sync run of 5123 is
# running (90006), an attempt for 5124 got no answer, a trigger of 5125 cools down, and one of 5126
# waits for a hold. The fifth could not be read yet, the sixth has just been delivered.
MAPPING = mapping_text(
    sync_entry(5123, "customers"),
    sync_entry(5124, "orders"),
    sync_entry(5125, "fct_revenue", at_most_every="30m"),
    sync_entry(5126, "fct_tickets"),
    defaults={"consistency": "ignore"},
)
OF_SYNCS = (5123, 5124, 5125, 5126, 5126, 5123)  # of sync runs 90001 to 90006


def without_lag(states):
    """The states; the version before did not compute the lag of the sync runs that it ended."""
    return {key: {**state, "lag": None} for key, state in states.items()}


@pytest.fixture(name="database")
def _database(empty_database):
    with psycopg.connect(empty_database.conninfo) as connection:
        connection.execute(DUMP.read_text())
    return empty_database


@pytest.fixture(name="vendors")
def _vendors(sandbox):
    """What Census and dbt Cloud know of it."""
    for sync_id in OF_SYNCS:
        sandbox.census.trigger(sync_id)
        if len(sandbox.census.sync_runs) < len(OF_SYNCS):
            sandbox.census.finish(sandbox.census.sync_runs[-1].sync_run_id)
    for number in (4, 5):
        sandbox.dbt_cloud.add_run(
            build_run("orders" if number == 4 else "customers", number=number)
        )


def test_it_waits_for_what_old_processes_are_doing_and_is_brought_up_once(database):
    applied = []
    new = [threading.Thread(target=lambda: applied.append(migrate(database))) for _ in range(2)]
    with psycopg.connect(database.conninfo) as old:
        for table in ("dbt_runs", "decisions", "sync_runs"):
            old.execute(f"SELECT FROM relay.{table} FOR UPDATE")
        for each in new:
            each.start()
        new[0].join(0.5)
        assert applied == []
        old.execute("UPDATE relay.sync_runs SET polls = polls + 1 WHERE ended_at IS NULL")
    for each in new:
        each.join(30)
    assert sorted(map(len, applied)) == [0, int(HEAD) - int(DUMP.stem)]


@pytest.mark.usefixtures("vendors")
def test_its_work_is_finished_by_the_new_version(relay, sandbox, sql, events):
    migrate(relay.database)
    relay.map(MAPPING)
    prune(relay.services)  # as soon as a worker starts
    assert without_lag(stored_states(sql)) == without_lag(expected_states(sql))
    states = relay.services.store.sync_states.all()
    before = {sync_id: state.because for (_, sync_id), state in states.items()}
    assert before == {5123: "running", 5124: "running", 5125: "waiting", 5126: "waiting"}
    assert events("freshness.corrected") == []

    relay.finish_sync_runs()
    relay.work_for(3600)
    relay.finish_sync_runs()
    relay.work_for(60)

    triggered = [(line["sync_id"], *line["dbt_run_ids"]) for line in events("sync.triggered")]
    assert sorted(triggered) == [
        (5123, NIGHT + 5),
        (5124, NIGHT + 3),
        (5124, NIGHT + 4),
        (5125, NIGHT + 3),
    ]
    assert sql("SELECT count(*) FROM procrastinate_jobs WHERE status = 'failed'") == [(0,)]
    states = stored_states(sql)
    assert without_lag(states) == without_lag(expected_states(sql))
    assert {key[1]: state["because"] for key, state in states.items()} == {
        5123: None,
        5124: None,
        5125: None,
        5126: "waiting",
    }


@pytest.mark.usefixtures("vendors")
def test_the_hold_of_before_still_holds_and_its_end_starts_what_waited(relay, sandbox, sql, events):
    migrate(relay.database)
    relay.map(MAPPING)
    relay.work()
    assert 5126 not in [line["sync_id"] for line in events("sync.triggered")]
    sql("UPDATE relay.holds SET until = now() WHERE hold_id = 1")
    relay.services.store.holds.end(1, now=relay.clock())
    relay.work()
    started = {line["sync_id"]: line["dbt_run_ids"] for line in events("sync.triggered")}
    assert started[5126] == [NIGHT + 3]


def test_what_was_decided_before_says_when_it_was_rebuilt(relay, sql):
    migrate(relay.database)
    rows = sql(
        "SELECT reason, rebuilt_at IS NOT NULL, rebuilt_at <= decided_at FROM relay.decisions"
    )
    assert {(reason, is_known) for reason, is_known, _ in rows} == {
        ("rebuilt", True),
        ("cooling_down", True),
        ("test_failed", True),
        ("model_failed", False),
    }
    assert all(in_order is not False for _, _, in_order in rows)
    assert sql("SELECT DISTINCT source FROM relay.dbt_runs") == [("webhook",)]
    assert story.DBT_ACCOUNT_ID in {
        row[0] for row in sql("SELECT dbt_account_id FROM relay.dbt_runs")
    }
