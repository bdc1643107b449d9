"""The metrics of each mapped sync."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from relay import freshness
from relay.decision.gates import Reason
from relay.decision.mapping import Sync, SyncMapping
from relay.store.metrics import SyncFigures
from relay.sync_runs import Outcome
from relay.web.metrics import catalogue
from relay.web.metrics.catalogue import Metric
from relay.web.metrics.exposition import head, number, pairs
from relay.workspaces import SyncKey

MOST_SYNCS = 1000

NOT_BEHIND = "none"
OTHER = "other"
BECAUSE = frozenset(
    {
        NOT_BEHIND,
        freshness.WAITING,
        freshness.COOLING_DOWN,
        freshness.HELD,
        freshness.RUNNING,
        freshness.FAILING,
        *Reason,
        Outcome.DRY_RUN,
        OTHER,
    }
)


class SyncRow(NamedTuple):
    """A mapped sync with its figures; `because` takes holds and cool-downs in."""

    key: SyncKey
    figures: SyncFigures
    because: str | None


Labelled = Iterable[tuple[str, SyncRow]]


def is_capped(mapping: SyncMapping) -> bool:
    """Whether there are too many syncs for metrics of each."""
    return len(mapping.syncs) > MOST_SYNCS


class SyncLines:
    """Renders the metrics of a mapping's syncs; their labels are written once."""

    def __init__(self, mapping: SyncMapping) -> None:
        self.mapping = mapping
        self._labels = {sync.key: _label_text(sync) for sync in mapping.syncs}
        self._constant = self._info() + self._fresh_within()

    def exposition(
        self, rows: Iterable[SyncRow], records: Mapping[tuple[SyncKey, str], float]
    ) -> str:
        """All of them; `rows` are one of each sync."""
        labelled = [(self._labels[row.key], row) for row in rows]
        return self._constant + "".join(
            (
                _family(catalogue.SYNC_LAG, labelled, lambda row: row.figures.lag),
                _behind_since(labelled),
                _family(
                    catalogue.LAST_COMPLETED, labelled, lambda row: row.figures.last_completed_at
                ),
                _family(catalogue.FAILURES, labelled, lambda row: row.figures.failures),
                _records(labelled, records),
            )
        )

    def _info(self) -> str:
        name = catalogue.SYNC_INFO.name
        more = (
            (sync, pairs(("name", "owner"), (sync.name or "", sync.owner or "")))
            for sync in self.mapping.syncs
        )
        lines = (f"{name}{{{self._labels[sync.key]},{text}}} 1\n" for sync, text in more)
        return head(catalogue.SYNC_INFO) + "".join(lines)

    def _fresh_within(self) -> str:
        name = catalogue.FRESH_WITHIN.name
        lines = (
            f"{name}{{{self._labels[sync.key]}}} {number(sync.fresh_within)}\n"
            for sync in self.mapping.syncs
            if sync.fresh_within is not None
        )
        return head(catalogue.FRESH_WITHIN) + "".join(lines)


def _family(metric: Metric, rows: Labelled, value_of: Callable[[SyncRow], float | None]) -> str:
    name = metric.name
    lines = (
        f"{name}{{{labels}}} {number(value)}\n"
        for labels, row in rows
        if (value := value_of(row)) is not None
    )
    return head(metric) + "".join(lines)


def _behind_since(rows: Labelled) -> str:
    """One series of each sync, so that another cause is no second one."""
    name = catalogue.BEHIND_SINCE.name
    lines = (
        f'{name}{{{labels},because="{_because(row)}"}} {number(row.figures.behind_since or 0)}\n'
        for labels, row in rows
    )
    return head(catalogue.BEHIND_SINCE) + "".join(lines)


def _records(rows: Labelled, records: Mapping[tuple[SyncKey, str], float]) -> str:
    name = catalogue.RECORDS.name
    lines = (
        f'{name}{{{labels},result="{result}"}} {number(records.get((row.key, result), 0))}\n'
        for labels, row in rows
        for result in catalogue.RECORD_RESULTS
    )
    return head(catalogue.RECORDS) + "".join(lines)


def _because(row: SyncRow) -> str:
    if row.figures.behind_since is None:
        return NOT_BEHIND
    because = row.because or OTHER
    return because if because in BECAUSE else OTHER


def _label_text(sync: Sync) -> str:
    return pairs(catalogue.SYNC, (sync.workspace, str(sync.sync_id)))
