"""Fills a database with a long history, by generate_series.

Sync runs are numbered from 0, eight seconds apart; 20 of them are of one dbt run. BUSY is what is
large by itself, whatever the history: a dbt run with 1,000 decisions, a sync with 600 sync runs.
"""

import json
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import LiteralString

import psycopg

from relay.decision.gates import GATES
from relay.postgres.connections import OneConnection
from relay.postgres.server import Server
from relay.sandbox import story
from relay.store import Store

SYNCS = 1000
EVERY = timedelta(seconds=8)  # from one sync run to the next
ACCOUNT = story.DBT_ACCOUNT_ID
BUSY_RUN = 10**9
BUSY_SYNC = 7
BUSY_DELIVERY, BUSY_REQUEST = uuid.UUID(int=10**9), uuid.UUID(int=10**9 + 1)


def fill(server: Server, numbers: range, start: datetime, *more: Sequence[LiteralString]) -> None:
    """Add the sync runs with these numbers and all that belongs to them; counters and states, too.

    The run with the number 0 began at `start`. `more` are other statements: OTHER_RUNS, BUSY.
    """
    given = {
        "before": numbers.start,
        "after": numbers.stop,
        "start": start,
        "syncs": SYNCS,
        "account": ACCOUNT,
        "conditions": json.dumps([[gate.reason, [], _SEEN] for gate in GATES]),
        "busy_run": BUSY_RUN,
        "busy_sync": BUSY_SYNC,
        "busy_delivery": BUSY_DELIVERY,
        "busy_request": BUSY_REQUEST,
    }
    with psycopg.connect(server.conninfo, autocommit=True) as connection:
        connection.execute("SET search_path = public, relay")
        for statement in (*SYNC_RUNS, *(each for statements in more for each in statements)):
            connection.execute(statement, given)
        Store(OneConnection(connection)).sync_states.rebuild()
        connection.execute("VACUUM ANALYZE")


_SEEN = "3 of its models were looked at: model.shop.model_1, model.shop.model_2, model.shop.model_3"
_STEPS: LiteralString = """
'[{"index": 1, "name": "Clone git repository", "command": null, "status": 10, "counts": false},
  {"index": 2, "name": "Invoke dbt with `dbt build`", "command": "dbt build", "status": 10,
   "counts": true}]'::jsonb
"""
# The models of a run, with the syncs that read them.
_MODELS: LiteralString = """
(SELECT jsonb_build_object('counts', jsonb_build_object('rebuilt', count(*), 'failed', 0),
     'models', jsonb_agg(jsonb_build_array('model.shop.model_' || model, 'rebuilt', false,
                                           jsonb_build_array(model, model + 1))))
 FROM generate_series(1, {models}) AS model)
"""
_RUN_COLUMNS: LiteralString = """
dbt_account_id, dbt_run_id, recorded_at, planned_at, given_up_at, dbt_job_id, job_name,
environment_id, environment_name, project_id, git_sha, status, cause, started_at, finished_at,
first_run_id, steps, models
"""
_RUN_VALUES: LiteralString = f"""
at, CASE WHEN run %% 1000 > 0 THEN at + interval '2 seconds' END,
CASE WHEN run %% 1000 = 0 THEN at END, run %% 40 + 1, 'job ' || run %% 40 + 1, 3, 'Production', 4,
md5(run::text), 'success', 'scheduled', at - interval '20 minutes', at - interval '1 second', run,
{_STEPS}, {_MODELS.format(models=20)}
"""
SYNC_RUNS: tuple[LiteralString, ...] = (
    """
    INSERT INTO relay.deliveries (delivery_id, event_id, dbt_account_id, dbt_run_id, body,
                                  received_at)
    SELECT gen_random_uuid(), 'e' || run, %(account)s, run, repeat('x', 900)::bytea,
           %(start)s + run * interval '160 seconds'
    FROM generate_series(%(before)s / 20 + 1, %(after)s / 20) AS run
    """,
    f"""
    INSERT INTO relay.dbt_runs ({_RUN_COLUMNS})
    SELECT %(account)s, run, {_RUN_VALUES}
    FROM generate_series(%(before)s / 20 + 1, %(after)s / 20) AS run,
         LATERAL (SELECT %(start)s + run * interval '160 seconds' AS at) AS time
    """,
    """
    INSERT INTO relay.decisions (workspace, sync_id, dbt_account_id, dbt_run_id, reason, models,
                                 through, conditions, decided_at, rebuilt_at)
    SELECT 'default', n %% %(syncs)s + 1, %(account)s, n / 20 + 1,
           CASE (n + n / 1000) %% 10 WHEN 0 THEN 'model_failed' WHEN 1 THEN 'waiting_for_models'
                ELSE 'rebuilt' END,
           '{model.shop.model_1,model.shop.model_2,model.shop.model_3}', '{}',
           %(conditions)s, at, at
    FROM generate_series(%(before)s, %(after)s - 1) AS n,
         LATERAL (SELECT %(start)s + n * interval '8 seconds' AS at) AS time
    """,
    """
    INSERT INTO relay.sync_runs (workspace, sync_id, full_sync, begun_at, sent_at, sync_run_id,
        triggered_at, ended_at, completed_at, outcome, lag, records_updated)
    SELECT 'default', n %% %(syncs)s + 1, false, at, at, n, at, at + interval '1 minute',
           at + interval '1 minute',
           CASE n %% 500 WHEN 0 THEN 'refused' WHEN 1 THEN 'abandoned' WHEN 2 THEN 'failed'
                ELSE 'completed' END,
           CASE WHEN n %% 500 > 2 THEN 90 END, 100
    FROM generate_series(%(before)s, %(after)s - 1) AS n,
         LATERAL (SELECT %(start)s + n * interval '8 seconds' AS at) AS time
    """,
    """
    INSERT INTO relay.triggers (workspace, sync_id, dbt_account_id, dbt_run_id, full_sync, because,
        through, requested_at, due_at, covers_until, attempt_id, superseded)
    SELECT workspace, sync_id, dbt_account_id, dbt_run_id, false, models, '{}',
           decided_at, decided_at, decided_at, attempt_id, sync_run_id %% 1000 = 0
    FROM relay.sync_runs JOIN relay.decisions USING (workspace, sync_id)
    WHERE sync_run_id >= %(before)s AND dbt_run_id = sync_run_id / 20 + 1 AND reason = 'rebuilt'
    """,
    """
    INSERT INTO relay.tallies (name, labels, slot, value)
    SELECT 'relay_sync_records_total', jsonb_build_object('workspace', 'default', 'sync_id',
           sync_id::text, 'result', result), 0, 100
    FROM generate_series(1, %(syncs)s) AS sync_id,
         unnest(array['updated', 'rejected', 'invalid']) AS result
    ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO relay.tallies (name, labels, slot, value)
    SELECT 'relay_vendor_requests_total', jsonb_build_object('vendor', vendor, 'operation',
           operation, 'code', code), slot, 100
    FROM unnest(array['census', 'dbt_cloud']) AS vendor,
         unnest(array['get_run', 'trigger_sync', 'get_sync_run', 'list_runs']) AS operation,
         unnest(array['2xx', '4xx', '429', '5xx', 'none']) AS code, generate_series(0, 15) AS slot
    ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO relay.tallies (name, labels, slot, value)
    SELECT 'relay_vendor_request_seconds_bucket', jsonb_build_object('vendor', vendor, 'operation',
           operation, 'le', le), slot, 100
    FROM unnest(array['census', 'dbt_cloud']) AS vendor,
         unnest(array['get_run', 'trigger_sync', 'get_sync_run', 'list_runs']) AS operation,
         unnest(array['0.1', '0.25', '0.5', '1', '2.5', '5', '10', '30', '+Inf']) AS le,
         generate_series(0, 15) AS slot
    ON CONFLICT DO NOTHING
    """,
)
# Five dbt runs that concern no sync for each one that does, and deliveries that say nothing new.
OTHER_RUNS: tuple[LiteralString, ...] = (
    f"""
    INSERT INTO relay.dbt_runs ({_RUN_COLUMNS})
    SELECT %(account)s, 10000000 + run, {_RUN_VALUES}
    FROM generate_series(%(before)s / 4 + 1, %(after)s / 4) AS run,
         LATERAL (SELECT %(start)s + run * interval '32 seconds' AS at) AS time
    """,
    """
    INSERT INTO relay.deliveries (delivery_id, event_id, dbt_account_id, dbt_run_id, body,
                                  received_at)
    SELECT gen_random_uuid(), 'o' || run, %(account)s, 10000000 + run, repeat('x', 900)::bytea,
           %(start)s + run * interval '32 seconds'
    FROM generate_series(%(before)s / 4 + 1, %(after)s / 4) AS run
    """,
    """
    INSERT INTO relay.deliveries (delivery_id, event_id, dbt_account_id, dbt_run_id, body,
                                  received_at, ignored_because)
    SELECT gen_random_uuid(), 'i' || n, %(account)s, NULL, repeat('x', 900)::bytea,
           %(start)s + n * interval '40 seconds', 'other_event_type'
    FROM generate_series(%(before)s / 5 + 1, %(after)s / 5) AS n
    """,
    """
    INSERT INTO relay.alerts (event, workspace, sync_id, detail, opened_at, resolved_at, settled_at)
    SELECT 'failed', 'default', n %% %(syncs)s + 1, '{}', %(start)s + n * interval '8 seconds',
           now(), now()
    FROM generate_series(%(before)s, %(after)s - 1, 20) AS n
    """,
    """
    INSERT INTO relay.actions (at, who, through, what, subject, result)
    SELECT %(start)s + n * interval '8 seconds', 'Ada', 'dashboard', 'replay', 'dbt run 1',
           '{"done": [{"says": "will be examined again", "dbt_run_id": 1, "workspace": null,
             "sync_id": null}], "left_alone": [], "notes": [], "request_id": null}'
    FROM generate_series(%(before)s, %(after)s - 1, 40) AS n
    """,
)
BUSY: tuple[LiteralString, ...] = (
    f"""
    INSERT INTO relay.dbt_runs ({_RUN_COLUMNS})
    SELECT %(account)s, %(busy_run)s, now(), now(), NULL, 1, 'job 1', 3, 'Production', 4,
           md5('busy'), 'success', 'scheduled', now() - interval '1 hour', now(), %(busy_run)s,
           {_STEPS}, {_MODELS.format(models=2000)}
    """,
    """
    INSERT INTO relay.deliveries (delivery_id, event_id, dbt_account_id, dbt_run_id, body)
    SELECT %(busy_delivery)s, 'busy', %(account)s, %(busy_run)s,
           convert_to(jsonb_build_object('data', jsonb_agg(n))::text, 'UTF8')
    FROM generate_series(1, 20000) AS n
    """,
    """
    INSERT INTO relay.decisions (workspace, sync_id, dbt_account_id, dbt_run_id, reason, models,
                                 through, conditions, decided_at, rebuilt_at)
    SELECT 'default', sync_id, %(account)s, %(busy_run)s, 'rebuilt',
           '{model.shop.model_1,model.shop.model_2,model.shop.model_3}', '{}', %(conditions)s,
           now(), now()
    FROM generate_series(1, %(syncs)s) AS sync_id
    """,
    """
    INSERT INTO relay.decisions (workspace, sync_id, dbt_account_id, dbt_run_id, reason, models,
                                 through, conditions, decided_at, rebuilt_at)
    SELECT 'default', %(busy_sync)s, %(account)s, dbt_run_id, 'rebuilt',
           '{model.shop.model_1,model.shop.model_2,model.shop.model_3}', '{}', %(conditions)s,
           recorded_at, recorded_at
    FROM relay.dbt_runs WHERE dbt_run_id BETWEEN 10000000 AND 20000000
    ORDER BY recorded_at DESC LIMIT 600
    """,
    """
    INSERT INTO relay.sync_runs (workspace, sync_id, full_sync, begun_at, sent_at, sync_run_id,
        triggered_at, ended_at, completed_at, outcome, lag, records_updated)
    SELECT 'default', %(busy_sync)s, false, at, at, 10000000 + n, at, at + interval '1 minute',
           at + interval '1 minute', 'completed', 60 + n, 100
    FROM generate_series(1, 600) AS n,
         LATERAL (SELECT now() - (600 - n) * interval '1 hour' AS at) AS time
    """,
    # The newest sync run of the busy sync answers the triggers of all of its decisions.
    """
    INSERT INTO relay.triggers (workspace, sync_id, dbt_account_id, dbt_run_id, full_sync, because,
        through, requested_at, due_at, covers_until, attempt_id)
    SELECT workspace, sync_id, dbt_account_id, dbt_run_id, false, models, '{}',
           decided_at, decided_at, decided_at,
           (SELECT max(attempt_id) FROM relay.sync_runs WHERE sync_id = %(busy_sync)s)
    FROM relay.decisions
    WHERE sync_id = %(busy_sync)s AND dbt_run_id BETWEEN 10000000 AND 20000000
    """,
    """
    INSERT INTO relay.sync_runs (workspace, sync_id, full_sync, begun_at, sent_at, sync_run_id,
        triggered_at, status)
    SELECT 'default', sync_id, false, now(), now(), 20000000 + sync_id, now(), 'working'
    FROM generate_series(1, %(syncs)s) AS sync_id
    """,
    """
    INSERT INTO relay.triggers (workspace, sync_id, dbt_account_id, dbt_run_id, full_sync, because,
        through, requested_at, due_at, covers_until, attempt_id)
    SELECT workspace, sync_id, dbt_account_id, dbt_run_id, false, models, '{}', now(), now(), now(),
           attempt_id
    FROM relay.sync_runs JOIN relay.decisions USING (workspace, sync_id)
    WHERE sync_run_id > 20000000 AND dbt_run_id = %(busy_run)s
    """,
    """
    INSERT INTO relay.selections (workspace, sync_id, node, materialized, behind)
    SELECT 'default', sync_id, 'model.shop.model_' || (sync_id * 2 + n) %% 2000, 'table',
           '{}'::text[]
    FROM generate_series(1, %(syncs)s) AS sync_id, generate_series(1, 3) AS n
    UNION ALL
    SELECT 'default', %(busy_sync)s, 'model.shop.model_' || 2000 + n, 'view',
           '{model.shop.model_1}'::text[]
    FROM generate_series(1, 30) AS n
    """,
    # One job has not built its models for three weeks.
    """
    INSERT INTO relay.model_states (dbt_account_id, node, dbt_job_id, job_name, dbt_run_id,
                                    finished_at, result, failed_a_test, rebuilt_at)
    SELECT %(account)s, 'model.shop.model_' || n, job, 'job ' || job, %(busy_run)s, at, 'rebuilt',
           false, at
    FROM generate_series(0, 2029) AS n, generate_series(0, 1) AS second,
         LATERAL (SELECT n %% 39 + 1 + second AS job) AS jobs,
         LATERAL (SELECT now() - CASE WHEN n %% 39 = 0 THEN interval '21 days'
                                      ELSE interval '1 hour' END AS at) AS time
    """,
    """
    INSERT INTO relay.coverage (digest, found_at, found)
    SELECT 'another', now(), jsonb_build_object(
        'words', (SELECT jsonb_object_agg('model_' || n, n %% 8)
                  FROM generate_series(1, 2000) AS n),
        'nodes_of', '[]'::jsonb,
        'unread', (SELECT jsonb_agg(jsonb_build_array('model.shop.unread_' || n, '["a"]'::jsonb,
                                                      '["exposure.shop.a"]'::jsonb))
                   FROM generate_series(1, 200) AS n),
        'unread_count', 200,
        'exposures', (SELECT jsonb_agg(jsonb_build_array('exposure.shop.' || n, NULL))
                      FROM generate_series(1, 200) AS n),
        'exposures_count', 200)
    """,
    """
    INSERT INTO relay.alerts (event, workspace, sync_id, detail, opened_at)
    SELECT event, 'default', sync_id, '{}', now()
    FROM generate_series(1, 200) AS sync_id, unnest(array['failed', 'stale']) AS event
    """,
    """
    INSERT INTO relay.drift (workspace, sync_id, kind, subject, severity, detail, found_at)
    SELECT 'default', sync_id, 'columns', 'a', 'warning', 'another column', now()
    FROM generate_series(1, 200) AS sync_id
    """,
    """
    INSERT INTO relay.mutes (workspace, sync_id, since, until, why, muted_by)
    SELECT 'default', sync_id, now(), now() + interval '1 day', 'being rebuilt', 'Ada'
    FROM generate_series(1, 20) AS sync_id
    """,
    """
    INSERT INTO relay.holds (workspace, sync_id, since, until, why, held_by)
    SELECT 'default', sync_id, now(), NULL, 'being rebuilt', 'Ada'
    FROM generate_series(11, 30) AS sync_id
    """,
    """
    INSERT INTO relay.actions (at, who, through, what, subject, result)
    SELECT now(), 'Ada', 'dashboard', 'replay', '500 dbt runs',
           jsonb_build_object('left_alone', '[]'::jsonb, 'notes', '[]'::jsonb, 'request_id', NULL,
               'done', jsonb_agg(jsonb_build_object('says', 'will be examined again',
                   'dbt_run_id', 10000000 + n, 'workspace', NULL, 'sync_id', NULL)))
    FROM generate_series(1, 500) AS n
    """,
    """
    INSERT INTO relay.requests (request_id, what, arguments, who, asked_at, started_at, answered_at,
                                answer)
    SELECT %(busy_request)s, 'plan', jsonb_build_object('dbt_run_id', %(busy_run)s,
                                                        'attempt_id', NULL),
           'Ada', now(), now(), now(),
           jsonb_build_object('dbt_run_id', %(busy_run)s, 'never_counts', NULL, 'rebuilt', 2000,
               'failed', 0, 'more_decisions', 500,
               'notes', '{"shown": [], "more": 0}'::jsonb,
               'decisions', jsonb_agg(jsonb_build_object('workspace', 'default', 'sync_id', n,
                   'decision', 'trigger', 'reason', 'rebuilt',
                   'models', '["model.shop.model_1"]'::jsonb, 'more_models', 2, 'until', NULL)))
    FROM generate_series(1, 500) AS n
    """,
    """
    INSERT INTO procrastinate_jobs (queue_name, task_name, args, lock, status)
    SELECT 'relay', 'evaluate', jsonb_build_object('dbt_run_id', n), 'lock ' || n,
           CASE WHEN n <= 50 THEN 'failed' ELSE 'todo' END::procrastinate_job_status
    FROM generate_series(1, 2000) AS n
    """,
)
