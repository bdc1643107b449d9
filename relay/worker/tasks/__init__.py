"""The tasks, each one short step: evaluate_dbt_run, start_sync_run, poll_sync_run.

A task loads its row, checks whether there is still something to do, does one step, and
commits its result together with the next job. A repeated job finds nothing to do. No task
waits: it schedules a later job instead. There are also periodic tasks.

An unexpected exception of a task is recorded by its `…_failed` function, as a failure to retry.
"""

from relay.worker.tasks.alerts import review_alerts
from relay.worker.tasks.attempts import scheduled_start, start_failed, start_sync_run
from relay.worker.tasks.catch_up import catch_up
from relay.worker.tasks.dbt_runs import evaluate_dbt_run, evaluation_failed
from relay.worker.tasks.drift import check_drift, drift_check_failed, request_drift_check
from relay.worker.tasks.heartbeat import send_heartbeat
from relay.worker.tasks.holds import end_hold
from relay.worker.tasks.messages import scheduled_send, send_messages, sending_failed
from relay.worker.tasks.periodic import (
    defer_periodic_tasks,
    periodic_task_failed,
    start_periodic_tasks,
)
from relay.worker.tasks.requests import answer_request, request_failed
from relay.worker.tasks.retention import prune
from relay.worker.tasks.sync_runs import poll_failed, poll_sync_run

__all__ = [
    "answer_request",
    "catch_up",
    "check_drift",
    "defer_periodic_tasks",
    "drift_check_failed",
    "end_hold",
    "evaluate_dbt_run",
    "evaluation_failed",
    "periodic_task_failed",
    "poll_failed",
    "poll_sync_run",
    "prune",
    "request_drift_check",
    "request_failed",
    "review_alerts",
    "scheduled_send",
    "scheduled_start",
    "send_heartbeat",
    "send_messages",
    "sending_failed",
    "start_failed",
    "start_periodic_tasks",
    "start_sync_run",
]
