"""What web answers, and that nothing is acknowledged which is not on disk."""

import dataclasses
import io
import itertools
import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest
from mappings import mapping_text, sync_entry
from werkzeug.test import EnvironBuilder, run_wsgi_app

from relay.dbt.deliveries import sign
from relay.postgres.server import ExternalServer
from relay.sandbox import story, webhooks
from relay.secret import Secret
from relay.web.app import LARGEST_BODY, create_app
from relay.web.health import Health
from relay.web.metrics.page import MetricsPage
from relay.web.recorder import Recorder

URL = "/webhooks/dbt"
FORMED = "0" * 64  # a signature that is none, and looks like one


@pytest.fixture(name="timer")
def _timer():
    """A timer by which ten seconds pass from each look at it to the next."""
    return itertools.count(step=10.0).__next__


@pytest.fixture(name="web")
def _web(settings, database, clock, timer):
    recorder = Recorder(database)
    health = Health(database, settings, timer=timer)
    page = MetricsPage(database, settings, health)
    app = create_app(settings, recorder, health, page, clock=clock)
    yield app.test_client()
    recorder.close()
    page.close()


def app_of(server, settings, recorder=None, health=None):
    """Web with a server, and what it would be started with."""
    health = health or Health(server, settings)
    page = MetricsPage(server, settings, health)
    return create_app(settings, recorder or Recorder(server), health, page)


@pytest.fixture(name="deliver")
def _deliver(web):
    """Send a body as dbt Cloud does: `deliver(body) -> (status, answer)`."""

    def deliver(body, secret=story.WEBHOOK_SECRET):
        headers = {"Authorization": sign(body, secret.encode())}
        answer = web.post(URL, data=body, headers=headers)
        return answer.status_code, answer.get_json()

    return deliver


@pytest.fixture(name="night")
def _night(sandbox):
    return sandbox.dbt_cloud.add_run(story.nightly_run())


@pytest.fixture(name="event")
def _event(sandbox, night):
    """The webhook body of a run's end: each call is an event of its own."""
    return lambda **kwargs: sandbox.dbt_cloud.completed_event(night.dbt_run_id, **kwargs)


class TestADelivery:
    def test_is_on_disk_with_its_job_when_it_is_acknowledged(self, deliver, event, sql, night):
        status, answer = deliver(event())
        assert (status, answer["status"]) == (202, "accepted")
        assert answer["dbt_run_id"] == night.dbt_run_id
        assert sql("SELECT delivery_id::text, dbt_run_id FROM relay.deliveries") == [
            (answer["delivery_id"], night.dbt_run_id)
        ]
        assert sql("SELECT task_name, queue_name, status::text, args FROM procrastinate_jobs") == [
            (
                "evaluate_dbt_run",
                "relay.2",
                "todo",
                {"dbt_account_id": story.DBT_ACCOUNT_ID, "dbt_run_id": night.dbt_run_id},
            )
        ]

    def test_that_comes_again_is_a_duplicate(self, deliver, event, sql):
        body = event()
        deliver(body)
        status, answer = deliver(body)
        assert (status, answer["status"]) == (202, "duplicate")
        assert sql("SELECT count(*) FROM relay.deliveries") == [(1,)]
        assert sql("SELECT count(*) FROM procrastinate_jobs") == [(1,)]

    def test_of_another_event_about_the_same_run_is_a_duplicate(self, deliver, event, sql):
        deliver(event())
        assert deliver(event())[1]["status"] == "duplicate"
        assert sql("SELECT count(*) FROM relay.deliveries") == [(2,)]
        assert sql("SELECT count(*) FROM relay.dbt_runs") == [(1,)]
        assert sql("SELECT count(*) FROM procrastinate_jobs") == [(1,)]

    def test_may_be_signed_with_any_secret_in_force(self, settings, database, event, sql):
        two = (Secret("the old one"), Secret("the new one"))
        rotating = dataclasses.replace(settings, webhook_secrets=two)
        recorder = Recorder(database)
        app = app_of(database, rotating, recorder)
        for number, secret in enumerate(two):
            body = event()
            answer = app.test_client().post(
                URL,
                data=body,
                headers={"Authorization": sign(body, secret.reveal().encode())},
            )
            assert answer.status_code == 202
            assert sql("SELECT count(*) FROM relay.deliveries") == [(number + 1,)]
        recorder.close()

    @pytest.mark.parametrize("content_type", ["application/json", "text/plain", "", "a/b;c=d"])
    def test_may_call_itself_whatever_it_likes(self, web, event, content_type):
        body = event()
        headers = {"Authorization": sign(body, story.WEBHOOK_SECRET.encode())}
        answer = web.post(URL, data=body, headers=headers, content_type=content_type)
        assert answer.status_code == 202

    @pytest.mark.parametrize(
        ("make", "reason"),
        [
            (webhooks.started_event, "other_event_type"),
            (webhooks.errored_event, "other_event_type"),
        ],
    )
    def test_of_another_kind_is_recorded_and_ignored(
        self, deliver, night, clock, sql, make, reason
    ):
        body = make(night, dbt_account_id=story.DBT_ACCOUNT_ID, at=clock())
        assert deliver(body) == (202, {"status": "ignored", "reason": reason})
        assert sql("SELECT ignored_because, body FROM relay.deliveries") == [(reason, body)]
        assert sql("SELECT count(*) FROM procrastinate_jobs") == [(0,)]

    def test_that_was_ignored_counts_when_the_settings_are_mended(
        self, deliver, event, settings, database
    ):
        body = event()
        wrong = dataclasses.replace(settings, dbt_account_id=1)
        recorder = Recorder(database)
        app = app_of(database, wrong, recorder)
        headers = {"Authorization": sign(body, story.WEBHOOK_SECRET.encode())}
        answer = app.test_client().post(URL, data=body, headers=headers)
        assert answer.get_json() == {"status": "ignored", "reason": "other_account"}
        assert deliver(body)[1]["status"] == "accepted"
        recorder.close()

    def test_without_an_event_id_is_known_by_its_run(self, deliver, event, sql):
        body = event().replace(b'"eventId"', b'"renamedId"')
        assert deliver(body)[1]["status"] == "accepted"
        assert deliver(body)[1]["status"] == "duplicate"
        assert sql("SELECT count(*) FROM procrastinate_jobs") == [(1,)]

    def test_of_a_run_whose_records_are_deleted_is_ignored(self, deliver, event, clock, sql, night):
        body = event()
        assert deliver(body)[1]["status"] == "accepted"
        sql("DELETE FROM relay.deliveries")  # as the worker does after a month
        sql("DELETE FROM relay.dbt_runs")
        clock.now += timedelta(days=30)
        assert deliver(body) == (202, {"status": "ignored", "reason": "too_old"})
        assert sql("SELECT count(*) FROM relay.dbt_runs") == [(0,)]

    def test_of_the_test_button_is_ignored(self, deliver, clock):
        body = webhooks.endpoint_test_event(dbt_account_id=story.DBT_ACCOUNT_ID, at=clock())
        assert deliver(body) == (202, {"status": "ignored", "reason": "no_run_status"})

    def test_that_nobody_can_read_is_kept_as_it_came(self, deliver, sql):
        assert deliver(b"\xff\x00{")[1] == {"status": "ignored", "reason": "unreadable"}
        assert deliver(b"\xff\x00{")[0] == 202
        assert sql("SELECT body FROM relay.deliveries") == [(b"\xff\x00{",), (b"\xff\x00{",)]

    @pytest.mark.parametrize(
        ("headers", "reason"),
        [
            ({}, "no_signature"),
            ({"Authorization": ""}, "malformed_signature"),
            ({"Authorization": "Bearer abc"}, "malformed_signature"),
            ({"Authorization": "é" * 64}, "malformed_signature"),
            ({"Authorization": "0" * 64}, "wrong_signature"),
        ],
    )
    def test_that_is_not_genuine_is_refused_and_not_recorded(
        self, web, event, sql, logged, headers, reason
    ):
        answer = web.post(URL, data=event(), headers=headers)
        assert answer.status_code == 401
        assert answer.get_json() == {"status": "refused", "reason": reason}
        assert sql("SELECT count(*) FROM relay.deliveries") == [(0,)]
        assert [(line["event"], line["reason"]) for line in logged] == [
            ("delivery.refused", reason)
        ]

    def test_is_told_in_one_line_with_its_ids(self, deliver, event, logged, night):
        body = event(event_id="wev_1")
        deliver(body)
        deliver(body)
        accepted, repeated = logged
        assert accepted["delivery_id"]
        assert accepted["event"] == "delivery.accepted"
        assert repeated["event"] == "delivery.repeated"
        for line in logged:
            assert line["event_id"] == "wev_1"
            assert line["dbt_run_id"] == night.dbt_run_id
            assert line["dbt_account_id"] == story.DBT_ACCOUNT_ID


class TestABodyThatIsTooLarge:
    def test_is_refused_before_it_is_read(self, web):
        environ = EnvironBuilder(path=URL, method="POST").get_environ()
        environ |= {"CONTENT_LENGTH": str(LARGEST_BODY + 1), "wsgi.input": None}
        environ |= {"HTTP_AUTHORIZATION": FORMED}
        assert run_wsgi_app(web.application, environ)[1].startswith("413")

    def test_is_refused_though_it_hides_its_size(self, web):
        environ = EnvironBuilder(path=URL, method="POST").get_environ()
        environ |= {
            "HTTP_AUTHORIZATION": FORMED,
            "HTTP_TRANSFER_ENCODING": "chunked",
            "wsgi.input_terminated": True,
            "wsgi.input": io.BytesIO(b"x" * (LARGEST_BODY + 1)),
        }
        assert run_wsgi_app(web.application, environ)[1].startswith("413")

    def test_is_none_at_exactly_one_mebibyte(self, web):
        answer = web.post(URL, data=b"x" * LARGEST_BODY, headers={"Authorization": FORMED})
        assert (answer.status_code, answer.get_json()["reason"]) == (401, "wrong_signature")


@pytest.mark.parametrize("signature", [None, "Bearer abc", "0" * 63, "x" * 64, "0" * 66])
def test_a_body_without_a_well_formed_signature_is_not_read(web, signature):
    environ = EnvironBuilder(path=URL, method="POST").get_environ()
    environ |= {"CONTENT_LENGTH": "100", "wsgi.input": None}
    environ |= {} if signature is None else {"HTTP_AUTHORIZATION": signature}
    assert run_wsgi_app(web.application, environ)[1].startswith("401")


def test_a_client_that_stops_sending_is_told_so_and_nobody_is_alarmed(web, logged):
    class Stalled(io.RawIOBase):
        def readable(self):
            return True

        def readinto(self, buffer):
            raise BlockingIOError(11, "Resource temporarily unavailable")

    environ = EnvironBuilder(path=URL, method="POST").get_environ()
    environ |= {"CONTENT_LENGTH": "100", "wsgi.input": Stalled(), "HTTP_AUTHORIZATION": FORMED}
    assert run_wsgi_app(web.application, environ)[1].startswith("408")
    assert [line["reason"] for line in logged] == ["body_incomplete"]


class TestOtherRoutes:
    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
    def test_the_webhook_takes_nothing_but_post(self, web, method):
        answer = web.open(URL, method=method)
        assert answer.status_code == 405
        assert "POST" in answer.headers["Allow"]

    def test_an_unknown_one_is_404(self, web):
        assert web.get("/").status_code == 404
        assert web.get("/login").get_json() == {"status": "refused", "reason": "not found"}

    @pytest.mark.parametrize("path", ["/webhooks//dbt", "/webhooks/dbt/"])
    def test_a_wrong_slash_is_not_redirected_and_the_log_says_what_is_right(
        self, web, logged, path
    ):
        answer = web.post(f"http://evil.example{path}")
        assert answer.status_code == 404
        assert "Location" not in answer.headers
        (line,) = logged
        assert (line["event"], line["reason"]) == ("delivery.refused", "wrong_path")
        assert line["expected"] == "/webhooks/dbt"

    def test_healthz_lives(self, web):
        assert web.get("/healthz").status_code == 200

    @pytest.mark.parametrize("path", ["/healthz", "/readyz", "/readyz/deliveries"])
    def test_health_says_that_it_is_a_dry_run(self, web, settings, database, path):
        assert "dry_run" not in web.get(path).get_json()
        settings = dataclasses.replace(settings, dry_run=True)
        dry = app_of(database, settings).test_client()
        assert dry.get(path).get_json()["dry_run"] is True

    def test_readyz_names_each_check(self, web, sql):
        answer = web.get("/readyz")
        assert answer.status_code == 503
        assert answer.get_json()["checks"] == {
            "database": "ok",
            "worker": "there is none",
            "mapping": "ok",
            "log": "ok",
        }
        sql("INSERT INTO procrastinate_workers DEFAULT VALUES")
        assert web.get("/readyz").status_code == 200

    def test_readyz_checks_once_however_many_ask_at_the_same_time(self, settings, database):
        class Counted:
            asked = 0

            @property
            def conninfo(self):
                self.asked += 1
                return database.conninfo

        server = Counted()
        health = Health(server, settings, timer=lambda: 0.0)
        web = app_of(database, settings, health=health).test_client
        with ThreadPoolExecutor(50) as pool:
            answers = set(pool.map(lambda _: web().get("/readyz").status_code, range(150)))
        assert (answers, server.asked) == ({503}, 1)

    def test_readyz_says_that_deliveries_cannot_be_stored(self, web, sql, settings):
        sql("INSERT INTO procrastinate_workers DEFAULT VALUES")
        assert web.get("/readyz").status_code == 200
        ((name,),) = sql("SELECT current_database()")
        sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        answer = web.get("/readyz")
        assert answer.status_code == 503
        assert answer.get_json()["checks"]["database"] == (
            "deliveries cannot be stored: cannot execute INSERT in a read-only transaction"
        )

    def test_readyz_stores_nothing_itself(self, web, sql):
        web.get("/readyz")
        assert sql("SELECT count(*) FROM relay.deliveries") == [(0,)]

    def test_readyz_reads_the_mapping_again_only_when_it_changed(self, web, settings):
        good = settings.mapping.read_text()
        stamp = settings.mapping.stat()
        assert web.get("/readyz").json["checks"]["mapping"] == "ok"
        settings.mapping.write_text("#" * len(good))  # the same file, size and time
        os.utime(settings.mapping, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
        assert web.get("/readyz").json["checks"]["mapping"] == "ok"
        settings.mapping.touch()
        assert "to fix" in web.get("/readyz").json["checks"]["mapping"]

    def test_readyz_says_that_a_worker_fell_silent(self, web, sql):
        sql("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '2 min')")
        answer = web.get("/readyz")
        assert (answer.status_code, answer.get_json()["checks"]["worker"]) == (
            503,
            "silent for 120 s",
        )

    def test_a_broken_mapping_has_its_problems_until_it_is_mended(self, settings, database):
        health, good = Health(database, settings), settings.mapping.read_text()
        assert (health.mapping_now() is not None, health.mapping_problems()) == (True, ())
        settings.mapping.write_text("version: 1\nsyncs: 5\n")
        (problem,) = health.mapping_problems()
        assert (problem.line, health.mapping_now() is not None) == (2, True)
        settings.mapping.write_text(good)
        assert health.mapping_problems() == ()

    def test_readyz_says_that_the_mapping_is_broken(self, web, sql, settings):
        sql("INSERT INTO procrastinate_workers DEFAULT VALUES")
        settings.mapping.write_text("version: 1\n")
        answer = web.get("/readyz")
        assert answer.status_code == 503
        assert "1 to fix" in answer.get_json()["checks"]["mapping"]

    def test_readyz_says_that_a_workspace_is_at_a_host_nobody_has_listed(self, web, sql, settings):
        sql("INSERT INTO procrastinate_workers DEFAULT VALUES")
        emea = {"api_key_env": "CENSUS_API_KEY", "url": "https://keys.example.com"}
        settings.mapping.write_text(mapping_text(sync_entry(1, "a"), workspaces={"emea": emea}))
        assert web.get("/readyz").status_code == 503

    def test_readyz_says_that_the_schema_is_old(self, web, sql):
        sql("DELETE FROM relay.engine_migrations WHERE name LIKE '03.04%%'")
        assert "not up to date" in web.get("/readyz").get_json()["checks"]["database"]

    def test_deliveries_are_ready_without_a_worker_and_with_a_broken_mapping(self, web, settings):
        """What takes a web out of a load balancer: its deliveries would be lost otherwise."""
        settings.mapping.write_text("version: 1\n")
        answer = web.get("/readyz/deliveries")
        assert (answer.status_code, answer.get_json()["checks"]) == (200, {"database": "ok"})
        assert web.get("/readyz").status_code == 503

    def test_deliveries_are_ready_in_the_schema_of_a_newer_relay(self, web, sql):
        """During an upgrade: the schema comes first, then the new processes."""
        sql("UPDATE relay.alembic_version SET version_num = '9999'")
        assert web.get("/readyz/deliveries").status_code == 200

    def test_deliveries_are_not_ready_where_they_cannot_be_stored(self, web, sql):
        ((name,),) = sql("SELECT current_database()")
        sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        answer = web.get("/readyz/deliveries")
        assert answer.status_code == 503
        assert answer.get_json()["status"] == "not_ready"
        assert "read-only transaction" in answer.get_json()["checks"]["database"]

    def test_deliveries_are_not_ready_without_a_schema(self, web, sql):
        sql("DROP SCHEMA relay CASCADE")
        assert web.get("/readyz/deliveries").status_code == 503


class TestADatabaseThatIsGone:
    def test_means_503_and_nothing_acknowledged(self, settings, event, logged):
        nowhere = ExternalServer("postgresql:///nothing?host=/nonexistent")
        app = app_of(nowhere, settings)
        body = event()
        began = time.monotonic()
        answer = app.test_client().post(
            URL, data=body, headers={"Authorization": sign(body, story.WEBHOOK_SECRET.encode())}
        )
        assert time.monotonic() - began < 5
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert logged[0]["reason"] == "not_recorded"
        assert app.test_client().get("/readyz").status_code == 503
        assert app.test_client().get("/readyz/deliveries").status_code == 503
        assert app.test_client().get("/healthz").status_code == 200

    def test_for_a_moment_is_not_noticed(self, deliver, event, sql):
        deliver(event())
        sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert deliver(event())[0] == 202

    def test_that_hangs_means_503_within_five_seconds(self, deliver, event, database):
        deliver(event())
        with psycopg.connect(database.conninfo) as holder:
            holder.execute("LOCK TABLE relay.deliveries")
            began = time.monotonic()
            status, _ = deliver(event())
            assert status == 503
            assert time.monotonic() - began < 5
        assert deliver(event())[0] == 202

    def test_that_hangs_means_503_for_all_that_wait(self, deliver, event, database):
        answers = []
        with psycopg.connect(database.conninfo) as holder:
            holder.execute("LOCK TABLE relay.deliveries")
            began = time.monotonic()
            threads = [
                threading.Thread(target=lambda: answers.append(deliver(event())[0]))
                for _ in range(8)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert time.monotonic() - began < 5
        assert answers == [503] * 8


class TestDeliveriesThatComeTogether:
    def test_are_written_together_and_each_is_answered_for_itself(
        self, deliver, sandbox, database, sql
    ):
        runs = [sandbox.dbt_cloud.add_run(story.nightly_run(1000 + number)) for number in range(12)]
        bodies = [sandbox.dbt_cloud.completed_event(run.dbt_run_id) for run in runs]
        bodies += [bodies[0], sandbox.dbt_cloud.completed_event(1000)]  # repeats: event, and run
        answers = {}

        def send(number):
            answers[number] = deliver(bodies[number])[1]

        with psycopg.connect(database.conninfo) as holder:
            # While the first one's commit is held up, the others come in and wait.
            holder.execute("LOCK TABLE relay.deliveries")
            threads = [threading.Thread(target=send, args=(n,)) for n in range(len(bodies))]
            for thread in threads:
                thread.start()
            _until(lambda: len(threads) == sum(thread.is_alive() for thread in threads))
            time.sleep(0.3)
        for thread in threads:
            thread.join()
        said = [answers[number]["status"] for number in range(len(bodies))]
        assert said[1:12] == ["accepted"] * 11
        assert sorted([said[0], said[12], said[13]]) == ["accepted", "duplicate", "duplicate"]
        assert sql("SELECT count(*) FROM relay.dbt_runs") == [(12,)]
        assert sql("SELECT count(*) FROM procrastinate_jobs") == [(12,)]
        (transactions,) = sql("SELECT count(DISTINCT xmin::text) FROM relay.deliveries")[0]
        assert transactions <= 3, "a first one, and one for all that waited"


def _until(condition):
    deadline = time.monotonic() + 5
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)


def test_the_answer_is_json(web):
    answer = web.post(URL)
    assert answer.content_type == "application/json"
    assert json.loads(answer.data)["status"] == "refused"
