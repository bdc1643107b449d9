"""Durations in dbt Cloud's formats: clock time and text.

The formats are those of recorded responses: open-metadata/OpenMetadata,
ingestion/tests/unit/topology/pipeline/test_dbtcloud.py ("24:00:36" is "1 day", zero is
"0 minutes"), and data-mie/dbt-cloud-cli, README.md ("1 minute, 37 seconds"). They look like
Django's `timesince` with seconds, of which this implements what those responses show.
"""

from datetime import timedelta
from itertools import pairwise

_UNITS = {
    "year": timedelta(days=365),
    "month": timedelta(days=30),
    "week": timedelta(weeks=1),
    "day": timedelta(days=1),
    "hour": timedelta(hours=1),
    "minute": timedelta(minutes=1),
    "second": timedelta(seconds=1),
}


def clock_time(duration: timedelta) -> str:
    """`24:00:36`: hours, minutes and seconds, days as hours."""
    minutes, seconds = divmod(int(duration.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}"


def humanized(duration: timedelta) -> str:
    """`1 minute, 37 seconds`: the largest unit and the one below it."""
    counts = list(_counts(duration).items())
    for (unit, count), (lower, rest) in pairwise([*counts, ("", 0)]):
        if count:
            return ", ".join([_plural(count, unit)] + ([_plural(rest, lower)] if rest else []))
    return "0 minutes"


def _counts(duration: timedelta) -> dict[str, int]:
    counts = {}
    for unit, length in _UNITS.items():
        counts[unit], duration = divmod(duration, length)
    return counts


def _plural(count: int, unit: str) -> str:
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
