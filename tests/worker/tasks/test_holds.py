"""Held syncs: decisions are made, triggers wait, and become one sync run. Nothing is lost."""

import dataclasses
import random
import threading
import time
from datetime import timedelta

import pytest
from mappings import mapping_text, sync_entry
from sandbox_runs import NIGHT, night

from relay.operations.trigger import Records
from relay.postgres.connections import open_pool
from relay.sandbox.wire import HangUp, HangUpAfter, Status
from relay.store import Attempt, Hold, HoldScope, Redo, Store
from relay.worker.tasks import end_hold

SYNC, ALL = HoldScope("default", 5123), HoldScope(None, None)
EVERY_DEFAULT, EVERY_EMEA = HoldScope("default", None), HoldScope("emea", None)


@pytest.fixture(name="hold")
def _hold(one):
    """Hold the sync, or another scope: `hold(seconds=600)`."""

    def hold(scope=SYNC, *, seconds=None, by="ana@ops", why="audit"):
        now = one.clock()
        until = None if seconds is None else now + timedelta(seconds=seconds)
        return one.services.store.holds.hold(scope, until=until, why=why, by=by, now=now)

    return hold


@pytest.fixture(name="release")
def _release(one):
    """Release the sync, or another scope, and have a worker do what follows."""

    def release(scope=SYNC):
        released = one.services.store.holds.release(scope, by="bo@ops", now=one.clock())
        one.work()
        return released

    return release


@pytest.fixture(name="posts")
def _posts(sandbox):
    """How many POSTs have asked for a sync run."""
    return lambda: len(sandbox.census.requests_to("/trigger"))


def deliver(one, *numbers):
    for number in numbers:
        one.deliver(night(number))
        one.work()


class TestAHold:
    def test_lets_triggers_wait_and_they_become_one_sync_run(
        self, one, hold, release, sandbox, events
    ):
        hold()
        deliver(one, 0, 1, 2)
        assert sandbox.census.sync_runs == []
        held = events("sync.held")
        assert [line["dbt_run_ids"] for line in held] == [
            [NIGHT],
            [NIGHT, NIGHT + 1],
            [NIGHT, NIGHT + 1, NIGHT + 2],
        ]
        assert (
            held[0].items()
            >= {
                "by": "ana@ops",
                "why": "audit",
                "until": None,
                "scope": "sync",
                "sync_id": 5123,
                "dbt_run_id": NIGHT,
            }.items()
        )
        assert len(events("dbt_run.planned")) == 3
        release()
        (triggered,) = events("sync.triggered")
        assert triggered["dbt_run_ids"] == [NIGHT, NIGHT + 1, NIGHT + 2]
        (released,) = events("sync.released")
        assert (released["by"], released["triggers"]) == ("bo@ops", 3)
        assert len(sandbox.census.sync_runs) == 1

    def test_ends_when_its_time_is_up(self, one, hold, events):
        hold(seconds=3600)
        deliver(one, 0, 1)
        one.work_for(3599)
        assert events("sync.triggered", "sync.released") == []
        one.work_for(2)
        (released,) = events("sync.released")
        assert released["by"] is None
        assert len(events("sync.triggered")) == 1

    def test_whose_time_is_up_while_no_worker_runs_ends_when_one_does(self, one, hold, events):
        hold(seconds=60)
        deliver(one, 0)
        one.tick(86400)
        one.start()
        one.work()
        assert len(events("sync.released")) == len(events("sync.triggered")) == 1

    def test_may_be_changed(self, one, hold, events):
        hold(seconds=60)
        deliver(one, 0)
        hold(seconds=600, by="bo@ops")
        one.work_for(300)
        assert events("sync.triggered") == []
        one.work_for(301)
        assert len(events("sync.triggered")) == len(events("sync.released")) == 1
        one.finish_sync_runs()
        one.work_for(15)
        assert one.is_idle()

    def test_that_has_ended_is_no_hold(self, one, hold, release, events):
        assert release() is None
        hold(seconds=60)
        one.tick(61)
        assert release() is None
        assert len(events("sync.released")) == 1
        deliver(one, 0)
        assert len(events("sync.triggered")) == 1

    def test_is_released_at_once_by_a_command_whose_clock_is_ahead(self, one, hold, events):
        hold()
        deliver(one, 0)
        one.tick(3600)
        holds = one.services.store.holds
        holds.release(SYNC, by="bo@ops", now=one.clock())
        one.clock.set_back(3600)
        assert holds.open(now=one.clock()) == ()
        assert one.services.store.status.overview(newest=5).holds == []
        one.work()
        assert len(events("sync.released")) == len(events("sync.triggered")) == 1

    def test_whose_end_has_come_only_on_the_databases_clock_waits_for_the_difference(
        self, one, hold, sql
    ):
        """Else the job would run again and again until the worker's clock is there too."""
        one.clock.set_back(86400 + 3600)  # it was a day ahead
        ((now,),) = sql("SELECT now()")
        hold(seconds=600)
        one.work()
        ((again_at,),) = sql(
            "SELECT min(scheduled_at) FROM procrastinate_jobs"
            " WHERE status = 'todo' AND task_name = 'end_hold'"
        )
        assert again_at - now >= timedelta(seconds=600)

    def test_of_all_and_one_of_a_sync_are_independent(self, one, hold, release, events):
        hold()
        hold(ALL)
        deliver(one, 0)
        assert release(EVERY_DEFAULT) is None
        release(ALL)
        assert events("sync.triggered") == []
        release()
        assert len(events("sync.triggered")) == 1

    @pytest.mark.parametrize(("scope", "sent"), [(EVERY_DEFAULT, 0), (EVERY_EMEA, 1)])
    def test_of_a_workspace_holds_its_syncs(self, one, hold, posts, scope, sent):
        hold(scope)
        deliver(one, 0)
        assert posts() == sent

    def test_holds_a_manual_trigger_too(self, one, hold, release, sandbox, events):
        hold()
        one.trigger(5123, Records.ALL)
        one.work()
        assert events("sync.held")[0]["dbt_run_ids"] == []
        release()
        (run,) = sandbox.census.sync_runs
        assert run.full_sync

    def test_holds_a_replay(self, one, hold, release, sandbox, posts):
        deliver(one, 0)
        one.finish_sync_runs()
        one.work_for(15)
        hold()
        one.replay(NIGHT, Redo.EVERYTHING)
        one.work()
        assert posts() == 1
        release()
        assert posts() == 2

    def test_waits_for_a_cool_down_too(self, one, hold, release, sandbox):
        one.map(mapping_text(sync_entry(5123, "customers", at_most_every="30m")))
        deliver(one, 0)
        one.finish_sync_runs()
        one.work_for(15)
        hold()
        deliver(one, 1)
        one.work_for(600)
        release()
        assert len(sandbox.census.sync_runs) == 1, "it cools down still"
        hold()
        one.work_for(1800)
        assert len(sandbox.census.sync_runs) == 1, "it is held still"
        release()
        assert len(sandbox.census.sync_runs) == 2

    def test_loses_no_run_and_sends_none_twice_at_random_times(
        self, one, hold, release, sandbox, events
    ):
        times = random.Random(7)
        for number in range(12):
            one.deliver(night(number))
            for _ in range(times.randint(1, 3)):
                one.work()
                scope = times.choice([SYNC, ALL])
                times.choice(
                    [
                        lambda scope=scope: hold(scope),
                        lambda scope=scope: hold(scope, seconds=times.choice([5, 300])),
                        lambda scope=scope: release(scope),
                    ]
                )()
                one.tick(times.choice([5, 300, 900]))
            one.finish_sync_runs()
        for scope in (SYNC, ALL, SYNC):
            release(scope)
            one.work_for(60)
            one.finish_sync_runs()
        one.work_for(600)
        sent = [number for line in events("sync.triggered") for number in line["dbt_run_ids"]]
        assert sorted(sent) == [NIGHT + number for number in range(12)]
        assert 1 < len(events("sync.triggered")) < 12
        assert one.is_idle()


class TestWhatIsUnderway:
    def test_is_followed_to_its_end_and_what_waits_behind_it_is_held(
        self, one, hold, release, sandbox, events
    ):
        deliver(one, 0, 1)
        _, underway = hold()
        assert (underway.starting, underway.running) == (0, 1)
        one.finish_sync_runs()
        one.work_for(15)
        assert len(events("sync_run.finished")) == 1
        assert [line["dbt_run_ids"] for line in events("sync.held")] == [[NIGHT + 1]]
        release()
        assert len(sandbox.census.sync_runs) == 2

    def test_a_post_whose_answer_was_lost_is_found(self, one, hold, sandbox, events):
        sandbox.census.fail_next("/trigger", HangUpAfter())
        deliver(one, 0)
        _, underway = hold()
        assert (underway.starting, underway.running) == (1, 0)
        one.work_for(61)
        assert len(events("sync.trigger_recovered")) == 1
        assert events("sync.held") == []

    @pytest.mark.parametrize("fault", [Status(429), HangUp()], ids=["refused", "lost"])
    def test_a_post_that_started_nothing_is_not_sent_again(
        self, one, hold, release, sandbox, posts, events, fault
    ):
        """What comes during the hold is part of the one sync run at its end."""
        sandbox.census.fail_next("/trigger", fault)
        deliver(one, 0)
        hold()
        deliver(one, 1)
        one.work_for(3600)
        assert posts() == 1
        assert events("sync.held")[-1]["dbt_run_ids"] == [NIGHT, NIGHT + 1]
        release()
        assert posts() == 2
        (triggered,) = events("sync.triggered")
        assert triggered["dbt_run_ids"] == [NIGHT, NIGHT + 1]

    def test_a_skipped_sync_run_is_not_triggered_again_before_the_release(
        self, one, hold, release, sandbox, events
    ):
        """However long: the time of a hold is no part of the deadline."""
        scheduled = sandbox.census.trigger(5123)
        deliver(one, 0)
        hold()
        one.work_for(12 * 3600)
        assert len(events("sync_run.skipped")) == 1
        assert len(sandbox.census.requests_to("/trigger")) == 1
        release()
        one.work_for(60)
        assert events("sync.trigger_failed", "sync_run.abandoned") == []
        sandbox.census.finish(scheduled.sync_run_id)
        one.work_for(15)
        assert events("sync.triggered")[-1]["dbt_run_ids"] == [NIGHT]

    def test_a_sync_run_that_is_skipped_after_a_long_hold_is_not_abandoned(
        self, one, hold, release, sandbox, events
    ):
        hold()
        deliver(one, 0)
        one.tick(12 * 3600)
        sandbox.census.trigger(5123)
        release()
        one.work_for(15)
        assert len(events("sync_run.skipped")) == 1
        assert events("sync_run.abandoned") == []


class TestRaces:
    def test_no_attempt_begins_after_a_hold_was_recorded(self, one, database, sql):
        """Many syncs begin while a hold of all is recorded: each before it, or not at all."""
        now, store = one.clock(), one.services.store
        for sync_id in range(1, 201):
            store.triggers.add_manual("default", sync_id, full_sync=False, now=now)
        begun = {}

        def begin(sync_ids):
            with open_pool(database, max_size=1) as pool:
                attempts = Store(pool).attempts
                for sync_id in sync_ids:
                    begun[sync_id] = attempts.begin(
                        "default", sync_id, now=now, reconcile_after=now
                    )

        threads = [threading.Thread(target=begin, args=(range(n, 201, 2),)) for n in (1, 2)]
        for thread in threads:
            thread.start()
        while len(begun) < 20:
            time.sleep(0.001)
        store.holds.hold(ALL, until=None, why=None, by="ana", now=now)
        ((there,),) = sql("SELECT count(*) FROM relay.sync_runs")
        for thread in threads:
            thread.join()
        assert sql("SELECT count(*) FROM relay.sync_runs") == [(there,)]
        kinds = [type(attempt) for attempt in begun.values()]
        assert (kinds.count(Attempt), kinds.count(Hold)) == (there, 200 - there)
        assert 20 <= there < 200

    def test_an_attempt_waits_for_a_hold_that_is_being_recorded(self, one, database):
        """Otherwise it could be recorded after `relay hold` has returned."""
        now, store = one.clock(), one.services.store
        store.triggers.add_manual("default", 5123, full_sync=False, now=now)
        begun = []

        def begin():
            begun.append(store.attempts.begin("default", 5123, now=now, reconcile_after=now))

        beginning = threading.Thread(target=begin)
        with open_pool(database, max_size=1) as pool, pool.connection() as connection:
            with connection.transaction():
                connection.execute(
                    "INSERT INTO relay.holds (since, held_by) VALUES (%s, 'ana')", (now,)
                )
                beginning.start()
                beginning.join(0.5)
                assert begun == []
            beginning.join()
        assert [type(each) for each in begun] == [Hold]

    def test_a_hold_waits_for_an_attempt_that_is_being_recorded(self, one, database):
        now = one.clock()
        with open_pool(database, max_size=1) as pool, pool.connection() as connection:
            with connection.transaction():
                connection.execute("LOCK TABLE relay.holds IN SHARE MODE")
                arguments = {"until": None, "why": None, "by": "ana", "now": now}
                holding = threading.Thread(
                    target=one.services.store.holds.hold, args=(SYNC,), kwargs=arguments
                )
                holding.start()
                holding.join(0.5)
                assert holding.is_alive()
            holding.join()
        assert one.services.store.holds.open_on("default", 5123, now=now) is not None

    def test_the_end_of_a_hold_is_recorded_and_logged_once(self, one, hold, release, events):
        held, _ = hold()
        deliver(one, 0)
        release()
        end_hold(one.services, hold_id=held.hold_id)
        assert len(events("sync.released")) == len(events("sync.triggered")) == 1

    def test_a_worker_whose_clock_is_behind_ends_it_later(self, one, hold, events):
        hold(seconds=60)
        deliver(one, 0)
        one.sql("UPDATE procrastinate_jobs SET scheduled_at = %s", one.clock())
        one.work()
        assert events("sync.released") == []
        one.work_for(61)
        assert len(events("sync.triggered")) == 1


class TestADecision:
    @pytest.mark.parametrize("released", [False, True])
    def test_names_the_hold_that_its_trigger_waited_for(self, one, hold, release, released):
        hold()
        one.tick(1)
        deliver(one, 0)
        if released:
            one.tick(60)
            release()
        holds = one.services.store.holds
        found = holds.of_decision("default", 5123, NIGHT, now=one.clock())
        assert found is not None
        assert found.by == "ana@ops"
        assert found.released_by == ("bo@ops" if released else None)

    def test_names_no_hold_that_came_after_its_sync_run(self, one, hold):
        deliver(one, 0)
        one.tick(60)
        hold()
        holds = one.services.store.holds
        assert holds.of_decision("default", 5123, NIGHT, now=one.clock()) is None

    def test_names_a_hold_that_came_while_its_trigger_waited(self, one, hold):
        deliver(one, 0, 1)
        one.tick(60)
        hold()
        holds = one.services.store.holds
        assert holds.of_decision("default", 5123, NIGHT + 1, now=one.clock()) is not None


def test_a_disabled_sync_loses_its_triggers_and_a_held_one_does_not(one, hold, release, events):
    one.map(mapping_text(sync_entry(5123, "customers", enabled=False)))
    hold()
    deliver(one, 0)
    one.map(mapping_text(sync_entry(5123, "customers")))
    deliver(one, 1)
    release()
    assert [line["dbt_run_ids"] for line in events("sync.triggered")] == [[NIGHT + 1]]


def test_a_dry_run_is_held_too(one, hold, release, events):
    settings = dataclasses.replace(one.services.settings, dry_run=True)
    one.services = dataclasses.replace(one.services, settings=settings)
    hold()
    deliver(one, 0, 1)
    assert len(events("sync.held")) == 2
    release()
    assert [line["dbt_run_ids"] for line in events("sync.would_trigger")] == [[NIGHT, NIGHT + 1]]
