"""An unexpected error is retried, then logged as given up, and can be replayed."""

import dataclasses
from datetime import timedelta

import pytest
from mappings import mapping_text, sync_entry
from sandbox_runs import NIGHT, build_run, night

from relay.dbt.selectors import Selector, Term
from relay.errors import DatabaseUnavailable
from relay.logs import add_secret
from relay.sandbox.wire import Body, HangUp
from relay.store import Redo

FOR_EVER = 10**6
HOURS = 2 * 3600


class Breaking:
    """The real thing, one method of which raises, so many times."""

    def __init__(self, real, method, times=FOR_EVER, error=None):
        self._real, self._method, self.left = real, method, times
        self._error = error or ValueError("who would have thought\0of that?")

    def __getattr__(self, name):
        if name == self._method and self.left > 0:
            self.left -= 1
            raise self._error
        return getattr(self._real, name)


@pytest.fixture(name="break_")
def _break(one):
    """Make a method of a service raise: `break_(census_clients="of")`; call the result to undo."""

    def break_(times=FOR_EVER, error=None, **service):
        before = one.services
        ((name, method),) = service.items()
        broken = Breaking(getattr(before, name), method, times, error)
        one.services = dataclasses.replace(before, **{name: broken})

        def undo():
            one.services = before

        return undo

    return break_


@pytest.fixture(name="refuse_updates")
def _refuse_updates(sql):
    """Let PostgreSQL refuse updates of a column of relay.sync_runs, where a condition holds."""

    def refuse(column, condition="true"):
        sql(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE 'this cannot be'; END $$;"
            f" CREATE TRIGGER refuse BEFORE UPDATE OF {column} ON relay.sync_runs"
            f" FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION refuse()"
        )

    return refuse


class TestEvaluating:
    def test_is_retried_after_a_backoff_and_the_traceback_is_logged(self, one, events, break_):
        break_(times=2, collector="collect")
        one.deliver(night())
        one.work_for(60)
        failed = events("task.failed")
        assert [line["task"] for line in failed] == ["evaluate_dbt_run"] * 2
        assert all(line["exc_info"] and line["log_level"] == "error" for line in failed)
        problems = [line["problem"] for line in events("dbt_run.retried")]
        assert problems == [r"ValueError: who would have thought\x00of that?"] * 2
        assert len(events("sync.triggered")) == 1

    def test_is_given_up_after_the_retry_period_and_can_be_replayed(
        self, one, events, break_, clock
    ):
        undo = break_(collector="collect")
        one.deliver(night())
        began = clock()
        one.work_for(HOURS)
        (given_up,) = events("dbt_run.given_up")
        assert "ValueError" in given_up["problem"]
        assert events("dbt_run.retried")[-1]["again_at"] - began >= timedelta(minutes=30)
        assert one.is_idle()
        undo()
        one.replay(NIGHT)
        one.work()
        assert len(events("sync.triggered")) == 1

    def test_in_reading_the_manifest_costs_in_the_end_only_the_syncs_that_need_it(
        self, relay, events
    ):
        relay.map(mapping_text(sync_entry(5123, "customers"), sync_entry(5124, "tag:crm")))
        good = relay.services
        broken = Breaking(good.collector, "lineage")
        relay.services = dataclasses.replace(good, collector=broken)
        relay.deliver(night())
        relay.work_for(HOURS)
        assert len(events("dbt_run.retried")) > 3
        assert [line["sync_id"] for line in events("sync.triggered")] == [5123]
        assert events("dbt_run.given_up")[0]["undecided"] == [5124]
        last = events("task.failed")[-1]
        assert (last["sync_id"], type(last["exc_info"])) == (5124, ValueError)

    def test_a_run_that_is_planned_is_not_planned_again(self, one, events, break_, sql):
        break_(times=1, projects_seen="select_nothing")  # the last that is done
        one.deliver(night())
        one.work_for(HOURS)
        assert len(events("task.failed")) == 1
        assert events("dbt_run.retried", "dbt_run.given_up") == []
        assert len(events("sync.triggered")) == 1

    def test_a_database_that_is_gone_is_no_failure_of_the_run(self, one, events, break_, sql):
        break_(times=3, collector="collect", error=DatabaseUnavailable("gone"))
        one.deliver(night())
        one.work()
        assert sql("SELECT failures, problem FROM relay.dbt_runs") == [(0, None)]
        assert {line["log_level"] for line in events("task.failed")} == {"warning"}
        assert events("dbt_run.retried") == []

    def test_no_secret_is_stored_with_the_problem(self, one, events, break_, sql):
        key = one.services.settings.census_api_key.reveal()
        add_secret(one.services.settings.census_api_key)
        break_(collector="collect", error=ValueError(f"Invalid header value: 'Bearer {key}'"))
        one.deliver(night())
        one.work()
        ((problem,),) = sql("SELECT problem FROM relay.dbt_runs")
        assert "Invalid header value" in problem
        assert key not in problem


class InForce:
    """A mapping in force that no file can hold: its durations have bounds."""

    def __init__(self, mapping):
        self.current = mapping

    def refresh(self):
        pass


class TestOneSyncOfARun:
    """A sync whose decision raises, beside others that can be decided."""

    @pytest.fixture(name="odd")
    def _odd(self, relay, events):
        """Sync 5124 waits for two models, and the time it waits for is more than a date holds."""
        relay.map(
            mapping_text(
                sync_entry(5123, "fct_tickets"),
                sync_entry(5124, "customers", "orders", require="all"),
                sync_entry(5126, "fct_tickets", enabled=False),
            )
        )
        good = relay.services
        syncs = [dataclasses.replace(sync, within=10**15) for sync in good.mapping.current.syncs]
        mapping = dataclasses.replace(good.mapping.current, syncs=tuple(syncs))
        relay.services = dataclasses.replace(good, mapping=InForce(mapping))
        relay.undo = lambda: setattr(relay, "services", good)
        relay.deliver(build_run("customers"))
        relay.work()
        relay.deliver(build_run("orders", "fct_tickets", number=1))
        relay.work()
        return relay

    def test_keeps_none_of_the_others_from_its_decision(self, odd, events):
        assert [line["sync_id"] for line in events("sync.triggered")] == [5123]
        withheld = [(line["sync_id"], line["reason"]) for line in events("sync.withheld")]
        assert withheld == [(5124, "waiting_for_models"), (5126, "sync_disabled")]

    def test_is_reported_with_its_traceback_and_the_run_given_up_for_it(self, odd, events, sql):
        (failed,) = events("task.failed")
        assert (failed["sync_id"], failed["log_level"]) == (5124, "error")
        assert isinstance(failed["exc_info"], OverflowError)
        (given_up,) = events("dbt_run.given_up")
        assert "sync 5124: deciding raised OverflowError" in given_up["problem"]
        assert sql("SELECT problem FROM relay.dbt_runs WHERE given_up_at IS NOT NULL") == [
            (given_up["problem"],)
        ]

    def test_is_decided_by_a_replay_and_the_others_are_left_alone(self, odd, events):
        odd.undo()
        odd.replay(NIGHT + 1)
        odd.finish_sync_runs()
        odd.work()
        triggered = [(line["sync_id"], line["dbt_run_ids"]) for line in events("sync.triggered")]
        assert triggered == [(5123, [NIGHT + 1]), (5124, [NIGHT + 1])]


def test_a_sync_whose_models_cannot_be_selected_costs_no_other_its_decision(relay, events, sql):
    relay.map(mapping_text(sync_entry(5123, "customers"), sync_entry(5124, "tag:crm")))
    good = relay.services
    named, tagged = good.mapping.current.syncs
    odd = dataclasses.replace(tagged, depends_on=(Selector("odd:x", (Term("odd", "x"),)),))
    mapping = dataclasses.replace(good.mapping.current, syncs=(named, odd))
    relay.services = dataclasses.replace(good, mapping=InForce(mapping))
    relay.deliver(night())
    relay.work()
    assert [line["sync_id"] for line in events("sync.triggered")] == [5123]
    (given_up,) = events("dbt_run.given_up")
    assert "sync 5124: deciding raised KeyError" in given_up["problem"]
    assert events("dbt_run.retried") == []
    relay.services = good
    relay.replay(NIGHT)
    relay.finish_sync_runs()
    relay.work()
    assert [line["sync_id"] for line in events("sync.triggered")] == [5123, 5124]


class TestTriggering:
    def test_is_retried_after_a_backoff_and_sent_once(self, one, sandbox, events, break_):
        break_(times=3, census_clients="of")
        one.deliver(night())
        one.work_for(300)
        assert len(events("task.failed")) == 3
        assert len(sandbox.census.requests_to("/trigger")) == 1
        assert len(events("sync.triggered")) == 1

    def test_is_given_up_after_the_retry_period_and_can_be_replayed(
        self, one, sandbox, events, break_, sql
    ):
        undo = break_(census_clients="of")
        one.deliver(night())
        one.work_for(HOURS)
        (failed,) = events("sync.trigger_failed")
        assert "ValueError" in failed["problem"]
        assert failed["dbt_run_ids"] == [NIGHT]
        assert sql("SELECT outcome, backoff_spent >= 1800 FROM relay.sync_runs") == [
            ("refused", True)
        ]
        assert one.is_idle()
        undo()
        one.replay(NIGHT)
        one.work()
        assert len(events("sync.triggered")) == 1

    def test_before_there_is_an_attempt_it_counts_against_one(self, one, sandbox, events, sql):
        """PostgreSQL refuses to let the attempt begin; it is as if it had been sent in vain."""
        sql(
            "CREATE SEQUENCE tries; CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN IF nextval('tries') = 1 THEN RAISE 'this cannot be'; END IF;"
            " RETURN NEW; END $$;"
            " CREATE TRIGGER refuse BEFORE INSERT ON relay.sync_runs"
            " FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
        one.deliver(night())
        one.work()
        assert len(events("task.failed")) == 1
        assert sql("SELECT sent_at, failures FROM relay.sync_runs") == [(None, 1)]
        one.work_for(10)
        assert len(events("sync.triggered")) == 1

    def test_an_answer_that_cannot_be_recorded_is_given_up_and_nothing_sent_twice(
        self, one, sandbox, events, refuse_updates
    ):
        refuse_updates("sync_run_id")
        one.deliver(night())
        one.work_for(HOURS)
        assert len(sandbox.census.requests_to("/trigger")) == 1
        assert len(events("sync.trigger_failed")) == 1
        assert one.is_idle()

    def test_a_refusal_whose_words_cannot_be_recorded_is_recorded_without_them(
        self, one, sandbox, events, refuse_updates, sql
    ):
        refuse_updates("outcome", "position('odd words' IN NEW.problem) > 0")
        sandbox.census.fail_next(
            "/trigger", Body(b'{"status":"error","message":"odd words"}'), times=10
        )
        one.deliver(night())
        one.work_for(HOURS)
        assert len(sandbox.census.requests_to("/trigger")) == 1
        assert "odd words" in events("sync.trigger_failed")[0]["problem"]
        assert sql("SELECT outcome FROM relay.sync_runs") == [("refused",)]
        assert one.is_idle()

    @pytest.mark.parametrize("created_at", [b"null", b'"yesterday"', b'"2026-11-01 05:00 UTC"'])
    def test_a_run_that_may_be_the_one_started_is_never_started_again(
        self, one, sandbox, events, created_at
    ):
        """Without a readable time it is unknown whether the lost POST started it."""
        sandbox.census.fail_next("/trigger", HangUp())
        listed = b'{"status":"success","data":[{"id":7,"status":"working","created_at":%s}]}'
        sandbox.census.fail_next("/syncs/5123/sync_runs", Body(listed % created_at), times=100)
        one.deliver(night())
        one.work_for(HOURS)
        assert len(sandbox.census.requests_to("/trigger")) == 1
        assert "when sync run 7 began" in events("sync.trigger_failed")[0]["problem"]


class TestFollowing:
    @pytest.fixture(name="followed")
    def _followed(self, one, sandbox):
        """A sync run that is followed, with a trigger that waits for its end."""
        one.deliver(night())
        one.work()
        one.deliver(night(1))
        one.work()
        return sandbox.census.sync_runs[0]

    def test_is_retried_after_a_backoff(self, one, sandbox, events, break_, followed):
        undo = break_(times=3, census_clients="of")
        one.work_for(300)
        undo()
        one.finish_sync_runs()
        one.work_for(60)
        assert [line["task"] for line in events("task.failed")] == ["poll_sync_run"] * 3
        assert events("sync_run.abandoned") == []
        assert len(events("sync.triggered")) == 2

    def test_is_abandoned_after_the_retry_period_and_what_waits_is_started(
        self, one, sandbox, events, break_, followed
    ):
        sandbox.census.finish(followed.sync_run_id)
        undo = break_(census_clients="of")
        one.work_for(1500)
        assert events("sync_run.abandoned") == []
        while not events("sync_run.abandoned"):
            one.work_for(60)
        undo()
        one.work_for(600)
        (abandoned,) = events("sync_run.abandoned")
        assert abandoned["sync_run_id"] == followed.sync_run_id
        assert "ValueError" in abandoned["problem"]
        assert [line["dbt_run_ids"] for line in events("sync.triggered")] == [[NIGHT], [NIGHT + 1]]

    def test_an_end_that_cannot_be_recorded_is_abandoned(
        self, one, sandbox, events, followed, refuse_updates
    ):
        refuse_updates("records_processed", "NEW.records_processed = 100")
        sandbox.census.finish(followed.sync_run_id)
        one.work_for(HOURS)
        assert len(events("sync_run.abandoned")) >= 1
        assert len(events("sync.triggered")) == 2

    def test_only_consecutive_failures_count(self, one, sandbox, events, break_, followed, sql):
        break_(times=3, census_clients="of")
        one.work_for(600)
        assert sql("SELECT failures, backoff_spent FROM relay.sync_runs") == [(0, 0)]


def test_a_periodic_task_is_tried_again_when_it_is_next_due(one, events, break_):
    undo = break_(dbt_cloud="list_finished_runs")
    one.start()
    one.tick(3600)
    one.round()
    assert [line["task"] for line in events("task.failed")] == ["catch_up"]
    assert one.is_idle()
    undo()
    one.tick(600)
    one.round()
    assert len(events("task.failed")) == 1


def test_a_replay_of_everything_starts_what_was_abandoned(one, sandbox, events, break_):
    one.deliver(night())
    one.work()
    undo = break_(census_clients="of")
    one.work_for(HOURS)
    undo()
    assert len(events("sync_run.abandoned")) == 1
    one.replay(NIGHT, Redo.EVERYTHING)
    sandbox.census.finish(sandbox.census.sync_runs[0].sync_run_id)
    one.work()
    assert len(events("sync.triggered")) == 2
