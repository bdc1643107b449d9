"""Refused deliveries do not fill the log: so many lines a minute, the rest as numbers."""

import time

from relay.web.refusals import LINES, RefusalLog


def test_the_rest_of_a_minute_is_counted_and_logged_at_its_end(logged):
    refusals = RefusalLog(window=0.5)
    for _ in range(LINES + 7):
        refusals.refused("wrong_signature")
    refusals.refused("body_too_large")
    assert [line["event"] for line in logged] == ["delivery.refused"] * LINES
    deadline = time.monotonic() + 10
    while len(logged) == LINES and time.monotonic() < deadline:
        time.sleep(0.01)
    counted = logged[-1]
    assert counted["event"] == "delivery.refusals_counted"
    assert (counted["count"], counted["reasons"]) == (
        8,
        {"wrong_signature": 7, "body_too_large": 1},
    )


def test_the_next_minute_has_lines_of_its_own(logged):
    refusals = RefusalLog(window=0.05)
    for _ in range(LINES):
        refusals.refused("wrong_signature")
    time.sleep(0.06)
    refusals.refused("no_signature")
    assert [line["reason"] for line in logged][LINES:] == ["no_signature"]


def test_a_quiet_minute_says_nothing_more(logged):
    refusals = RefusalLog(window=0.01)
    refusals.refused("wrong_signature")
    time.sleep(0.1)
    assert len(logged) == 1
