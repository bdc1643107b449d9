"""Polling a sync run until it ends, or until it is abandoned."""

import dataclasses

import pytest
from sandbox_runs import night

from relay.sandbox.wire import Body, HangUp, Status


class TestEnd:
    def test_a_sync_run_is_polled_until_it_ends(self, relay, sandbox, events):
        relay.deliver(night())
        relay.work()
        for run in sandbox.census.sync_runs:
            sandbox.census.finish(run.sync_run_id, records_failed=3 if run.sync_id == 5124 else 0)
        relay.tick(15)
        relay.work()
        ended = {line["sync_id"]: line for line in events("sync_run.finished")}
        assert ended[5123]["outcome"] == "completed"
        assert ended[5123]["records_processed"] == 100
        assert ended[5123]["seconds"] == 15
        assert ended[5124]["outcome"] == "completed_with_rejects"
        assert ended[5124]["records_failed"] == 3
        assert relay.is_idle()

    def test_a_failed_sync_run_without_counts_has_ended(self, one, sandbox, events):
        """As Census's own example has it: no counts, and no time of its end."""
        one.deliver(night())
        one.work()
        failed = (
            b'{"status":"success","data":{"id":90001,"status":"failed","completed_at":null,'
            b'"records_processed":null,"records_updated":null,"records_failed":null,'
            b'"records_invalid":0,"error_code":"JSON_ARRAY_ERROR","error_message":"no array"}}'
        )
        sandbox.census.fail_next("/sync_runs/", Body(failed))
        one.work_for(15)
        (ended,) = events("sync_run.finished")
        assert (ended["outcome"], ended["records_failed"]) == ("failed", None)
        assert (ended["error_code"], ended["log_level"]) == ("JSON_ARRAY_ERROR", "error")

    def test_a_canceled_sync_run_has_ended(self, one, sandbox, events):
        one.deliver(night())
        one.work()
        sandbox.census.finish(sandbox.census.sync_runs[0].sync_run_id, canceled=True)
        one.work_for(15)
        assert [line["outcome"] for line in events("sync_run.finished")] == ["canceled"]


class TestErrors:
    def test_downtime_does_not_count_before_a_sync_run_is_abandoned(self, one, sandbox, events):
        one.deliver(night())
        one.work()
        one.tick(86400)
        sandbox.census.fail_next("/sync_runs/", Status(502), times=3)
        one.work_for(40)
        one.finish_sync_runs()
        one.work_for(30)
        assert events("sync_run.abandoned") == []
        assert len(events("sync_run.finished")) == 1

    def test_only_consecutive_failed_polls_count(self, one, sandbox, events):
        settings = dataclasses.replace(one.services.settings, retry_for=30)
        one.services = dataclasses.replace(one.services, settings=settings)
        one.deliver(night())
        one.work()
        for _ in range(3):
            sandbox.census.fail_next("/sync_runs/", Status(502))
            one.work_for(30)  # one poll that fails, and one that succeeds
        one.tick(86400)
        sandbox.census.fail_next("/sync_runs/", Status(502), times=2)
        one.work_for(15)
        one.finish_sync_runs()
        one.work_for(30)
        assert events("sync_run.abandoned") == []
        assert len(events("sync_run.finished")) == 1

    def test_errors_while_polling_are_retried(self, one, sandbox, events):
        one.deliver(night())
        one.work()
        (run,) = sandbox.census.sync_runs
        for fault in (Status(500), Status(429), HangUp(), Body(b"<html>"), Status(401)):
            sandbox.census.fail_next("/sync_runs/", fault)
            one.work_for(15)
        sandbox.census.finish(run.sync_run_id)
        one.work_for(15)
        assert len(events("sync_run.finished")) == 1

    def test_an_unknown_status_is_logged_once_and_polling_continues(self, one, sandbox, events):
        one.deliver(night())
        one.work()
        (run,) = sandbox.census.sync_runs
        sandbox.census.set_status(run.sync_run_id, "reticulating")
        for _ in range(3):
            one.work_for(15)
        (unknown,) = events("sync_run.status_unknown")
        assert unknown["status"] == "reticulating"
        sandbox.census.finish(run.sync_run_id)
        one.work_for(15)
        assert len(events("sync_run.finished")) == 1

    def test_a_sync_run_that_never_ends_is_abandoned_at_the_deadline(self, one, events):
        one.deliver(night())
        one.work()
        one.tick(6 * 3600 + 20)
        one.work()
        (abandoned,) = events("sync_run.abandoned")
        assert "deadline" in abandoned["problem"]
        assert one.is_idle()

    def test_a_sync_run_that_census_no_longer_knows_is_abandoned(self, one, sandbox, events):
        one.deliver(night())
        one.work()
        sandbox.census.fail_next("/sync_runs/", Status(404))
        one.work_for(15)
        assert "HTTP 404" in events("sync_run.abandoned")[0]["problem"]
        assert one.is_idle()


class TestASyncRunThatV2DoesNotFind:
    """The path is inferred: that nothing is there is no proof that the run has ended."""

    @pytest.fixture(name="settings")
    def _settings(self, settings):
        return dataclasses.replace(settings, census_api_version="v2")

    @pytest.fixture(name="run")
    def _run(self, one, sandbox):
        one.deliver(night())
        one.work()
        (run,) = sandbox.census.sync_runs_of(5123)
        return run

    def test_is_reported_once_with_its_path_and_polled_on(self, one, run, sandbox, events):
        sandbox.census.fail_next("/sync_runs/", Status(404), times=2)
        one.work_for(30)
        (line,) = events("sync_run.not_readable")
        assert f"GET /api/v2/sync_runs/{run.sync_run_id}" in line["problem"]
        sandbox.census.finish(run.sync_run_id)
        one.work_for(15)
        assert events("sync_run.finished")[0]["outcome"] == "completed"

    def test_is_abandoned_at_the_deadline_and_not_before(self, one, run, sandbox, events):
        sandbox.census.fail_next("/sync_runs/", Status(404), times=10_000)
        one.work_for(300)
        assert events("sync_run.abandoned") == []
        one.tick(6 * 3600)
        one.work_for(1800)
        assert "deadline" in events("sync_run.abandoned")[0]["problem"]

    def test_is_abandoned_at_once_where_it_was_read_before(self, one, run, sandbox, events):
        one.work_for(15)
        sandbox.census.fail_next("/sync_runs/", Status(404))
        one.work_for(15)
        assert f"sync_runs/{run.sync_run_id}" in events("sync_run.abandoned")[0]["problem"]
