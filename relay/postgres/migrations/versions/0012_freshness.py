"""Freshness, counters, alerts and messages: what is kept beside the record of the work."""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Create tables; nothing that a process of the version before uses is locked."""
    op.execute(
        """
        -- Derived from decisions, triggers and sync runs, in each transaction that changes these.
        CREATE TABLE relay.sync_states (
            workspace             text NOT NULL,
            sync_id               bigint NOT NULL,
            last_rebuilt_at       timestamptz,  -- end of the newest dbt run with a rebuild
            behind_since          timestamptz,  -- end of the oldest one that is not in the tool
            behind_dbt_account_id bigint,       -- that dbt run
            behind_dbt_run_id     bigint,
            because               text,         -- null: it is not behind
            due_at                timestamptz,  -- when its waiting triggers may be sent
            last_completed_at     timestamptz,
            lag                   double precision,  -- seconds, of the last run that has one
            failures              integer NOT NULL DEFAULT 0,  -- in a row
            last_outcome          text,
            PRIMARY KEY (workspace, sync_id)
        );

        -- Counters. Several slots each, so that transactions rarely wait for one another's.
        CREATE TABLE relay.tallies (
            name   text NOT NULL,
            labels jsonb NOT NULL,
            slot   smallint NOT NULL,
            value  double precision NOT NULL,
            PRIMARY KEY (name, labels, slot)
        );

        -- What is wrong, from when it is seen until it is over.
        CREATE TABLE relay.alerts (
            alert_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            event          text NOT NULL,  -- as in `events` of the mapping file
            workspace      text,           -- null, as the sync_id: it is about no sync
            sync_id        bigint,
            subject        text NOT NULL DEFAULT '',  -- what else tells it from others
            dbt_account_id bigint,         -- the dbt run that caused it, if one did
            dbt_run_id     bigint,
            detail         jsonb NOT NULL,
            opened_at      timestamptz NOT NULL,
            resolved_at    timestamptz,
            withdrawn      boolean NOT NULL DEFAULT false,  -- closed, though it may not be over
            settled_at     timestamptz     -- since when nothing is left to be said about it
        );
        CREATE UNIQUE INDEX one_open_alert ON relay.alerts
            (event, coalesce(workspace, ''), coalesce(sync_id, 0), subject)
            WHERE resolved_at IS NULL;
        CREATE INDEX unsettled_alerts ON relay.alerts (alert_id) WHERE settled_at IS NULL;
        CREATE INDEX resolved_alerts ON relay.alerts (resolved_at);

        -- A message to a channel, as composed; a worker sends it.
        CREATE TABLE relay.messages (
            message_id    uuid PRIMARY KEY,
            channel       text NOT NULL,
            content       jsonb NOT NULL,
            created_at    timestamptz NOT NULL,
            due_at        timestamptz NOT NULL,  -- not to be sent before: a retry
            failures      integer NOT NULL DEFAULT 0,
            backoff_spent double precision NOT NULL DEFAULT 0,  -- seconds
            problem       text,
            sent_at       timestamptz,
            failed_at     timestamptz,     -- retries exhausted
            CHECK (sent_at IS NULL OR failed_at IS NULL)
        );
        CREATE INDEX unsent_messages ON relay.messages (channel, created_at)
            WHERE sent_at IS NULL AND failed_at IS NULL;
        CREATE INDEX ended_messages ON relay.messages (channel, coalesce(sent_at, failed_at));
        CREATE INDEX oldest_messages ON relay.messages (created_at);

        -- Which message said what about an alert.
        CREATE TABLE relay.alert_messages (
            alert_id   bigint NOT NULL REFERENCES relay.alerts ON DELETE CASCADE,
            message_id uuid NOT NULL REFERENCES relay.messages ON DELETE CASCADE,
            channel    text NOT NULL,
            says       text NOT NULL,      -- opened, reminder or resolved
            said_at    timestamptz NOT NULL,
            PRIMARY KEY (alert_id, message_id)
        );
        CREATE INDEX messages_of_alerts ON relay.alert_messages (message_id);

        -- Syncs about which no message is sent.
        CREATE TABLE relay.mutes (
            workspace text NOT NULL,
            sync_id   bigint NOT NULL,
            since     timestamptz NOT NULL,
            until     timestamptz NOT NULL,
            why       text,
            muted_by  text NOT NULL,
            PRIMARY KEY (workspace, sync_id)
        );

        -- What a worker last saw of the service itself, for the metrics and `relay status`.
        CREATE TABLE relay.observations (
            name    text NOT NULL,         -- webhook, mapping, vendor_pause, …
            subject text NOT NULL DEFAULT '',
            value   double precision NOT NULL,
            detail  text NOT NULL DEFAULT '',
            seen_at timestamptz NOT NULL,
            PRIMARY KEY (name, subject)
        );
        """
    )
