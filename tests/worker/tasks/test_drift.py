"""The mapping compared with Census and dbt while relay runs: differences are logged once."""

import threading

import pytest
from mappings import mapping_text, sync_entry
from sandbox_runs import build_run, night

from relay.sandbox import story
from relay.sandbox.wire import Body, HangUp, Status
from relay.worker import tasks
from relay.worker.watch import JobWatch

DAY = 86400
MINUTE = 60
MAPPING = mapping_text(
    *(
        sync_entry(one.sync_id, model, name=one.label)
        for one, model in zip(
            story.SYNCS, ("customers", "crm_orders", "fct_revenue", "fct_tickets"), strict=True
        )
    )
)


@pytest.fixture(name="watched")
def _watched(relay):
    """A relay whose mapping agrees with Census, and was compared; `compare()` does so again."""
    relay.map(MAPPING)
    relay.sandbox.dbt_cloud.add_run(night())
    relay.start()
    relay.compare = lambda: tasks.check_drift(relay.services)
    relay.compare()
    return relay


def told(events):
    return [(line["event"], line["kind"], line["sync_id"]) for line in events]


@pytest.fixture(name="drift")
def _drift(events):
    """What was logged of drift: (event, kind, sync_id)."""
    return lambda: told(events("sync.drifted", "sync.drift_resolved"))


def test_nothing_is_told_where_all_agrees(watched, drift, events):
    assert drift() == []
    assert events("drift.not_checked") == []


def test_what_is_new_is_told_once_and_when_it_is_mended(watched, drift, sandbox, events):
    sandbox.census.change_sync(5123, paused=True)
    for _ in range(3):
        watched.compare()
    assert drift() == [("sync.drifted", "sync_paused", 5123)]
    (line,) = events("sync.drifted")
    assert (line["log_level"], line["severity"]) == ("warning", "problem")
    assert "sync 5123 is paused in Census" in line["detail"]
    sandbox.census.change_sync(5123, paused=False)
    for _ in range(3):
        watched.compare()
    assert drift()[1:] == [("sync.drift_resolved", "sync_paused", 5123)]
    assert watched.sql("SELECT count(*) FROM relay.drift") == [(0,)]


def test_two_findings_of_one_kind_are_told_and_mended_one_by_one(watched, drift, sandbox):
    sandbox.census.change_sync(5123, schedule_frequency="hourly", fivetran_job_id="f")
    watched.compare()
    sandbox.census.change_sync(5123, schedule_frequency="never")
    watched.compare()
    assert drift() == [
        ("sync.drifted", "own_trigger", 5123),
        ("sync.drifted", "own_trigger", 5123),
        ("sync.drift_resolved", "own_trigger", 5123),
    ]


def test_it_is_compared_once_a_day(watched, drift, sandbox):
    sandbox.census.change_sync(5123, paused=True)
    watched.tick(DAY - 1)
    watched.round()
    assert drift() == []
    watched.sandbox.dbt_cloud.add_run(build_run(number=9))
    watched.tick(1)
    watched.round()
    assert drift() == [("sync.drifted", "sync_paused", 5123)]


def test_a_restart_alone_compares_nothing(watched, sandbox):
    before = len(sandbox.census.requests)
    watched.start()
    watched.tick(MINUTE)
    watched.round()
    assert len(sandbox.census.requests) == before


def test_a_changed_mapping_is_compared_soon_by_one_of_all_workers(watched, drift, sandbox):
    watches = [JobWatch(watched.services, watched.clock.stopwatch) for _ in range(2)]
    watched.map(mapping_text(sync_entry(5123, "orders"), sync_entry(4999, "orders")))
    for each in watches:
        each.check()
    watched.tick(MINUTE)
    for each in watches:
        each.check()
    watched.work()
    kinds = {(kind, sync_id) for _, kind, sync_id in drift()}
    assert ("other_source", 5123) in kinds
    assert ("sync_gone", 4999) in kinds
    assert ("sync_unmapped", 5124) in kinds
    asked = len(sandbox.census.requests)
    for _ in range(3):
        watched.tick(MINUTE)
        for each in watches:
            each.check()
        watched.work()
    assert len(sandbox.census.requests) == asked


def test_a_mapping_that_was_compared_is_not_compared_at_a_restart(watched, sandbox):
    before = len(sandbox.census.requests)
    watch = JobWatch(watched.services, watched.clock.stopwatch)
    watch.check()
    watched.tick(MINUTE)
    watch.check()
    watched.work()
    assert len(sandbox.census.requests) == before


def test_two_workers_do_not_tell_twice(watched, drift, sandbox, events):
    sandbox.census.change_sync(5123, paused=True)
    for _ in range(3):  # each of which could be another worker's
        watched.sql("UPDATE relay.periodic_tasks SET due_at = %s", watched.clock())
        tasks.defer_periodic_tasks(watched.services)
        tasks.defer_periodic_tasks(watched.services)
    watched.work()
    assert drift() == [("sync.drifted", "sync_paused", 5123)]


@pytest.mark.parametrize(
    "fault",
    [*map(Status, (401, 403, 404, 429, 500)), Body(b"<html>", 502, "text/html"), HangUp()],
    ids=repr,
)
@pytest.mark.parametrize("path", ["/syncs", "/runs/"])
def test_what_could_not_be_asked_changes_nothing_and_is_told_once(
    watched, drift, sandbox, events, path, fault
):
    sandbox.census.change_sync(5123, paused=True)
    watched.map(MAPPING.replace("crm_orders", "no_such_model"))
    watched.compare()
    known = sorted(drift())
    assert len(known) == 3  # paused, another source, a selector of nothing
    for vendor in (sandbox.census, sandbox.dbt_cloud):
        vendor.fail_next(path, fault, times=1000)
    sandbox.census.change_sync(5123, paused=path == "/runs/")
    watched.map(MAPPING)
    watched.compare()
    watched.compare()
    if path == "/syncs":  # dbt Cloud was asked, and its finding is resolved
        assert sorted(drift()) == [("sync.drift_resolved", "selects_nothing", 5124), *known]
    else:
        assert sorted(drift()) == known
    assert len(events("drift.not_checked")) == 1
    assert events("task.failed") == []


def test_what_could_not_be_asked_is_asked_again_in_an_hour(watched, drift, sandbox):
    sandbox.census.change_sync(5123, paused=True)
    watched.tick(DAY)
    sandbox.dbt_cloud.add_run(build_run(number=9))
    sandbox.census.fail_next("/syncs", Status(500))
    watched.round()
    assert drift() == []
    watched.tick(3599)
    watched.round()
    assert drift() == []
    watched.tick(1)
    watched.round()
    assert drift() == [("sync.drifted", "sync_paused", 5123)]


def test_a_finding_of_a_sync_that_is_mapped_no_longer_is_over(watched, drift, sandbox):
    sandbox.census.change_sync(5126, paused=True)
    watched.compare()
    watched.map(MAPPING.replace("sync_id: 5126", "enabled: false\n  sync_id: 5126"))
    watched.compare()
    assert drift()[1:] == [("sync.drift_resolved", "sync_paused", 5126)]


def test_a_text_that_changes_is_no_new_finding(watched, drift, sandbox):
    for label in ("one", "two"):
        sandbox.census.change_sync(5123, label=label)
        watched.compare()
    assert drift() == [("sync.drifted", "name_differs", 5123)]
    ((detail,),) = watched.sql("SELECT detail FROM relay.drift")
    assert "'two' in Census" in detail


def test_the_workers_log_holds_no_key(watched, logged, sandbox):
    sandbox.census.change_sync(5123, paused=True)
    watched.compare()
    assert story.CENSUS_API_KEY not in str(logged)


def test_of_workers_that_compare_at_once_one_tells(watched, drift, sandbox):
    sandbox.census.change_sync(5123, paused=True)
    workers = [threading.Thread(target=watched.compare) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert drift() == [("sync.drifted", "sync_paused", 5123)]
