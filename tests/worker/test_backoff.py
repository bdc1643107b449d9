"""Pauses grow, are never in step, and never shorter than the vendor asks."""

from datetime import timedelta

import pytest

from relay.worker.backoff import LONGEST, SHORTEST, pause

SECOND = timedelta(seconds=1)
MANY = range(200)


@pytest.mark.parametrize(
    ("faults", "longest"), [(0, 2), (1, 2), (2, 4), (5, 32), (9, 300), (99, 300)]
)
def test_a_pause_is_drawn_from_an_ever_longer_time(faults, longest):
    pauses = [pause(faults, retry_after=None) for _ in MANY]
    assert min(pauses) >= SHORTEST * SECOND
    assert longest / 2 * SECOND < max(pauses) <= min(longest, LONGEST) * SECOND


def test_those_who_were_refused_together_do_not_come_back_together():
    assert len({pause(5, retry_after=None) for _ in MANY}) == len(MANY)


def test_what_the_vendor_asks_for_comes_first():
    assert min(pause(1, retry_after=120) for _ in MANY) > 120 * SECOND
