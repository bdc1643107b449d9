"""One sync run: what it answers, how it was started, and how it ended."""

from collections.abc import Sequence

import msgspec
from msgspec import structs
from werkzeug.exceptions import NotFound

from relay.dashboard.visit import Visit
from relay.store.pages.sync_runs import MOST_TRIGGERS, AnsweredTrigger, SyncRunDetails, SyncRunRow


class SyncRunPage(msgspec.Struct, frozen=True, kw_only=True):
    """The sync run; `triggers` are cut at MOST_TRIGGERS."""

    sync_run: SyncRunRow
    details: SyncRunDetails
    triggers: Sequence[AnsweredTrigger]

    @property
    def may_be_cut(self) -> bool:
        """Whether there may be more triggers."""
        return len(self.triggers) == MOST_TRIGGERS


def view(visit: Visit, attempt_id: int) -> SyncRunPage:
    """Raises NotFound."""
    found = visit.pages.sync_runs.find(attempt_id)
    if found is None:
        raise NotFound("There is no such sync run; old ones are deleted.")
    row, details = found
    return SyncRunPage(
        sync_run=structs.replace(row, sync_name=visit.sync_name((row.workspace, row.sync_id))),
        details=details,
        triggers=visit.pages.sync_runs.triggers(attempt_id),
    )
