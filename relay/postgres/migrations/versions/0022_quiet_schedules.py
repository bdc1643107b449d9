"""A job that is scheduled for later wakes no worker: they look for due jobs every second."""

from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Replace the function of Procrastinate's trigger: no table is locked."""
    op.execute(
        """
        CREATE OR REPLACE FUNCTION procrastinate_notify_queue_job_inserted_v1()
            RETURNS trigger LANGUAGE plpgsql AS
        $$
        DECLARE
            payload text;
        BEGIN
            IF NEW.scheduled_at > now() THEN
                RETURN NEW;
            END IF;
            payload := json_build_object('type', 'job_inserted', 'job_id', NEW.id)::text;
            PERFORM pg_notify('procrastinate_queue_v1#' || NEW.queue_name, payload);
            PERFORM pg_notify('procrastinate_any_queue_v1', payload);
            RETURN NEW;
        END;
        $$
        """
    )
