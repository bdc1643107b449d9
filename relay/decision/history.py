"""The history that a decision needs: earlier builds and triggers. No I/O here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from relay.decision.mapping import Sync
from relay.workspaces import SyncKey


class Build(msgspec.Struct, frozen=True, gc=False):
    """What the last run of a job that touched a node did to it.

    `is_good` if it was rebuilt, or reused because it was up to date; `finished_at` is the run's.
    `began` and `ended` are of the job's last known rebuild of the node, or None.
    """

    dbt_run_id: int
    dbt_job_id: int | None
    environment_id: int | None
    finished_at: datetime
    is_good: bool
    failed_a_test: bool = False
    began: datetime | None = None
    ended: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncHistory:
    """The earlier triggers of a sync.

    `answered_before` are the nodes for which earlier runs of the retry chain have triggered it,
    `answered_since` those of later runs that were decided first: webhooks arrive in any order.
    `covers_until` is when the newest dbt run covered by its triggers finished, `triggered_at` when
    its last sync run was started; None for never.
    """

    answered_before: frozenset[str] = frozenset()
    answered_since: frozenset[str] = frozenset()
    covers_until: datetime | None = None
    triggered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class History:
    """The syncs by workspace and sync_id, the builds by node: one for each job that builds it."""

    syncs: Mapping[SyncKey, SyncHistory] = field(default_factory=dict)
    builds: Mapping[str, tuple[Build, ...]] = field(default_factory=dict)

    def of(self, sync: Sync) -> SyncHistory:
        """The history of a sync; an empty one if it has none."""
        return self.syncs.get(sync.key, _NOTHING)


_NOTHING = SyncHistory()
