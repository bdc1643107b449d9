"""The median; `statistics` loads `random`, which this package may not. No I/O here."""

from collections.abc import Sequence


def median(values: Sequence[float]) -> float:
    """The middle value, or the mean of the two middle ones. Raises LookupError without values."""
    if not values:
        raise LookupError("no values")
    in_order = sorted(values)
    middle = len(in_order) // 2
    if len(in_order) % 2:
        return in_order[middle]
    return (in_order[middle - 1] + in_order[middle]) / 2
