"""The drawing of a run's timeline: what is on it, and where."""

from datetime import UTC, datetime, timedelta

import pytest

from relay.dashboard.drawings.timeline import (
    AXIS_FROM,
    AXIS_TO,
    MOST_TICKS,
    Moment,
    SyncTime,
    timeline,
)

ENDED = datetime(2026, 11, 22, 5, 12, tzinfo=UTC)


def at(seconds):
    return ENDED + timedelta(seconds=seconds)


def sync(state="completed", sent=10, ended=110):
    return SyncTime(
        label="5123",
        state=state,
        decided_at=at(10),
        sent_at=None if sent is None else at(sent),
        ended_at=None if ended is None else at(ended),
    )


def drawn(*syncs, now=500):
    return timeline([Moment("dbt run ended", ENDED), Moment("decided", at(10))], syncs, at(now))


def test_a_sync_run_is_a_bar_from_its_post_to_its_end():
    (lane,) = drawn(sync(sent=60)).lanes
    axis = AXIS_TO - AXIS_FROM
    assert lane.bar_x == pytest.approx(AXIS_FROM + axis * 60 / 110, abs=0.1)
    assert lane.bar_x + lane.bar_width == pytest.approx(AXIS_TO, abs=0.1)
    assert lane.x + lane.waits == pytest.approx(lane.bar_x, abs=0.1)


def test_what_has_not_ended_goes_on_until_now():
    (lane,) = drawn(sync("running", ended=None), now=200).lanes
    assert lane.bar_x + lane.bar_width == pytest.approx(AXIS_TO, abs=0.1)


def test_what_was_not_sent_has_no_bar():
    (lane,) = drawn(sync("held", sent=None, ended=None)).lanes
    assert lane.bar_x is None
    assert lane.kind == "waiting"


def test_a_run_without_syncs_and_length_can_be_drawn():
    alone = timeline([Moment("recorded", ENDED)], [], ENDED)
    assert [mark.x for mark in alone.marks] == [AXIS_FROM]
    assert alone.lanes == ()


@pytest.mark.parametrize("seconds", [1, 59, 61, 3601, 86400, 30 * 86400])
def test_the_axis_has_few_labels(seconds):
    ticks = drawn(sync(ended=seconds), now=seconds).ticks
    assert 2 <= len(ticks) <= max(MOST_TICKS, 1) + 1
    assert ticks[0].label == "0 s"
