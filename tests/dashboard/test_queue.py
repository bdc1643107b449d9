"""The queue: what is to do, what is being done and by whom, and which vendor wants a pause."""

import pytest
from sandbox_runs import NIGHT, night

from relay.store.observations import VENDOR_PAUSED_UNTIL


def test_jobs_are_counted_by_task(one, dashboard):
    one.deliver(night())
    (row,) = dashboard.json("/queue.json")["tasks"]
    assert (row["task"], row["due"], row["scheduled"], row["doing"]) == (
        *("evaluate_dbt_run", 1, 0, 0),
    )
    assert row["oldest_due_at"] is not None
    one.work()
    tasks = {row["task"]: row for row in dashboard.json("/queue.json")["tasks"]}
    assert tasks["poll_sync_run"]["scheduled"] == 1
    assert tasks["poll_sync_run"]["next_at"] is not None
    assert dashboard.get("/queue").rows[1][:4] == ["poll_sync_run", "0", "1", "0"]


def test_an_empty_queue_without_a_worker_says_so(dashboard, relay):
    shown = dashboard.get("/queue")
    assert "No job is waiting or scheduled." in shown.text
    assert "There is no worker" in shown.text
    assert "No job has failed." in shown.text
    assert "No vendor has asked for a pause." in shown.text


def test_workers_are_alive_while_their_heart_beats(dashboard, relay, sql):
    added = "INSERT INTO procrastinate_workers (last_heartbeat)"
    sql(f"{added} VALUES (now()), (now() - '61 s'::interval)")
    workers = dashboard.json("/queue.json")["workers"]
    assert [worker["is_alive"] for worker in workers] == [True, False]
    assert "silent" in dashboard.get("/queue").text


@pytest.mark.parametrize(("status", "shown_as"), [("doing", "running"), ("failed", "failed")])
def test_what_a_worker_is_at_and_what_failed_is_shown_with_its_lock(
    one, dashboard, sql, status, shown_as
):
    one.deliver(night())
    sql("UPDATE procrastinate_jobs SET status = %s, lock = 'sync/default/5123'", status)
    (job,) = dashboard.json("/queue.json")[shown_as]
    assert (job["task"], job["lock"]) == ("evaluate_dbt_run", "sync/default/5123")
    shown = dashboard.get("/queue")
    assert shown.links[str(NIGHT)] == f"/runs/{NIGHT}"
    assert "sync/default/5123" in shown.text


def test_a_pause_is_shown_until_it_is_over(dashboard, relay, clock):
    observations = relay.services.store.observations
    for vendor, seconds in (("census/default", 90), ("dbt", -1)):
        until = clock().timestamp() + seconds
        observations.record(VENDOR_PAUSED_UNTIL, vendor, until, "", clock())
    assert [one["vendor"] for one in dashboard.json("/queue.json")["pauses"]] == ["census/default"]
    assert "census/default: paused until" in dashboard.get("/queue").text


def test_periodic_tasks_say_when_they_are_due(dashboard, relay):
    relay.start()
    names = {row["name"] for row in dashboard.json("/queue.json")["periodic"]}
    assert {"catch_up", "prune", "check_drift"} <= names


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "\u202eevil", "x" * 10_000])
def test_names_of_channels_and_vendors_are_text(dashboard, relay, sql, clock, name):
    observations = relay.services.store.observations
    observations.record(VENDOR_PAUSED_UNTIL, name, clock().timestamp() + 9, "", clock())
    sql(
        "INSERT INTO procrastinate_jobs (queue_name, task_name, args, status)"
        " VALUES ('relay.2', 'send_messages', jsonb_build_object('channel', %s::text), 'failed')",
        name,
    )
    html = dashboard.get("/queue").html
    for harm in ("<script>alert", "\u202e", "x" * 400):
        assert harm not in html
