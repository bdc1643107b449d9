"""What goes wrong is an alert, once, until it is over; who is told of it, and how often."""

import dataclasses
import threading
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from channel_messages import message
from channel_recorder import ChannelRecorder
from mappings import mapping_text, sync_entry
from sandbox_runs import NIGHT, build_run, night

from relay.channels import Event
from relay.errors import Rejected
from relay.messages.compose import Composed, Outgoing
from relay.operations.trigger import Records
from relay.sandbox.wire import Status
from relay.store import HoldScope, Redo
from relay.store.alerts import resolve
from relay.worker import tasks

HOUR, DAY = 3600, 86400
DATA = {"data": {"kind": "slack", "url_env": "RELAY_NOTIFY_DATA"}}
ONLY_STALE = {"data": DATA["data"] | {"events": ["stale"]}}
NAMES = {5123: "customers", 5124: "orders", 5125: "fct_revenue"}
SYNC = ("default", 5123)
BROKEN = "build_model_error"


def mapping_of(*sync_ids, notify=DATA, **keys):
    entries = (
        sync_entry(number, NAMES[number], name=f"{NAMES[number]} to CRM", notify=["data"], **keys)
        for number in sync_ids
    )
    return mapping_text(*entries, notify=notify)


class Watched:
    """The service with a recorder for a channel, and its review."""

    def __init__(self, relay, sandbox, sql):
        self.channels = ChannelRecorder()
        relay.services = dataclasses.replace(relay.services, sender=self.channels)
        self.relay, self.sandbox, self.sql = relay, sandbox, sql

    def review(self, seconds=31):
        """Let time pass, and review alerts; then all jobs that are due."""
        self.relay.tick(seconds)
        tasks.review_alerts(self.relay.services)
        self.relay.work()

    def run(self, number=0, recording="build", **fields):
        """Deliver a dbt run that ended just now, and do what follows."""
        ended = self.relay.clock() - timedelta(seconds=20)
        self.relay.deliver(night(number, recording=recording, finished_at=ended, **fields))
        self.relay.work()

    def end_sync_runs(self, **how):
        for run in self.sandbox.census.sync_runs:
            if run.end is None:
                self.sandbox.census.finish(run.sync_run_id, **how)
        self.relay.work_for(16)

    def alerts(self):
        """The alerts so far: (event, sync_id, whether it is over)."""
        return self.sql(
            "SELECT event, sync_id, resolved_at IS NOT NULL FROM relay.alerts ORDER BY alert_id"
        )


@pytest.fixture(name="watched")
def _watched(relay, sandbox, sql):
    relay.map(mapping_of(5123))
    return Watched(relay, sandbox, sql)


@pytest.fixture(name="flowing")
def _flowing(watched):
    """It has triggered the sync before."""
    watched.run(0)
    watched.end_sync_runs()
    return watched


class TestWithheld:
    def test_a_sync_that_flowed_and_is_withheld_is_told_once_and_when_it_flows_again(self, flowing):
        flowing.run(1, BROKEN)
        for _ in range(3):
            flowing.review()
        assert flowing.alerts() == [("withheld", 5123, False)]
        (message,) = flowing.channels.messages
        assert message.title == (
            f"dbt run {NIGHT + 1} Nightly build (Production):"
            " model.jaffle_crm.customers failed; 1 sync withheld"
        )
        assert message.links[0].url.endswith(f"/projects/241251/runs/{NIGHT + 1}")
        flowing.run(2)
        for _ in range(3):
            flowing.review()
        assert flowing.alerts() == [("withheld", 5123, True)]
        assert flowing.channels.told == [
            ("opened", "withheld", 5123),
            ("resolved", "withheld", 5123),
        ]

    def test_a_sync_that_never_flowed_is_no_alert(self, watched):
        watched.run(0, BROKEN)
        assert watched.alerts() == []

    def test_a_second_bad_run_opens_no_second_alert(self, flowing):
        flowing.run(1, BROKEN)
        flowing.review()
        flowing.run(2, BROKEN)
        flowing.review()
        assert flowing.alerts() == [("withheld", 5123, False)]
        assert len(flowing.channels.messages) == 1

    def test_a_replay_of_the_bad_run_opens_none_and_one_of_a_mended_run_ends_it(self, flowing):
        flowing.run(1, BROKEN)
        flowing.relay.replay(NIGHT + 1, Redo.NOTHING)
        flowing.relay.work()
        assert flowing.alerts() == [("withheld", 5123, False)]
        ended = flowing.relay.clock() - timedelta(seconds=20)
        flowing.sandbox.dbt_cloud.add_run(night(1, finished_at=ended))
        flowing.relay.replay(NIGHT + 1, Redo.NOTHING)
        flowing.relay.work()
        assert flowing.alerts() == [("withheld", 5123, True)]

    @pytest.mark.parametrize(
        ("keys", "recording"),
        [
            ({"enabled": False}, BROKEN),
            ({"jobs": [1]}, BROKEN),
            ({"at_most_every": "1d"}, "build"),
        ],
    )
    def test_what_is_meant_is_no_alert(self, flowing, keys, recording):
        flowing.relay.map(mapping_of(5123, **keys))
        flowing.run(1, recording)
        assert flowing.alerts() == []

    def test_an_older_run_that_is_found_late_opens_none(self, flowing):
        """What it failed to build, a later one has built."""
        before = flowing.relay.clock() - timedelta(hours=2)
        flowing.relay.deliver(night(1, recording=BROKEN, finished_at=before))
        flowing.relay.work()
        assert flowing.alerts() == []

    def test_an_older_run_that_is_found_late_does_not_end_it(self, flowing):
        flowing.relay.tick(HOUR)
        flowing.run(2, BROKEN)
        before = flowing.relay.clock() - timedelta(minutes=10)
        flowing.relay.deliver(night(1, finished_at=before))
        flowing.relay.work()
        assert flowing.alerts() == [("withheld", 5123, False)]

    def test_one_message_for_all_syncs_of_a_run(self, flowing):
        flowing.relay.map(mapping_of(5123, 5124, 5125))
        flowing.run(1)
        flowing.end_sync_runs()
        flowing.run(2, BROKEN)
        flowing.review()
        (message,) = flowing.channels.messages
        assert [line.sync_id for line in message.alerts] == [5123, 5124, 5125]
        assert "3 syncs withheld" in message.title
        flowing.run(3)
        flowing.review()
        assert [str(each.says) for each in flowing.channels.messages] == ["opened", "resolved"]
        assert flowing.channels.titles[1] == "3 alerts over"


class TestSyncRuns:
    @pytest.mark.parametrize(
        ("how", "event"),
        [
            ({"status": "failed"}, "failing"),
            ({"canceled": True}, "failing"),
            ({"records_failed": 11}, "rejects"),
            ({"records_invalid": 11}, "rejects"),
        ],
    )
    def test_one_that_goes_wrong_is_told_once_and_when_one_is_well(self, watched, how, event):
        for number in range(2):
            watched.run(number)
            watched.end_sync_runs(**how)
            watched.review()
        assert watched.alerts() == [(event, 5123, False)]
        watched.run(2)
        watched.end_sync_runs()
        watched.review()
        assert watched.alerts() == [(event, 5123, True)]
        assert watched.channels.told == [("opened", event, 5123), ("resolved", event, 5123)]

    @pytest.mark.parametrize(("limit", "opened"), [("20%", 0), ("19%", 1)])
    def test_the_share_of_rejects_is_that_of_the_mapping(self, watched, limit, opened):
        watched.relay.map(mapping_of(5123, rejects_over=limit))
        watched.run()
        watched.end_sync_runs(records_failed=15, records_invalid=5)
        assert len(watched.alerts()) == opened

    def test_a_completed_one_with_many_rejects_ends_a_failure_all_the_same(self, watched):
        watched.run()
        watched.end_sync_runs(status="failed")
        watched.run(1)
        watched.end_sync_runs(records_failed=50)
        assert watched.alerts() == [("failing", 5123, True), ("rejects", 5123, False)]

    def test_census_s_message_is_not_told(self, watched):
        watched.run()
        message = "duplicate value found: ana@example.com"
        watched.end_sync_runs(status="failed", error_code="DUPLICATE", error_message=message)
        watched.review()
        (told,) = watched.channels.messages
        assert "DUPLICATE" in told.alerts[0].text
        assert "ana@example.com" not in repr(told)
        assert "ana@example.com" not in repr(watched.sql("SELECT detail FROM relay.alerts"))

    def test_a_skipped_one_is_no_alert(self, watched):
        watched.run()
        watched.sandbox.census.finish(
            watched.sandbox.census.sync_runs[0].sync_run_id, status="skipped"
        )
        watched.relay.work_for(16)
        assert watched.alerts() == []


class TestGivenUp:
    def test_a_refused_trigger_is_told_with_its_status_and_over_when_one_completes(self, watched):
        watched.sandbox.census.fail_next("/trigger", Status(422))
        watched.run()
        watched.review()
        assert watched.alerts() == [("given_up", 5123, False)]
        (message,) = watched.channels.messages
        assert message.title == "customers to CRM (5123): not triggered"
        assert "Census refused it (HTTP 422)" in message.alerts[0].text
        watched.run(1)
        assert watched.alerts() == [("given_up", 5123, False)]
        watched.end_sync_runs()
        assert watched.alerts() == [("given_up", 5123, True)]

    def test_a_sync_run_that_is_not_followed_any_more(self, watched):
        watched.run()
        watched.sandbox.census.fail_next("/sync_runs/", Status(404), times=5)
        watched.relay.work_for(60)
        watched.review()
        assert watched.alerts() == [("given_up", 5123, False)]
        assert "is not followed any more" in watched.channels.messages[0].alerts[0].text

    def test_a_dbt_run_is_told_once_and_over_when_a_replay_plans_it(self, watched):
        watched.sandbox.dbt_cloud.fail_next("/runs/", Status(503), times=500)
        watched.run()
        watched.relay.work_for(2 * HOUR)
        watched.sandbox.dbt_cloud.clear_faults()
        watched.review()
        assert watched.alerts() == [("given_up", None, False)]
        (message,) = watched.channels.messages
        assert message.title.startswith(f"dbt run {NIGHT} could not be evaluated")
        watched.relay.replay(NIGHT)
        watched.relay.work()
        watched.review()
        assert watched.alerts() == [("given_up", None, True)]
        assert watched.channels.titles[1].startswith(
            f"dbt run {NIGHT} Nightly build (Production) is evaluated after"
        )

    def test_a_dbt_run_of_which_some_syncs_could_not_be_decided(self, flowing):
        entry = sync_entry(5124, "tag:crm", name="by tag", notify=["data"])
        flowing.relay.map(mapping_of(5123).replace("syncs:\n", f"syncs:\n- {entry}\n"))
        flowing.sandbox.dbt_cloud.fail_next("manifest.json", Status(503), times=500)
        flowing.run(1, BROKEN)
        flowing.relay.work_for(2 * HOUR)
        flowing.sandbox.dbt_cloud.clear_faults()
        flowing.review()
        assert flowing.alerts() == [("given_up", None, False), ("withheld", 5123, False)]
        (message,) = flowing.channels.messages
        assert "1 dbt run not evaluated completely, 1 sync withheld" in message.title
        assert "sync 5124" in message.alerts[0].text
        flowing.relay.replay(NIGHT + 1)
        flowing.relay.work()
        assert flowing.alerts()[0] == ("given_up", None, True)

    def test_a_dbt_run_that_nobody_replays_is_forgotten(self, watched):
        watched.sandbox.dbt_cloud.fail_next("/runs/", Status(503), times=500)
        watched.run()
        watched.relay.work_for(2 * HOUR)
        watched.review(29 * DAY)
        assert watched.alerts()[0] == ("given_up", None, False)
        watched.review(DAY)
        assert watched.alerts()[0] == ("given_up", None, True)
        assert {says for says, *_ in watched.channels.told} <= {"opened", "reminder"}


class TestStale:
    @pytest.fixture(name="failing")
    def _failing(self, watched):
        """The sync run of the last dbt run has failed; of failures themselves nobody is told."""
        watched.relay.map(mapping_of(5123, fresh_within="2h", owner="ops", notify=ONLY_STALE))
        watched.run()
        watched.end_sync_runs(status="failed")
        return watched

    def test_it_is_told_and_logged_once_when_the_limit_is_passed(self, failing, events):
        failing.review(2 * HOUR - 120)
        assert events("sync.stale") == []
        for _ in range(3):
            failing.review(60)
        (line,) = events("sync.stale")
        assert line["log_level"] == "warning"
        assert (line["workspace"], line["sync_id"]) == SYNC
        assert (line["because"], line["fresh_within"]) == ("failing", 7200)
        assert (line["dbt_run_id"], line["owner"]) == (NIGHT, "ops")
        (since,) = failing.sql("SELECT behind_since FROM relay.sync_states")[0]
        assert line["behind_since"] == since
        (message,) = failing.channels.messages
        assert message.title == "customers to CRM (5123): stale"

    def test_it_is_over_when_the_tool_has_the_data(self, failing, events):
        failing.review(3 * HOUR)
        failing.review()
        failing.run(1)
        failing.end_sync_runs()
        failing.review()
        failing.review()
        assert [line["sync_id"] for line in events("sync.fresh")] == [5123]
        assert failing.channels.titles[1:] == [
            "customers to CRM (5123) is fresh again after 3 h",
        ]

    def test_it_is_not_told_of_what_a_worker_of_the_version_before_has_completed(
        self, watched, events
    ):
        """That one derives no states: during an upgrade they are as this version left them."""
        watched.relay.map(mapping_of(5123, fresh_within="2h", notify=ONLY_STALE))
        watched.run()
        (left,) = watched.sql("SELECT behind_since, because FROM relay.sync_states")
        watched.end_sync_runs()
        watched.sql("UPDATE relay.sync_states SET behind_since = %s, because = %s", *left)
        watched.review(3 * HOUR)
        assert events("sync.stale") == []
        assert watched.alerts() == []

    def test_a_hold_mutes_it(self, failing, events):
        scope = HoldScope(*SYNC)
        holds = failing.relay.services.store.holds
        holds.hold(scope, until=None, why=None, by="ana", now=failing.relay.clock())
        failing.review(3 * HOUR)
        failing.review()
        assert failing.channels.messages == []
        assert len(events("sync.stale")) == 1
        holds.release(scope, by="ana", now=failing.relay.clock())
        failing.review()
        assert failing.channels.told == [("opened", "stale", 5123)]

    @pytest.mark.parametrize(
        "keys", [{"enabled": False, "fresh_within": "2h"}, {"fresh_within": "9h"}, {}]
    )
    def test_it_is_not_called_fresh_because_the_mapping_asks_for_less(self, failing, events, keys):
        failing.review(3 * HOUR)
        failing.review()
        failing.relay.map(mapping_of(5123, notify=ONLY_STALE, **keys))
        failing.review()
        assert failing.alerts()[1:] == [("stale", 5123, True)]
        assert events("sync.fresh") == []
        assert [says for says, _, _ in failing.channels.told] == ["opened"]

    def test_a_sync_that_is_not_mapped_any_more_is_closed_in_silence(self, failing, events):
        failing.review(3 * HOUR)
        failing.review()
        failing.relay.map(mapping_of(5124))
        failing.review()
        assert [is_over for *_, is_over in failing.alerts()] == [True, True]
        failing.relay.map(mapping_of(5123, 5124))
        failing.review()
        assert events("sync.fresh") == []
        assert [says for says, _, _ in failing.channels.told] == ["opened"]

    def test_a_reminder_comes_a_day_later_and_no_sooner(self, failing):
        failing.review(3 * HOUR)
        failing.review()
        failing.review(DAY - 120)
        assert len(failing.channels.messages) == 1
        failing.review(120)
        failing.review()
        assert [str(each.says) for each in failing.channels.messages] == ["opened", "reminder"]


class TestDriftAndHealth:
    def observe(self, watched, name, value, detail=""):
        watched.sql(
            "INSERT INTO relay.observations (name, value, detail, seen_at)"
            " VALUES (%s, %s, %s, now()) ON CONFLICT (name, subject) DO UPDATE SET value = %s",
            name,
            value,
            detail,
            value,
        )

    def test_each_difference_of_a_mapped_sync_is_an_alert(self, watched):
        for sync_id, kind in ((5123, "sync_paused"), (5123, "own_trigger"), (9, "sync_unmapped")):
            watched.sql(
                "INSERT INTO relay.drift (workspace, sync_id, kind, subject, severity, detail,"
                " found_at) VALUES ('default', %s, %s, '', 'problem', 'it is so', now())",
                sync_id,
                kind,
            )
        watched.review()
        watched.review()
        (message,) = watched.channels.messages
        assert message.title == "1 sync drifted"
        assert [line.subject for line in message.alerts] == ["own_trigger", "sync_paused"]
        watched.sql("DELETE FROM relay.drift WHERE kind = 'sync_paused'")
        watched.review()
        assert watched.channels.titles[1].startswith(
            "customers to CRM (5123): sync paused is resolved after"
        )

    @pytest.mark.parametrize(
        ("name", "bad", "good"),
        [("webhook_silent", 1, 0), ("webhook_subscription", 0, 1), ("mapping", 0, 1)],
    )
    def test_what_a_worker_saw_of_relay_itself(self, watched, name, bad, good):
        self.observe(watched, name, good)
        watched.review()
        assert watched.alerts() == []
        self.observe(watched, name, bad, "it is bad")
        watched.review()
        watched.review()
        assert watched.alerts() == [("unwell", None, False)]
        self.observe(watched, name, good)
        watched.review()
        assert [says for says, *_ in watched.channels.told] == ["opened", "resolved"]

    @pytest.mark.parametrize(("day", "opened"), [(15, 0), (16, 1)])
    def test_census_v1_in_its_last_thirty_days(self, watched, day, opened):
        watched.relay.clock.now = datetime(2026, 12, day, 12, tzinfo=UTC)
        watched.review()
        watched.review()
        assert len(watched.alerts()) == opened
        told = [title for title in watched.channels.titles if "retired by its vendor" in title]
        assert len(told) == opened


class TestMutes:
    def mute(self, watched, seconds):
        now = watched.relay.clock()
        until = now + timedelta(seconds=seconds)
        watched.relay.services.store.mutes.mute(SYNC, until=until, why=None, by="ana", now=now)

    def test_what_is_open_when_it_ends_is_told_then(self, flowing):
        self.mute(flowing, HOUR)
        flowing.run(1, BROKEN)
        flowing.review()
        assert flowing.channels.messages == []
        flowing.review(HOUR)
        assert flowing.channels.told == [("opened", "withheld", 5123)]

    def test_what_ended_meanwhile_is_never_told(self, flowing):
        flowing.run(1, BROKEN)
        flowing.review()
        self.mute(flowing, HOUR)
        flowing.run(2)
        flowing.end_sync_runs(status="failed")
        flowing.run(3)
        flowing.end_sync_runs()
        flowing.review()
        flowing.review(2 * HOUR)
        assert flowing.channels.told == [("opened", "withheld", 5123)]


class TestManyWorkers:
    def test_two_reviews_at_once_tell_once(self, flowing):
        flowing.run(1, BROKEN)
        flowing.relay.tick(31)
        go = threading.Barrier(4)

        def review():
            go.wait()
            for _ in range(5):
                tasks.review_alerts(flowing.relay.services)

        workers = [threading.Thread(target=review) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        flowing.relay.work_for(10)
        assert len(flowing.channels.messages) == 1
        assert flowing.sql("SELECT count(*) FROM relay.messages") == [(1,)]

    def test_two_workers_cannot_tell_at_once(self, flowing, store):
        flowing.run(1, BROKEN)
        with store.alerts.telling() as first, store.alerts.telling() as second:
            assert first is not None
            assert second is None
            assert store.alerts.review([], [SYNC], [], at=flowing.relay.clock()) is None

    def test_a_decision_that_ends_an_alert_does_not_wait_for_messages_about_it(
        self, flowing, store, database
    ):
        """Each locks several alerts, in its own order: to wait could be a deadlock."""
        flowing.run(1, BROKEN)
        flowing.relay.tick(31)
        now = flowing.relay.clock()
        with store.alerts.telling() as telling, psycopg.connect(database.conninfo) as deciding:
            (about,) = telling.alerts
            outgoing = Outgoing("data", message(), (about.alert_id,))
            telling.record(Composed((outgoing,), ()), now=now)
            deciding.execute("SET lock_timeout = '3s'")
            resolve(deciding, [Event.WITHHELD], [SYNC], at=now)
        assert flowing.alerts() == [("withheld", 5123, True)]

    def test_an_alert_that_is_rolled_back_is_not_told(self, flowing, store, monkeypatch):
        """A worker dies before it commits what it has composed."""
        flowing.run(1, BROKEN)
        flowing.relay.tick(31)

        def die(*_, **__):
            raise SystemExit

        with monkeypatch.context() as patched:
            patched.setattr("relay.store.alerts.Telling.record", die)
            with pytest.raises(SystemExit):
                tasks.review_alerts(flowing.relay.services)
        flowing.review()
        assert len(flowing.channels.messages) == 1

    def test_a_worker_reviews_alerts_in_its_round(self, flowing):
        flowing.relay.start()
        flowing.run(1, BROKEN)
        flowing.relay.tick(31)
        flowing.relay.round()
        assert len(flowing.channels.messages) == 1


def test_a_good_run_opens_nothing_and_leaves_nothing_to_do(flowing):
    flowing.review()
    assert flowing.alerts() == []
    assert flowing.channels.messages == []
    assert flowing.relay.is_idle()


def test_a_sync_that_names_no_channel_is_an_alert_that_nobody_is_told_of(flowing):
    flowing.relay.map(mapping_text(sync_entry(5123, "customers")))
    flowing.run(1, BROKEN)
    flowing.review()
    assert flowing.alerts() == [("withheld", 5123, False)]
    assert flowing.channels.messages == []


def test_a_manual_sync_run_that_fails_is_told_without_a_dbt_run(watched):
    watched.relay.trigger(5123, Records.AS_MAPPED)
    watched.relay.work()
    watched.end_sync_runs(status="failed")
    watched.review()
    (message,) = watched.channels.messages
    assert message.links == ()
    assert message.title == "customers to CRM (5123): sync run failed"


def test_a_run_of_one_model_leaves_the_alert_of_another_sync(flowing):
    flowing.relay.map(mapping_of(5123, 5124))
    flowing.run(1)
    flowing.end_sync_runs()
    flowing.run(2, BROKEN)
    ended = flowing.relay.clock() - timedelta(seconds=5)
    flowing.relay.deliver(build_run("customers", number=3, finished_at=ended))
    flowing.relay.work()
    assert flowing.alerts() == [("withheld", 5123, True), ("withheld", 5124, False)]


class TestAMessageThatFailed:
    """Its channel's URL was wrong, for example, and has been corrected since."""

    @pytest.fixture(name="failed")
    def _failed(self, flowing, events):
        flowing.channels.fail_next(Rejected("HTTP 404"))
        flowing.run(1, BROKEN)
        flowing.review()
        assert len(events("notify.failed")) == 1
        return flowing

    def test_is_composed_again_after_an_hour_and_not_before(self, failed):
        failed.review(3500)
        assert failed.channels.told == []
        failed.review(100)
        assert failed.channels.told == [("opened", "withheld", 5123)]
        failed.review(3700)
        assert len(failed.channels.told) == 1

    def test_may_fail_again_and_is_composed_once_more(self, failed, events):
        failed.channels.fail_next(Rejected("HTTP 404"))
        failed.review(3700)
        assert len(events("notify.failed")) == 2
        failed.review(3700)
        assert failed.channels.told == [("opened", "withheld", 5123)]

    def test_of_an_alert_that_is_over_meanwhile_nothing_is_said(self, failed):
        failed.run(2)
        failed.review(3700)
        assert failed.channels.told == []
