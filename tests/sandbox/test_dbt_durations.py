"""Durations, as recorded answers have them."""

from datetime import timedelta

import pytest

from relay.sandbox.dbt_durations import clock_time, humanized


@pytest.mark.parametrize(
    ("duration", "written", "words"),
    [
        (timedelta(), "00:00:00", "0 minutes"),
        (timedelta(seconds=0.9), "00:00:00", "0 minutes"),
        (timedelta(seconds=1), "00:00:01", "1 second"),
        (timedelta(minutes=1, seconds=37), "00:01:37", "1 minute, 37 seconds"),
        (timedelta(minutes=56, seconds=48), "00:56:48", "56 minutes, 48 seconds"),
        (timedelta(hours=2, seconds=3), "02:00:03", "2 hours"),
        (timedelta(hours=24, seconds=36), "24:00:36", "1 day"),
        (timedelta(days=17, hours=3), "411:00:00", "2 weeks, 3 days"),
        (timedelta(days=400), "9600:00:00", "1 year, 1 month"),
    ],
    ids=str,
)
def test_a_duration_is_written_as_recorded(duration, written, words):
    assert (clock_time(duration), humanized(duration)) == (written, words)
