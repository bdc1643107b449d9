"""When a vendor is asked again: later each time, never in step with others, and not for ever."""

from datetime import timedelta

from tenacity import RetryCallState, Retrying, wait_random_exponential

from relay.errors import RelayError, Unavailable

SHORTEST, LONGEST = 1.0, 300.0  # seconds

# Somewhere between the shortest pause and 2, 4, 8, … seconds: those who were refused together
# do not come back together.
_WAIT = wait_random_exponential(multiplier=2, min=SHORTEST, max=LONGEST)


def next_try(
    failures: int, spent: float, *, retry_for: float, retry_after: float | None
) -> timedelta | None:
    """The pause until the next try, after one that has failed; None if retries are exhausted.

    `failures` are the tries that failed before this one, `spent` the seconds of the pauses between
    them. Only these count against `retry_for`: while no worker ran, nobody tried. `retry_after` are
    the seconds that the vendor asked for, None if it did not.
    """
    exhausted = is_exhausted(spent, retry_for=retry_for)
    return None if exhausted else pause(failures + 1, retry_after=retry_after)


def is_exhausted(spent: float, *, retry_for: float) -> bool:
    """Whether the try after pauses of so many seconds is the last one."""
    return spent >= retry_for


def pause(failures: int, *, retry_after: float | None) -> timedelta:
    """A pause after so many failures in a row, one at least; `retry_after` seconds come first."""
    state = RetryCallState(Retrying(), fn=None, args=(), kwargs={})
    state.attempt_number = max(failures, 1)
    return timedelta(seconds=(retry_after or 0.0) + _WAIT(state))


def retry_after_of(exc: RelayError) -> float | None:
    """The seconds that a vendor asked to wait; None if it did not."""
    return exc.retry_after if isinstance(exc, Unavailable) else None
