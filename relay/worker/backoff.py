"""Exponential backoff with jitter, and the limit after which retries are exhausted."""

from datetime import timedelta

from tenacity import RetryCallState, Retrying, wait_random_exponential

from relay.errors import RelayError, Unavailable

SHORTEST, LONGEST = 1.0, 300.0  # seconds

# A random pause between the shortest one and 2, 4, 8, … seconds: requests that failed together
# are not retried together.
_WAIT = wait_random_exponential(multiplier=2, min=SHORTEST, max=LONGEST)


def next_try(
    failures: int, spent: float, *, retry_for: float, retry_after: float | None
) -> timedelta | None:
    """The pause before the next try, after a failure; None if retries are exhausted.

    `failures` is the number of failures before this one, `spent` the seconds of the pauses between
    them. Only pauses count against `retry_for`, not time in which no worker ran. `retry_after` is
    the number of seconds that the vendor asked for, None if it did not.
    """
    exhausted = is_exhausted(spent, retry_for=retry_for)
    return None if exhausted else pause(failures + 1, retry_after=retry_after)


def is_exhausted(spent: float, *, retry_for: float) -> bool:
    """Whether the try after pauses of so many seconds is the last one."""
    return spent >= retry_for


def pause(failures: int, *, retry_after: float | None) -> timedelta:
    """The pause after so many failures in a row, at least 1; `retry_after` seconds are added."""
    state = RetryCallState(Retrying(), fn=None, args=(), kwargs={})
    state.attempt_number = max(failures, 1)
    return timedelta(seconds=(retry_after or 0.0) + _WAIT(state))


def retry_after_of(exc: RelayError) -> float | None:
    """The seconds that a vendor asked us to wait; None if it did not."""
    return exc.retry_after if isinstance(exc, Unavailable) else None
