"""Deliveries, dbt runs, decisions, triggers, sync runs, and what is done now and then.

What relay promises stands here as constraints: one row for each event and each dbt run, one
trigger for each sync and dbt run, one open sync run of a sync.
"""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.execute(
        """
        CREATE TABLE relay.deliveries (
            delivery_id     uuid PRIMARY KEY,
            received_at     timestamptz NOT NULL DEFAULT now(),
            event_id        text,            -- null: the body told none
            dbt_account_id  bigint,
            dbt_run_id      bigint,
            ignored_because text,            -- null: about a finished run of our account
            body            bytea NOT NULL
        );
        -- An event that was ignored may come again when the settings are mended.
        CREATE UNIQUE INDEX one_delivery_an_event ON relay.deliveries (event_id)
            WHERE ignored_because IS NULL;
        CREATE INDEX newest_deliveries ON relay.deliveries (received_at);

        CREATE TABLE relay.dbt_runs (
            dbt_account_id bigint NOT NULL,
            dbt_run_id     bigint NOT NULL,
            delivery_id    uuid,             -- the one that told of it first; null: none did
            event_id       text,
            recorded_at    timestamptz NOT NULL DEFAULT now(),
            dbt_job_id     bigint,
            environment_id bigint,
            first_run_id   bigint,           -- the run it goes back to, by retries
            faults         integer NOT NULL DEFAULT 0,  -- tries to examine it, in vain
            paused         double precision NOT NULL DEFAULT 0,  -- seconds between them, together
            planned_at     timestamptz,
            given_up_at    timestamptz,
            problem        text,
            PRIMARY KEY (dbt_account_id, dbt_run_id),
            CHECK (planned_at IS NULL OR given_up_at IS NULL)
        );

        CREATE INDEX attempts_at_one_run ON relay.dbt_runs (dbt_account_id, first_run_id);
        CREATE INDEX oldest_dbt_runs ON relay.dbt_runs (recorded_at);

        CREATE TABLE relay.decisions (
            workspace      text NOT NULL,
            sync_id        bigint NOT NULL,
            dbt_account_id bigint NOT NULL,
            dbt_run_id     bigint NOT NULL,
            reason         text NOT NULL,
            models         text[] NOT NULL,
            through        jsonb NOT NULL,   -- views among them: what was executed behind each
            conditions     jsonb NOT NULL,   -- all that was judged, and what was seen
            decided_at     timestamptz NOT NULL,
            PRIMARY KEY (workspace, sync_id, dbt_account_id, dbt_run_id),
            FOREIGN KEY (dbt_account_id, dbt_run_id) REFERENCES relay.dbt_runs
        );
        CREATE INDEX decisions_on_a_run ON relay.decisions (dbt_account_id, dbt_run_id);

        -- What the last run of a job did to each node that a sync may wait for (`require: all`).
        CREATE TABLE relay.builds (
            dbt_account_id bigint NOT NULL,
            project_id     bigint NOT NULL,   -- 0, here and below: dbt Cloud told none
            dbt_job_id     bigint NOT NULL,
            environment_id bigint NOT NULL,
            node           text NOT NULL,
            dbt_run_id     bigint NOT NULL,
            finished_at    timestamptz NOT NULL,
            is_good        boolean NOT NULL,  -- rebuilt, or reused
            failed_a_test  boolean NOT NULL,
            began          timestamptz,       -- of the last rebuild that is known, and its end
            ended          timestamptz,
            PRIMARY KEY (dbt_account_id, project_id, node, dbt_job_id, environment_id)
        );

        -- A row is an attempt to start a sync run, and then the run it started.
        CREATE TABLE relay.sync_runs (
            attempt_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            workspace         text NOT NULL,
            sync_id           bigint NOT NULL,
            full_sync         boolean NOT NULL,
            begun_at          timestamptz NOT NULL,
            sent_at           timestamptz,   -- null: no POST is under way, surely
            look_from         timestamptz,   -- when a POST without an answer has had its time
            faults            integer NOT NULL DEFAULT 0,  -- tries to start it, or looks, in vain
            paused            double precision NOT NULL DEFAULT 0,  -- seconds between tries
            sync_run_id       bigint,        -- null: Census has not told it yet
            triggered_at      timestamptz,
            looks             integer NOT NULL DEFAULT 0,
            status            text,          -- Census's word
            ended_at          timestamptz,
            outcome           text,
            records_processed bigint,
            records_updated   bigint,
            records_failed    bigint,
            records_invalid   bigint,
            problem           text,
            CHECK ((ended_at IS NULL) = (outcome IS NULL))
        );
        CREATE UNIQUE INDEX one_open_sync_run ON relay.sync_runs (workspace, sync_id)
            WHERE ended_at IS NULL;
        CREATE INDEX sync_runs_of_a_sync ON relay.sync_runs (workspace, sync_id, attempt_id);

        CREATE TABLE relay.triggers (
            trigger_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            workspace      text NOT NULL,
            sync_id        bigint NOT NULL,
            dbt_account_id bigint,           -- null, as its run: a person asked for it
            dbt_run_id     bigint,
            is_redone      boolean NOT NULL DEFAULT false,  -- a replay has put another in its place
            full_sync      boolean NOT NULL,
            because        text[] NOT NULL,
            through        jsonb NOT NULL,   -- as in decisions
            requested_at   timestamptz NOT NULL,
            due_at         timestamptz NOT NULL,  -- later than requested_at: a cool-down holds it
            ran_for        timestamptz NOT NULL,  -- rebuilds of runs that ended later are new
            attempt_id     bigint REFERENCES relay.sync_runs,  -- null: waiting
            CHECK ((dbt_account_id IS NULL) = (dbt_run_id IS NULL)),
            FOREIGN KEY (workspace, sync_id, dbt_account_id, dbt_run_id)
                REFERENCES relay.decisions
        );
        CREATE UNIQUE INDEX one_trigger_a_run
            ON relay.triggers (workspace, sync_id, dbt_account_id, dbt_run_id)
            WHERE NOT is_redone;
        CREATE INDEX triggers_of_a_run ON relay.triggers (dbt_account_id, dbt_run_id);
        CREATE INDEX waiting_triggers ON relay.triggers (workspace, sync_id)
            WHERE attempt_id IS NULL;
        CREATE INDEX triggers_of_an_attempt ON relay.triggers (attempt_id);

        -- How far the list of an account's finished runs has been read.
        CREATE TABLE relay.catch_ups (
            dbt_account_id   bigint PRIMARY KEY,
            first_started_at timestamptz NOT NULL,  -- nothing that ended before is caught up
            read_until       timestamptz NOT NULL
        );

        -- What is to be done now and then, by whichever worker is first.
        CREATE TABLE relay.chores (
            name   text PRIMARY KEY,
            due_at timestamptz NOT NULL
        );
        """
    )
