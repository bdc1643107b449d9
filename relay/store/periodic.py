"""What is to be done now and then, by one worker of them all."""

from datetime import datetime, timedelta

from relay.store import jobs
from relay.store.transactions import Transactions


class Chores(Transactions):
    """When each chore is due; a chore is the name of a task without arguments."""

    def begin(self, name: str, *, at: datetime) -> None:
        """Have a chore be due then, or before if it is already."""
        with self._statement() as connection:
            connection.execute(
                """
                INSERT INTO relay.chores AS known (name, due_at) VALUES (%s, %s)
                ON CONFLICT (name) DO UPDATE SET due_at = least(known.due_at, EXCLUDED.due_at)
                """,
                (name, at),
            )

    def hand_out(self, name: str, *, now: datetime, every: timedelta) -> None:
        """Put the chore's job into the queue if it is due, and have it be due again after `every`.

        Of several workers one does.
        """
        with self._transaction() as connection:
            due = connection.execute(
                "UPDATE relay.chores SET due_at = %s WHERE name = %s AND due_at <= %s",
                (now + every, name, now),
            )
            if due.rowcount:
                jobs.defer(connection, name, {}, lock=name)
