"""The story, one short task a step: relay_run, run_sync, look_at_sync_run; and the chores.

A task loads its row, looks whether there is still something to do, does one step, and
commits its result together with the next job. A repeated job finds nothing to do. No task
waits: waiting is a job scheduled for later.
"""

from relay.tasks.catching_up import catch_up
from relay.tasks.chores import begin_chores, hand_out_chores, prune
from relay.tasks.examining import relay_run
from relay.tasks.following import look_at_sync_run
from relay.tasks.triggering import run_sync, wake_sync

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
