"""The story, one short task a step: relay_run, run_sync, look_at_sync_run; and the chores.

A task loads its row, looks whether there is still something to do, does one step, and
commits its result together with the next job. A repeated job finds nothing to do. No task
waits: waiting is a job scheduled for later.
"""

from relay.worker.tasks.attempts import run_sync, wake_sync
from relay.worker.tasks.catch_up import catch_up
from relay.worker.tasks.dbt_runs import relay_run
from relay.worker.tasks.periodic import begin_chores, hand_out_chores, prune
from relay.worker.tasks.sync_runs import look_at_sync_run

__all__ = [
    "begin_chores",
    "catch_up",
    "hand_out_chores",
    "look_at_sync_run",
    "prune",
    "relay_run",
    "run_sync",
    "wake_sync",
]
