-- The database of the version with migration 0008, written by its own processes: pg_dump --inserts,
-- without comments and session settings. tests/worker/test_upgrade_of_a_dump.py says what it holds.
SET search_path = '';
SET check_function_bodies = false;

CREATE SCHEMA relay;

CREATE TYPE public.procrastinate_job_event_type AS ENUM (
    'deferred',
    'started',
    'deferred_for_retry',
    'failed',
    'succeeded',
    'cancelled',
    'abort_requested',
    'aborted',
    'scheduled',
    'retried'
);

CREATE TYPE public.procrastinate_job_status AS ENUM (
    'todo',
    'doing',
    'succeeded',
    'failed',
    'cancelled',
    'aborting',
    'aborted'
);

CREATE TYPE public.procrastinate_job_to_defer_v1 AS (
	queue_name character varying,
	task_name character varying,
	priority integer,
	lock text,
	queueing_lock text,
	args jsonb,
	scheduled_at timestamp with time zone
);

CREATE FUNCTION public.procrastinate_cancel_job_v1(job_id bigint, abort boolean, delete_job boolean) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
DECLARE
    _job_id bigint;
BEGIN
    IF delete_job THEN
        DELETE FROM procrastinate_jobs
        WHERE id = job_id AND status = 'todo'
        RETURNING id INTO _job_id;
    END IF;
    IF _job_id IS NULL THEN
        IF abort THEN
            UPDATE procrastinate_jobs
            SET abort_requested = true,
                status = CASE status
                    WHEN 'todo' THEN 'cancelled'::procrastinate_job_status ELSE status
                END
            WHERE id = job_id AND status IN ('todo', 'doing')
            RETURNING id INTO _job_id;
        ELSE
            UPDATE procrastinate_jobs
            SET status = 'cancelled'::procrastinate_job_status
            WHERE id = job_id AND status = 'todo'
            RETURNING id INTO _job_id;
        END IF;
    END IF;
    RETURN _job_id;
END;
$$;

CREATE FUNCTION public.procrastinate_defer_jobs_v1(jobs public.procrastinate_job_to_defer_v1[]) RETURNS bigint[]
    LANGUAGE plpgsql
    AS $$
DECLARE
    job_ids bigint[];
BEGIN
    WITH inserted_jobs AS (
        INSERT INTO procrastinate_jobs (queue_name, task_name, priority, lock, queueing_lock, args, scheduled_at)
        SELECT (job).queue_name,
               (job).task_name,
               (job).priority,
               (job).lock,
               (job).queueing_lock,
               (job).args,
               (job).scheduled_at
        FROM unnest(jobs) AS job
        RETURNING id
    )
    SELECT array_agg(id) FROM inserted_jobs INTO job_ids;

    RETURN job_ids;
END;
$$;

CREATE FUNCTION public.procrastinate_defer_periodic_job_v2(_queue_name character varying, _lock character varying, _queueing_lock character varying, _task_name character varying, _priority integer, _periodic_id character varying, _defer_timestamp bigint, _args jsonb) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
DECLARE
	_job_id bigint;
	_defer_id bigint;
BEGIN
    INSERT
        INTO procrastinate_periodic_defers (task_name, periodic_id, defer_timestamp)
        VALUES (_task_name, _periodic_id, _defer_timestamp)
        ON CONFLICT DO NOTHING
        RETURNING id into _defer_id;

    IF _defer_id IS NULL THEN
        RETURN NULL;
    END IF;

    UPDATE procrastinate_periodic_defers
        SET job_id = (
            SELECT COALESCE((
                SELECT unnest(procrastinate_defer_jobs_v1(
                    ARRAY[
                        ROW(
                            _queue_name,
                            _task_name,
                            _priority,
                            _lock,
                            _queueing_lock,
                            _args,
                            NULL::timestamptz
                        )
                    ]::procrastinate_job_to_defer_v1[]
                ))
            ), NULL)
        )
        WHERE id = _defer_id
        RETURNING job_id INTO _job_id;

    DELETE
        FROM procrastinate_periodic_defers
        USING (
            SELECT id
            FROM procrastinate_periodic_defers
            WHERE procrastinate_periodic_defers.task_name = _task_name
            AND procrastinate_periodic_defers.periodic_id = _periodic_id
            AND procrastinate_periodic_defers.defer_timestamp < _defer_timestamp
            ORDER BY id
            FOR UPDATE
        ) to_delete
        WHERE procrastinate_periodic_defers.id = to_delete.id;

    RETURN _job_id;
END;
$$;

CREATE TABLE public.procrastinate_jobs (
    id bigint NOT NULL,
    queue_name character varying(128) NOT NULL,
    task_name character varying(128) NOT NULL,
    priority integer DEFAULT 0 NOT NULL,
    lock text,
    queueing_lock text,
    args jsonb DEFAULT '{}'::jsonb NOT NULL,
    status public.procrastinate_job_status DEFAULT 'todo'::public.procrastinate_job_status NOT NULL,
    scheduled_at timestamp with time zone,
    attempts integer DEFAULT 0 NOT NULL,
    abort_requested boolean DEFAULT false NOT NULL,
    worker_id bigint,
    CONSTRAINT check_not_todo_abort_requested CHECK ((NOT ((status = 'todo'::public.procrastinate_job_status) AND (abort_requested = true))))
);

CREATE FUNCTION public.procrastinate_fetch_job_v2(target_queue_names character varying[], p_worker_id bigint) RETURNS public.procrastinate_jobs
    LANGUAGE plpgsql
    AS $$
DECLARE
	found_jobs procrastinate_jobs;
BEGIN
    WITH candidate AS (
        SELECT jobs.*
            FROM procrastinate_jobs AS jobs
            WHERE
                -- reject the job if its lock has earlier or higher priority jobs
                NOT EXISTS (
                    SELECT 1
                        FROM procrastinate_jobs AS other_jobs
                        WHERE
                            jobs.lock IS NOT NULL
                            AND other_jobs.lock = jobs.lock
                            AND (
                                -- job with same lock is already running
                                other_jobs.status = 'doing'
                                OR
                                -- job with same lock is waiting and has higher priority (or same priority but was queued first)
                                (
                                    other_jobs.status = 'todo'
                                    AND (
                                        other_jobs.priority > jobs.priority
                                        OR (
                                        other_jobs.priority = jobs.priority
                                        AND other_jobs.id < jobs.id
                                        )
                                    )
                                )
                            )
                )
                AND jobs.status = 'todo'
                AND (target_queue_names IS NULL OR jobs.queue_name = ANY( target_queue_names ))
                AND (jobs.scheduled_at IS NULL OR jobs.scheduled_at <= now())
            ORDER BY jobs.priority DESC, jobs.id ASC LIMIT 1
            FOR UPDATE OF jobs SKIP LOCKED
    )
    UPDATE procrastinate_jobs
        SET status = 'doing', worker_id = p_worker_id
        FROM candidate
        WHERE procrastinate_jobs.id = candidate.id
        RETURNING procrastinate_jobs.* INTO found_jobs;

 RETURN found_jobs;
END;
$$;

CREATE FUNCTION public.procrastinate_finish_job_v1(job_id bigint, end_status public.procrastinate_job_status, delete_job boolean) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    _job_id bigint;
BEGIN
    IF end_status NOT IN ('succeeded', 'failed', 'aborted') THEN
        RAISE 'End status should be either "succeeded", "failed" or "aborted" (job id: %)', job_id;
    END IF;
    IF delete_job THEN
        DELETE FROM procrastinate_jobs
        WHERE id = job_id AND status IN ('todo', 'doing')
        RETURNING id INTO _job_id;
    ELSE
        UPDATE procrastinate_jobs
        SET status = end_status,
            abort_requested = false,
            attempts = CASE status
                WHEN 'doing' THEN attempts + 1 ELSE attempts
            END
        WHERE id = job_id AND status IN ('todo', 'doing')
        RETURNING id INTO _job_id;
    END IF;
    IF _job_id IS NULL THEN
        RAISE 'Job was not found or not in "doing" or "todo" status (job id: %)', job_id;
    END IF;
END;
$$;

CREATE FUNCTION public.procrastinate_notify_queue_abort_job_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
    payload TEXT;
BEGIN
    SELECT json_build_object('type', 'abort_job_requested', 'job_id', NEW.id)::text INTO payload;
	PERFORM pg_notify('procrastinate_queue_v1#' || NEW.queue_name, payload);
	PERFORM pg_notify('procrastinate_any_queue_v1', payload);
	RETURN NEW;
END;
$$;

CREATE FUNCTION public.procrastinate_notify_queue_job_inserted_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
    payload TEXT;
BEGIN
    SELECT json_build_object('type', 'job_inserted', 'job_id', NEW.id)::text INTO payload;
	PERFORM pg_notify('procrastinate_queue_v1#' || NEW.queue_name, payload);
	PERFORM pg_notify('procrastinate_any_queue_v1', payload);
	RETURN NEW;
END;
$$;

CREATE FUNCTION public.procrastinate_prune_stalled_workers_v1(seconds_since_heartbeat double precision) RETURNS TABLE(worker_id bigint)
    LANGUAGE plpgsql
    AS $$
BEGIN
    RETURN QUERY
    DELETE FROM procrastinate_workers
    WHERE last_heartbeat < NOW() - (seconds_since_heartbeat || 'SECOND')::INTERVAL
    RETURNING procrastinate_workers.id;
END;
$$;

CREATE FUNCTION public.procrastinate_register_worker_v1() RETURNS TABLE(worker_id bigint)
    LANGUAGE plpgsql
    AS $$
BEGIN
    RETURN QUERY
    INSERT INTO procrastinate_workers DEFAULT VALUES
    RETURNING procrastinate_workers.id;
END;
$$;

CREATE FUNCTION public.procrastinate_retry_job_v1(job_id bigint, retry_at timestamp with time zone, new_priority integer, new_queue_name character varying, new_lock character varying) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    _job_id bigint;
    _abort_requested boolean;
BEGIN
    SELECT abort_requested FROM procrastinate_jobs
    WHERE id = job_id AND status = 'doing'
    FOR UPDATE
    INTO _abort_requested;
    IF _abort_requested THEN
        UPDATE procrastinate_jobs
        SET status = 'failed'::procrastinate_job_status
        WHERE id = job_id AND status = 'doing'
        RETURNING id INTO _job_id;
    ELSE
        UPDATE procrastinate_jobs
        SET status = 'todo'::procrastinate_job_status,
            attempts = attempts + 1,
            scheduled_at = retry_at,
            priority = COALESCE(new_priority, priority),
            queue_name = COALESCE(new_queue_name, queue_name),
            lock = COALESCE(new_lock, lock)
        WHERE id = job_id AND status = 'doing'
        RETURNING id INTO _job_id;
    END IF;

    IF _job_id IS NULL THEN
        RAISE 'Job was not found or not in "doing" status (job id: %)', job_id;
    END IF;
END;
$$;

CREATE FUNCTION public.procrastinate_retry_job_v2(job_id bigint, retry_at timestamp with time zone, new_priority integer, new_queue_name character varying, new_lock character varying) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    _job_id bigint;
    _abort_requested boolean;
    _current_status procrastinate_job_status;
BEGIN
    SELECT status, abort_requested FROM procrastinate_jobs
    WHERE id = job_id AND status IN ('doing', 'failed')
    FOR UPDATE
    INTO _current_status, _abort_requested;
    IF _current_status = 'doing' AND _abort_requested THEN
        UPDATE procrastinate_jobs
        SET status = 'failed'::procrastinate_job_status
        WHERE id = job_id AND status = 'doing'
        RETURNING id INTO _job_id;
    ELSE
        UPDATE procrastinate_jobs
        SET status = 'todo'::procrastinate_job_status,
            attempts = attempts + 1,
            scheduled_at = retry_at,
            priority = COALESCE(new_priority, priority),
            queue_name = COALESCE(new_queue_name, queue_name),
            lock = COALESCE(new_lock, lock)
        WHERE id = job_id AND status IN ('doing', 'failed')
        RETURNING id INTO _job_id;
    END IF;

    IF _job_id IS NULL THEN
        RAISE 'Job was not found or has an invalid status to retry (job id: %)', job_id;
    END IF;

END;
$$;

CREATE FUNCTION public.procrastinate_trigger_abort_requested_events_procedure_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO procrastinate_events(job_id, type)
        VALUES (NEW.id, 'abort_requested'::procrastinate_job_event_type);
    RETURN NEW;
END;
$$;

CREATE FUNCTION public.procrastinate_trigger_function_scheduled_events_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO procrastinate_events(job_id, type, at)
        VALUES (NEW.id, 'scheduled'::procrastinate_job_event_type, NEW.scheduled_at);

	RETURN NEW;
END;
$$;

CREATE FUNCTION public.procrastinate_trigger_function_status_events_insert_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO procrastinate_events(job_id, type)
        VALUES (NEW.id, 'deferred'::procrastinate_job_event_type);
	RETURN NEW;
END;
$$;

CREATE FUNCTION public.procrastinate_trigger_function_status_events_update_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    WITH t AS (
        SELECT CASE
            WHEN OLD.status = 'todo'::procrastinate_job_status
                AND NEW.status = 'doing'::procrastinate_job_status
                THEN 'started'::procrastinate_job_event_type
            WHEN OLD.status = 'doing'::procrastinate_job_status
                AND NEW.status = 'todo'::procrastinate_job_status
                THEN 'deferred_for_retry'::procrastinate_job_event_type
            WHEN OLD.status = 'doing'::procrastinate_job_status
                AND NEW.status = 'failed'::procrastinate_job_status
                THEN 'failed'::procrastinate_job_event_type
            WHEN OLD.status = 'doing'::procrastinate_job_status
                AND NEW.status = 'succeeded'::procrastinate_job_status
                THEN 'succeeded'::procrastinate_job_event_type
            WHEN OLD.status = 'todo'::procrastinate_job_status
                AND (
                    NEW.status = 'cancelled'::procrastinate_job_status
                    OR NEW.status = 'failed'::procrastinate_job_status
                    OR NEW.status = 'succeeded'::procrastinate_job_status
                )
                THEN 'cancelled'::procrastinate_job_event_type
            WHEN OLD.status = 'doing'::procrastinate_job_status
                AND NEW.status = 'aborted'::procrastinate_job_status
                THEN 'aborted'::procrastinate_job_event_type
            WHEN OLD.status = 'failed'::procrastinate_job_status
                AND NEW.status = 'todo'::procrastinate_job_status
                THEN 'retried'::procrastinate_job_event_type
            ELSE NULL
        END as event_type
    )
    INSERT INTO procrastinate_events(job_id, type)
        SELECT NEW.id, t.event_type
        FROM t
        WHERE t.event_type IS NOT NULL;
	RETURN NEW;
END;
$$;

CREATE FUNCTION public.procrastinate_unlink_periodic_defers_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    UPDATE procrastinate_periodic_defers
    SET job_id = NULL
    WHERE job_id = OLD.id;
    RETURN OLD;
END;
$$;

CREATE FUNCTION public.procrastinate_unregister_worker_v1(worker_id bigint) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    DELETE FROM procrastinate_workers
    WHERE id = worker_id;
END;
$$;

CREATE FUNCTION public.procrastinate_update_heartbeat_v1(worker_id bigint) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    UPDATE procrastinate_workers
    SET last_heartbeat = NOW()
    WHERE id = worker_id;
END;
$$;

CREATE TABLE public.procrastinate_events (
    id bigint NOT NULL,
    job_id bigint NOT NULL,
    type public.procrastinate_job_event_type,
    at timestamp with time zone DEFAULT now()
);

CREATE SEQUENCE public.procrastinate_events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.procrastinate_events_id_seq OWNED BY public.procrastinate_events.id;

CREATE SEQUENCE public.procrastinate_jobs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.procrastinate_jobs_id_seq OWNED BY public.procrastinate_jobs.id;

CREATE TABLE public.procrastinate_periodic_defers (
    id bigint NOT NULL,
    task_name character varying(128) NOT NULL,
    defer_timestamp bigint,
    job_id bigint,
    periodic_id character varying(128) DEFAULT ''::character varying NOT NULL
);

CREATE SEQUENCE public.procrastinate_periodic_defers_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.procrastinate_periodic_defers_id_seq OWNED BY public.procrastinate_periodic_defers.id;

CREATE TABLE public.procrastinate_workers (
    id bigint NOT NULL,
    last_heartbeat timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE public.procrastinate_workers ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.procrastinate_workers_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE relay.alembic_version (
    version_num character varying(32) NOT NULL
);

CREATE TABLE relay.builds (
    dbt_account_id bigint NOT NULL,
    project_id bigint NOT NULL,
    dbt_job_id bigint NOT NULL,
    environment_id bigint NOT NULL,
    node text NOT NULL,
    dbt_run_id bigint NOT NULL,
    finished_at timestamp with time zone NOT NULL,
    is_good boolean NOT NULL,
    failed_a_test boolean NOT NULL,
    began timestamp with time zone,
    ended timestamp with time zone
);

CREATE TABLE relay.catch_ups (
    dbt_account_id bigint NOT NULL,
    first_started_at timestamp with time zone NOT NULL,
    read_until timestamp with time zone NOT NULL
);

CREATE TABLE relay.census_versions (
    workspace text NOT NULL,
    api_version text NOT NULL,
    found_at timestamp with time zone NOT NULL
);

CREATE TABLE relay.dbt_runs (
    dbt_account_id bigint NOT NULL,
    dbt_run_id bigint NOT NULL,
    delivery_id uuid,
    event_id text,
    recorded_at timestamp with time zone DEFAULT now() NOT NULL,
    dbt_job_id bigint,
    environment_id bigint,
    first_run_id bigint,
    failures integer DEFAULT 0 CONSTRAINT dbt_runs_faults_not_null NOT NULL,
    backoff_spent double precision DEFAULT 0 CONSTRAINT dbt_runs_paused_not_null NOT NULL,
    planned_at timestamp with time zone,
    given_up_at timestamp with time zone,
    problem text,
    CONSTRAINT dbt_runs_check CHECK (((planned_at IS NULL) OR (given_up_at IS NULL)))
);

CREATE TABLE relay.decisions (
    workspace text NOT NULL,
    sync_id bigint NOT NULL,
    dbt_account_id bigint NOT NULL,
    dbt_run_id bigint NOT NULL,
    reason text NOT NULL,
    models text[] NOT NULL,
    through jsonb NOT NULL,
    conditions jsonb NOT NULL,
    decided_at timestamp with time zone NOT NULL
);

CREATE TABLE relay.deliveries (
    delivery_id uuid NOT NULL,
    received_at timestamp with time zone DEFAULT now() NOT NULL,
    event_id text,
    dbt_account_id bigint,
    dbt_run_id bigint,
    ignored_because text,
    body bytea NOT NULL
);

CREATE TABLE relay.drift (
    workspace text NOT NULL,
    sync_id bigint NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    severity text NOT NULL,
    detail text NOT NULL,
    found_at timestamp with time zone NOT NULL
);

CREATE TABLE relay.drift_checks (
    is_last boolean DEFAULT true NOT NULL,
    digest text NOT NULL,
    checked_at timestamp with time zone NOT NULL,
    not_checked text[] NOT NULL,
    CONSTRAINT drift_checks_is_last_check CHECK (is_last)
);

CREATE TABLE relay.engine_migrations (
    name text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE relay.holds (
    hold_id bigint NOT NULL,
    workspace text,
    sync_id bigint,
    since timestamp with time zone NOT NULL,
    until timestamp with time zone,
    why text,
    held_by text NOT NULL,
    released_by text,
    ended_at timestamp with time zone,
    CONSTRAINT holds_check CHECK (((sync_id IS NULL) OR (workspace IS NOT NULL))),
    CONSTRAINT holds_check1 CHECK (((ended_at IS NULL) OR (until IS NOT NULL)))
);

ALTER TABLE relay.holds ALTER COLUMN hold_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME relay.holds_hold_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE relay.lost_log_lines (
    process text NOT NULL,
    count bigint NOT NULL,
    last_at timestamp with time zone NOT NULL,
    problem text NOT NULL
);

CREATE TABLE relay.periodic_tasks (
    name text CONSTRAINT chores_name_not_null NOT NULL,
    due_at timestamp with time zone CONSTRAINT chores_due_at_not_null NOT NULL
);

CREATE TABLE relay.sync_runs (
    attempt_id bigint NOT NULL,
    workspace text NOT NULL,
    sync_id bigint NOT NULL,
    full_sync boolean NOT NULL,
    begun_at timestamp with time zone NOT NULL,
    sent_at timestamp with time zone,
    reconcile_after timestamp with time zone,
    failures integer DEFAULT 0 CONSTRAINT sync_runs_faults_not_null NOT NULL,
    backoff_spent double precision DEFAULT 0 CONSTRAINT sync_runs_paused_not_null NOT NULL,
    sync_run_id bigint,
    triggered_at timestamp with time zone,
    polls integer DEFAULT 0 CONSTRAINT sync_runs_looks_not_null NOT NULL,
    status text,
    ended_at timestamp with time zone,
    outcome text,
    records_processed bigint,
    records_updated bigint,
    records_failed bigint,
    records_invalid bigint,
    problem text,
    CONSTRAINT sync_runs_check CHECK (((ended_at IS NULL) = (outcome IS NULL)))
);

ALTER TABLE relay.sync_runs ALTER COLUMN attempt_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME relay.sync_runs_attempt_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE relay.triggers (
    trigger_id bigint NOT NULL,
    workspace text NOT NULL,
    sync_id bigint NOT NULL,
    dbt_account_id bigint,
    dbt_run_id bigint,
    superseded boolean DEFAULT false CONSTRAINT triggers_is_redone_not_null NOT NULL,
    full_sync boolean NOT NULL,
    because text[] NOT NULL,
    through jsonb NOT NULL,
    requested_at timestamp with time zone NOT NULL,
    due_at timestamp with time zone NOT NULL,
    covers_until timestamp with time zone CONSTRAINT triggers_ran_for_not_null NOT NULL,
    attempt_id bigint,
    dry_run boolean DEFAULT false NOT NULL,
    CONSTRAINT triggers_check CHECK (((dbt_account_id IS NULL) = (dbt_run_id IS NULL)))
);

ALTER TABLE relay.triggers ALTER COLUMN trigger_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME relay.triggers_trigger_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE ONLY public.procrastinate_events ALTER COLUMN id SET DEFAULT nextval('public.procrastinate_events_id_seq'::regclass);

ALTER TABLE ONLY public.procrastinate_jobs ALTER COLUMN id SET DEFAULT nextval('public.procrastinate_jobs_id_seq'::regclass);

ALTER TABLE ONLY public.procrastinate_periodic_defers ALTER COLUMN id SET DEFAULT nextval('public.procrastinate_periodic_defers_id_seq'::regclass);

INSERT INTO public.procrastinate_events VALUES (39, 15, 'scheduled', '2026-11-28 06:46:24.670919+00');
INSERT INTO public.procrastinate_events VALUES (40, 15, 'deferred', '2026-11-27 06:34:38.07173+00');
INSERT INTO public.procrastinate_events VALUES (45, 19, 'scheduled', '2026-11-28 07:04:37.670919+00');
INSERT INTO public.procrastinate_events VALUES (46, 19, 'deferred', '2026-11-27 06:34:38.105601+00');
INSERT INTO public.procrastinate_events VALUES (48, 20, 'scheduled', '2026-11-28 06:47:09.670919+00');
INSERT INTO public.procrastinate_events VALUES (49, 20, 'deferred', '2026-11-27 06:34:38.120865+00');
INSERT INTO public.procrastinate_events VALUES (53, 22, 'scheduled', '2026-11-28 06:46:11.585434+00');
INSERT INTO public.procrastinate_events VALUES (54, 22, 'deferred', '2026-11-27 06:34:38.153327+00');
INSERT INTO public.procrastinate_events VALUES (55, 23, 'deferred', '2026-11-27 06:34:38.160511+00');

INSERT INTO public.procrastinate_jobs VALUES (15, 'relay.2', 'poll_sync_run', 0, NULL, NULL, '{"polls": 0, "attempt_id": 6}', 'todo', '2026-11-28 06:46:24.670919+00', 0, false, NULL);
INSERT INTO public.procrastinate_jobs VALUES (19, 'relay.2', 'scheduled_start', 0, NULL, NULL, '{"sync_id": 5125, "workspace": "default"}', 'todo', '2026-11-28 07:04:37.670919+00', 0, false, NULL);
INSERT INTO public.procrastinate_jobs VALUES (20, 'relay.2', 'scheduled_start', 0, NULL, NULL, '{"sync_id": 5124, "workspace": "default"}', 'todo', '2026-11-28 06:47:09.670919+00', 0, false, NULL);
INSERT INTO public.procrastinate_jobs VALUES (22, 'relay.2', 'evaluate_dbt_run', 0, NULL, NULL, '{"dbt_run_id": 155144670, "dbt_account_id": 66847}', 'todo', '2026-11-28 06:46:11.585434+00', 0, false, NULL);
INSERT INTO public.procrastinate_jobs VALUES (23, 'relay.2', 'evaluate_dbt_run', 0, NULL, NULL, '{"dbt_run_id": 155144671, "dbt_account_id": 66847}', 'todo', NULL, 0, false, NULL);

INSERT INTO relay.alembic_version VALUES ('0008');

INSERT INTO relay.dbt_runs VALUES (66847, 155144666, 'dbff8335-ba89-4840-a056-51f8f52ffee0', 'wev_ab091641d68f4f47b0bb73bf32499a55', '2026-11-27 06:34:37.770175+00', 278164, 187998, 155144666, 0, 0, '2026-11-28 06:34:37.670919+00', NULL, NULL);
INSERT INTO relay.dbt_runs VALUES (66847, 155144667, 'fe30becf-4414-445f-9fac-3704d91f16d0', 'wev_2b22c853fdf1434d9103fc88e152b38f', '2026-11-27 06:34:37.953278+00', 278164, 187998, 155144667, 0, 0, '2026-11-28 06:44:53.670919+00', NULL, NULL);
INSERT INTO relay.dbt_runs VALUES (66847, 155144668, 'fb996ed9-f522-46b4-bcb8-99e2aafdafb3', 'wev_1fb929a0d0e74ace82bcbe0bb1659765', '2026-11-27 06:34:38.04121+00', 278164, 187998, 155144668, 0, 0, '2026-11-28 06:46:09.670919+00', NULL, NULL);
INSERT INTO relay.dbt_runs VALUES (66847, 155144669, '599a5e41-3790-46a5-b7d1-f12a40e545a0', 'wev_70bc6a2934bf486dbe386654df88fa2e', '2026-11-27 06:34:38.081914+00', 278164, 187998, 155144669, 0, 0, '2026-11-28 06:46:09.670919+00', NULL, NULL);
INSERT INTO relay.dbt_runs VALUES (66847, 155144670, '097246e4-3f9c-4220-9b51-32f8ee291aba', 'wev_a3953a7a2ea2450bae8bc552c279e846', '2026-11-27 06:34:38.136094+00', NULL, NULL, NULL, 1, 1.914515, NULL, NULL, 'GET /api/v2/accounts/66847/runs/155144670/?include_related=trigger%2Cjob%2Crun_steps at dbt Cloud: HTTP 503');
INSERT INTO relay.dbt_runs VALUES (66847, 155144671, '6072c5c0-a136-4c8b-8cfe-307dd8e5c3da', 'wev_76802a8ed0c445be8daab2501fdef702', '2026-11-27 06:34:38.160511+00', NULL, NULL, NULL, 0, 0, NULL, NULL, NULL);

INSERT INTO relay.decisions VALUES ('default', 5123, 66847, 155144666, 'rebuilt', '{model.jaffle_crm.customers}', '{}', '[["sync_disabled", [], "enabled: true"], ["job_not_listed", [], "job 278164; every job counts"], ["environment_not_listed", [], "environment 187998; every environment counts"], ["run_cancelled", [], "the run succeeded"], ["sample_run", [], "none of its models"], ["model_failed", [], "none of its models"], ["partial_rebuild", [], "none of its models"], ["test_failed", [], "none of its models failed a test"], ["stale_parent", [], "consistency: ignore"], ["waiting_for_models", [], "require: any"], ["cooling_down", [], "at_most_every: none"]]', '2026-11-28 06:34:37.670919+00');
INSERT INTO relay.decisions VALUES ('default', 5124, 66847, 155144666, 'rebuilt', '{model.jaffle_crm.orders}', '{}', '[["sync_disabled", [], "enabled: true"], ["job_not_listed", [], "job 278164; every job counts"], ["environment_not_listed", [], "environment 187998; every environment counts"], ["run_cancelled", [], "the run succeeded"], ["sample_run", [], "none of its models"], ["model_failed", [], "none of its models"], ["partial_rebuild", [], "none of its models"], ["test_failed", [], "none of its models failed a test"], ["stale_parent", [], "consistency: ignore"], ["waiting_for_models", [], "require: any"], ["cooling_down", [], "at_most_every: none"]]', '2026-11-28 06:34:37.670919+00');
INSERT INTO relay.decisions VALUES ('default', 5125, 66847, 155144666, 'rebuilt', '{model.jaffle_crm.fct_revenue}', '{}', '[["sync_disabled", [], "enabled: true"], ["job_not_listed", [], "job 278164; every job counts"], ["environment_not_listed", [], "environment 187998; every environment counts"], ["run_cancelled", [], "the run succeeded"], ["sample_run", [], "none of its models"], ["model_failed", [], "none of its models"], ["partial_rebuild", [], "none of its models"], ["test_failed", [], "none of its models failed a test"], ["stale_parent", [], "consistency: ignore"], ["waiting_for_models", [], "require: any"], ["cooling_down", [], "at_most_every: 30m; never started"]]', '2026-11-28 06:34:37.670919+00');
INSERT INTO relay.decisions VALUES ('default', 5126, 66847, 155144666, 'rebuilt', '{model.jaffle_crm.fct_tickets}', '{}', '[["sync_disabled", [], "enabled: true"], ["job_not_listed", [], "job 278164; every job counts"], ["environment_not_listed", [], "environment 187998; every environment counts"], ["run_cancelled", [], "the run succeeded"], ["sample_run", [], "none of its models"], ["model_failed", [], "none of its models"], ["partial_rebuild", [], "none of its models"], ["test_failed", [], "none of its models failed a test"], ["stale_parent", [], "consistency: ignore"], ["waiting_for_models", [], "require: any"], ["cooling_down", [], "at_most_every: none"]]', '2026-11-28 06:34:37.670919+00');
INSERT INTO relay.decisions VALUES ('default', 5123, 66847, 155144667, 'model_failed', '{model.jaffle_crm.customers}', '{}', '[["sync_disabled", [], "enabled: true"], ["job_not_listed", [], "job 278164; every job counts"], ["environment_not_listed", [], "environment 187998; every environment counts"], ["run_cancelled", [], "the run ended in error"], ["sample_run", [], "none of its models"], ["model_failed", ["model.jaffle_crm.customers"], "model.jaffle_crm.customers: skipped"], ["partial_rebuild", [], "none of its models"], ["test_failed", [], "none of its models failed a test"], ["stale_parent", [], "consistency: ignore"], ["waiting_for_models", [], "require: any"], ["cooling_down", [], "at_most_every: none"]]', '2026-11-28 06:44:53.670919+00');
INSERT INTO relay.decisions VALUES ('default', 5124, 66847, 155144667, 'test_failed', '{model.jaffle_crm.orders}', '{}', '[["sync_disabled", [], "enabled: true"], ["job_not_listed", [], "job 278164; every job counts"], ["environment_not_listed", [], "environment 187998; every environment counts"], ["run_cancelled", [], "the run ended in error"], ["sample_run", [], "none of its models"], ["model_failed", [], "none of its models"], ["partial_rebuild", [], "none of its models"], ["test_failed", ["model.jaffle_crm.orders"], "test.jaffle_crm.accepted_values_orders_status__placed__shipped__completed.1859fef9bd"], ["stale_parent", [], "consistency: ignore"], ["waiting_for_models", [], "require: any"], ["cooling_down", [], "at_most_every: none"]]', '2026-11-28 06:44:53.670919+00');
INSERT INTO relay.decisions VALUES ('default', 5125, 66847, 155144667, 'model_failed', '{model.jaffle_crm.fct_revenue}', '{}', '[["sync_disabled", [], "enabled: true"], ["job_not_listed", [], "job 278164; every job counts"], ["environment_not_listed", [], "environment 187998; every environment counts"], ["run_cancelled", [], "the run ended in error"], ["sample_run", [], "none of its models"], ["model_failed", ["model.jaffle_crm.fct_revenue"], "model.jaffle_crm.fct_revenue: skipped"], ["partial_rebuild", [], "none of its models"], ["test_failed", [], "none of its models failed a test"], ["stale_parent", [], "consistency: ignore"], ["waiting_for_models", [], "require: any"], ["cooling_down", ["model.jaffle_crm.fct_revenue"], "at_most_every: 30m; last started 2026-11-28T06:34:37+00:00"]]', '2026-11-28 06:44:53.670919+00');
INSERT INTO relay.decisions VALUES ('default', 5126, 66847, 155144667, 'rebuilt', '{model.jaffle_crm.fct_tickets}', '{}', '[["sync_disabled", [], "enabled: true"], ["job_not_listed", [], "job 278164; every job counts"], ["environment_not_listed", [], "environment 187998; every environment counts"], ["run_cancelled", [], "the run ended in error"], ["sample_run", [], "none of its models"], ["model_failed", [], "none of its models"], ["partial_rebuild", [], "none of its models"], ["test_failed", [], "none of its models failed a test"], ["stale_parent", [], "consistency: ignore"], ["waiting_for_models", [], "require: any"], ["cooling_down", [], "at_most_every: none"]]', '2026-11-28 06:44:53.670919+00');
INSERT INTO relay.decisions VALUES ('default', 5123, 66847, 155144668, 'rebuilt', '{model.jaffle_crm.customers}', '{}', '[["sync_disabled", [], "enabled: true"], ["job_not_listed", [], "job 278164; every job counts"], ["environment_not_listed", [], "environment 187998; every environment counts"], ["run_cancelled", [], "the run succeeded"], ["sample_run", [], "none of its models"], ["model_failed", [], "none of its models"], ["partial_rebuild", [], "none of its models"], ["test_failed", [], "none of its models failed a test"], ["stale_parent", [], "consistency: ignore"], ["waiting_for_models", [], "require: any"], ["cooling_down", [], "at_most_every: none"]]', '2026-11-28 06:46:09.670919+00');
INSERT INTO relay.decisions VALUES ('default', 5124, 66847, 155144669, 'rebuilt', '{model.jaffle_crm.orders}', '{}', '[["sync_disabled", [], "enabled: true"], ["job_not_listed", [], "job 278164; every job counts"], ["environment_not_listed", [], "environment 187998; every environment counts"], ["run_cancelled", [], "the run succeeded"], ["sample_run", [], "none of its models"], ["model_failed", [], "none of its models"], ["partial_rebuild", [], "none of its models"], ["test_failed", [], "none of its models failed a test"], ["stale_parent", [], "consistency: ignore"], ["waiting_for_models", [], "require: any"], ["cooling_down", [], "at_most_every: none"]]', '2026-11-28 06:46:09.670919+00');
INSERT INTO relay.decisions VALUES ('default', 5125, 66847, 155144669, 'cooling_down', '{model.jaffle_crm.fct_revenue}', '{}', '[["sync_disabled", [], "enabled: true"], ["job_not_listed", [], "job 278164; every job counts"], ["environment_not_listed", [], "environment 187998; every environment counts"], ["run_cancelled", [], "the run succeeded"], ["sample_run", [], "none of its models"], ["model_failed", [], "none of its models"], ["partial_rebuild", [], "none of its models"], ["test_failed", [], "none of its models failed a test"], ["stale_parent", [], "consistency: ignore"], ["waiting_for_models", [], "require: any"], ["cooling_down", ["model.jaffle_crm.fct_revenue"], "at_most_every: 30m; last started 2026-11-28T06:34:37+00:00"]]', '2026-11-28 06:46:09.670919+00');
INSERT INTO relay.decisions VALUES ('default', 5126, 66847, 155144669, 'rebuilt', '{model.jaffle_crm.fct_tickets}', '{}', '[["sync_disabled", [], "enabled: true"], ["job_not_listed", [], "job 278164; every job counts"], ["environment_not_listed", [], "environment 187998; every environment counts"], ["run_cancelled", [], "the run succeeded"], ["sample_run", [], "none of its models"], ["model_failed", [], "none of its models"], ["partial_rebuild", [], "none of its models"], ["test_failed", [], "none of its models failed a test"], ["stale_parent", [], "consistency: ignore"], ["waiting_for_models", [], "require: any"], ["cooling_down", [], "at_most_every: none"]]', '2026-11-28 06:46:09.670919+00');

INSERT INTO relay.deliveries VALUES ('dbff8335-ba89-4840-a056-51f8f52ffee0', '2026-11-27 06:34:37.770175+00', 'wev_ab091641d68f4f47b0bb73bf32499a55', 66847, 155144666, NULL, '\x7b7d');
INSERT INTO relay.deliveries VALUES ('fe30becf-4414-445f-9fac-3704d91f16d0', '2026-11-27 06:34:37.953278+00', 'wev_2b22c853fdf1434d9103fc88e152b38f', 66847, 155144667, NULL, '\x7b7d');
INSERT INTO relay.deliveries VALUES ('fb996ed9-f522-46b4-bcb8-99e2aafdafb3', '2026-11-27 06:34:38.04121+00', 'wev_1fb929a0d0e74ace82bcbe0bb1659765', 66847, 155144668, NULL, '\x7b7d');
INSERT INTO relay.deliveries VALUES ('599a5e41-3790-46a5-b7d1-f12a40e545a0', '2026-11-27 06:34:38.081914+00', 'wev_70bc6a2934bf486dbe386654df88fa2e', 66847, 155144669, NULL, '\x7b7d');
INSERT INTO relay.deliveries VALUES ('097246e4-3f9c-4220-9b51-32f8ee291aba', '2026-11-27 06:34:38.136094+00', 'wev_a3953a7a2ea2450bae8bc552c279e846', 66847, 155144670, NULL, '\x7b7d');
INSERT INTO relay.deliveries VALUES ('6072c5c0-a136-4c8b-8cfe-307dd8e5c3da', '2026-11-27 06:34:38.160511+00', 'wev_76802a8ed0c445be8daab2501fdef702', 66847, 155144671, NULL, '\x7b7d');

INSERT INTO relay.engine_migrations VALUES ('00.00.00_01_initial.sql', '2026-11-27 06:34:37.09813+00');
INSERT INTO relay.engine_migrations VALUES ('00.05.00_01_drop_started_at_column.sql', '2026-11-27 06:34:37.09813+00');
INSERT INTO relay.engine_migrations VALUES ('00.05.00_02_drop_started_at_column.sql', '2026-11-27 06:34:37.09813+00');
INSERT INTO relay.engine_migrations VALUES ('00.05.00_03_drop_procrastinate_version_table.sql', '2026-11-27 06:34:37.09813+00');
INSERT INTO relay.engine_migrations VALUES ('00.06.00_01_fix_procrastinate_fetch_job.sql', '2026-11-27 06:34:37.09813+00');
INSERT INTO relay.engine_migrations VALUES ('00.07.01_01_fix_trigger_status_events_insert.sql', '2026-11-27 06:34:37.09813+00');
INSERT INTO relay.engine_migrations VALUES ('00.08.01_01_add_queueing_lock_column.sql', '2026-11-27 06:34:37.09813+00');
INSERT INTO relay.engine_migrations VALUES ('00.10.00_01_close_fetch_job_race_condition.sql', '2026-11-27 06:34:37.09813+00');
INSERT INTO relay.engine_migrations VALUES ('00.10.00_02_add_defer_job_function.sql', '2026-11-27 06:34:37.09813+00');
INSERT INTO relay.engine_migrations VALUES ('00.11.00_03_add_procrastinate_periodic_defers.sql', '2026-11-27 06:34:37.09813+00');
INSERT INTO relay.engine_migrations VALUES ('00.12.00_01_add_foreign_key_index.sql', '2026-11-27 06:34:37.09813+00');
INSERT INTO relay.engine_migrations VALUES ('00.14.00_01_add_locks_to_periodic_defer.sql', '2026-11-27 06:34:37.09813+00');
INSERT INTO relay.engine_migrations VALUES ('00.15.02_01_fix_procrastinate_defer_periodic_job.sql', '2026-11-27 06:34:37.09813+00');
INSERT INTO relay.engine_migrations VALUES ('00.16.00_01_add_finish_job_and_retry_job_functions.sql', '2026-11-27 06:34:37.09813+00');
INSERT INTO relay.engine_migrations VALUES ('00.17.00_01_add_trigger_on_job_deletion.sql', '2026-11-27 06:34:37.09813+00');
INSERT INTO relay.engine_migrations VALUES ('00.17.00_02_delete_finished_jobs.sql', '2026-11-27 06:34:37.09813+00');
INSERT INTO relay.engine_migrations VALUES ('00.17.00_03_add_checks_to_finish_job.sql', '2026-11-27 06:34:37.09813+00');
INSERT INTO relay.engine_migrations VALUES ('00.17.00_04_add_checks_to_retry_job.sql', '2026-11-27 06:34:37.09813+00');
INSERT INTO relay.engine_migrations VALUES ('00.18.01_01_fix_finish_job_compat_issue.sql', '2026-11-27 06:34:37.09813+00');
INSERT INTO relay.engine_migrations VALUES ('00.19.00_01_add_index_on_procrastinate_jobs.sql', '2026-11-27 06:34:37.09813+00');
INSERT INTO relay.engine_migrations VALUES ('00.22.00_01_add_kwargs_to_defer_periodic_job.sql', '2026-11-27 06:34:37.09813+00');
INSERT INTO relay.engine_migrations VALUES ('00.23.00_01_null_locks_excluded.sql', '2026-11-27 06:34:37.09813+00');
INSERT INTO relay.engine_migrations VALUES ('01.00.00_01_remove_old_finish_job_function.sql', '2026-11-27 06:34:37.09813+00');
INSERT INTO relay.engine_migrations VALUES ('01.01.01_01_job_id_bigint.sql', '2026-11-27 06:34:37.09813+00');
INSERT INTO relay.engine_migrations VALUES ('02.00.03_01_add_job_priority.sql', '2026-11-27 06:34:37.09813+00');
INSERT INTO relay.engine_migrations VALUES ('02.05.00_01_add_periodic_job_priority.sql', '2026-11-27 06:34:37.09813+00');
INSERT INTO relay.engine_migrations VALUES ('02.06.00_01_add_cancel_states.sql', '2026-11-27 06:34:37.09813+00');
INSERT INTO relay.engine_migrations VALUES ('02.08.00_01_add_additional_params_to_retry_job.sql', '2026-11-27 06:34:37.09813+00');
INSERT INTO relay.engine_migrations VALUES ('02.14.01_01_add_indexes_for_fetch_job.sql', '2026-11-27 06:34:37.09813+00');
INSERT INTO relay.engine_migrations VALUES ('03.00.00_01_pre_cancel_notification.sql', '2026-11-27 06:34:37.09813+00');
INSERT INTO relay.engine_migrations VALUES ('03.00.00_50_post_cancel_notification.sql', '2026-11-27 06:34:37.09813+00');
INSERT INTO relay.engine_migrations VALUES ('03.01.00_01_pre_add_heartbeat.sql', '2026-11-27 06:34:37.09813+00');
INSERT INTO relay.engine_migrations VALUES ('03.01.00_50_post_add_heartbeat.sql', '2026-11-27 06:34:37.09813+00');
INSERT INTO relay.engine_migrations VALUES ('03.02.00_01_pre_batch_defer_jobs.sql', '2026-11-27 06:34:37.09813+00');
INSERT INTO relay.engine_migrations VALUES ('03.02.00_50_post_batch_defer_jobs.sql', '2026-11-27 06:34:37.09813+00');
INSERT INTO relay.engine_migrations VALUES ('03.03.00_01_pre_priority_lock_fetch_job.sql', '2026-11-27 06:34:37.09813+00');
INSERT INTO relay.engine_migrations VALUES ('03.04.00_01_pre_add_retry_failed_job_procedure.sql', '2026-11-27 06:34:37.09813+00');
INSERT INTO relay.engine_migrations VALUES ('03.04.00_50_post_add_retry_failed_job_procedure.sql', '2026-11-27 06:34:37.09813+00');

INSERT INTO relay.holds OVERRIDING SYSTEM VALUE VALUES (1, 'default', 5126, '2026-11-28 06:46:09.670919+00', NULL, 'audit', 'ana', NULL, NULL);

INSERT INTO relay.sync_runs OVERRIDING SYSTEM VALUE VALUES (1, 'default', 5123, false, '2026-11-28 06:34:37.670919+00', '2026-11-28 06:34:37.670919+00', NULL, 0, 0, 90001, '2026-11-28 06:34:37.670919+00', 0, 'completed', '2026-11-28 06:34:52.670919+00', 'completed', 100, 100, 0, 0, NULL);
INSERT INTO relay.sync_runs OVERRIDING SYSTEM VALUE VALUES (2, 'default', 5124, false, '2026-11-28 06:34:37.670919+00', '2026-11-28 06:34:37.670919+00', NULL, 0, 0, 90002, '2026-11-28 06:34:37.670919+00', 0, 'completed', '2026-11-28 06:34:52.670919+00', 'completed', 100, 100, 0, 0, NULL);
INSERT INTO relay.sync_runs OVERRIDING SYSTEM VALUE VALUES (3, 'default', 5125, false, '2026-11-28 06:34:37.670919+00', '2026-11-28 06:34:37.670919+00', NULL, 0, 0, 90003, '2026-11-28 06:34:37.670919+00', 0, 'completed', '2026-11-28 06:34:52.670919+00', 'completed', 100, 100, 0, 0, NULL);
INSERT INTO relay.sync_runs OVERRIDING SYSTEM VALUE VALUES (4, 'default', 5126, false, '2026-11-28 06:34:37.670919+00', '2026-11-28 06:34:37.670919+00', NULL, 0, 0, 90004, '2026-11-28 06:34:37.670919+00', 0, 'completed', '2026-11-28 06:34:52.670919+00', 'completed', 100, 100, 0, 0, NULL);
INSERT INTO relay.sync_runs OVERRIDING SYSTEM VALUE VALUES (5, 'default', 5126, false, '2026-11-28 06:44:53.670919+00', '2026-11-28 06:44:53.670919+00', NULL, 0, 0, 90005, '2026-11-28 06:44:53.670919+00', 0, 'completed', '2026-11-28 06:45:08.670919+00', 'completed', 100, 100, 0, 0, NULL);
INSERT INTO relay.sync_runs OVERRIDING SYSTEM VALUE VALUES (6, 'default', 5123, false, '2026-11-28 06:46:09.670919+00', '2026-11-28 06:46:09.670919+00', NULL, 0, 0, 90006, '2026-11-28 06:46:09.670919+00', 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO relay.sync_runs OVERRIDING SYSTEM VALUE VALUES (7, 'default', 5124, false, '2026-11-28 06:46:09.670919+00', '2026-11-28 06:46:09.670919+00', '2026-11-28 06:47:09.670919+00', 1, 60, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'POST /api/v1/syncs/5124/trigger at Census: HTTP 504');

INSERT INTO relay.triggers OVERRIDING SYSTEM VALUE VALUES (1, 'default', 5123, 66847, 155144666, false, false, '{model.jaffle_crm.customers}', '{}', '2026-11-28 06:34:37.670919+00', '2026-11-28 06:34:37.670919+00', '2026-11-28 06:34:37.670919+00', 1, false);
INSERT INTO relay.triggers OVERRIDING SYSTEM VALUE VALUES (2, 'default', 5124, 66847, 155144666, false, false, '{model.jaffle_crm.orders}', '{}', '2026-11-28 06:34:37.670919+00', '2026-11-28 06:34:37.670919+00', '2026-11-28 06:34:37.670919+00', 2, false);
INSERT INTO relay.triggers OVERRIDING SYSTEM VALUE VALUES (3, 'default', 5125, 66847, 155144666, false, false, '{model.jaffle_crm.fct_revenue}', '{}', '2026-11-28 06:34:37.670919+00', '2026-11-28 06:34:37.670919+00', '2026-11-28 06:34:37.670919+00', 3, false);
INSERT INTO relay.triggers OVERRIDING SYSTEM VALUE VALUES (4, 'default', 5126, 66847, 155144666, false, false, '{model.jaffle_crm.fct_tickets}', '{}', '2026-11-28 06:34:37.670919+00', '2026-11-28 06:34:37.670919+00', '2026-11-28 06:34:37.670919+00', 4, false);
INSERT INTO relay.triggers OVERRIDING SYSTEM VALUE VALUES (5, 'default', 5126, 66847, 155144667, false, false, '{model.jaffle_crm.fct_tickets}', '{}', '2026-11-28 06:44:53.670919+00', '2026-11-28 06:44:53.670919+00', '2026-11-28 06:44:53.670919+00', 5, false);
INSERT INTO relay.triggers OVERRIDING SYSTEM VALUE VALUES (6, 'default', 5123, 66847, 155144668, false, false, '{model.jaffle_crm.customers}', '{}', '2026-11-28 06:46:09.670919+00', '2026-11-28 06:46:09.670919+00', '2026-11-28 06:46:09.670919+00', 6, false);
INSERT INTO relay.triggers OVERRIDING SYSTEM VALUE VALUES (8, 'default', 5126, 66847, 155144669, false, false, '{model.jaffle_crm.fct_tickets}', '{}', '2026-11-28 06:46:09.670919+00', '2026-11-28 06:46:09.670919+00', '2026-11-28 06:46:09.670919+00', NULL, false);
INSERT INTO relay.triggers OVERRIDING SYSTEM VALUE VALUES (9, 'default', 5125, 66847, 155144669, false, false, '{model.jaffle_crm.fct_revenue}', '{}', '2026-11-28 06:46:09.670919+00', '2026-11-28 07:04:37.670919+00', '2026-11-28 06:46:09.670919+00', NULL, false);
INSERT INTO relay.triggers OVERRIDING SYSTEM VALUE VALUES (7, 'default', 5124, 66847, 155144669, false, false, '{model.jaffle_crm.orders}', '{}', '2026-11-28 06:46:09.670919+00', '2026-11-28 06:46:09.670919+00', '2026-11-28 06:46:09.670919+00', 7, false);

SELECT pg_catalog.setval('public.procrastinate_events_id_seq', 55, true);

SELECT pg_catalog.setval('public.procrastinate_jobs_id_seq', 23, true);

SELECT pg_catalog.setval('public.procrastinate_periodic_defers_id_seq', 1, false);

SELECT pg_catalog.setval('public.procrastinate_workers_id_seq', 9, true);

SELECT pg_catalog.setval('relay.holds_hold_id_seq', 1, true);

SELECT pg_catalog.setval('relay.sync_runs_attempt_id_seq', 7, true);

SELECT pg_catalog.setval('relay.triggers_trigger_id_seq', 9, true);

ALTER TABLE ONLY public.procrastinate_events
    ADD CONSTRAINT procrastinate_events_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.procrastinate_jobs
    ADD CONSTRAINT procrastinate_jobs_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.procrastinate_periodic_defers
    ADD CONSTRAINT procrastinate_periodic_defers_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.procrastinate_periodic_defers
    ADD CONSTRAINT procrastinate_periodic_defers_unique UNIQUE (task_name, periodic_id, defer_timestamp);

ALTER TABLE ONLY public.procrastinate_workers
    ADD CONSTRAINT procrastinate_workers_pkey PRIMARY KEY (id);

ALTER TABLE ONLY relay.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);

ALTER TABLE ONLY relay.builds
    ADD CONSTRAINT builds_pkey PRIMARY KEY (dbt_account_id, project_id, node, dbt_job_id, environment_id);

ALTER TABLE ONLY relay.catch_ups
    ADD CONSTRAINT catch_ups_pkey PRIMARY KEY (dbt_account_id);

ALTER TABLE ONLY relay.census_versions
    ADD CONSTRAINT census_versions_pkey PRIMARY KEY (workspace);

ALTER TABLE ONLY relay.dbt_runs
    ADD CONSTRAINT dbt_runs_pkey PRIMARY KEY (dbt_account_id, dbt_run_id);

ALTER TABLE ONLY relay.decisions
    ADD CONSTRAINT decisions_pkey PRIMARY KEY (workspace, sync_id, dbt_account_id, dbt_run_id);

ALTER TABLE ONLY relay.deliveries
    ADD CONSTRAINT deliveries_pkey PRIMARY KEY (delivery_id);

ALTER TABLE ONLY relay.drift_checks
    ADD CONSTRAINT drift_checks_pkey PRIMARY KEY (is_last);

ALTER TABLE ONLY relay.drift
    ADD CONSTRAINT drift_pkey PRIMARY KEY (workspace, sync_id, kind, subject);

ALTER TABLE ONLY relay.engine_migrations
    ADD CONSTRAINT engine_migrations_pkey PRIMARY KEY (name);

ALTER TABLE ONLY relay.holds
    ADD CONSTRAINT holds_pkey PRIMARY KEY (hold_id);

ALTER TABLE ONLY relay.lost_log_lines
    ADD CONSTRAINT lost_log_lines_pkey PRIMARY KEY (process);

ALTER TABLE ONLY relay.periodic_tasks
    ADD CONSTRAINT periodic_tasks_pkey PRIMARY KEY (name);

ALTER TABLE ONLY relay.sync_runs
    ADD CONSTRAINT sync_runs_pkey PRIMARY KEY (attempt_id);

ALTER TABLE ONLY relay.triggers
    ADD CONSTRAINT triggers_pkey PRIMARY KEY (trigger_id);

CREATE INDEX idx_procrastinate_jobs_worker_not_null ON public.procrastinate_jobs USING btree (worker_id) WHERE ((worker_id IS NOT NULL) AND (status = 'doing'::public.procrastinate_job_status));

CREATE INDEX idx_procrastinate_workers_last_heartbeat ON public.procrastinate_workers USING btree (last_heartbeat);

CREATE INDEX procrastinate_events_job_id_fkey_v1 ON public.procrastinate_events USING btree (job_id);

CREATE INDEX procrastinate_jobs_id_lock_idx_v1 ON public.procrastinate_jobs USING btree (id, lock) WHERE (status = ANY (ARRAY['todo'::public.procrastinate_job_status, 'doing'::public.procrastinate_job_status]));

CREATE UNIQUE INDEX procrastinate_jobs_lock_idx_v1 ON public.procrastinate_jobs USING btree (lock) WHERE (status = 'doing'::public.procrastinate_job_status);

CREATE INDEX procrastinate_jobs_priority_idx_v1 ON public.procrastinate_jobs USING btree (priority DESC, id) WHERE (status = 'todo'::public.procrastinate_job_status);

CREATE INDEX procrastinate_jobs_queue_name_idx_v1 ON public.procrastinate_jobs USING btree (queue_name);

CREATE UNIQUE INDEX procrastinate_jobs_queueing_lock_idx_v1 ON public.procrastinate_jobs USING btree (queueing_lock) WHERE (status = 'todo'::public.procrastinate_job_status);

CREATE INDEX procrastinate_periodic_defers_job_id_fkey_v1 ON public.procrastinate_periodic_defers USING btree (job_id);

CREATE INDEX decisions_on_a_run ON relay.decisions USING btree (dbt_account_id, dbt_run_id);

CREATE INDEX ended_holds ON relay.holds USING btree (ended_at);

CREATE INDEX newest_deliveries ON relay.deliveries USING btree (received_at);

CREATE INDEX oldest_dbt_runs ON relay.dbt_runs USING btree (recorded_at);

CREATE UNIQUE INDEX one_delivery_an_event ON relay.deliveries USING btree (event_id) WHERE (ignored_because IS NULL);

CREATE UNIQUE INDEX one_open_hold_of_a_scope ON relay.holds USING btree (COALESCE(workspace, ''::text), COALESCE(sync_id, (0)::bigint)) WHERE (ended_at IS NULL);

CREATE UNIQUE INDEX one_open_sync_run ON relay.sync_runs USING btree (workspace, sync_id) WHERE (ended_at IS NULL);

CREATE UNIQUE INDEX one_trigger_a_run ON relay.triggers USING btree (workspace, sync_id, dbt_account_id, dbt_run_id) WHERE (NOT superseded);

CREATE INDEX runs_of_one_retry_chain ON relay.dbt_runs USING btree (dbt_account_id, first_run_id);

CREATE INDEX sync_runs_of_a_sync ON relay.sync_runs USING btree (workspace, sync_id, attempt_id);

CREATE INDEX triggers_of_a_run ON relay.triggers USING btree (dbt_account_id, dbt_run_id);

CREATE INDEX triggers_of_an_attempt ON relay.triggers USING btree (attempt_id);

CREATE INDEX waiting_triggers ON relay.triggers USING btree (workspace, sync_id) WHERE (attempt_id IS NULL);

CREATE TRIGGER procrastinate_jobs_notify_queue_job_aborted_v1 AFTER UPDATE OF abort_requested ON public.procrastinate_jobs FOR EACH ROW WHEN (((old.abort_requested = false) AND (new.abort_requested = true) AND (new.status = 'doing'::public.procrastinate_job_status))) EXECUTE FUNCTION public.procrastinate_notify_queue_abort_job_v1();

CREATE TRIGGER procrastinate_jobs_notify_queue_job_inserted_v1 AFTER INSERT ON public.procrastinate_jobs FOR EACH ROW WHEN ((new.status = 'todo'::public.procrastinate_job_status)) EXECUTE FUNCTION public.procrastinate_notify_queue_job_inserted_v1();

CREATE TRIGGER procrastinate_trigger_abort_requested_events_v1 AFTER UPDATE OF abort_requested ON public.procrastinate_jobs FOR EACH ROW WHEN ((new.abort_requested = true)) EXECUTE FUNCTION public.procrastinate_trigger_abort_requested_events_procedure_v1();

CREATE TRIGGER procrastinate_trigger_delete_jobs_v1 BEFORE DELETE ON public.procrastinate_jobs FOR EACH ROW EXECUTE FUNCTION public.procrastinate_unlink_periodic_defers_v1();

CREATE TRIGGER procrastinate_trigger_scheduled_events_v1 AFTER INSERT OR UPDATE ON public.procrastinate_jobs FOR EACH ROW WHEN (((new.scheduled_at IS NOT NULL) AND (new.status = 'todo'::public.procrastinate_job_status))) EXECUTE FUNCTION public.procrastinate_trigger_function_scheduled_events_v1();

CREATE TRIGGER procrastinate_trigger_status_events_insert_v1 AFTER INSERT ON public.procrastinate_jobs FOR EACH ROW WHEN ((new.status = 'todo'::public.procrastinate_job_status)) EXECUTE FUNCTION public.procrastinate_trigger_function_status_events_insert_v1();

CREATE TRIGGER procrastinate_trigger_status_events_update_v1 AFTER UPDATE OF status ON public.procrastinate_jobs FOR EACH ROW EXECUTE FUNCTION public.procrastinate_trigger_function_status_events_update_v1();

ALTER TABLE ONLY public.procrastinate_events
    ADD CONSTRAINT procrastinate_events_job_id_fkey FOREIGN KEY (job_id) REFERENCES public.procrastinate_jobs(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.procrastinate_jobs
    ADD CONSTRAINT procrastinate_jobs_worker_id_fkey FOREIGN KEY (worker_id) REFERENCES public.procrastinate_workers(id) ON DELETE SET NULL;

ALTER TABLE ONLY public.procrastinate_periodic_defers
    ADD CONSTRAINT procrastinate_periodic_defers_job_id_fkey FOREIGN KEY (job_id) REFERENCES public.procrastinate_jobs(id);

ALTER TABLE ONLY relay.decisions
    ADD CONSTRAINT decisions_dbt_account_id_dbt_run_id_fkey FOREIGN KEY (dbt_account_id, dbt_run_id) REFERENCES relay.dbt_runs(dbt_account_id, dbt_run_id);

ALTER TABLE ONLY relay.triggers
    ADD CONSTRAINT triggers_attempt_id_fkey FOREIGN KEY (attempt_id) REFERENCES relay.sync_runs(attempt_id);

ALTER TABLE ONLY relay.triggers
    ADD CONSTRAINT triggers_workspace_sync_id_dbt_account_id_dbt_run_id_fkey FOREIGN KEY (workspace, sync_id, dbt_account_id, dbt_run_id) REFERENCES relay.decisions(workspace, sync_id, dbt_account_id, dbt_run_id);
