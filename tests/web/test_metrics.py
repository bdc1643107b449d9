"""`/metrics`: what this process counted, and what the whole service has in the database."""

import dataclasses
import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest
from mappings import mapping_text, sync_entry
from prometheus_client.parser import text_string_to_metric_families
from sandbox_runs import build_run, night

from relay.dbt.deliveries import sign
from relay.postgres.server import ExternalServer
from relay.sandbox import story
from relay.secret import Secret
from relay.store.holds import HoldScope
from relay.store.observations import VENDOR_PAUSED_UNTIL
from relay.store.tallies import count
from relay.web.app import create_app
from relay.web.health import Health
from relay.web.metrics import deliveries, syncs
from relay.web.metrics.database import CACHE_SECONDS
from relay.web.metrics.page import MetricsPage
from relay.web.recorder import Recorder

URL = "/webhooks/dbt"
NOWHERE = ExternalServer("postgresql:///nothing?host=/nonexistent")


class Web:
    """The application, and what its /metrics says."""

    def __init__(self, server, settings):
        self.elapsed = 0.0
        self.health = Health(server, settings, timer=itertools.count(step=10.0).__next__)
        self.page = MetricsPage(server, settings, self.health, timer=lambda: self.elapsed)
        self.recorder = Recorder(server)
        self.app = create_app(settings, self.recorder, self.health, self.page)

    def get(self, **headers):
        return self.app.test_client().get("/metrics", headers=headers)

    def families(self):
        """A fresh answer, by name of the family."""
        self.elapsed += CACHE_SECONDS
        answer = self.get()
        assert answer.status_code == 200
        return {family.name: family for family in text_string_to_metric_families(answer.text)}

    def samples(self):
        """A fresh answer: the value by the sample's name, then by its labels' values."""
        read = {}
        for family in self.families().values():
            for sample in family.samples:
                of_name = read.setdefault(sample.name, {})
                labels = tuple(sample.labels.values())
                assert labels not in of_name, sample
                of_name[labels] = sample.value
        return read

    def deliver(self, body, secret=story.WEBHOOK_SECRET):
        headers = {"Authorization": sign(body, secret.encode())}
        return self.app.test_client().post(URL, data=body, headers=headers)

    def close(self):
        self.recorder.close()
        self.page.close()


@pytest.fixture(name="start")
def _start(settings):
    """Start a web process: `start(server, settings)`."""
    started = []

    def start(server, its_settings=settings):
        started.append(Web(server, its_settings))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.fixture(name="web")
def _web(start, database):
    return start(database)


@pytest.fixture(name="event")
def _event(sandbox):
    run = sandbox.dbt_cloud.add_run(story.nightly_run())
    return lambda **kwargs: sandbox.dbt_cloud.completed_event(run.dbt_run_id, **kwargs)


class TestDeliveries:
    def test_are_counted_by_status_and_reason(self, web, event):
        body = event()
        web.deliver(body)
        web.deliver(body)
        web.deliver(b"{}")
        web.deliver(body, "another secret")
        web.app.test_client().post(URL, data=b"")
        web.app.test_client().post(f"{URL}/", data=b"")
        samples = web.samples()
        expected = {"accepted": 1, "duplicate": 1, "ignored": 1, "refused": 3, "not_recorded": 0}
        assert samples["relay_deliveries_total"] == {(k,): v for k, v in expected.items()}
        assert samples["relay_process_deliveries_total"] == samples["relay_deliveries_total"]
        refused = samples["relay_deliveries_refused_total"]
        assert {reason for (reason,), number in refused.items() if number} == {
            "no_signature",
            "wrong_signature",
            "wrong_path",
        }
        ignored = samples["relay_deliveries_ignored_total"]
        assert [reason for (reason,), number in ignored.items() if number] == ["not_an_event"]
        assert samples["relay_delivery_seconds_count"] == {(): 5}
        assert samples["relay_delivery_seconds_bucket"]["+Inf",] == 5
        assert list(samples["relay_delivery_seconds_bucket"]) == [
            (bound,)
            for bound in [
                "0.005",
                "0.01",
                "0.025",
                "0.05",
                "0.1",
                "0.25",
                "0.5",
                "1.0",
                "5.0",
                "+Inf",
            ]
        ]
        assert samples["relay_delivery_seconds_sum"][()] > 0
        assert abs(samples["relay_last_delivery_timestamp_seconds"][()] - time.time()) < 60

    def test_of_all_processes_are_in_the_answer_of_each(self, start, database, event):
        one, two = start(database), start(database)
        one.deliver(event())
        two.deliver(b"{}")
        one.samples()
        two.samples()
        one.deliver(event())
        for web in (one, two):
            samples = web.samples()
            assert samples["relay_deliveries_total"]["accepted",] == 1
            assert samples["relay_deliveries_total"]["duplicate",] == 1
            assert samples["relay_deliveries_total"]["ignored",] == 1
        assert one.samples()["relay_process_deliveries_total"]["ignored",] == 0
        assert two.samples()["relay_process_deliveries_total"]["accepted",] == 0

    def test_are_added_by_a_timer_too(self, database, store):
        counts = deliveries.DeliveryCounts(database, seconds=0.01)
        for number in (1, 2):
            counts.answered("accepted", None, 0.02)
            wait_until(lambda expected=number: accepted(store) == expected)

    def test_are_answered_and_counted_although_no_thread_is_left(self, web, event, monkeypatch):
        def start(_timer):
            raise RuntimeError("can't start new thread")

        body = event()
        with monkeypatch.context() as patched:
            patched.setattr(threading.Timer, "start", start)
            assert web.deliver(body).status_code == 202
        assert web.deliver(body).status_code == 202
        assert web.samples()["relay_deliveries_total"]["accepted",] == 1

    def test_are_added_when_the_process_stops(self, web, store):
        web.page.deliveries.answered("accepted", None, 0.02)
        assert accepted(store) == 0
        web.page.close()
        assert accepted(store) == 1

    def test_that_could_not_be_added_are_added_after_the_outage(self, store, database, settings):
        class Restarting:
            conninfo = NOWHERE.conninfo

        server = Restarting()
        counts = deliveries.DeliveryCounts(server, seconds=0.01)
        counts.answered("not_recorded", None, 0.02)
        time.sleep(0.1)  # several rounds of the timer
        server.conninfo = database.conninfo
        name = ("status", "not_recorded")
        wait_until(lambda: store.tallies.read().get("relay_deliveries_total", {}).get((name,)) == 1)


def accepted(store):
    deliveries_ = store.tallies.read().get("relay_deliveries_total", {})
    return deliveries_.get((("status", "accepted"),), 0)


def wait_until(holds):
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class TestTheService:
    def test_what_the_worker_did_is_there(self, one, web, sandbox, events):
        sandbox.dbt_cloud.add_subscription(story.SUBSCRIPTION)
        one.start()
        one.deliver(night())
        one.round()
        one.finish_sync_runs()
        one.work_for(60)
        one.services.counted.flush(one.services.store.tallies)
        samples = web.samples()
        assert samples["relay_dbt_runs_total"]["planned", "webhook"] == 1
        assert samples["relay_decisions_total"]["rebuilt",] == 1
        assert samples["relay_triggers_total"]["triggered",] == 1
        assert samples["relay_sync_runs_total"]["completed",] == 1
        assert samples["relay_examine_seconds_count"] == {(): 1}
        assert samples["relay_trigger_delay_seconds_count"] == {(): 1}
        assert samples["relay_freshness_lag_seconds_count"] == {(): 1}
        assert samples["relay_vendor_requests_total"]["dbt_cloud", "get_run", "2xx"] == 1
        requests = sum(samples["relay_vendor_requests_total"].values())
        assert sum(samples["relay_vendor_request_seconds_count"].values()) == requests
        assert samples["relay_webhook_subscription_ok"] == {(): 1}
        assert len(events("sync_run.finished")) == 1

    def test_open_sync_runs_are_counted_by_state(self, one, web, sql, store, clock):
        def states():
            open_ = web.samples()["relay_open_sync_runs"]
            return {state: number for (state,), number in open_.items() if number}

        assert states() == {}
        one.deliver(night())
        one.work()
        assert states() == {"running": 1}
        one.deliver(story.nightly_run(story.FIRST_DBT_RUN_ID + 1))
        one.work()
        sql("UPDATE relay.triggers SET due_at = now()")  # the worker's clock is a day ahead
        assert states() == {"running": 1, "waiting": 1}
        until = clock() + timedelta(days=9)
        store.holds.hold(HoldScope(None, None), until=until, why=None, by="me", now=clock())
        assert states() == {"running": 1, "held": 1}

    def test_a_trigger_that_cools_down_is_told_from_one_that_waits(self, one, web):
        one.map(mapping_text(sync_entry(5123, "customers", at_most_every="7d")))
        for number in range(2):
            one.deliver(story.nightly_run(story.FIRST_DBT_RUN_ID + number))
            one.work()
            one.finish_sync_runs()
            one.work_for(60)
        assert web.samples()["relay_open_sync_runs"]["cooling_down",] == 1

    def test_what_was_given_up_is_what_status_lists(self, one, web, sandbox, sql):
        given_up = web.samples()["relay_given_up"]
        assert given_up == {("dbt_run",): 0, ("trigger",): 0, ("sync_run",): 0}
        sql(
            "INSERT INTO relay.dbt_runs (dbt_account_id, dbt_run_id, given_up_at)"
            " VALUES (1, 2, now())"
        )
        one.deliver(night())
        one.work()
        sql("UPDATE relay.sync_runs SET ended_at = now(), outcome = 'refused'")
        sql(
            "INSERT INTO relay.sync_runs"
            " (workspace, sync_id, full_sync, begun_at, ended_at, outcome)"
            " VALUES ('default', 7, false, now(), now(), 'abandoned')"
        )
        given_up = web.samples()["relay_given_up"]
        assert given_up == {("dbt_run",): 1, ("trigger",): 1, ("sync_run",): 1}
        sql("UPDATE relay.triggers SET superseded = true")
        sql(
            "INSERT INTO relay.sync_runs"
            " (workspace, sync_id, full_sync, begun_at, ended_at, outcome)"
            " VALUES ('default', 7, false, now(), now(), 'completed')"
        )
        given_up = web.samples()["relay_given_up"]
        assert given_up == {("dbt_run",): 1, ("trigger",): 0, ("sync_run",): 0}

    def test_jobs_are_counted_by_task_and_state(self, one, web, sql):
        one.deliver(night())
        sql("UPDATE procrastinate_events SET at = now() - interval '5 minutes'")
        one.services.store.periodic_tasks.make_due("prune", at=one.clock())
        samples = web.samples()
        assert samples["relay_jobs"]["evaluate_dbt_run", "due"] == 1
        assert samples["relay_jobs"]["start_sync_run", "due"] == 0
        oldest = samples["relay_oldest_due_job_timestamp_seconds"]
        assert abs(time.time() - 300 - oldest["evaluate_dbt_run",]) < 30
        assert oldest["start_sync_run",] == 0
        sql("UPDATE procrastinate_jobs SET scheduled_at = now() + interval '1 hour'")
        samples = web.samples()
        assert samples["relay_jobs"]["evaluate_dbt_run", "scheduled"] == 1
        assert samples["relay_oldest_due_job_timestamp_seconds"]["evaluate_dbt_run",] == 0
        sql("UPDATE procrastinate_jobs SET scheduled_at = now() - interval '1 hour'")
        samples = web.samples()
        assert (
            abs(
                time.time()
                - 3600
                - samples["relay_oldest_due_job_timestamp_seconds"]["evaluate_dbt_run",]
            )
            < 30
        )
        sql("UPDATE procrastinate_jobs SET status = 'doing'")
        assert web.samples()["relay_jobs"]["evaluate_dbt_run", "doing"] == 1

    def test_a_job_under_its_former_name_is_one_of_its_task(self, one, web, sql):
        one.deliver(night())
        sql("UPDATE procrastinate_jobs SET task_name = 'relay_run'")
        assert web.samples()["relay_jobs"]["evaluate_dbt_run", "due"] == 1
        sql("UPDATE procrastinate_jobs SET task_name = 'whatever'")
        assert web.samples()["relay_jobs"]["other", "due"] == 1

    def test_workers_count_while_they_send_heartbeats(self, web, sql):
        samples = web.samples()
        assert samples["relay_workers"] == {(): 0}
        assert "relay_worker_heartbeat_timestamp_seconds" not in samples
        assert samples["relay_ready"] == {("database",): 1, ("mapping",): 1, ("worker",): 0}
        sql("INSERT INTO procrastinate_workers DEFAULT VALUES")
        sql("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '2 min')")
        samples = web.samples()
        assert samples["relay_workers"] == {(): 1}
        assert abs(samples["relay_worker_heartbeat_timestamp_seconds"][()] - time.time()) < 30
        assert samples["relay_ready"]["worker",] == 1

    def test_what_a_worker_observed_is_there(self, web, store, clock):
        store.observations.record("mapping", "", 0, "syncs.yml: no", clock())
        store.observations.record(VENDOR_PAUSED_UNTIL, "census/default", 1795762716.5, "", clock())
        store.observations.record(VENDOR_PAUSED_UNTIL, "census/former", 5, "", clock())
        store.observations.record(VENDOR_PAUSED_UNTIL, "dbt_cloud", 6, "", clock())
        store.census_versions.record("default", "v1", at=clock())
        store.census_versions.record("former", "v1", at=clock())
        samples = web.samples()
        assert samples["relay_mapping_ok"] == {(): 0}
        assert samples["relay_vendor_paused_until_timestamp_seconds"] == {
            ("census", "default"): 1795762716.5,
            ("dbt_cloud", ""): 6,
        }
        assert samples["relay_census_api_info"] == {("default", "v1"): 1}


class TestEachSync:
    @pytest.fixture(name="two", autouse=True)
    def _two(self, relay):
        text = 'a "quoted" \\\\ name'
        relay.map(
            mapping_text(
                sync_entry(5123, "customers", name=text, owner="sales-ops", fresh_within="2h"),
                sync_entry(5124, "fct_tickets"),
            )
        )
        return relay

    def test_has_what_the_mapping_says(self, web):
        samples = web.samples()
        assert samples["relay_sync_info"] == {
            ("default", "5123", 'a "quoted" \\\\ name', "sales-ops"): 1,
            ("default", "5124", "", ""): 1,
        }
        assert samples["relay_sync_fresh_within_seconds"] == {("default", "5123"): 7200}
        assert samples["relay_sync_series_capped"] == {(): 0}

    def test_that_nothing_rebuilt_is_not_behind(self, web):
        samples = web.samples()
        assert samples["relay_sync_behind_since_timestamp_seconds"] == {
            ("default", "5123", "none"): 0,
            ("default", "5124", "none"): 0,
        }
        assert samples["relay_sync_consecutive_failures"]["default", "5123"] == 0
        assert samples["relay_sync_records_total"]["default", "5123", "updated"] == 0
        assert "relay_sync_freshness_lag_seconds" not in samples
        assert "relay_sync_last_completed_timestamp_seconds" not in samples

    def test_is_behind_for_one_reason_at_a_time(self, two, web, store, clock):
        run = build_run(finished_at=clock() - timedelta(minutes=5))
        since = run.finished_at.timestamp()

        def behind():
            found = web.samples()["relay_sync_behind_since_timestamp_seconds"]
            return {labels[2]: value for labels, value in found.items() if labels[1] == "5123"}

        two.deliver(run)
        two.work()
        assert behind() == {"running": since}
        two.finish_sync_runs()
        two.work_for(60)
        assert behind() == {"none": 0}
        until = clock() + timedelta(days=9)
        store.holds.hold(HoldScope(None, None), until=until, why=None, by="me", now=clock())
        two.deliver(build_run(number=1, finished_at=clock()))
        two.work()
        assert list(behind()) == ["held"]

    def test_has_its_lag_its_records_and_its_last_run(self, two, web, sandbox):
        two.deliver(build_run(finished_at=two.clock() - timedelta(minutes=5)))
        two.work()
        two.finish_sync_runs()
        two.work_for(60)
        samples = web.samples()
        assert samples["relay_sync_freshness_lag_seconds"]["default", "5123"] > 299
        assert samples["relay_sync_last_completed_timestamp_seconds"]["default", "5123"] > 0
        assert samples["relay_sync_records_total"]["default", "5123", "updated"] > 0
        assert set(samples["relay_sync_consecutive_failures"].values()) == {0}

    def test_a_cause_that_is_not_known_is_no_new_label_value(self, two, web, sql):
        sql(
            "INSERT INTO relay.sync_states (workspace, sync_id, behind_since, because)"
            " VALUES ('default', 5123, now(), 'a new reason')"
        )
        found = web.samples()["relay_sync_behind_since_timestamp_seconds"]
        assert ("default", "5123", "other") in found

    def test_that_is_no_longer_mapped_has_no_series(self, two, web, store):
        two.deliver(night())
        two.work()
        store.tallies.add(
            [count("relay_sync_records_total", workspace="x", sync_id="1", result="updated")]
        )
        two.map(mapping_text(sync_entry(5124, "fct_tickets")))
        for name, found in web.samples().items():
            if name.startswith("relay_sync_") and name != "relay_sync_runs_total":
                assert {labels[1] for labels in found if labels} <= {"5124"}, name

    def test_has_series_up_to_a_thousand_and_then_none(self, two, web):
        entries = [sync_entry(number + 1, "customers") for number in range(syncs.MOST_SYNCS + 1)]
        two.map(mapping_text(*entries[:-1]))
        samples = web.samples()
        assert len(samples["relay_sync_info"]) == syncs.MOST_SYNCS
        assert samples["relay_sync_series_capped"] == {(): 0}
        two.map(mapping_text(*entries))
        samples = web.samples()
        assert samples["relay_sync_series_capped"] == {(): 1}
        assert not any(labels and "sync_id" in labels for labels in samples)
        assert "relay_sync_info" not in samples
        assert "relay_sync_behind_since_timestamp_seconds" not in samples

    def test_keeps_its_series_while_the_file_is_broken(self, web, settings):
        web.samples()
        settings.mapping.write_text("nonsense: true")
        samples = web.samples()
        assert samples["relay_ready"]["mapping",] == 0
        assert len(samples["relay_sync_info"]) == 2


class TestADatabaseThatIsGone:
    @pytest.fixture(name="gone")
    def _gone(self, start):
        return start(NOWHERE)

    def test_leaves_what_the_process_knows_itself(self, gone):
        gone.page.deliveries.answered("not_recorded", None, 0.1)
        began = time.monotonic()
        samples = gone.samples()
        assert time.monotonic() - began < 5
        assert samples["relay_ready"] == {("database",): 0, ("mapping",): 1, ("worker",): 0}
        assert samples["relay_process_deliveries_total"]["not_recorded",] == 1
        assert "process_resident_memory_bytes" in samples
        assert {name for name in samples if name.startswith("relay_")} == {
            "relay_ready",
            "relay_process_deliveries_total",
            "relay_build_info",
        }

    def test_does_not_keep_the_answer_waiting(self, web, database):
        web.samples()
        with psycopg.connect(database.conninfo) as holder:
            holder.execute("LOCK TABLE relay.tallies, relay.sync_states")
            began = time.monotonic()
            samples = web.samples()
            assert time.monotonic() - began < 5
        assert samples["relay_ready"]["database",] == 0
        assert "relay_deliveries_total" not in samples
        assert web.samples()["relay_ready"]["database",] == 1

    def test_has_nothing_left_to_do_when_the_answer_was_given_up(self, web, database, sql):
        web.samples()
        waiting = (
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        with psycopg.connect(database.conninfo) as holder:
            holder.execute("LOCK TABLE relay.tallies")
            web.samples()
            wait_until(lambda: sql(waiting) == [(0,)])

    def test_for_a_moment_is_not_noticed(self, web, sql):
        web.samples()
        sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert web.samples()["relay_ready"]["database",] == 1

    def test_keeps_deliveries_that_are_added_afterwards(self, web, database, event):
        web.samples()
        web.deliver(event())
        with psycopg.connect(database.conninfo) as holder:
            holder.execute("LOCK TABLE relay.tallies")
            assert "relay_deliveries_total" not in web.samples()
        assert web.samples()["relay_deliveries_total"]["accepted",] == 1


class TestReading:
    def test_is_done_once_in_five_seconds(self, web, store):
        assert web.samples()["relay_caught_up_runs_total"] == {(): 0}
        store.tallies.add([count("relay_caught_up_runs_total")])
        assert "relay_caught_up_runs_total 0\n" in web.get().text
        web.elapsed += CACHE_SECONDS
        assert "relay_caught_up_runs_total 1\n" in web.get().text

    def test_is_done_by_one_request_at_a_time(self, start, database, settings):
        class Counted:
            asked = 0

            @property
            def conninfo(self):
                self.asked += 1
                return database.conninfo

        server = Counted()
        web = start(server)
        web.health = Health(database, settings)
        web.page._health = web.health
        with ThreadPoolExecutor(20) as pool:
            codes = set(pool.map(lambda _: web.get().status_code, range(60)))
        assert (codes, server.asked) == ({200}, 1)


class TestTheToken:
    @pytest.fixture(name="guarded")
    def _guarded(self, start, database, settings):
        return start(
            database, dataclasses.replace(settings, metrics_token=Secret("s3cr3t-metrics"))
        )

    @pytest.mark.parametrize(
        "authorization",
        [
            None,
            "",
            "Bearer",
            "Bearer wrong-token",
            "Basic s3cr3t-metrics",
            "s3cr3t-metrics",
            "Bearer \xe9",
        ],
    )
    def test_is_needed_if_it_is_set(self, guarded, authorization):
        headers = {} if authorization is None else {"Authorization": authorization}
        answer = guarded.get(**headers)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert "relay_" not in answer.text

    @pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
    def test_opens_the_metrics(self, guarded, scheme):
        answer = guarded.get(Authorization=f"{scheme} s3cr3t-metrics")
        assert answer.status_code == 200
        assert "relay_ready" in answer.text

    def test_may_have_other_letters_which_clients_send_as_utf_8(self, start, database, settings):
        token = "cl\xe9-\u20ac-0123"
        web = start(database, dataclasses.replace(settings, metrics_token=Secret(token)))
        as_wsgi_has_it = f"Bearer {token}".encode().decode("latin-1")
        assert web.get(Authorization=as_wsgi_has_it).status_code == 200

    def test_is_not_needed_if_it_is_not_set(self, web):
        assert web.get().status_code == 200
