"""What needs somebody, and what happened lately: counted up to a limit, whatever the history."""

from datetime import datetime, timedelta

import msgspec

from relay.store.observations import Observation
from relay.store.pages.sync_runs import HAS_ENDED_BADLY, IS_GIVEN_UP
from relay.store.pages.syncs import read_json
from relay.store.transactions import Transactions

MOST_LISTED = 10  # of one kind of what needs somebody
MOST_COUNTED = 5000  # as many as a filter of a list looks at
NEWEST_RUNS = 10
MOST_SQUARES = 30  # syncs of one dbt run that are shown


class GivenUpRun(msgspec.Struct, frozen=True):
    """A dbt run that could not be evaluated, and that relay does not retry by itself."""

    given_up_at: datetime
    dbt_run_id: int
    job_name: str | None
    problem: str | None


class GivenUpSyncRun(msgspec.Struct, frozen=True):
    """A sync run that Census refused to start, or whose end is not known.

    `dbt_run_id` is the newest that it was for, None if a person asked for it.
    """

    ended_at: datetime
    attempt_id: int
    sync_run_id: int | None
    workspace: str
    sync_id: int
    outcome: str
    problem: str | None
    dbt_run_id: int | None


class Attention(msgspec.Struct, frozen=True):
    """The state of the service, and what relay gave up: the newest MOST_LISTED of each kind.

    `now` is by the database's clock. `workers` counts those that were heard of lately; the counts
    stop at MOST_COUNTED + 1. `census_versions` are those that were found, by workspace.
    """

    now: datetime
    last_delivery_at: datetime | None
    workers: int
    heartbeat_at: datetime | None
    observations: list[Observation]
    census_versions: dict[str, str]
    given_up_runs: list[GivenUpRun]
    given_up_runs_count: int
    given_up_sync_runs: list[GivenUpSyncRun]
    given_up_sync_runs_count: int


class Hour(msgspec.Struct, frozen=True):
    """What happened in an hour; `ago` is 0 for the last one."""

    ago: int
    triggered: int = 0
    withheld: int = 0
    failed: int = 0


class Square(msgspec.Struct, frozen=True):
    """A decision of a dbt run, and what became of it.

    `state` is triggered, withheld, failed (its sync run did not complete) or waiting.
    """

    workspace: str
    sync_id: int
    reason: str
    state: str


class Strip(msgspec.Struct, frozen=True):
    """A dbt run with the first MOST_SQUARES syncs that it concerned; `syncs` counts all."""

    dbt_run_id: int
    dbt_job_id: int | None
    job_name: str | None
    environment_name: str | None
    recorded_at: datetime
    finished_at: datetime | None
    status: str | None
    given_up: bool
    planned: bool
    never_counts: str | None
    syncs: int
    squares: list[Square]


class Lately(msgspec.Struct, frozen=True):
    """What happened since a time. Counts stop at MOST_COUNTED + 1.

    `triggered` and `withheld` are of the newest MOST_COUNTED decisions, `ended_badly` and the lags
    (in seconds; None without a completed run that brought a rebuild) of as many sync runs;
    `decisions` and `sync_runs` count those that were looked at. `hours` are of the last 24 h.
    """

    deliveries: int
    dbt_runs: int
    decisions: int
    triggered: int
    withheld: int
    sync_runs: int
    ended_badly: int
    with_lag: int
    lag_p50: float | None
    lag_p90: float | None
    hours: list[Hour]
    strips: list[Strip]


class OverviewPages(Transactions):
    """What the overview reads. Each method is one query."""

    def attention(self, account_id: int, *, silent_after: timedelta) -> Attention:
        """The state of the service; a worker counts until it is silent for `silent_after`."""
        given = {
            "account_id": account_id,
            "silent_after": silent_after,
            "listed": MOST_LISTED,
            "counted": MOST_COUNTED + 1,
        }
        with self._statement() as connection:
            return read_json(connection, _attention, _ATTENTION, given)

    def lately(self, account_id: int, *, since: datetime, now: datetime) -> Lately:
        """What happened since a time, and the newest dbt runs."""
        given = {
            "account_id": account_id,
            "since": since,
            "now": now,
            "day_ago": now - timedelta(hours=24),
            "counted": MOST_COUNTED + 1,
            "runs": NEWEST_RUNS,
            "squares": MOST_SQUARES,
        }
        with self._statement() as connection:
            return read_json(connection, _lately, _LATELY, given)


_attention = msgspec.json.Decoder(Attention)
_lately = msgspec.json.Decoder(Lately)

_ATTENTION = f"""
WITH given_up AS MATERIALIZED (
    SELECT ended_at, attempt_id, sync_run_id, workspace, sync_id, outcome, problem
    FROM relay.sync_runs AS runs
    WHERE outcome IN ('refused', 'abandoned') AND {IS_GIVEN_UP}
    ORDER BY attempt_id DESC LIMIT %(counted)s
), workers AS (
    SELECT count(*) FILTER (WHERE last_heartbeat > now() - %(silent_after)s) AS workers,
           max(last_heartbeat) AS heartbeat_at
    FROM procrastinate_workers WHERE last_heartbeat <= now()
)
SELECT json_build_object(
    'now', now(),
    'last_delivery_at', (SELECT max(received_at) FROM relay.deliveries),
    'workers', (SELECT workers FROM workers),
    'heartbeat_at', (SELECT heartbeat_at FROM workers),
    'observations', (SELECT coalesce(json_agg(rows), '[]') FROM (
        SELECT name, subject, value, detail, seen_at FROM relay.observations ORDER BY 1, 2
    ) AS rows),
    'census_versions', (
        SELECT coalesce(json_object_agg(workspace, api_version), '{{}}')
        FROM relay.census_versions),
    'given_up_runs', (SELECT coalesce(json_agg(rows), '[]') FROM (
        SELECT given_up_at, dbt_run_id, job_name, problem FROM relay.dbt_runs
        WHERE given_up_at IS NOT NULL AND dbt_account_id = %(account_id)s
        ORDER BY given_up_at DESC LIMIT %(listed)s) AS rows),
    'given_up_runs_count', (SELECT count(*) FROM (
        SELECT FROM relay.dbt_runs
        WHERE given_up_at IS NOT NULL AND dbt_account_id = %(account_id)s
        LIMIT %(counted)s) AS counted),
    'given_up_sync_runs', (SELECT coalesce(json_agg(rows), '[]') FROM (
        SELECT *, (SELECT max(dbt_run_id) FROM relay.triggers
                   WHERE triggers.attempt_id = given_up.attempt_id) AS dbt_run_id
        FROM given_up ORDER BY attempt_id DESC LIMIT %(listed)s) AS rows),
    'given_up_sync_runs_count', (SELECT count(*) FROM given_up)
)::text
"""
_STATE = f"""CASE
    WHEN trigger_id IS NULL OR outcome = 'disabled' THEN 'withheld'
    WHEN {HAS_ENDED_BADLY} THEN 'failed'
    WHEN attempt_id IS NULL THEN 'waiting'
    ELSE 'triggered' END AS state"""
_STRIPS = f"""
SELECT dbt_run_id, dbt_job_id, job_name, environment_name, recorded_at, finished_at, status,
       given_up_at IS NOT NULL AS given_up,
       planned_at IS NOT NULL AS planned, never_counts, (
    SELECT count(*) FROM (
        SELECT FROM relay.decisions
        WHERE (decisions.dbt_account_id, decisions.dbt_run_id) = (runs.dbt_account_id,
               runs.dbt_run_id)
        LIMIT %(counted)s) AS counted
) AS syncs, (
    SELECT coalesce(json_agg(squares ORDER BY workspace, sync_id), '[]') FROM (
        SELECT decisions.workspace, decisions.sync_id, reason, {_STATE}
        FROM relay.decisions
        LEFT JOIN LATERAL (
            SELECT trigger_id, attempt_id FROM relay.triggers
            WHERE (triggers.workspace, triggers.sync_id, triggers.dbt_account_id,
                   triggers.dbt_run_id)
                = (decisions.workspace, decisions.sync_id, decisions.dbt_account_id,
                   decisions.dbt_run_id)
              AND NOT superseded LIMIT 1
        ) AS triggered ON true
        LEFT JOIN relay.sync_runs USING (attempt_id)
        WHERE (decisions.dbt_account_id, decisions.dbt_run_id) = (runs.dbt_account_id,
               runs.dbt_run_id)
        LIMIT %(squares)s) AS squares
) AS squares
FROM relay.dbt_runs AS runs ORDER BY recorded_at DESC LIMIT %(runs)s
"""
# What a clock that is ahead has dated belongs to the last hour, too.
_HOUR = """
date_bin('1 hour', least(at, %(now)s - interval '1 microsecond'), %(now)s) AS hour
"""
_LATELY = f"""
WITH decided AS MATERIALIZED (
    SELECT {_HOUR}, counts, triggers, count(*) AS many FROM (
        SELECT decided_at AS at, decided_at >= %(since)s AS counts, reason = 'rebuilt' AS triggers
        FROM relay.decisions WHERE decided_at >= least(%(since)s, %(day_ago)s)
        ORDER BY decided_at DESC LIMIT %(counted)s
    ) AS newest GROUP BY hour, counts, triggers
), ran AS MATERIALIZED (
    SELECT ended_at AS at, begun_at >= %(since)s AS counts, {HAS_ENDED_BADLY} AS badly, lag
    FROM (
        SELECT begun_at, ended_at, outcome, lag FROM relay.sync_runs
        ORDER BY attempt_id DESC LIMIT %(counted)s
    ) AS newest
), happened AS (
    SELECT hour, CASE WHEN triggers THEN many END AS triggered,
           CASE WHEN NOT triggers THEN many END AS withheld, 0 AS failed
    FROM decided
    UNION ALL
    SELECT {_HOUR}, NULL, NULL, 1 FROM ran WHERE badly
)
SELECT json_build_object(
    'deliveries', (SELECT count(*) FROM (
        SELECT FROM relay.deliveries WHERE received_at >= %(since)s LIMIT %(counted)s) AS counted),
    'dbt_runs', (SELECT count(*) FROM (
        SELECT FROM relay.dbt_runs
        WHERE recorded_at >= %(since)s AND planned_at IS NOT NULL AND never_counts IS NULL
          AND dbt_account_id = %(account_id)s
        LIMIT %(counted)s) AS counted),
    'decisions', decisions.looked_at,
    'triggered', decisions.triggered,
    'withheld', decisions.looked_at - decisions.triggered,
    'sync_runs', runs.looked_at,
    'ended_badly', runs.ended_badly,
    'with_lag', runs.with_lag,
    'lag_p50', runs.lags[1],
    'lag_p90', runs.lags[2],
    'hours', (SELECT coalesce(json_agg(rows), '[]') FROM (
        SELECT floor(extract(epoch FROM %(now)s - hour) / 3600)::int - 1 AS ago,
               coalesce(sum(triggered), 0) AS triggered, coalesce(sum(withheld), 0) AS withheld,
               sum(failed) AS failed
        FROM happened WHERE hour >= %(day_ago)s GROUP BY hour ORDER BY hour) AS rows),
    'strips', (SELECT coalesce(json_agg(rows), '[]') FROM ({_STRIPS}) AS rows)
)::text
FROM (
    SELECT coalesce(sum(many), 0) AS looked_at,
           coalesce(sum(many) FILTER (WHERE triggers), 0) AS triggered
    FROM decided WHERE counts
) AS decisions, (
    SELECT count(*) AS looked_at, count(*) FILTER (WHERE badly) AS ended_badly,
           count(lag) AS with_lag,
           percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY lag) AS lags
    FROM ran WHERE counts
) AS runs
"""
