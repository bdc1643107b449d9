"""From a rebuild until its data is in the tool: as it was, and as modelled. No I/O here."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from relay.backtest.modelled import ModelledRun
from relay.backtest.real_runs import JudgedRun

Run = TypeVar("Run", JudgedRun, ModelledRun)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuild:
    """A dbt run's rebuild of a sync's models: when the last of them was rebuilt."""

    dbt_run_id: int
    rebuilt_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """Seconds from a rebuild to the end of the first sync run that began after it.

    `real_seconds` and `sync_run_id` are of Census's own completed runs, `modelled_seconds` of those
    that relay would have started; None where there is none in the window.
    """

    dbt_run_id: int
    rebuilt_at: datetime
    sync_run_id: int | None
    real_seconds: float | None
    modelled_seconds: float | None

    @property
    def sooner_seconds(self) -> float | None:
        """By how much sooner relay's sync run ends, negative for later; None if one is unknown."""
        if self.real_seconds is None or self.modelled_seconds is None:
            return None
        return self.real_seconds - self.modelled_seconds


def lags_of(
    rebuilds: Iterable[Rebuild], real: Sequence[JudgedRun], modelled: Sequence[ModelledRun]
) -> Iterator[Lag]:
    """The lag of each rebuild; both kinds of sync runs are in the order of their beginning."""
    real_begins = [run.began_at for run in real]
    modelled_begins = [run.began_at for run in modelled]
    for rebuild in rebuilds:
        at = rebuild.rebuilt_at
        of_census = _at(real, bisect_left(real_begins, at))
        of_relay = _at(modelled, bisect_left(modelled_begins, at))
        yield Lag(
            dbt_run_id=rebuild.dbt_run_id,
            rebuilt_at=at,
            sync_run_id=of_census.sync_run_id if of_census else None,
            real_seconds=_seconds(at, of_census),
            modelled_seconds=_seconds(at, of_relay),
        )


def _at(runs: Sequence[Run], place: int) -> Run | None:
    return runs[place] if place < len(runs) else None


def _seconds(at: datetime, run: JudgedRun | ModelledRun | None) -> float | None:
    return (run.ended_at - at).total_seconds() if run else None
