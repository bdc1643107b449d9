"""The values that tests of deciding start from: a run, a sync, a mapping."""

from datetime import UTC, datetime

from relay.dbt.runs import SUCCESS, DbtRun
from relay.dbt.selectors import read_selector
from relay.decision.mapping import Sync, SyncMapping

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def dbt_run(**fields):
    """A green run 9 of job 7 in environment 3, which ended at noon, but for these fields."""
    given = {
        "dbt_account_id": 1,
        "dbt_run_id": 9,
        "dbt_job_id": 7,
        "project_id": 1,
        "environment_id": 3,
        "status": SUCCESS,
        "finished_at": NOON,
    }
    return DbtRun(**(given | fields))


def sync(*words, sync_id=1, **fields):
    return Sync(sync_id=sync_id, depends_on=tuple(map(read_selector, words)), **fields)


def mapping_of(*syncs):
    return SyncMapping(syncs=syncs, workspaces={}, digest="")
