"""What is kept beside the record of the work, compared with the rows that it is about."""

from collections import Counter
from dataclasses import dataclass

from freshness_oracle import expected_states, stored_states


@dataclass(frozen=True)
class KeptInStep:
    """The stored freshness and the counters, and what they must be; nothing was deleted yet."""

    states: dict
    expected_states: dict
    tallies: dict
    counted_rows: dict
    told: dict  # by alert and what was said of it: in how many messages
    messages: set  # that were stored for the channel
    received: set  # that its receiver took, each perhaps more than once


def kept_in_step(stage):
    """Read both, when nothing is left to do."""
    return KeptInStep(
        states=_rounded(stored_states(stage.sql)),
        expected_states=_rounded(expected_states(stage.sql)),
        tallies=_tallies(stage),
        counted_rows=_counted(stage),
        told={tuple(key): number for *key, number in stage.sql(_TOLD)},
        messages={str(message_id) for (message_id,) in stage.sql(_MESSAGES)},
        received={
            each.body["data"]["message_id"]
            for each in stage.sandbox.channels.received
            if each.kind == "webhook"
        },
    )


def _rounded(states):
    """A lag is computed in PostgreSQL's arithmetic and in Python's."""
    return {
        key: {**state, "lag": None if state["lag"] is None else round(state["lag"], 3)}
        for key, state in states.items()
    }


def _tallies(stage):
    total = Counter()
    for name, labels, value in stage.sql(_TALLIES):
        if name in _COUNTED:
            total[name, labels.get("reason") or labels.get("outcome") or labels.get("result")] += (
                value
            )
        elif name == "relay_freshness_lag_seconds_bucket":
            total[name, None] += value
    return {key: value for key, value in total.items() if value}


def _counted(stage):
    return {(name, word): number for name, word, number in stage.sql(_ROWS)}


_COUNTED = (
    *("relay_decisions_total", "relay_dbt_runs_total", "relay_sync_runs_total"),
    "relay_sync_records_total",
)
_TOLD = "SELECT alert_id, says, count(*) FROM relay.alert_messages GROUP BY alert_id, says"
_MESSAGES = "SELECT message_id FROM relay.messages"
_TALLIES = "SELECT name, labels, value FROM relay.tallies"
_ROWS = """
SELECT 'relay_decisions_total', reason, count(*) FROM relay.decisions GROUP BY reason
UNION ALL
SELECT 'relay_dbt_runs_total', 'planned', count(*) FROM relay.dbt_runs
WHERE planned_at IS NOT NULL HAVING count(*) > 0
UNION ALL
SELECT 'relay_dbt_runs_total', 'given_up', count(*) FROM relay.dbt_runs
WHERE given_up_at IS NOT NULL HAVING count(*) > 0
UNION ALL
SELECT 'relay_sync_runs_total', outcome, count(*) FROM relay.sync_runs
WHERE sync_run_id IS NOT NULL AND ended_at IS NOT NULL GROUP BY outcome
UNION ALL
SELECT 'relay_freshness_lag_seconds_bucket', NULL, count(*) FROM relay.sync_runs
WHERE lag IS NOT NULL HAVING count(*) > 0
UNION ALL
SELECT 'relay_sync_records_total', 'updated', sum(records_updated) FROM relay.sync_runs
HAVING sum(records_updated) > 0
UNION ALL
SELECT 'relay_sync_records_total', 'rejected', sum(records_failed) FROM relay.sync_runs
HAVING sum(records_failed) > 0
"""
