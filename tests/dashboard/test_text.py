"""How templates write times."""

from datetime import UTC, datetime, timedelta

import pytest

from relay.dashboard import text

NOW = datetime(2026, 11, 27, 6, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("passed", "words"),
    [
        (timedelta(milliseconds=40), "1 s ago"),
        (timedelta(minutes=2, seconds=5), "2 min 5 s ago"),
        (timedelta(minutes=17, seconds=59), "17 min ago"),
        (timedelta(hours=22, minutes=18), "22 h ago"),
        (timedelta(days=1, hours=10), "1 d 10 h ago"),
        (timedelta(hours=-3), "in 3 h"),
    ],
)
def test_a_time_in_a_list_is_told_roughly_and_in_its_title_exactly(passed, words):
    shown = text.when(NOW - passed, NOW)
    assert f">{words}</time>" in shown
    assert f"{NOW - passed:%Y-%m-%d %H:%M:%S} UTC" in shown
