"""How long a sync run takes, for the modelled ones. No I/O here."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from relay.backtest.medians import median
from relay.backtest.real_runs import SHIPPING, began_at, ended_at
from relay.sync_runs import SyncRun
from relay.workspaces import SyncKey

ASSUMED = timedelta(minutes=1)


class Origin(StrEnum):
    """What a duration is taken from: the sync's own runs, all syncs' runs, or nothing."""

    ITS_RUNS = "its_runs"
    ALL_RUNS = "all_runs"
    ASSUMED = "assumed"


@dataclass(frozen=True, slots=True)
class Duration:
    """The median duration of completed sync runs, and whose they are."""

    takes: timedelta
    origin: Origin


def durations_of(runs: Mapping[SyncKey, Sequence[SyncRun]]) -> dict[SyncKey, Duration]:
    """The median of each sync's completed runs; without any, of all syncs' runs."""
    of_each = {key: _seconds(of_sync) for key, of_sync in runs.items()}
    together = [seconds for each in of_each.values() for seconds in each]
    fallback = (
        Duration(timedelta(seconds=median(together)), Origin.ALL_RUNS)
        if together
        else Duration(ASSUMED, Origin.ASSUMED)
    )
    return {
        key: Duration(timedelta(seconds=median(seconds)), Origin.ITS_RUNS) if seconds else fallback
        for key, seconds in of_each.items()
    }


def _seconds(runs: Iterable[SyncRun]) -> list[float]:
    completed = [run for run in runs if run.outcome in SHIPPING]
    times = ((began_at(run), ended_at(run)) for run in completed)
    return [max((ended - began).total_seconds(), 0.0) for began, ended in times if began and ended]
