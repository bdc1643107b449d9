"""The drawings: what their shapes mean, without colors too."""

from datetime import UTC, datetime, timedelta

import pytest

from relay.dashboard.drawings.bars import hour_bars
from relay.dashboard.drawings.lag_chart import lag_chart
from relay.dashboard.drawings.sparkline import UP, sparkline
from relay.store.pages.overview import Hour
from relay.store.pages.syncs import Lag, RecentRun

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def run(outcome="completed", lag=60.0):
    return RecentRun(1, outcome, lag, NOW, 1, 0, 0)


def lag_at(days_ago, seconds):
    return Lag(1, NOW - timedelta(days=days_ago), seconds)


class TestASparkline:
    def test_goes_up_by_the_lag_and_down_for_what_ended_badly(self):
        bars = sparkline([run(lag=60.0), run("failed", None), run(lag=30.0)]).bars
        assert [(bar.y + bar.height <= UP, bar.height) for bar in bars] == [
            (True, UP / 2),
            (False, 6),
            (True, UP),
        ]

    def test_says_it_in_words(self):
        drawn = sparkline([run(lag=60.0), run("failed", None), run(lag=3600.0)])
        assert drawn.words == "Last 3 sync runs: completed 2, failed 1; lag 1 min to 1 h"

    def test_a_run_without_lag_is_a_low_bar(self):
        assert [bar.height for bar in sparkline([run(lag=None), run(lag=0.0)]).bars] == [2, 2]

    def test_is_not_drawn_without_runs(self):
        assert sparkline([]) is None


class TestALagChart:
    def test_stands_higher_the_longer_the_lag_and_to_the_right_the_later(self):
        first, second = lag_chart([lag_at(20, 60.0), lag_at(2, 600.0)], None, NOW).points
        assert first.x < second.x
        assert first.y > second.y
        assert second.words == "2026-11-25 12:00: 10 min"

    @pytest.mark.parametrize(("fresh_within", "is_drawn"), [(600, True), (7200, False)])
    def test_a_limit_far_above_is_told_and_not_drawn(self, fresh_within, is_drawn):
        chart = lag_chart([lag_at(1, 600.0)], fresh_within, NOW)
        assert (chart.limit is not None) == is_drawn
        assert "fresh_within is" in chart.words

    def test_all_stays_within_the_drawing(self):
        chart = lag_chart([lag_at(45, 0.0), lag_at(-1, 10.0)], 15, NOW)
        for x, y in (*((each.x, each.y) for each in chart.points), (0, chart.limit)):
            assert 0 <= x <= chart.width
            assert 0 <= y <= chart.height

    def test_is_not_drawn_without_lags(self):
        assert lag_chart([], 600, NOW) is None


class TestHourBars:
    def test_failures_go_down_and_what_was_withheld_stands_on_what_was_triggered(self):
        drawn = hour_bars([Hour(0, triggered=2, withheld=1, failed=1)], NOW)
        triggered, withheld, failed = drawn.bars
        assert withheld.y + withheld.height == pytest.approx(triggered.y)
        assert triggered.y + triggered.height == pytest.approx(drawn.baseline)
        assert failed.y == drawn.baseline
        assert failed.words == "1 failed from 11:00 UTC"

    def test_every_hour_is_in_the_table_the_newest_first(self):
        hours = hour_bars([Hour(5, failed=1)], NOW).hours
        assert [hour.ago for _, hour in hours] == list(range(24))
        assert hours[5][0] == NOW - timedelta(hours=6)

    def test_is_not_drawn_for_a_quiet_day(self):
        assert hour_bars([], NOW) is None
