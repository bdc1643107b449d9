"""The heartbeat: while all is well, one of the workers asks for a URL every minute."""

from dataclasses import replace

import pytest

from relay.sandbox import story
from relay.sandbox.wire import Body, HangUp, Status
from relay.secret import Secret
from relay.store import jobs
from relay.worker import tasks

TOKEN = "0f3c9e5a-secret-0000-4f5a-8b6c7d8e9f0a"
PATH = f"/ping/{TOKEN}"
MINUTE = 60


@pytest.fixture(name="beating")
def _beating(relay, sandbox):
    """A relay with a heartbeat; the receivers stand in for the service that it goes to."""
    answer(sandbox, Body(b"OK", 200), times=1000)
    return with_heartbeat(relay, sandbox)


def with_heartbeat(relay, sandbox):
    url = Secret(f"{sandbox.channels.url}{PATH}")
    settings = replace(relay.services.settings, heartbeat_url=url)
    relay.services = replace(relay.services, settings=settings)
    relay.start()
    return relay


def answer(sandbox, *faults, times=1):
    """What the service answers from now on."""
    sandbox.channels.clear_faults()
    for fault in faults:
        sandbox.channels.fail_next("GET /ping", fault, times=times)


def beats(sandbox):
    return len(sandbox.channels.requests_to(f"GET {PATH}"))


def a_minute_later(relay):
    relay.tick(MINUTE)
    relay.round()


def test_it_is_sent_every_minute(beating, sandbox, events):
    beating.round()
    assert beats(sandbox) == 1
    beating.tick(MINUTE - 1)
    beating.round()
    assert beats(sandbox) == 1
    beating.tick(1)
    beating.round()
    assert beats(sandbox) == 2
    assert events("heartbeat.failed", "heartbeat.recovered", "task.failed") == []


def test_several_workers_send_one(beating, sandbox):
    for _ in range(3):  # each worker's round
        beating.round()
    assert beats(sandbox) == 1


def test_without_its_url_there_is_none(relay, sandbox):
    relay.start()
    relay.round()
    assert sandbox.channels.requests == []
    assert relay.sql("SELECT 1 FROM relay.periodic_tasks WHERE name = 'send_heartbeat'") == []


def test_it_stays_away_while_the_mapping_file_is_broken(beating, sandbox):
    beating.round()
    beating.map("version: 1\nsyncs: 5\n")
    a_minute_later(beating)
    assert beats(sandbox) == 1
    beating.map(story.MAPPING)
    a_minute_later(beating)
    assert beats(sandbox) == 2


def test_it_stays_away_while_the_mapping_file_is_gone(beating, sandbox, settings):
    beating.round()
    settings.mapping.unlink()
    a_minute_later(beating)
    assert beats(sandbox) == 1


@pytest.mark.parametrize("fault", [Status(500), Status(404), Status(302), HangUp()], ids=str)
def test_a_failure_and_its_end_are_logged_once_each(beating, sandbox, events, fault):
    beating.round()
    answer(sandbox, fault, times=1000)
    for _ in range(3):
        a_minute_later(beating)
    (failed,) = events("heartbeat.failed")
    assert failed["log_level"] == "warning"
    assert failed["problem"].startswith("RELAY_HEARTBEAT_URL: ")
    assert TOKEN not in str(failed)
    assert events("heartbeat.recovered") == []
    answer(sandbox, Body(b"OK", 200), times=1000)
    for _ in range(3):
        a_minute_later(beating)
    (recovered,) = events("heartbeat.recovered")
    assert recovered["log_level"] == "info"
    assert len(events("heartbeat.failed")) == 1


def test_a_first_one_that_fails_is_logged_too(relay, sandbox, events):
    answer(sandbox, Status(404), times=9)
    with_heartbeat(relay, sandbox).round()
    assert len(events("heartbeat.failed")) == 1


def test_its_job_is_in_a_queue_that_no_worker_of_the_version_before_reads(beating, sql):
    tasks.defer_periodic_tasks(beating.services)
    queues = dict(sql("SELECT task_name, queue_name FROM procrastinate_jobs"))
    assert queues[jobs.SEND_HEARTBEAT] == jobs.MESSAGES_QUEUE
    assert queues[jobs.PRUNE] == jobs.QUEUE
