"""The simulated dbt Cloud account: jobs, runs, webhook subscriptions."""

from dataclasses import replace

from relay.clock import Clock
from relay.sandbox import webhooks
from relay.sandbox.dbt_jobs import SandboxJob, executed
from relay.sandbox.dbt_run_request import RunRequest
from relay.sandbox.dbt_runs import (
    CANCELLED,
    ERROR,
    PREPARATIONS,
    QUEUED,
    SandboxRun,
    outcome_of,
)
from relay.sandbox.dbt_subscriptions import SandboxSubscription
from relay.sandbox.wire import Simulator

FIRST_RUN_ID = 155144666


class NotRetryable(Exception):
    """The run did not fail, so there is nothing to retry."""


class DbtAccount(Simulator):
    """One account of dbt Cloud; `SandboxDbtCloud` serves it."""

    def __init__(self, account_id: int, clock: Clock) -> None:
        super().__init__(clock)
        self.account_id = account_id
        self._jobs: dict[int, SandboxJob] = {}
        self._runs: dict[int, SandboxRun] = {}
        self._subscriptions: dict[str, SandboxSubscription] = {}

    def add_job(self, job: SandboxJob) -> None:
        """Add a job with its environment and project, or replace the one with the same id."""
        with self._lock:
            self._jobs[job.dbt_job_id] = job

    @property
    def jobs(self) -> list[SandboxJob]:
        """All jobs, by id."""
        with self._lock:
            return [job for _, job in sorted(self._jobs.items())]

    def job(self, dbt_job_id: int) -> SandboxJob:
        """A job that was added. Raises LookupError."""
        with self._lock:
            return self._jobs[dbt_job_id]

    def add_run(self, run: SandboxRun) -> SandboxRun:
        """Add a run, or replace the one with the same id; returns it with its times.

        To change a run's status, add it again.
        """
        placed = run.with_times(self.now())
        with self._lock:
            self._runs[run.dbt_run_id] = placed
        return placed

    def run(self, dbt_run_id: int) -> SandboxRun:
        """The current state of a run. Raises LookupError."""
        with self._lock:
            return self._runs[dbt_run_id].at_time(self.now())

    @property
    def runs(self) -> list[SandboxRun]:
        """The current state of all runs, by id."""
        with self._lock:
            now = self.now()
            return [run.at_time(now) for _, run in sorted(self._runs.items())]

    @property
    def next_run_id(self) -> int:
        """An id greater than that of any run."""
        with self._lock:
            return max(self._runs, default=FIRST_RUN_ID - 1) + 1

    def start_run(self, dbt_job_id: int, request: RunRequest) -> SandboxRun:
        """Start a run of a job; it proceeds by the clock. Raises LookupError."""
        with self._lock:
            return self.add_run(request.run_of(self.job(dbt_job_id), self.next_run_id))

    def retry_run(self, dbt_run_id: int) -> SandboxRun:
        """Start a run of what failed or was skipped in this one. Raises LookupError, NotRetryable.

        It begins with `dbt retry`, always with the recording `retry`. That command, and the texts
        of the cause, are guesses.
        """
        with self._lock:
            failed = self.run(dbt_run_id)
            if failed.status != ERROR:
                raise NotRetryable
            steps = executed(("dbt retry", *self.skipped_commands(failed)))
            again = replace(
                failed,
                dbt_run_id=self.next_run_id,
                steps=(*PREPARATIONS, *steps),
                status=QUEUED,
                ends_as=outcome_of(steps),
                cause="rerun",
                cause_category="rerun",
                retrying_run_id=dbt_run_id,
                created_at=None,
                finished_at=None,
            )
            return self.add_run(again)

    def skipped_commands(self, run: SandboxRun) -> tuple[str, ...]:
        """The commands that a failed run did not execute."""
        job = self._jobs.get(run.dbt_job_id)
        commands = run.steps_override or (job.commands if job else ())
        return commands[len(run.invocations) :]

    def rerun_job(self, dbt_job_id: int) -> SandboxRun:
        """Retry the job's newest run if it failed, else start a new one. Raises LookupError."""
        with self._lock:
            of_job = [run for run in self.runs if run.dbt_job_id == dbt_job_id]
            if of_job and of_job[-1].status == ERROR:
                return self.retry_run(of_job[-1].dbt_run_id)
            return self.start_run(dbt_job_id, RunRequest(cause="rerun"))

    def finish_run(self, dbt_run_id: int, status: int | None = None) -> SandboxRun:
        """End a running run; the default status is that of its steps.

        Raises LookupError for an unknown run, ValueError if it has ended, or has not started and
        is not cancelled.
        """
        with self._lock:
            run = self.run(dbt_run_id)
            if run.has_ended:
                raise ValueError(f"dbt run {dbt_run_id} has ended")
            if run.started_at is None and status != CANCELLED:
                raise ValueError(f"dbt run {dbt_run_id} has not started")
            return self.add_run(replace(run, status=status or outcome_of(run.steps)))

    def cancel_run(self, dbt_run_id: int) -> SandboxRun:
        """Cancel a run; no effect if it has ended. Raises LookupError."""
        with self._lock:
            run = self.run(dbt_run_id)
            return run if run.has_ended else self.finish_run(dbt_run_id, CANCELLED)

    def completed_event(self, dbt_run_id: int, *, event_id: str | None = None) -> bytes:
        """The body of the webhook that reports this run's end; `webhooks` has the other events.

        By default each has a new event id. Raises LookupError.
        """
        return webhooks.completed_event(
            self.run(dbt_run_id),
            dbt_account_id=self.account_id,
            at=self.now(),
            event_id=event_id,
        )

    def newest_event(self, dbt_run_id: int) -> bytes:
        """The webhook body of a run's end, or of its start while it is running.

        Raises LookupError, and ValueError for a run that has not started.
        """
        run = self.run(dbt_run_id)
        if run.has_ended:
            return self.completed_event(dbt_run_id)
        if run.started_at is None:
            raise ValueError(f"dbt run {dbt_run_id} has not started: no webhook reports it yet")
        return webhooks.started_event(run, dbt_account_id=self.account_id, at=self.now())

    def add_subscription(self, subscription: SandboxSubscription) -> None:
        """Add a webhook subscription, or replace the one with the same id.

        Nothing is sent to its URL: tests and `relay send` deliver what `completed_event` returns.
        """
        created_at = subscription.created_at or self.now()
        with self._lock:
            self._subscriptions[subscription.webhook_id] = replace(
                subscription, created_at=created_at
            )

    @property
    def subscriptions(self) -> list[SandboxSubscription]:
        """All webhook subscriptions, in the order they were added."""
        with self._lock:
            return list(self._subscriptions.values())
