"""What a person did, and what a page asked of a worker."""

from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Create two tables."""
    op.execute(
        """
        CREATE TABLE relay.actions (
            action_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            nonce     uuid UNIQUE,           -- of the form: sent twice, it is done once; null: none
            at        timestamptz NOT NULL,
            who       text NOT NULL,         -- as given at login, or by the command
            through   text NOT NULL,         -- dashboard or command
            what      text NOT NULL,         -- replay, trigger, hold, release, mute, …
            subject   text NOT NULL,         -- what it was done to, in words
            result    jsonb NOT NULL         -- what was done, left alone, and why
        );
        CREATE INDEX newest_actions ON relay.actions (at, action_id);

        CREATE TABLE relay.requests (
            request_id  uuid PRIMARY KEY,
            what        text NOT NULL,       -- plan, check or cancel
            arguments   jsonb NOT NULL,
            who         text NOT NULL,
            asked_at    timestamptz NOT NULL,
            started_at  timestamptz,         -- a worker is at it
            failures    integer NOT NULL DEFAULT 0,
            backoff_spent double precision NOT NULL DEFAULT 0,  -- seconds between its tries
            again_at    timestamptz,         -- of the next try
            answered_at timestamptz,
            answer      jsonb,
            problem     text,                -- why there is no answer; before: of the last try
            CHECK (answered_at IS NULL OR (answer IS NULL) <> (problem IS NULL))
        );
        CREATE INDEX oldest_requests ON relay.requests (asked_at);
        CREATE INDEX open_requests ON relay.requests (asked_at) WHERE answered_at IS NULL;
        """
    )
