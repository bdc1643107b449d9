"""Asking a vendor again, and not too often."""

import pytest

from relay.errors import Rejected, Unavailable
from relay.vendors.patience import MOST_TRIES, Patience


@pytest.fixture(name="slept")
def _slept():
    return []


@pytest.fixture(name="patience")
def _patience(slept):
    return Patience(most_a_minute=60, sleep=slept.append, stopwatch=lambda: 100.0)


class Vendor:
    """Fails with these errors, one after the other, then answers."""

    def __init__(self, *errors):
        self.left = list(errors)
        self.asked = 0

    def __call__(self):
        self.asked += 1
        if self.left:
            raise self.left.pop(0)
        return "answer"


def test_calls_are_a_second_apart_if_sixty_a_minute_are_allowed(patience, slept):
    for _ in range(4):
        patience.ask(Vendor())
    assert slept == [1, 2, 3]


def test_the_vendors_own_pause_is_kept(slept):
    patience = Patience(most_a_minute=10**9, sleep=slept.append)
    assert patience.ask(Vendor(Unavailable("429", retry_after=7))) == "answer"
    assert slept[0] == 7


def test_without_one_each_pause_is_twice_as_long(slept):
    patience = Patience(most_a_minute=10**9, sleep=slept.append)
    assert patience.ask(Vendor(*[Unavailable("500")] * 3)) == "answer"
    assert [pause for pause in slept if pause >= 1] == [1, 2, 4]


def test_after_so_many_tries_the_error_is_raised(patience):
    vendor = Vendor(*[Unavailable("500")] * 9)
    with pytest.raises(Unavailable):
        patience.ask(vendor)
    assert vendor.asked == MOST_TRIES


@pytest.mark.parametrize("error", [Rejected("404"), Unavailable("429", retry_after=3600)])
def test_a_refusal_and_a_pause_of_an_hour_are_not_waited_for(patience, error):
    vendor = Vendor(error, error)
    with pytest.raises(type(error)):
        patience.ask(vendor)
    assert vendor.asked == 1


def test_once_stopped_nothing_is_asked_again():
    patience = Patience(most_a_minute=60)
    patience.stop()
    vendor = Vendor(Unavailable("500"), Unavailable("500"))
    with pytest.raises(Unavailable):
        patience.ask(vendor)
    assert vendor.asked == 1
