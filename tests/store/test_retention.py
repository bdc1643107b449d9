"""What ended long ago is forgotten, what is still to do or looked back to is not."""

from datetime import timedelta

import pytest

from relay.sandbox import story
from relay.sandbox.wire import Status
from relay.store import HoldScope
from relay.worker.tasks import prune

NIGHT = story.FIRST_DBT_RUN_ID
CUSTOMERS = "model.jaffle_crm.customers"
TABLES = ("deliveries", "dbt_runs", "decisions", "triggers", "sync_runs", "builds")


@pytest.fixture(name="rows")
def _rows(sql):
    """How many rows a table of relay's has."""
    return lambda table: sql(f"SELECT count(*) FROM relay.{table}")[0][0]


@pytest.fixture(name="a_month_passes")
def _a_month_passes(relay):
    """Time passes; then a worker makes its round."""

    def pass_(days=31):
        relay.tick(days * 86400)
        prune(relay.services)

    return pass_


def prune_all(store, before):
    return store.retention.prune(before=before, builds_before=before, actions_before=before)


def relayed(relay, number=0):
    relay.deliver(story.nightly_run(NIGHT + number))
    relay.work()
    for run in relay.sandbox.census.sync_runs:
        if run.end is None:
            relay.sandbox.census.finish(run.sync_run_id)
    relay.work_for(16)


def test_what_ended_a_month_ago_goes_but_each_syncs_last_trigger(relay, rows, a_month_passes):
    relayed(relay)
    relayed(relay, 1)
    assert [rows(table) for table in TABLES[:5]] == [2, 2, 8, 8, 8]
    a_month_passes()
    assert [rows(table) for table in TABLES[:5]] == [0, 1, 4, 4, 4]
    relayed(relay, 2)
    a_month_passes()
    assert [rows(table) for table in TABLES[:5]] == [0, 1, 4, 4, 4]


def test_what_is_younger_stays(relay, rows, a_month_passes):
    relayed(relay)
    relayed(relay, 1)
    a_month_passes(28)
    assert [rows(table) for table in TABLES[:5]] == [2, 2, 8, 8, 8]


def test_what_is_not_done_stays_whatever_its_age(relay, rows, a_month_passes):
    relay.deliver(story.nightly_run())
    relay.work()
    relay.sandbox.dbt_cloud.fail_next("/runs/", Status(503), times=1000)
    relay.deliver(story.nightly_run(NIGHT + 1))
    relay.work()
    a_month_passes()
    assert [rows(table) for table in TABLES[:5]] == [0, 2, 4, 4, 4]


def test_a_sync_still_cools_down_from_a_run_of_a_month_ago(relay, sandbox, rows, a_month_passes):
    relay.map(
        "version: 1\nsyncs:\n  - {sync_id: 5123, depends_on: [customers], at_most_every: 60d}\n"
    )
    relayed(relay)
    a_month_passes()
    relayed(relay, 1)
    assert len(sandbox.census.sync_runs_of(5123)) == 1


def test_what_a_job_did_to_each_node_stays_for_a_year(relay, rows, a_month_passes):
    relay.map(
        "version: 1\nsyncs:\n  - {sync_id: 5123, depends_on: [customers, orders], require: all}\n"
    )
    relayed(relay)
    known = rows("builds")
    a_month_passes(360)
    assert rows("builds") == known > 0
    a_month_passes(6)
    assert rows("builds") == 0


def test_holds_that_ended_a_month_ago_go_too_and_open_ones_stay(relay, store, rows, a_month_passes):
    for scope in (HoldScope(None, None), HoldScope("default", 5123)):
        store.holds.hold(scope, until=None, why=None, by="ana", now=relay.clock())
    store.holds.release(HoldScope(None, None), by="ana", now=relay.clock())
    relay.work()
    a_month_passes(29)
    assert rows("holds") == 2
    a_month_passes(2)
    assert rows("holds") == 1


def test_jobs_that_failed_for_good_go_too(relay, sql, store, clock):
    sql("SELECT procrastinate_defer_jobs_v1(ARRAY[ROW('relay','old',0,NULL,NULL,'{}',NULL)"
        "::procrastinate_job_to_defer_v1])")  # fmt: skip
    sql("UPDATE procrastinate_jobs SET status = 'failed'")
    prune_all(store, clock() - timedelta(days=30))
    assert sql("SELECT count(*) FROM procrastinate_jobs") == [(1,)]
    prune_all(store, clock() + timedelta(days=1))
    assert sql("SELECT count(*) FROM procrastinate_jobs") == [(0,)]


def test_under_a_steady_load_the_tables_stop_growing(sql, store, clock, rows):
    start = clock() - timedelta(days=100)
    sizes, on_disk = [], []
    for day in range(70):
        now = start + timedelta(days=day)
        sql(_A_DAY, {"now": now, "day": day})
        prune_all(store, now - timedelta(days=30))
        sizes.append([rows(table) for table in TABLES[:5]])
        for table in TABLES[:5]:
            sql(f"VACUUM relay.{table}")  # what autovacuum does by itself
        on_disk.append(sql(_ON_DISK)[0][0])
    assert sizes[31] == sizes[-1]
    assert max(sizes) == sizes[-1]
    assert on_disk[-1] <= 1.1 * on_disk[50]


_ON_DISK = """
SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class
WHERE relnamespace = 'relay'::regnamespace AND relkind = 'r'
"""
# A day's load: fifty runs, each of one sync of five.
_A_DAY = """
WITH run AS (
    SELECT %(day)s * 50 + number AS id, number %% 5 + 1 AS sync_id
    FROM generate_series(1, 50) AS number
), delivered AS (
    INSERT INTO relay.deliveries (delivery_id, received_at, event_id, dbt_run_id, body)
    SELECT gen_random_uuid(), %(now)s, 'wev_' || id, id, 'x' FROM run
), ran AS (
    INSERT INTO relay.dbt_runs (dbt_account_id, dbt_run_id, recorded_at, planned_at)
    SELECT 1, id, %(now)s, %(now)s FROM run
), decided AS (
    INSERT INTO relay.decisions
    SELECT 'default', sync_id, 1, id, 'rebuilt', '{}', '{}', '[]', %(now)s FROM run
), synced AS (
    INSERT INTO relay.sync_runs (workspace, sync_id, full_sync, begun_at, ended_at, outcome,
                                 sync_run_id)
    SELECT 'default', sync_id, false, %(now)s, %(now)s, 'completed', id FROM run
    RETURNING attempt_id, sync_run_id
)
INSERT INTO relay.triggers (workspace, sync_id, dbt_account_id, dbt_run_id, full_sync, because,
                            through, requested_at, due_at, covers_until, attempt_id)
SELECT 'default', sync_id, 1, id, false, '{}', '{}', %(now)s, %(now)s, %(now)s, attempt_id
FROM run JOIN synced ON sync_run_id = id
"""


class TestAlertsAndMessages:
    @pytest.fixture(name="kept")
    def _kept(self, sql):
        """How many alerts, messages and mutes there are."""
        tables = ("alerts", "messages", "mutes")
        return lambda: [sql(f"SELECT count(*) FROM relay.{each}")[0][0] for each in tables]

    @pytest.fixture(name="add")
    def _add(self, sql, clock):
        """Add an alert of so many days ago, with a message, that is over or not."""

        def add(event, days, *, is_over):
            at = clock() - timedelta(days=days)
            ended = at if is_over else None
            (alert_id,) = sql(
                "INSERT INTO relay.alerts (event, detail, opened_at, resolved_at, settled_at)"
                " VALUES (%s, '{}', %s, %s, %s) RETURNING alert_id",
                event,
                at,
                ended,
                ended,
            )[0]
            sql(
                "WITH sent AS (INSERT INTO relay.messages"
                " (message_id, channel, content, created_at, due_at, sent_at)"
                " VALUES (gen_random_uuid(), 'data', '{}', %s, %s, %s) RETURNING message_id)"
                " INSERT INTO relay.alert_messages"
                " SELECT %s, message_id, 'data', 'opened', %s FROM sent",
                at,
                at,
                at,
                alert_id,
                at,
            )

        return add

    def test_go_a_month_after_they_are_over(self, relay, kept, add):
        add("failing", 31, is_over=True)
        add("stale", 29, is_over=True)
        prune(relay.services)
        assert kept() == [1, 1, 0]

    def test_stay_as_long_as_they_are_open(self, relay, kept, add):
        """What was said is not said again."""
        add("failing", 90, is_over=False)
        prune(relay.services)
        assert kept() == [1, 1, 0]

    def test_one_whose_end_was_not_told_yet_stays(self, relay, kept, add, sql):
        """No worker has run for a month."""
        add("failing", 90, is_over=True)
        sql("UPDATE relay.alerts SET settled_at = NULL")
        prune(relay.services)
        assert kept() == [1, 1, 0]

    def test_a_message_that_was_not_sent_yet_stays(self, relay, kept, add, sql):
        add("failing", 90, is_over=True)
        sql("UPDATE relay.messages SET sent_at = NULL")
        prune(relay.services)
        assert kept() == [0, 1, 0]

    def test_a_mute_goes_a_month_after_its_end(self, relay, kept):
        now = relay.clock()
        for sync_id, days in ((5123, 31), (5124, 29)):
            until = now - timedelta(days=days)
            relay.services.store.mutes.mute(
                ("default", sync_id), until=until, why=None, by="ana", now=until
            )
        prune(relay.services)
        assert kept() == [0, 0, 1]


def test_the_last_build_of_a_model_stays_a_year_while_a_sync_reads_it(relay, sql, a_month_passes):
    relayed(relay)
    sql("INSERT INTO relay.selections VALUES ('default', 5123, %s, 'table', '{}')", CUSTOMERS)
    a_month_passes(29)
    assert sql("SELECT count(*) FROM relay.model_states")[0][0] > 1
    a_month_passes(2)
    assert sql("SELECT node FROM relay.model_states") == [(CUSTOMERS,)]
    a_month_passes(335)
    assert sql("SELECT node FROM relay.model_states") == []


def test_what_people_did_is_kept_for_a_year_and_what_they_asked_for_a_month(
    relay, sql, rows, a_month_passes
):
    sql(
        "INSERT INTO relay.actions (at, who, through, what, subject, result)"
        " VALUES (%s, 'ana', 'command', 'hold', 'all syncs', '{}')",
        relay.clock(),
    )
    sql(
        "INSERT INTO relay.requests (request_id, what, arguments, who, asked_at)"
        " VALUES (gen_random_uuid(), 'check', '{}', 'ana', %s)",
        relay.clock(),
    )
    a_month_passes(29)
    assert (rows("actions"), rows("requests")) == (1, 1)
    a_month_passes(2)
    assert (rows("actions"), rows("requests")) == (1, 0)
    a_month_passes(335)
    assert (rows("actions"), rows("requests")) == (0, 0)
