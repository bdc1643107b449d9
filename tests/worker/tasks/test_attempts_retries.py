"""Starting a sync run while Census fails: nothing is lost, and nothing is started twice."""

import contextlib
from datetime import timedelta

import pytest
from sandbox_runs import NIGHT, night

from relay.errors import Unavailable
from relay.sandbox.wire import Body, HangUp, HangUpAfter, Status, StatusAfter


class TestCensusErrors:
    @pytest.mark.parametrize(
        "fault",
        [
            Status(404),
            Body(b'{"status":"error","message":"no"}'),
            Body(b"HTTP Basic: Access denied.", 401, "text/plain"),
        ],
    )
    def test_a_refusal_is_final(self, one, sandbox, events, fault):
        sandbox.census.fail_next("/trigger", fault)
        one.deliver(night())
        one.work()
        (failed,) = events("sync.trigger_failed")
        assert failed["dbt_run_ids"] == [NIGHT]
        assert failed["sync_id"] == 5123
        assert one.is_idle()

    def test_a_refusal_does_not_block_the_next_run(self, one, sandbox, events):
        sandbox.census.fail_next("/trigger", Status(404))
        one.deliver(night())
        one.work()
        one.deliver(night(1))
        one.work()
        assert [line["dbt_run_ids"] for line in events("sync.triggered")] == [[NIGHT + 1]]

    def test_a_429_is_retried_after_its_retry_after(self, one, sandbox, events):
        sandbox.census.fail_next("/trigger", Status(429, retry_after=40))
        one.deliver(night())
        one.work()
        one.work_for(39)
        assert len(sandbox.census.requests_to("/trigger")) == 1
        one.work_for(3)
        assert len(events("sync.triggered")) == 1
        assert sandbox.census.requests_to("/sync_runs") == [], (
            "a 429 starts nothing: no need to reconcile"
        )

    def test_a_clock_that_is_set_back_is_no_429(self, one, events):
        one.clock.set_back(2 * 3600)
        one.deliver(night())
        one.work()
        assert len(events("sync.triggered")) == 1

    def test_a_clock_that_is_set_back_makes_no_rest_longer(self, one, sandbox):
        sandbox.census.fail_next("/trigger", Status(429, retry_after=40))
        census = one.services.census_clients.of("default")
        for pause, asked in [(0, 1), (39, 1), (2, 2)]:
            one.tick(pause)
            one.clock.set_back(3600)
            with contextlib.suppress(Unavailable):
                census.trigger_sync(5123, full_sync=False)
            assert len(sandbox.census.requests_to("/trigger")) == asked

    def test_a_trigger_is_given_up_with_an_error_after_the_retry_period(self, one, sandbox, events):
        sandbox.census.fail_next("/trigger", Status(503), times=1000)
        one.deliver(night())
        began = one.clock()
        one.work_for(40 * 60)
        (failed,) = events("sync.trigger_failed")
        assert events("sync.trigger_retried")[-1]["again_at"] - began >= timedelta(minutes=30)
        assert "HTTP 503" in failed["problem"]
        assert one.is_idle()

    @pytest.mark.parametrize("fault", [Status(429), HangUp(), HangUpAfter()])
    def test_downtime_does_not_count_towards_the_retry_period(self, one, sandbox, events, fault):
        sandbox.census.fail_next("/trigger", fault)
        one.deliver(night())
        one.work()
        one.tick(86400)
        sandbox.census.fail_next("/", Status(502))
        one.work_for(300)
        assert events("sync.trigger_failed") == []
        assert len(sandbox.census.sync_runs) == 1
        assert len(events("sync.triggered")) == 1


class TestLostResponse:
    @pytest.mark.parametrize("fault", [HangUpAfter(), StatusAfter(502), StatusAfter(504)])
    def test_a_sync_run_whose_response_was_lost_is_found_and_not_started_again(
        self, one, sandbox, events, fault
    ):
        sandbox.census.fail_next("/trigger", fault)
        one.deliver(night())
        one.work()
        assert len(events("sync.trigger_retried")) == 1
        one.work_for(61)
        (run,) = sandbox.census.sync_runs
        assert [line["sync_run_id"] for line in events("sync.trigger_recovered")] == [
            run.sync_run_id
        ]
        assert [line["sync_run_id"] for line in events("sync.triggered")] == [run.sync_run_id]
        sandbox.census.finish(run.sync_run_id)
        one.work_for(15)
        assert len(events("sync_run.finished")) == 1

    @pytest.mark.parametrize("fault", [HangUp(), Status(500), Status(503)])
    def test_a_sync_run_that_did_not_start_is_started_after_reconciling(
        self, one, sandbox, events, fault
    ):
        sandbox.census.fail_next("/trigger", fault)
        one.deliver(night())
        one.work()
        one.work_for(61)
        assert len(sandbox.census.sync_runs) == 1
        assert len(events("sync.triggered")) == 1
        assert events("sync.trigger_recovered") == []
        assert len(sandbox.census.requests_to("/syncs/5123/sync_runs")) == 1

    def test_a_lost_response_is_reconciled_once_census_must_have_finished(self, one, sandbox):
        sandbox.census.fail_next("/trigger", HangUp())
        one.deliver(night())
        one.work()
        one.work_for(50)
        assert len(sandbox.census.requests_to("/trigger")) == 1
        one.work_for(11)
        assert len(sandbox.census.requests_to("/trigger")) == 2

    def test_a_refused_reconciliation_is_retried(self, one, sandbox, events):
        """A key that is being rotated must not leave a sync run unfollowed."""
        sandbox.census.fail_next("/trigger", HangUpAfter())
        sandbox.census.fail_next("/syncs/5123/sync_runs", Status(401))
        one.deliver(night())
        one.work_for(120)
        assert events("sync.trigger_failed", "task.failed") == []
        assert len(events("sync.trigger_recovered")) == 1
        assert len(sandbox.census.sync_runs) == 1

    def test_an_older_sync_run_of_somebody_else_is_not_taken_for_relays(self, one, sandbox, clock):
        older = sandbox.census.trigger(5123)
        sandbox.census.finish(older.sync_run_id)
        clock.tick(60)
        sandbox.census.fail_next("/trigger", HangUp())
        one.deliver(night())
        one.work()
        one.work_for(61)
        assert len(sandbox.census.sync_runs) == 2


class TestSlowWorker:
    """Another worker finds the attempt that a slow one, taken for dead, is still working on."""

    @pytest.fixture(name="slow")
    def _slow(self, one, sandbox):
        """An attempt whose POST was cut off."""
        sandbox.census.fail_next("/trigger", HangUp())
        one.deliver(night())
        one.work()
        return one.services.store.attempts.unfinished("default", 5123)

    def test_keeps_the_attempt_it_has_claimed(self, one, sandbox, slow, events):
        with one.services.store.attempts.claim(slow) as held:
            assert held is not None
            one.work_for(300)
        assert len(sandbox.census.requests_to("/trigger")) == 1
        assert sandbox.census.requests_to("/sync_runs") == []
        one.work_for(120)
        assert len(sandbox.census.sync_runs) == 1
        assert len(events("sync.triggered")) == 1

    @pytest.mark.parametrize("answer", ["a run", "none"])
    def test_does_not_send_what_another_worker_has_sent(self, one, sandbox, slow, answer):
        if answer == "none":
            sandbox.census.fail_next("/trigger", HangUp())
        one.work_for(61)
        assert len(sandbox.census.requests_to("/trigger")) == 2
        with one.services.store.attempts.claim(slow) as held:
            assert held is None
        now = one.clock()
        attempts = one.services.store.attempts
        assert attempts.send_again(slow, now=now, reconcile_after=now) is None
