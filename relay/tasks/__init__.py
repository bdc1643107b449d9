"""The story, one short task a step: relay_run, run_sync, look_at_sync_run.

A task loads its row, looks whether there is still something to do, does one step, and
commits its result together with the next job. A repeated job finds nothing to do. No task
waits: waiting is a job scheduled for later.
"""

from relay.tasks.examining import relay_run
from relay.tasks.following import look_at_sync_run
from relay.tasks.triggering import run_sync, wake_sync

__all__ = ["look_at_sync_run", "relay_run", "run_sync", "wake_sync"]
