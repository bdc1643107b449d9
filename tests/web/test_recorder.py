"""Deliveries that wait together are written together, and none is acknowledged that is not."""

import threading
import uuid

import pytest

from relay.errors import DatabaseUnavailable
from relay.store import Delivery
from relay.web.recorder import Recorder, _Waiting


def delivery(number):
    return Delivery(
        delivery_id=uuid.uuid4(),
        body=b"{}",
        event_id=f"wev_{number}",
        dbt_account_id=1,
        dbt_run_id=number,
    )


def record_at_once(recorder, deliveries):
    """What became of each: whether it was new, or the error that was raised."""
    became = [None] * len(deliveries)

    def record(number):
        try:
            became[number] = recorder.record(deliveries[number])
        except Exception as exc:  # noqa: BLE001 - whatever it is, it is looked at
            became[number] = exc

    threads = [threading.Thread(target=record, args=(n,)) for n in range(len(deliveries))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return became


@pytest.fixture(name="recorder")
def _recorder(database):
    recorder = Recorder(database)
    yield recorder
    recorder.close()


def test_under_load_every_delivery_is_written_once_and_answered_for_itself(recorder, sql):
    deliveries = [delivery(number) for number in (*range(150), *range(150))]
    became = record_at_once(recorder, deliveries)
    assert sorted(became) == [False] * 150 + [True] * 150
    assert sql("SELECT count(*) FROM relay.deliveries") == [(150,)]
    assert sql("SELECT count(*) FROM procrastinate_jobs") == [(150,)]


def test_it_goes_on_after_a_connection_broke_under_load(recorder, sql):
    record_at_once(recorder, [delivery(number) for number in range(20)])
    sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    assert record_at_once(recorder, [delivery(number) for number in range(20, 60)]) == [True] * 40


class _Broken:
    """A server that fails with an unexpected error."""

    @property
    def conninfo(self):
        raise RuntimeError("unexpected")


def test_a_failure_nobody_foresaw_acknowledges_nothing():
    became = record_at_once(Recorder(_Broken()), [delivery(number) for number in range(12)])
    assert {type(each) for each in became} <= {RuntimeError, DatabaseUnavailable}


def test_a_thread_that_gives_up_in_the_moment_it_is_made_leader_hands_over():
    """Else no thread would write again. Real threads cannot be made to reproduce this moment."""
    recorder = Recorder(_Broken())
    gives_up, waits = _Waiting(delivery(1)), _Waiting(delivery(2))
    recorder._enqueue(gives_up)
    recorder._enqueue(waits)
    recorder._withdraw(gives_up)
    assert waits.leads
    assert not waits.woken.locked()
