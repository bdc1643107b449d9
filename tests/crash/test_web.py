"""web when it, its database or its clients fail: what it acknowledged is on disk."""

import http.client
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest
import requests

from crash.stage import WEB, WORKER, kill_server, resume_server, suspend_server
from relay.dbt.deliveries import sign
from relay.postgres.server import joined
from relay.sandbox import story
from relay.sandbox.wire import Delay

RUN = story.FIRST_DBT_RUN_ID
ANSWERED_WITHIN = 5.0  # seconds: the contract's
LARGEST_BODY = 2**20  # bytes: likewise
WRONG = "0" * 64  # a signature


def events_of(stage, number):
    """The webhooks of so many dbt runs."""
    return [stage.event(RUN + each) for each in range(number)]


class TestWebAlone:
    def test_a_delivery_outlives_a_kill_right_after_its_202(self, stage):
        web = stage.web()
        body = stage.event()
        answer = web.post(body)
        web.kill()
        assert answer.status_code == 202
        assert stage.sql("SELECT delivery_id::text, body FROM relay.deliveries") == [
            (answer.json()["delivery_id"], body)
        ]
        assert stage.sql("SELECT task_name, status::text FROM procrastinate_jobs") == [
            ("evaluate_dbt_run", "todo")
        ]
        stage.worker()
        assert stage.wait_for("dbt_run.planned")["dbt_run_id"] == RUN
        stage.wait_until(lambda: len(stage.logged("sync.triggered")) == 4, "four sync runs")

    def test_web_goes_on_recording_while_no_worker_runs(self, stage):
        web = stage.web()
        stage.dbt_cloud.fail_next("/runs/", Delay(600))
        worker = stage.worker(RELAY_HTTP_TIMEOUT="10m")
        stage.wait_until(lambda: web.answers("/readyz"), "web to be ready")
        worker.kill()
        answers = [web.post(body) for body in events_of(stage, 5)]
        assert {answer.status_code for answer in answers} == {202}
        assert stage.sql("SELECT count(*) FROM relay.dbt_runs") == [(5,)]
        todo = "SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'evaluate_dbt_run'"
        assert stage.sql(f"{todo} AND status = 'todo'") == [(5,)]

    @pytest.mark.skipif(sys.platform != "linux", reason="no other system tells")
    def test_its_processes_may_use_every_core(self, stage):
        web = stage.web(WEB_CONCURRENCY="2")
        stage.wait_until(lambda: len(web.family()) == 3, "gunicorn's master and two workers")
        ours = psutil.Process().cpu_affinity()
        assert [process.cpu_affinity() for process in web.family()] == [ours] * 3


class TestADatabaseThatIsKilled:
    def test_every_202_is_found_again(self, stage):
        web = stage.web()
        bodies = iter(events_of(stage, 3000))
        taking, stop = threading.Lock(), threading.Event()
        answers = []

        def deliver():
            while not stop.is_set():
                with taking:
                    body = next(bodies)
                answers.append(web.post(body))

        def accepted():
            return [each.json()["delivery_id"] for each in answers if each.status_code == 202]

        with ThreadPoolExecutor(4) as clients:
            each_client = [clients.submit(deliver) for _ in range(4)]
            try:
                stage.wait_until(lambda: len(accepted()) >= 50, "deliveries")
                kill_server(stage.data_dir)
                before = len(accepted())
                stage.wait_until(lambda: len(accepted()) >= before + 50, "deliveries again")
                kill_server(stage.data_dir)
            finally:
                stop.set()
        for each in each_client:
            each.result()
        stage.server.ensure_running()
        found = {row for (row,) in stage.sql("SELECT delivery_id::text FROM relay.deliveries")}
        assert set(accepted()) <= found
        assert {each.status_code for each in answers} <= {202, 503}, web.output
        runs = stage.sql("SELECT count(*) FROM relay.dbt_runs")
        jobs = stage.sql(
            "SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'evaluate_dbt_run'"
        )
        assert runs == jobs

    def test_a_connection_that_ends_in_the_middle_of_a_transaction_is_a_503_for_all(self, stage):
        web = stage.web()
        stage.sql("""
            CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_sleep(0.2), pg_terminate_backend(pg_backend_pid()); RETURN new; END';
            CREATE TRIGGER die BEFORE INSERT ON procrastinate_jobs EXECUTE FUNCTION die()
        """)
        bodies = events_of(stage, 8)
        with ThreadPoolExecutor(len(bodies)) as clients:
            answers = list(clients.map(web.post, bodies))
        assert {answer.status_code for answer in answers} == {503}
        stage.sql("DROP TRIGGER die ON procrastinate_jobs")
        assert {web.post(body).json()["status"] for body in bodies} == {"accepted"}


def test_web_starts_beside_somebody_who_has_locked_its_schema(stage):
    with joined(stage.server), psycopg.connect(stage.server.conninfo) as holder:
        holder.execute("LOCK TABLE relay.alembic_version IN ACCESS EXCLUSIVE MODE")
        web = stage.web()
        assert stage.wait_for("database.unavailable")
        holder.rollback()
        assert web.post(stage.event()).status_code == 202


def test_web_whose_data_folder_is_gone_ends_with_a_line_and_no_traceback(stage):
    web = stage.web()
    elsewhere = stage.data_dir.with_name("elsewhere")
    stage.data_dir.rename(elsewhere)
    web.terminate()
    web.wait()
    elsewhere.rename(stage.data_dir)
    assert stage.logged("database.unavailable")
    assert "Traceback" not in web.stderr


class TestADatabaseThatDoesNotAnswer:
    """Each delivery is refused in time, and accepted when the database is back."""

    @pytest.fixture
    def named(self, stage):
        """A stage with an external database: the test's server."""
        stage.server.join()
        stage.use_external_database()
        yield stage
        stage.server.leave()

    @staticmethod
    def refuses_in_time(web, bodies):
        """At once, all together, and then the first once more, over a new connection."""
        with ThreadPoolExecutor(len(bodies)) as clients:
            answers = list(clients.map(web.post, bodies))
        answers.append(web.post(bodies[0]))
        assert {answer.status_code for answer in answers} == {503}
        assert all(answer.headers["Retry-After"] for answer in answers)
        assert max(answer.elapsed.total_seconds() for answer in answers) <= ANSWERED_WITHIN

    @staticmethod
    def takes_them_now(stage, web, bodies):
        stage.wait_until(lambda: web.post(bodies[0]).status_code == 202, "a 202 again")
        assert {web.post(body).status_code for body in bodies} == {202}
        assert stage.sql("SELECT count(*) FROM relay.deliveries") == [(len(bodies) + 1,)]
        assert stage.sql("SELECT count(*) FROM relay.dbt_runs") == [(len(bodies) + 1,)]

    def test_a_named_one_that_is_stopped(self, named):
        web = named.web()
        first, *bodies = events_of(named, 5)
        assert web.post(first).status_code == 202
        named.server.leave()
        self.refuses_in_time(web, bodies)
        named.server.join()
        assert named.sql("SELECT count(*) FROM relay.deliveries") == [(1,)]
        self.takes_them_now(named, web, bodies)

    def test_a_named_one_that_hangs(self, named):
        web = named.web()
        first, *bodies = events_of(named, 5)
        assert web.post(first).status_code == 202
        suspend_server(named.data_dir)
        self.refuses_in_time(web, bodies)
        resume_server(named.data_dir)
        self.takes_them_now(named, web, bodies)

    def test_relays_own_that_hangs(self, stage):
        web = stage.web()
        first, *bodies = events_of(stage, 5)
        assert web.post(first).status_code == 202
        suspend_server(stage.data_dir)
        self.refuses_in_time(web, bodies)
        resume_server(stage.data_dir)
        self.takes_them_now(stage, web, bodies)


@pytest.fixture(name="shared", scope="module")
def _shared(new_stage):
    """A stage whose database and web are shared by the tests."""
    with new_stage() as stage:
        stage.web()
        yield stage


@pytest.fixture(name="web")
def _web(shared):
    return shared.processes[0]


class TestDifficultClients:
    def test_two_hundred_half_sent_headers_stop_nobody(self, web, shared):
        at = urlsplit(web.url)
        with ExitStack() as clients:
            for _ in range(200):
                client = clients.enter_context(socket.create_connection((at.hostname, at.port)))
                client.sendall(b"POST /webhooks/dbt HTTP/1.1\r\nHost: relay\r\nAuthoriz")
            time.sleep(0.5)  # so that each has been given what it waits for
            for body in events_of(shared, 3):
                answer = web.post(body)
                assert answer.status_code == 202
                assert answer.elapsed.total_seconds() < 2

    @pytest.mark.parametrize("size", [LARGEST_BODY + 1, 3 * LARGEST_BODY], ids=["by 1 B", "by far"])
    def test_a_chunked_body_that_is_too_large_is_refused(self, web, size):
        answer = web.post(pieces_of(size), signature=WRONG)
        assert (answer.status_code, answer.json()["reason"]) == (413, "body_too_large")

    def test_a_body_that_says_it_is_too_large_is_refused_before_it_comes(self, web):
        at = urlsplit(web.url)
        connection = http.client.HTTPConnection(at.hostname, at.port, timeout=5)
        connection.putrequest("POST", "/webhooks/dbt")
        connection.putheader("Authorization", WRONG)
        connection.putheader("Content-Length", str(LARGEST_BODY + 1))
        connection.endheaders()
        assert connection.getresponse().status == 413
        connection.close()

    @pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "of known length"])
    def test_a_body_of_exactly_the_largest_size_is_read(self, web, chunked):
        body = pieces_of(LARGEST_BODY) if chunked else b"x" * LARGEST_BODY
        answer = web.post(body, signature=WRONG)
        assert (answer.status_code, answer.json()["reason"]) == (401, "wrong_signature")


class TestHeadersOfAProxy:
    """relay uses neither scheme nor script name: no header about them refuses a delivery."""

    @pytest.mark.parametrize(
        "headers",
        [
            {"X-Forwarded-Proto": "https", "X-Forwarded-Protocol": "https"},
            {"X-Forwarded-Proto": "http", "X-Forwarded-Ssl": "on"},
            {"SCRIPT_NAME": "/relay"},
            {"Script-Name": "/relay", "Path_Info": "/elsewhere"},
            {"Forwarded": "proto=https;host=evil.example", "X-Forwarded-Host": "evil.example"},
            {"X-Forwarded-Prefix": "/relay", "X-Forwarded-Port": "none"},
        ],
    )
    def test_a_delivery_is_accepted_with_them(self, web, shared, headers):
        body = shared.event()
        signed = {"Authorization": sign(body, story.WEBHOOK_SECRET.encode())}
        answer = requests.post(f"{web.url}/webhooks/dbt", data=body, headers=signed | headers)
        assert answer.status_code == 202

    def test_a_path_with_a_wrong_slash_is_answered_without_a_redirect(self, web, shared):
        for path in ("/webhooks//dbt", "/webhooks/dbt/"):
            answer = requests.post(
                web.url + path, headers={"Host": "evil.example"}, allow_redirects=False
            )
            assert answer.status_code == 404
        assert shared.wait_for("delivery.refused", reason="wrong_path")


class TestALogThatCannotBeWritten:
    """A log on a full disk changes no response; lost lines are counted."""

    def test_web_accepts_deliveries_and_a_worker_relays_them(self, stage):
        web = stage.start("web", *with_a_full_log(WEB))
        stage.wait_until(lambda: web.answers("/healthz"), "web")
        worker = stage.start("worker", *with_a_full_log(WORKER))
        assert web.post(stage.event()).status_code == 202
        stage.wait_until(lambda: len(stage.census.sync_runs) == 4, "four sync runs")
        stage.wait_until(lambda: web.answers("/readyz"), "web to be ready")
        checks = requests.get(f"{web.url}/readyz", timeout=5).json()["checks"]
        assert "could not be written: No space left on device" in checks["log"]
        lost = "SELECT split_part(process, ' ', 1) FROM relay.lost_log_lines ORDER BY process"
        stage.wait_until(lambda: stage.sql(lost) == [("web",), ("worker",)], "both to report it")
        status = stage.command("status")
        assert status.wait() == 0
        assert "Log lines that could not be written" in status.stdout
        worker.terminate()
        assert worker.wait() == 0

    def test_web_starts_without_a_stdout(self, stage):
        web = stage.start("web", "sh", "-c", 'exec "$@" >&-', "sh", *WEB)
        stage.wait_until(lambda: web.answers("/healthz"), "web")
        assert web.post(stage.event()).status_code == 202


def with_a_full_log(command):
    return ("sh", "-c", 'exec "$@" > /dev/full', "sh", *command)


def pieces_of(size):
    """A body of this many bytes, sent in chunks."""
    while size > 0:
        yield b"x" * min(size, 2**16)
        size -= 2**16
