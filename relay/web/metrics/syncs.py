"""The metrics of each mapped sync."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from relay import freshness
from relay.decision.gates import Reason
from relay.decision.mapping import Sync, SyncMapping
from relay.freshness import Freshness
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
        self, rows: Sequence[Freshness], records: Mapping[SyncKey, Mapping[str, float]]
    ) -> str:
        """All of them; `rows` are one of each sync."""
        return self._constant + "".join(
            (
                self._family(catalogue.SYNC_LAG, rows, lambda row: row.state.lag),
                self._behind_since(rows),
                self._family(
                    catalogue.LAST_COMPLETED, rows, lambda row: seconds(row.state.last_completed_at)
                ),
                self._family(catalogue.FAILURES, rows, lambda row: row.state.failures),
                self._records(rows, records),
            )
        )

    def _family(
        self,
        metric: Metric,
        rows: Iterable[Freshness],
        value_of: Callable[[Freshness], float | None],
    ) -> str:
        name, labels = metric.name, self._labels
        lines = (
            f"{name}{{{labels[row.sync.key]}}} {number(value)}\n"
            for row in rows
            if (value := value_of(row)) is not None
        )
        return head(metric) + "".join(lines)

    def _behind_since(self, rows: Iterable[Freshness]) -> str:
        """One series of each sync, so that the cause is no second one."""
        name = catalogue.BEHIND_SINCE.name
        lines = (
            f'{name}{{{self._labels[row.sync.key]},because="{_because(row)}"}}'
            f" {number(seconds(row.state.behind_since) or 0)}\n"
            for row in rows
        )
        return head(catalogue.BEHIND_SINCE) + "".join(lines)

    def _records(
        self, rows: Iterable[Freshness], records: Mapping[SyncKey, Mapping[str, float]]
    ) -> str:
        name, nothing = catalogue.RECORDS.name, dict[str, float]()
        lines = (
            f'{name}{{{self._labels[row.sync.key]},result="{result}"}}'
            f" {number(records.get(row.sync.key, nothing).get(result, 0))}\n"
            for row in rows
            for result in catalogue.RECORD_RESULTS
        )
        return head(catalogue.RECORDS) + "".join(lines)

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


def seconds(at: datetime | None) -> float | None:
    """Unix time; None stays None."""
    return None if at is None else at.timestamp()


def _because(row: Freshness) -> str:
    if row.state.behind_since is None:
        return NOT_BEHIND
    because = row.state.because or OTHER
    return because if because in BECAUSE else OTHER


def _label_text(sync: Sync) -> str:
    return pairs(catalogue.SYNC, (sync.workspace, str(sync.sync_id)))
