"""How long to wait before a vendor is asked again: longer each time, and never in step."""

from datetime import timedelta

from tenacity import RetryCallState, Retrying, wait_random_exponential

SHORTEST, LONGEST = 1.0, 300.0  # seconds

# Somewhere between the shortest pause and 2, 4, 8, … seconds: those who were refused together
# do not come back together.
_WAIT = wait_random_exponential(multiplier=2, min=SHORTEST, max=LONGEST)


def pause(faults: int, *, retry_after: float | None) -> timedelta:
    """The time until the next try after so many faults in a row, one at least.

    `retry_after` are the seconds that the vendor asked for, None where it did not: they come first.
    """
    state = RetryCallState(Retrying(), fn=None, args=(), kwargs={})
    state.attempt_number = max(faults, 1)
    return timedelta(seconds=(retry_after or 0.0) + _WAIT(state))
