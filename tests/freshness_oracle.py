"""The freshness of each sync, computed the long way from all rows: what the stored one must equal.

It reads the definitions of docs/freshness.md and shares no code with relay.
"""

from datetime import UTC, datetime

COMPLETED = {"completed", "completed_with_rejects"}
FAILED = {"failed", "canceled", "abandoned", "refused"}
LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)

STORED = """
SELECT workspace, sync_id, last_rebuilt_at, behind_since, behind_dbt_run_id, because, due_at,
       last_completed_at, lag, failures, last_outcome FROM relay.sync_states
"""
FIELDS = (
    *("last_rebuilt_at", "behind_since", "behind_dbt_run_id", "because", "due_at"),
    *("last_completed_at", "lag", "failures", "last_outcome"),
)


def stored_states(sql):
    """The stored states, by workspace and sync_id."""
    return {row[:2]: dict(zip(FIELDS, row[2:], strict=True)) for row in sql(STORED)}


def expected_states(sql):
    """What they must be."""
    rows = _Rows(sql)
    return {key: _state(rows, key) for key in sorted(rows.keys())}


class _Rows:
    def __init__(self, sql):
        self.decisions = _read(
            sql, "decisions", "workspace sync_id dbt_account_id dbt_run_id reason rebuilt_at"
        )
        self.triggers = _read(
            sql,
            "triggers",
            "trigger_id workspace sync_id dbt_account_id dbt_run_id due_at covers_until attempt_id",
        )
        self.runs = _read(
            sql,
            "sync_runs",
            "attempt_id workspace sync_id begun_at sent_at ended_at completed_at outcome",
        )

    def keys(self):
        every = (*self.decisions, *self.triggers, *self.runs)
        return {(row["workspace"], row["sync_id"]) for row in every}

    def of(self, table, key):
        return [row for row in getattr(self, table) if (row["workspace"], row["sync_id"]) == key]


def _read(sql, table, columns):
    names = columns.split()
    rows = sql(f"SELECT {', '.join(names)} FROM relay.{table}")
    return [dict(zip(names, row, strict=True)) for row in rows]


def _state(rows, key):
    runs = sorted(rows.of("runs", key), key=lambda run: run["attempt_id"])
    triggers, decisions = rows.of("triggers", key), rows.of("decisions", key)
    completed = [run for run in runs if run["outcome"] in COMPLETED]
    last = completed[-1] if completed else None
    missing = [
        decision
        for decision in decisions
        if decision["rebuilt_at"] and not _is_in_the_tool(decision, last, completed, triggers)
    ]
    missing.sort(key=lambda decision: (decision["rebuilt_at"], decision["dbt_run_id"]))
    ended = [run for run in runs if run["ended_at"]]
    going = {run["attempt_id"] for run in runs if not run["ended_at"]} | {None}
    unfinished = [trigger["due_at"] for trigger in triggers if trigger["attempt_id"] in going]
    lags = [
        lag for run in completed if (lag := _lag(run, completed, triggers, decisions)) is not None
    ]
    since_last = [run for run in runs if last is None or run["attempt_id"] > last["attempt_id"]]
    return {
        "last_rebuilt_at": max(
            (d["rebuilt_at"] for d in decisions if d["rebuilt_at"]), default=None
        ),
        "behind_since": missing[0]["rebuilt_at"] if missing else None,
        "behind_dbt_run_id": missing[0]["dbt_run_id"] if missing else None,
        "because": _because(missing, triggers, runs, is_unfinished=bool(unfinished)),
        "due_at": min(unfinished, default=None),
        "last_completed_at": (last["completed_at"] or last["ended_at"]) if last else None,
        "lag": lags[-1] if lags else None,
        "failures": sum(run["outcome"] in FAILED for run in since_last),
        "last_outcome": ended[-1]["outcome"] if ended else None,
    }


def _reads_from(run):
    return run["sent_at"] or run["begun_at"]


def _is_in_the_tool(decision, last, completed, triggers):
    if last is not None and decision["rebuilt_at"] <= _reads_from(last):
        return True
    return any(_answers(run, decision, triggers) for run in completed)


def _answers(run, decision, triggers):
    return any(
        trigger["attempt_id"] == run["attempt_id"] and _dbt_run(trigger) == _dbt_run(decision)
        for trigger in triggers
    )


def _dbt_run(row):
    return row["dbt_account_id"], row["dbt_run_id"]


def _because(missing, triggers, runs, *, is_unfinished):
    if not missing or is_unfinished:
        return "waiting" if missing else None
    newest = missing[-1]
    own = [each for each in triggers if _dbt_run(each) == _dbt_run(newest)]
    if not own or newest["reason"] not in {"rebuilt", "cooling_down"}:
        return newest["reason"]
    attempt_id = max(own, key=lambda trigger: trigger["trigger_id"])["attempt_id"]
    (outcome,) = (run["outcome"] for run in runs if run["attempt_id"] == attempt_id)
    return "failing" if outcome in FAILED else {"disabled": "sync_disabled"}.get(outcome, outcome)


def _lag(run, completed, triggers, decisions):
    answered = [decision for decision in decisions if _answers(run, decision, triggers)]
    earlier = [other for other in completed if other["attempt_id"] < run["attempt_id"]]
    new = [
        decision["rebuilt_at"]
        for decision in answered
        if not any(
            _reads_from(other) >= decision["rebuilt_at"] or _answers(other, decision, triggers)
            for other in earlier
        )
    ]
    if not new:
        return None
    ended = run["completed_at"] or run["ended_at"]
    return max((ended - min(new)).total_seconds(), 0.0)
