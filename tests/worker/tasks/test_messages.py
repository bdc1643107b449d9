"""Messages are sent in order, one a second for each channel, and none is lost."""

import dataclasses
import uuid
from datetime import timedelta

import pytest
from channel_recorder import ChannelRecorder
from mappings import mapping_text, sync_entry
from sandbox_runs import build_run

from relay.errors import Rejected, Unanswered, Unavailable
from relay.messages.compose import Composed, Outgoing
from relay.messages.message import Message, Says, Severity
from relay.store import jobs
from relay.worker import tasks

HALF_AN_HOUR = 1800


@pytest.fixture(name="channels")
def _channels(relay):
    """What receives the messages of the channels `data` and `more`."""
    relay.map(
        mapping_text(
            sync_entry(5123, "customers"),
            notify={
                "data": {"kind": "slack", "url_env": "RELAY_NOTIFY_DATA"},
                "more": {"kind": "teams", "url_env": "RELAY_NOTIFY_MORE"},
            },
        )
    )
    channels = ChannelRecorder()
    relay.services = dataclasses.replace(relay.services, sender=channels)
    return channels


@pytest.fixture(name="store_messages")
def _store_messages(relay, channels):
    """Store messages with these titles, and have them sent by the next review."""

    def store_messages(*titles, channel="data"):
        now = relay.clock()
        outgoing = tuple(Outgoing(channel, message(title, now), ()) for title in titles)
        with relay.services.store.alerts.telling() as telling:
            telling.record(Composed(outgoing, ()), now=now)
        tasks.review_alerts(relay.services)
        relay.work()

    return store_messages


def message(title, now):
    # Ids that sort as the titles: they are stored at the same time.
    return Message(
        message_id=uuid.UUID(int=int.from_bytes(title.encode()[:16].ljust(16), "big")),
        says=Says.OPENED,
        severity=Severity.ERROR,
        title=title,
        at=now.isoformat(),
    )


@pytest.fixture(name="sent_alerts")
def _sent_alerts(store):
    """The counter of messages: (kind, result) -> number."""

    def sent_alerts():
        tallies = store.tallies.read().get("relay_alerts_sent_total", {})
        return {(dict(labels)["kind"], dict(labels)["result"]): n for labels, n in tallies.items()}

    return sent_alerts


def test_at_most_one_a_second_is_sent_to_a_channel_in_order(relay, channels, store_messages):
    store_messages("1", "2", "3")
    store_messages("4", channel="more")
    assert channels.titles == ["1", "4"]
    relay.work_for(10)
    in_order = [message.title for name, message, _ in channels.sent if name == "data"]
    assert in_order == ["1", "2", "3"]
    times = [at for name, _, at in channels.sent if name == "data"]
    assert times[1] - times[0] >= timedelta(seconds=1)
    assert times[2] - times[1] >= timedelta(seconds=1)
    assert relay.is_idle()


def test_what_is_composed_at_once_is_sent_in_the_order_of_composition(
    relay, channels, store_messages
):
    """PagerDuty would take the end of an alert, sent late, for that of the next one of its key."""
    store_messages("2 over", "1 opened")
    relay.work_for(2)
    assert channels.titles == ["2 over", "1 opened"]


def test_reviews_add_no_jobs_while_many_are_being_sent(relay, channels, store_messages):
    store_messages(*(f"{number:02}" for number in range(40)))
    for _ in range(3):
        relay.work_for(9.5)
        tasks.review_alerts(relay.services)
    assert 25 < len(channels.titles) < 32
    assert relay.sql("SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo'") == [(1,)]


def test_one_that_comes_soon_after_another_waits(relay, channels, store_messages):
    store_messages("1")
    relay.tick(0.4)
    store_messages("2")
    assert channels.titles == ["1"]
    relay.work_for(1)
    assert channels.titles == ["1", "2"]


def test_a_clock_that_was_ahead_delays_none(relay, channels, store_messages):
    relay.tick(3600)
    store_messages("1")
    relay.clock.set_back(3600)
    store_messages("2")
    assert channels.titles == ["1", "2"]


def test_what_was_sent_is_logged_and_counted(channels, store_messages, events, sent_alerts):
    store_messages("1")
    (line,) = events("notify.sent")
    expected = {"channel": "data", "kind": "slack", "says": "opened", "alerts": 0}
    assert line.items() >= expected.items()
    assert line["message_id"] == str(channels.messages[0].message_id)
    assert sent_alerts() == {("slack", "sent"): 1}


class TestARetry:
    def test_waits_as_long_as_the_channel_asks_for(self, relay, channels, store_messages, events):
        channels.fail_next(Unavailable("HTTP 429", http_status=429, retry_after=60.0))
        store_messages("1", "2")
        relay.work_for(59)
        assert channels.tries == 1
        relay.work_for(10)
        assert channels.titles == ["1", "2"]
        (line,) = events("notify.retried")
        assert (line["log_level"], line["problem"]) == ("warning", "HTTP 429")

    def test_backs_off_until_retries_are_exhausted(
        self, relay, channels, store_messages, events, sent_alerts
    ):
        channels.fail_next(*[Unavailable("no answer")] * 200)
        store_messages("1")
        relay.work_for(2 * HALF_AN_HOUR)
        (line,) = events("notify.failed")
        assert line["log_level"] == "error"
        assert (line["channel"], line["problem"]) == ("data", "no answer")
        pauses = relay.sql("SELECT backoff_spent FROM relay.messages")[0][0]
        assert pauses >= HALF_AN_HOUR
        assert 8 < channels.tries < 60
        assert sent_alerts() == {("slack", "failed"): 1}
        assert relay.is_idle()

    def test_is_also_made_if_the_answer_was_lost(self, relay, channels, store_messages):
        channels.fail_next(Unanswered("the answer was lost"))
        store_messages("1")
        relay.work_for(10)
        assert channels.titles == ["1"]

    def test_is_also_made_after_an_unforeseen_error(self, relay, channels, store_messages, events):
        channels.fail_next(RuntimeError("unforeseen"))
        store_messages("1")
        assert len(events("task.failed")) == 1
        relay.work_for(10)
        assert channels.titles == ["1"]

    def test_does_not_delay_another_channel(self, channels, store_messages):
        channels.fail_next(Unavailable("HTTP 503"))
        store_messages("1")
        store_messages("2", channel="more")
        assert channels.titles == ["2"]


class TestFailedAtOnce:
    def test_what_the_channel_refuses_and_the_next_one_is_sent(
        self, relay, channels, store_messages, events
    ):
        channels.fail_next(Rejected("HTTP 404: no_service", http_status=404))
        store_messages("1", "2")
        relay.work_for(10)
        assert channels.titles == ["2"]
        (line,) = events("notify.failed")
        assert line["problem"] == "HTTP 404: no_service"
        problem = "SELECT problem FROM relay.messages WHERE failed_at IS NOT NULL"
        assert relay.sql(problem) == [("HTTP 404: no_service",)]

    def test_what_is_for_a_channel_that_is_no_longer_in_the_mapping(
        self, relay, channels, store_messages, events, sent_alerts
    ):
        store_messages("1", channel="gone")
        (line,) = events("notify.failed")
        assert line["problem"] == "the mapping file has no channel 'gone' any more"
        assert sent_alerts() == {("unknown", "failed"): 1}
        assert channels.tries == 0


class TestAKill:
    def test_after_the_channel_took_it_sends_the_same_message_again(
        self, relay, channels, store_messages, store
    ):
        """At least once: a receiver knows it by its id."""
        store_messages()
        send = channels.send

        def die_after(channel, message, *, at):
            send(channel, message, at=at)
            raise SystemExit

        channels.send = die_after
        now = relay.clock()
        with relay.services.store.alerts.telling() as telling:
            telling.record(Composed((Outgoing("data", message("1", now), ()),), ()), now=now)
        with pytest.raises(SystemExit):
            tasks.send_messages(relay.services, channel="data")
        channels.send = send
        tasks.send_messages(relay.services, channel="data")
        first, second = channels.messages
        assert first == second
        tasks.send_messages(relay.services, channel="data")
        assert len(channels.messages) == 2

    def test_of_the_one_that_sends_leaves_nothing_to_two(self, relay, channels, store_messages):
        store = relay.services.store
        channels.fail_next(Unavailable("HTTP 503"))
        store_messages("1")
        relay.tick(60)
        now = relay.clock()
        with (
            store.messages.claim("data", now=now) as first,
            store.messages.claim("data", now=now) as second,
        ):
            assert first is not None
            assert second is None

    def test_before_its_job_is_done_is_made_up_for_by_the_next_review(
        self, relay, channels, store_messages, sql
    ):
        channels.fail_next(Unavailable("HTTP 503"))
        store_messages("1")
        sql("DELETE FROM procrastinate_jobs")
        relay.tick(60)
        store_messages()
        assert channels.titles == ["1"]


def test_a_job_that_comes_too_early_sends_nothing(relay, channels, store_messages):
    channels.fail_next(Unavailable("HTTP 429", retry_after=60.0))
    store_messages("1")
    tasks.send_messages(relay.services, channel="data")
    assert channels.tries == 1


def test_channels_that_do_not_answer_leave_slots_to_triggers(relay, channels):
    """Twenty send at once, each for seconds, and a worker has eight slots."""
    store = relay.services.store
    for number in range(20):
        store.messages.send_now(f"channel {number}")
    relay.deliver(build_run())
    fetch = "SELECT task_name FROM procrastinate_fetch_job_v2(%s::varchar[], NULL)"
    fetched = [relay.sql(fetch, jobs.QUEUES)[0][0] for _ in range(8)]
    assert fetched[0] == jobs.EVALUATE_DBT_RUN
    assert fetched.count(jobs.SEND_MESSAGES) == jobs.MOST_SENDING
