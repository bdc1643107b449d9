"""What happens to a sync, written as a story in minutes, for tests of its freshness."""

from datetime import timedelta

from cases import dbt_run, mapping_of, sync

from relay.decision.gates import Reason
from relay.decision.plan import Plan, Verdict
from relay.store import Found, Refused, Started
from relay.store.sync_runs import End
from relay.sync_runs import Outcome, SyncRun

A = "model.shop.a"
TRIGGERING = (Reason.REBUILT, Reason.COOLING_DOWN)


class SyncHistory:
    """Writes the rows of sync 1 through the real store; times are minutes after its start."""

    def __init__(self, store, start):
        self.store, self.start = store, start
        self.attempt = None

    def at(self, minute):
        return self.start + timedelta(minutes=minute)

    def minute(self, time):
        return None if time is None else (time - self.start).total_seconds() / 60

    def run(
        self, dbt_run_id, ended, *, decided=None, reason=Reason.REBUILT, rebuilt=True, due=None
    ):
        """A dbt run that ended, and its decision."""
        ended_at, now = self.at(ended), self.at(ended if decided is None else decided)
        run = dbt_run(dbt_run_id=dbt_run_id, finished_at=ended_at, started_at=ended_at)
        self.store.replays.replay(run.dbt_account_id, dbt_run_id, "nothing")
        due_at = self.at(due) if due is not None else now if reason in TRIGGERING else None
        verdict = Verdict(
            sync=sync("a"),
            reason=reason,
            models=(A,),
            conditions=(),
            through={},
            due_at=due_at,
            covers_until=ended_at,
            rebuilt_at=ended_at if rebuilt else None,
        )
        with self.store.dbt_runs.begin_decision(run, mapping_of(), now=now) as deciding:
            deciding.record(Plan((verdict,)))

    def replay(self, dbt_run_id, ended, *, decided, redo="everything", reason=Reason.REBUILT):
        """The same dbt run, evaluated again."""
        self.store.replays.replay(1, dbt_run_id, redo)
        self.run(dbt_run_id, ended, decided=decided, reason=reason)

    def by_hand(self, minute):
        self.store.triggers.add_manual("default", 1, full_sync=False, now=self.at(minute))

    def begins(self, minute):
        now = self.at(minute)
        self.attempt = self.store.attempts.begin("default", 1, now=now, reconcile_after=now)
        assert self.attempt is not None

    def sent_again(self, minute):
        now = self.at(minute)
        self.attempt = self.store.attempts.send_again(self.attempt, now=now, reconcile_after=now)

    def starts(self, minute, *, lost=False):
        kind = Found if lost else Started
        now = self.at(minute)
        started = kind(sync_run_id=self.attempt.attempt_id, at=now, poll_at=now)
        with self.store.attempts.claim(self.attempt) as claimed:
            claimed.record(started)

    def refused(self, minute):
        with self.store.attempts.claim(self.attempt) as claimed:
            claimed.record(Refused(problem="HTTP 404", at=self.at(minute), http_status=404))

    def withdrawn(self):
        self.store.attempts.withdraw(self.attempt)

    def dropped(self, minute):
        self.store.unsent.drop("default", 1, now=self.at(minute))

    def ends(self, minute, outcome=Outcome.COMPLETED, *, completed=None):
        """The sync run ends, as relay sees it; `completed` is by Census's clock."""
        at = self.at(minute)
        run = SyncRun(
            sync_run_id=self.attempt.attempt_id,
            status=outcome,
            completed_at=None if completed is None else self.at(completed),
        )
        followed = self.store.sync_runs.followed(self.attempt.attempt_id, polls=0)
        assert self.store.sync_runs.record_end(followed, End(outcome=outcome, at=at, run=run))

    def syncs(self, begins, ends, outcome=Outcome.COMPLETED):
        """A whole sync run."""
        self.begins(begins)
        self.starts(begins)
        self.ends(ends, outcome, completed=ends)
