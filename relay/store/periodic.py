"""Periodic tasks: each is run at an interval, by one of the workers."""

from datetime import datetime, timedelta

from relay.store import jobs
from relay.store.transactions import Transactions


class PeriodicTasks(Transactions):
    """When each periodic task is due, by the name of its job (without arguments)."""

    def make_due(self, name: str, *, at: datetime) -> None:
        """Make a task due at `at`, or leave it if it is due earlier."""
        with self._statement() as connection:
            connection.execute(
                """
                INSERT INTO relay.periodic_tasks AS known (name, due_at) VALUES (%s, %s)
                ON CONFLICT (name) DO UPDATE SET due_at = least(known.due_at, EXCLUDED.due_at)
                """,
                (name, at),
            )

    def defer_if_due(
        self, name: str, *, now: datetime, every: timedelta, queue: str = jobs.QUEUE
    ) -> None:
        """Defer a task's job if it is due, and set it due again after `every`.

        Only one of several workers defers it. A due time further ahead than `every` comes from a
        clock that was ahead, and is corrected.
        """
        with self._transaction() as connection:
            due = connection.execute(
                "UPDATE relay.periodic_tasks SET due_at = %s"
                " WHERE name = %s AND (due_at <= %s OR due_at > %s)",
                (now + every, name, now, now + every),
            )
            if due.rowcount:
                jobs.defer(connection, name, {}, lock=name, queue=queue)
