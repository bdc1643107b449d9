"""An action is done once, by who may act, and by a form of ours only; a page changes nothing."""

import io
import threading
import uuid

import psycopg
import pytest
from dashboard_client import SAME_SITE, Dashboard
from sandbox_runs import NIGHT, night

from relay.dashboard.application import LARGEST_FORM

TRIGGER = "/act/trigger?sync=5123"
ACTIONS = (
    f"/act/replay?run={NIGHT}",
    TRIGGER,
    "/act/hold?sync=5123",
    "/act/release?all=yes",
    "/act/mute?sync=5123",
    "/act/unmute?sync=5123",
    "/act/cancel?attempt=1",
    f"/act/plan?run={NIGHT}",
    "/act/check",
)


@pytest.fixture(name="contents")
def _contents(sql):
    """All that the tables hold."""

    def contents():
        tables = sql(
            "SELECT schemaname || '.' || tablename FROM pg_tables"
            " WHERE schemaname IN ('relay', 'public') ORDER BY 1"
        )
        return {name: sql(f"SELECT t::text FROM {name} AS t ORDER BY 1") for (name,) in tables}

    return contents


def test_a_form_that_is_sent_twice_is_done_once_and_shows_the_first_result(one, dashboard, sql):
    form = dashboard.get(TRIGGER).fields
    first, second = (dashboard.post(TRIGGER, **form) for _ in range(2))
    assert first.location == second.location
    assert sql("SELECT count(*) FROM relay.triggers") == [(1,)]
    assert sql("SELECT count(*) FROM relay.actions") == [(1,)]


def test_the_nonce_of_one_action_does_no_other(one, dashboard, sql):
    form = dashboard.get(TRIGGER).fields
    first = dashboard.post(TRIGGER, **form)
    second = dashboard.post("/act/hold", **form)
    assert first.location == second.location
    assert sql("SELECT count(*) FROM relay.holds") == [(0,)]


def test_forms_that_are_sent_at_the_same_time_are_one_action(one, app_with, sql):
    visitors = [Dashboard(app_with()) for _ in range(2)]
    for visitor in visitors:
        visitor.log_in()
    for _ in range(5):
        form = visitors[0].get(TRIGGER).fields
        together, answers = threading.Barrier(2), []

        def send(visitor, form=form, together=together, answers=answers):
            together.wait()
            answers.append(visitor.post(TRIGGER, **form))

        threads = [threading.Thread(target=send, args=(visitor,)) for visitor in visitors]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {answer.status_code for answer in answers} == {303}
        assert len({answer.location for answer in answers}) == 1
    assert sql("SELECT count(*) FROM relay.triggers") == [(5,)]
    assert sql("SELECT count(*) FROM relay.actions") == [(5,)]


def test_the_second_waits_for_the_first_and_does_it_if_that_fails(one, dashboard, database, sql):
    """The first is another process that has begun, and that ends without a commit."""
    form = dashboard.get(TRIGGER).fields
    answers = []
    sending = threading.Thread(target=lambda: answers.append(dashboard.post(TRIGGER, **form)))
    with psycopg.connect(database.conninfo) as first:
        first.execute(
            "INSERT INTO relay.actions (nonce, at, who, through, what, subject, result)"
            " VALUES (%s, now(), '', '', '', '', '{}')",
            (form["nonce"],),
        )
        sending.start()
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        while sql(waiting) == [(0,)] and sending.is_alive():
            pass
        assert not answers
        first.rollback()
    sending.join()
    assert answers[0].status_code == 303
    assert sql("SELECT count(*) FROM relay.triggers") == [(1,)]


@pytest.mark.parametrize("nonce", ["", "x", "1"])
def test_a_form_without_its_nonce_does_nothing(one, dashboard, contents, nonce):
    before = contents()
    form = dashboard.get(TRIGGER).fields | {"nonce": nonce}
    assert dashboard.post(TRIGGER, **form).status_code == 400
    assert contents() == before


def test_a_new_preview_has_a_new_nonce(one, dashboard):
    assert len({dashboard.get(TRIGGER).fields["nonce"] for _ in range(3)}) == 3


def test_no_page_changes_anything(one, dashboard, contents):
    one.deliver(night())
    one.work()
    dashboard.act("/act/hold?sync=5123")
    asked = dashboard.post("/act/check", nonce=uuid.uuid4()).location
    before = contents()
    adapter = dashboard.client.application.url_map.bind("localhost")
    ids = {"dbt_run_id": NIGHT, "sync_id": 5123, "attempt_id": 1, "action_id": 1}
    walked = 0
    for rule in dashboard.client.application.url_map.iter_rules():
        if "GET" in rule.methods:
            given = {name: ids.get(name, "default") for name in rule.arguments}
            given |= {name: str(uuid.UUID(int=1)) for name in given if name.endswith("y_id")}
            given |= {"request_id": asked.rpartition("/")[2]} if "request_id" in given else {}
            path = adapter.build(rule.endpoint, given, method="GET")
            assert dashboard.client.get(path).status_code < 500, path
            assert dashboard.client.head(path).status_code < 500, path
            walked += 1
    for path in ACTIONS:
        dashboard.get(path)
    assert walked > 40
    assert contents() == before


@pytest.mark.parametrize("path", ACTIONS)
def test_a_viewer_neither_acts_nor_sees_a_preview(one, dashboard, viewer, contents, path):
    form = dashboard.get(path).fields | {"nonce": uuid.uuid4()}
    before = contents()
    assert "looking, not acting" in viewer.get(path, expect=403).text
    answer = viewer.post(path, **form)
    assert answer.status_code == 403
    assert "looking, not acting" in answer.text
    assert contents() == before


@pytest.mark.parametrize("path", ACTIONS)
@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}]
)
def test_another_site_does_nothing(one, dashboard, contents, path, headers):
    form = dashboard.get(path).fields
    before = contents()
    assert dashboard.post(path, headers=headers, **form).status_code == 403
    assert contents() == before


def test_a_token_alone_does_not_act(one, stranger, contents):
    before = contents()
    bearer = SAME_SITE | {"Authorization": "Bearer admin-token-of-the-tests-0123456789"}
    answer = stranger.post(TRIGGER, headers=bearer, sync="5123", nonce=uuid.uuid4())
    assert answer.location.startswith("/login")
    assert contents() == before


def test_a_large_form_is_refused(one, dashboard, contents):
    form = dashboard.get("/act/hold?sync=5123").fields
    before = contents()
    assert dashboard.post("/act/hold", **form, x="x" * LARGEST_FORM).status_code == 413
    assert contents() == before


def test_a_form_in_chunks_whose_size_is_not_known_is_refused(one, dashboard, contents):
    nonce = uuid.uuid4()
    body = f"nonce={nonce}&sync=5123&why={'x' * LARGEST_FORM}".encode()
    before = contents()
    answer = dashboard.client.post(
        "/act/hold",
        input_stream=io.BytesIO(body),
        headers=SAME_SITE | {"Content-Type": "application/x-www-form-urlencoded"},
        environ_overrides={"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"},
    )
    assert answer.status_code == 411
    assert contents() == before


MARKUP = ("<script>alert(1)</script>", "\"'><img src=x>")
HOSTILE = (*MARKUP, "a\u202eb", "x" * 10000, "\x00\x85\x1b[31m")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_why_and_name_are_shown_as_text(one, app_with, name):
    visitor = Dashboard(app_with())
    visitor.log_in(name=name)
    result = visitor.act("/act/hold?sync=5123", why=name)
    for page in (result, visitor.get("/actions"), visitor.get("/act/release?sync=5123")):
        assert "<script>alert" not in page.html
        assert "<img" not in page.html
        assert "\u202e" not in page.html
        assert "x" * 1000 not in page.html


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_job_names_are_shown_as_text(dashboard, sql, name):
    stored = name.replace("\x00", "")  # PostgreSQL stores no NUL
    sql(
        "INSERT INTO relay.dbt_runs (dbt_account_id, dbt_run_id, source, planned_at, job_name)"
        " VALUES (66847, 1, 'webhook', now(), %s)",
        stored,
    )
    page = dashboard.get("/act/replay?run=1")
    assert "<script>alert" not in page.html
    assert "<img" not in page.html
    assert "\u202e" not in page.html
    assert "x" * 1000 not in page.html


def test_what_was_done_is_logged(one, dashboard, events):
    dashboard.act("/act/hold?sync=5123", why="audit")
    (line,) = events("admin.acted")
    assert {name: line[name] for name in ("who", "what", "subject", "done", "left_alone")} == {
        "who": "Ada",
        "what": "hold",
        "subject": "sync 5123",
        "done": 1,
        "left_alone": 0,
    }


def test_what_was_done_before_is_not_logged_again(one, dashboard, events):
    form = dashboard.get(TRIGGER).fields
    for _ in range(2):
        dashboard.post(TRIGGER, **form)
    assert len(events("admin.acted")) == 1


def test_actions_that_wait_for_a_lock_keep_no_page_waiting(one, dashboard, database):
    forms = [dashboard.get(f"/act/hold?sync={query}").fields for query in ("5123", "default/5123")]
    visitors = [Dashboard(dashboard.client.application) for _ in forms]
    sending = [
        threading.Thread(target=visitor.post, args=("/act/hold",), kwargs=form)
        for visitor, form in zip(visitors, forms, strict=True)
    ]
    for visitor in visitors:
        visitor.log_in()
    with psycopg.connect(database.conninfo) as other:
        other.execute("LOCK TABLE relay.holds IN SHARE MODE")
        for thread in sending:
            thread.start()
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        while one.sql(waiting) != [(2,)] and any(thread.is_alive() for thread in sending):
            pass
        dashboard.get("/runs")
    for thread in sending:
        thread.join()
