"""Deletes old rows: what ended long ago and no later decision needs."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import LiteralString

from relay.store.sync_states import refresh
from relay.store.transactions import Transactions

KEPT = timedelta(days=30)
# A delivery about anything older is ignored: the row that would show it to be a repeat may be
# deleted. One day less, because the clocks of the web process and the database may differ.
OLDEST_DELIVERY = KEPT - timedelta(days=1)
BATCH_SIZE = 1000  # rows per transaction, so that no transaction holds its locks for long


class Retention(Transactions):
    """Deletes the rows whose retention time is over."""

    def prune(
        self, *, before: datetime, builds_before: datetime, actions_before: datetime
    ) -> dict[str, int]:
        """Delete what was received, decided and ended before then; return the row count per table.

        `builds_before` is the limit for the last build of each node, and for what is known of a
        node that a sync reads; `actions_before` for what people did.

        Kept at any age: work that has not ended; each sync's newest trigger, which `at_most_every`
        and `require: all` need; and what its freshness is derived from.
        """
        bounds = {
            "before": before,
            "builds_before": builds_before,
            "actions_before": actions_before,
        }
        return {table: self._delete(table, sql, bounds) for table, sql in _OLD.items()}

    def _delete(self, table: str, sql: LiteralString, bounds: Mapping[str, datetime]) -> int:
        deleted = 0
        while True:
            with self._transaction() as connection:
                rows = connection.execute(sql, {**bounds, "most": BATCH_SIZE})
                if table == "sync_runs":  # fewer are left to count failures in
                    refresh(connection, [(workspace, sync_id) for workspace, sync_id in rows])
            deleted += rows.rowcount
            if rows.rowcount < BATCH_SIZE:
                return deleted


# In this order: each statement deletes rows that the ones before no longer refer to.
_OLD: dict[str, LiteralString] = {
    "deliveries": """
        DELETE FROM relay.deliveries WHERE delivery_id IN (
            SELECT delivery_id FROM relay.deliveries WHERE received_at < %(before)s
            ORDER BY received_at LIMIT %(most)s)
        """,
    "triggers": """
        DELETE FROM relay.triggers WHERE trigger_id IN (
            SELECT trigger_id FROM relay.triggers JOIN relay.sync_runs USING (attempt_id)
            WHERE requested_at < %(before)s AND ended_at < %(before)s
              AND EXISTS (
                SELECT FROM relay.triggers AS newer
                WHERE (newer.workspace, newer.sync_id) = (triggers.workspace, triggers.sync_id)
                  AND newer.trigger_id > triggers.trigger_id)
              AND NOT EXISTS (
                SELECT FROM relay.decisions JOIN relay.sync_states USING (workspace, sync_id)
                WHERE (decisions.workspace, decisions.sync_id, decisions.dbt_account_id,
                       decisions.dbt_run_id)
                    = (triggers.workspace, triggers.sync_id, triggers.dbt_account_id,
                       triggers.dbt_run_id)
                  AND rebuilt_at IN (behind_since, last_rebuilt_at))
            LIMIT %(most)s)
        """,
    "sync_runs": """
        DELETE FROM relay.sync_runs WHERE attempt_id IN (
            SELECT attempt_id FROM relay.sync_runs
            WHERE ended_at < %(before)s
              AND NOT EXISTS (
                SELECT FROM relay.triggers WHERE triggers.attempt_id = sync_runs.attempt_id)
              AND EXISTS (
                SELECT FROM relay.sync_runs AS newer
                WHERE (newer.workspace, newer.sync_id) = (sync_runs.workspace, sync_runs.sync_id)
                  AND newer.attempt_id > sync_runs.attempt_id
                  AND (newer.outcome IN ('completed', 'completed_with_rejects')
                       OR sync_runs.outcome NOT IN ('completed', 'completed_with_rejects'))
                  AND (newer.lag IS NOT NULL OR sync_runs.lag IS NULL))
            LIMIT %(most)s)
        RETURNING workspace, sync_id
        """,
    "decisions": """
        DELETE FROM relay.decisions WHERE (workspace, sync_id, dbt_account_id, dbt_run_id) IN (
            SELECT workspace, sync_id, dbt_account_id, dbt_run_id
            FROM relay.dbt_runs JOIN relay.decisions USING (dbt_account_id, dbt_run_id)
            WHERE recorded_at < %(before)s AND decided_at < %(before)s
              AND NOT EXISTS (
                SELECT FROM relay.sync_states
                WHERE (sync_states.workspace, sync_states.sync_id)
                    = (decisions.workspace, decisions.sync_id)
                  AND rebuilt_at IN (behind_since, last_rebuilt_at))
              AND NOT EXISTS (
                SELECT FROM relay.triggers
                WHERE (triggers.workspace, triggers.sync_id, triggers.dbt_account_id,
                       triggers.dbt_run_id)
                    = (decisions.workspace, decisions.sync_id, decisions.dbt_account_id,
                       decisions.dbt_run_id))
            LIMIT %(most)s)
        """,
    "dbt_runs": """
        DELETE FROM relay.dbt_runs WHERE (dbt_account_id, dbt_run_id) IN (
            SELECT dbt_account_id, dbt_run_id FROM relay.dbt_runs
            WHERE recorded_at < %(before)s AND coalesce(planned_at, given_up_at) < %(before)s
              AND NOT EXISTS (
                SELECT FROM relay.decisions
                WHERE (decisions.dbt_account_id, decisions.dbt_run_id)
                    = (dbt_runs.dbt_account_id, dbt_runs.dbt_run_id))
            ORDER BY recorded_at LIMIT %(most)s)
        """,
    "builds": """
        DELETE FROM relay.builds
        WHERE (dbt_account_id, project_id, node, dbt_job_id, environment_id) IN (
            SELECT dbt_account_id, project_id, node, dbt_job_id, environment_id
            FROM relay.builds WHERE finished_at < %(builds_before)s
            LIMIT %(most)s)
        """,
    "model_states": """
        DELETE FROM relay.model_states WHERE (dbt_account_id, node, dbt_job_id) IN (
            SELECT dbt_account_id, node, dbt_job_id FROM relay.model_states
            WHERE finished_at < %(builds_before)s OR (finished_at < %(before)s AND NOT EXISTS (
                SELECT FROM relay.selections WHERE selections.node = model_states.node))
            LIMIT %(most)s)
        """,
    "holds": """
        DELETE FROM relay.holds WHERE hold_id IN (
            SELECT hold_id FROM relay.holds WHERE ended_at < %(before)s LIMIT %(most)s)
        """,
    "alerts": """
        DELETE FROM relay.alerts WHERE alert_id IN (
            SELECT alert_id FROM relay.alerts
            WHERE resolved_at < %(before)s AND settled_at IS NOT NULL LIMIT %(most)s)
        """,
    "messages": """
        DELETE FROM relay.messages WHERE message_id IN (
            SELECT message_id FROM relay.messages
            WHERE created_at < %(before)s AND coalesce(sent_at, failed_at) < %(before)s
              AND NOT EXISTS (
                SELECT FROM relay.alert_messages
                WHERE alert_messages.message_id = messages.message_id)
            ORDER BY created_at LIMIT %(most)s)
        """,
    "mutes": """
        DELETE FROM relay.mutes WHERE (workspace, sync_id) IN (
            SELECT workspace, sync_id FROM relay.mutes WHERE until < %(before)s LIMIT %(most)s)
        """,
    "requests": """
        DELETE FROM relay.requests WHERE request_id IN (
            SELECT request_id FROM relay.requests WHERE asked_at < %(before)s
            ORDER BY asked_at LIMIT %(most)s)
        """,
    "actions": """
        DELETE FROM relay.actions WHERE action_id IN (
            SELECT action_id FROM relay.actions WHERE at < %(actions_before)s
            ORDER BY at LIMIT %(most)s)
        """,
    "lost_log_lines": """
        DELETE FROM relay.lost_log_lines WHERE process IN (
            SELECT process FROM relay.lost_log_lines WHERE last_at < %(before)s LIMIT %(most)s)
        """,
    "procrastinate_jobs": """
        DELETE FROM procrastinate_jobs WHERE id IN (
            SELECT id FROM procrastinate_jobs
            WHERE status IN ('failed', 'cancelled', 'aborted', 'succeeded') AND NOT EXISTS (
                SELECT FROM procrastinate_events
                WHERE job_id = procrastinate_jobs.id AND at >= %(before)s)
            LIMIT %(most)s)
        """,
}
