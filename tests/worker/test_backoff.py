"""Pauses grow, are never in step, never shorter than the vendor asks, and come to an end."""

from datetime import timedelta

import pytest

from relay.errors import BadArtifact, Rejected, Unavailable
from relay.worker.backoff import LONGEST, SHORTEST, next_try, pause, retry_after_of

SECOND = timedelta(seconds=1)
MANY = range(200)


@pytest.mark.parametrize(
    ("failures", "longest"), [(0, 2), (1, 2), (2, 4), (5, 32), (9, 300), (99, 300)]
)
def test_a_pause_is_drawn_from_an_ever_longer_time(failures, longest):
    pauses = [pause(failures, retry_after=None) for _ in MANY]
    assert min(pauses) >= SHORTEST * SECOND
    assert longest / 2 * SECOND < max(pauses) <= min(longest, LONGEST) * SECOND


def test_those_who_were_refused_together_do_not_come_back_together():
    assert len({pause(5, retry_after=None) for _ in MANY}) == len(MANY)


def test_what_the_vendor_asks_for_comes_first():
    assert min(pause(1, retry_after=120) for _ in MANY) > 120 * SECOND


@pytest.mark.parametrize(
    ("failures", "spent", "is_tried"),
    [
        (0, 0.0, True),
        (7, 1799.9, True),
        (99, 0.0, True),
        (1, 1800.0, False),
        (1, 2100.0, False),
    ],
    ids=["first", "nearly spent", "however many", "spent", "overspent"],
)
def test_retries_are_exhausted_when_the_pauses_are_spent(failures, spent, is_tried):
    again = next_try(failures, spent, retry_for=1800, retry_after=None)
    assert (again is not None) == is_tried


def test_the_next_try_counts_the_one_that_failed():
    pauses = [next_try(2, 0.0, retry_for=1800, retry_after=60) for _ in MANY]
    assert 60 * SECOND + 4 * SECOND < max(pauses) <= 60 * SECOND + 8 * SECOND


@pytest.mark.parametrize(
    ("exc", "seconds"),
    [
        (Unavailable("GET", http_status=429, retry_after=40.0), 40.0),
        (Unavailable("GET", http_status=503), None),
        (Rejected("GET", http_status=401), None),
        (BadArtifact("no JSON"), None),
    ],
    ids=["429", "503", "401", "artifact"],
)
def test_only_a_vendor_that_is_unavailable_asks_to_wait(exc, seconds):
    assert retry_after_of(exc) == seconds
