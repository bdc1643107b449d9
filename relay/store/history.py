"""Reads the part of the history that the next decision needs."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import LiteralString

from relay.dbt.runs import DbtRun
from relay.decision.history import Build, History, SyncHistory
from relay.decision.mapping import Sync, SyncMapping
from relay.store.transactions import Connection
from relay.workspaces import SyncKey


def read_history(
    connection: Connection, run: DbtRun, mapping: SyncMapping, nodes: Collection[str]
) -> History:
    """The triggers of the run's retry chain, the state of syncs that need history, and builds.

    Earlier builds are read for the given nodes only.
    """
    before, since = _answered(connection, run)
    waiting = [sync for sync in mapping.syncs if sync.require == "all"]
    cooling = [sync for sync in mapping.syncs if sync.at_most_every]
    covers_until = _time_by_sync(connection, _COVERS_UNTIL, run, waiting)
    triggered_at = _time_by_sync(connection, _TRIGGERED_AT, run, cooling)
    return History(
        syncs={
            key: SyncHistory(
                answered_before=before.get(key, frozenset()),
                answered_since=since.get(key, frozenset()),
                covers_until=covers_until.get(key),
                triggered_at=triggered_at.get(key),
            )
            for key in {*before, *since, *covers_until, *triggered_at}
        },
        builds=_builds(connection, run, nodes) if nodes else {},
    )


def _answered(
    connection: Connection, run: DbtRun
) -> tuple[Mapping[SyncKey, frozenset[str]], Mapping[SyncKey, frozenset[str]]]:
    """The models that triggered each sync in earlier and in later runs of the retry chain."""
    rows = connection.execute(
        """
        SELECT workspace, sync_id, dbt_run_id, because
        FROM relay.triggers JOIN relay.dbt_runs USING (dbt_account_id, dbt_run_id)
        LEFT JOIN relay.sync_runs USING (attempt_id, workspace, sync_id)
        WHERE dbt_account_id = %s AND first_run_id = %s AND dbt_run_id <> %s
          AND coalesce(outcome, '') NOT IN ('refused', 'disabled')
        """,
        (run.dbt_account_id, run.first_run_id, run.dbt_run_id),
    )
    before: dict[SyncKey, frozenset[str]] = {}
    since: dict[SyncKey, frozenset[str]] = {}
    for workspace, sync_id, dbt_run_id, because in rows:
        which = before if dbt_run_id < run.dbt_run_id else since
        key = (workspace, sync_id)
        which[key] = which.get(key, frozenset()).union(because)
    return before, since


def _time_by_sync(
    connection: Connection, sql: LiteralString, run: DbtRun, syncs: Sequence[Sync]
) -> dict[SyncKey, datetime]:
    keys = ([sync.workspace for sync in syncs], [sync.sync_id for sync in syncs])
    rows = connection.execute(sql, (*keys, run.dbt_run_id)) if syncs else ()
    return {(workspace, sync_id): at for workspace, sync_id, at in rows}


# When the newest dbt run covered by each sync's triggers finished. Here and below, the run itself
# may already be decided: its own triggers are not part of its history.
_COVERS_UNTIL = """
SELECT triggers.workspace, triggers.sync_id, max(covers_until)
FROM unnest(%s::text[], %s::bigint[]) AS asked (workspace, sync_id)
JOIN relay.triggers USING (workspace, sync_id)
LEFT JOIN relay.sync_runs USING (attempt_id)
WHERE coalesce(outcome, '') NOT IN ('refused', 'disabled') AND dbt_run_id IS DISTINCT FROM %s
GROUP BY triggers.workspace, triggers.sync_id
"""
# When the last sync run of each sync was started.
_TRIGGERED_AT = """
SELECT workspace, sync_id, max(triggered_at)
FROM unnest(%s::text[], %s::bigint[]) AS asked (workspace, sync_id)
JOIN relay.sync_runs USING (workspace, sync_id)
WHERE triggered_at IS NOT NULL AND attempt_id NOT IN (
    SELECT attempt_id FROM relay.triggers WHERE attempt_id IS NOT NULL AND dbt_run_id = %s
)
GROUP BY workspace, sync_id
"""


def _builds(
    connection: Connection, run: DbtRun, nodes: Collection[str]
) -> dict[str, tuple[Build, ...]]:
    rows = connection.execute(
        """
        SELECT node, dbt_run_id, nullif(dbt_job_id, 0), nullif(environment_id, 0), finished_at,
               is_good, failed_a_test, began, ended
        FROM relay.builds WHERE (dbt_account_id, project_id) = (%s, %s) AND node = ANY(%s)
        """,
        (run.dbt_account_id, run.project_id or 0, list(nodes)),
    ).fetchall()
    builds: dict[str, tuple[Build, ...]] = {}
    for node, *columns in rows:
        builds[node] = (*builds.get(node, ()), Build(*columns))
    return builds
