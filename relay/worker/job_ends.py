"""How the engine records the end of a job: only of one that has not been taken over meanwhile."""

import datetime as dt

from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager

from relay.store.takeovers import FINISH, RETRY


class JobEnds(JobManager):
    """Procrastinate's own, which would also end or retry a job that another worker now runs.

    That worker may have decided on a dbt run, and be starting a sync run with the same job: if it
    then dies, the job must still be there. `attempts` counts the runs of a job, takeovers included.
    """

    async def finish_job(self, job: Job, status: Status, delete_job: bool) -> None:  # noqa: FBT001
        """Record the end of a job, unless it was taken over."""
        await self.connector.execute_query_async(
            query=FINISH,
            job_id=job.id,
            attempts=job.attempts,
            status=status.value,
            delete_job=delete_job,
        )

    async def retry_job(
        self,
        job: Job,
        retry_at: dt.datetime | None = None,
        priority: int | None = None,
        queue: str | None = None,
        lock: str | None = None,
    ) -> None:
        """Requeue a job for `retry_at`, None for now, unless it was taken over."""
        await self.connector.execute_query_async(
            query=RETRY,
            job_id=job.id,
            attempts=job.attempts,
            retry_at=retry_at,
            priority=priority,
            queue=queue,
            lock=lock,
        )
