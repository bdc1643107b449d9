"""What protects every route: walked without a token, from another site, under other hosts."""

import uuid

import pytest
from dashboard_client import ADMIN_TOKEN, SAME_SITE, Dashboard

from relay.dashboard.application import PUBLIC
from relay.dashboard.protection import HEADERS

IDS = {"dbt_run_id": 1, "sync_id": 1, "attempt_id": 1, "action_id": 1, "workspace": "default"}
OURS = "https://relay.example.com"


def routes(app):
    """Every route with every method: `(method, path, endpoint)`."""
    adapter = app.url_map.bind("localhost")
    for rule in app.url_map.iter_rules():
        ids = {name: IDS.get(name, str(uuid.UUID(int=1))) for name in rule.arguments}
        path = adapter.build(rule.endpoint, ids, method=next(iter(rule.methods - {"OPTIONS"})))
        for method in sorted(rule.methods - {"OPTIONS", "HEAD"}):
            yield method, path, rule.endpoint


@pytest.fixture(name="walk")
def _walk(app_with):
    """Ask for every route: `walk(**headers) -> [(method, endpoint, answer)]`."""

    def walk(*methods, log_in=False, **headers):
        app = app_with()
        visitor = Dashboard(app)
        if log_in:
            visitor.log_in()
        for method, path, endpoint in list(routes(app)):
            if method in methods and endpoint != "dashboard.log_out":
                answer = visitor.client.open(path, method=method, headers=headers)
                yield method, endpoint, answer

    return walk


def test_nobody_gets_anything_without_a_token(walk):
    answers = list(walk("GET", "POST", **SAME_SITE))
    assert len(answers) > 30
    for method, endpoint, answer in answers:
        if endpoint in PUBLIC:
            continue
        expected = 401 if endpoint.endswith("_json") else 303
        assert answer.status_code == expected, (method, endpoint)
        assert answer.headers.get("Location", "/login").startswith("/login")


def test_another_site_changes_nothing_though_somebody_has_logged_in(walk):
    for site in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}):
        for method, endpoint, answer in walk("POST", log_in=True, **site):
            assert answer.status_code == 403, (method, endpoint, site)


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost.evil.example", "x", "http://[::1"]
)
def test_a_browser_without_fetch_metadata_is_told_by_its_origin(walk, origin):
    for method, endpoint, answer in walk("POST", log_in=True, Origin=origin):
        assert answer.status_code == 403, (method, endpoint)


def test_every_answer_has_the_headers(walk):
    for log_in in (False, True):
        for method, endpoint, answer in walk("GET", "POST", log_in=log_in, **SAME_SITE):
            for name, value in HEADERS.items():
                assert answer.headers.get(name) == value, (method, endpoint, name)
            kept = "public" if endpoint == "dashboard.static" and answer.status_code == 200 else ""
            assert answer.headers["Cache-Control"].startswith(kept or "no-store"), endpoint


def test_the_policy_allows_nothing_inline(dashboard):
    policy = dashboard.get("/login").answer.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy


class TestTheHost:
    def test_is_relay_urls_where_that_is_set(self, app_with):
        client = app_with(relay_url=OURS).test_client()
        assert client.get("/login", base_url=OURS).status_code == 200
        assert client.get("/login", base_url="https://relay.example.com:443").status_code == 200
        assert client.get("/login", base_url="https://evil.example").status_code == 421
        assert client.get("/login", base_url="https://relay.example.com:8443").status_code == 421

    def test_may_be_any_where_it_is_not(self, app_with):
        assert app_with().test_client().get("/login", base_url="http://x.local").status_code == 200

    def test_of_the_origin_is_relay_urls(self, app_with):
        client = app_with(relay_url=OURS).test_client()
        form = {"token": ADMIN_TOKEN, "name": "Ada"}

        def log_in(origin):
            return client.post("/login", data=form, base_url=OURS, headers={"Origin": origin})

        assert log_in("https://evil.example").status_code == 403
        assert log_in(OURS).status_code == 303


class TestAPathInRelayUrl:
    @pytest.mark.parametrize("path", ["/relay/login", "/login"])
    def test_is_before_every_link_whether_or_not_the_proxy_keeps_it(self, app_with, path):
        client = app_with(relay_url=f"{OURS}/relay").test_client()
        shown = client.get(path, base_url=OURS)
        assert shown.status_code == 200
        assert 'action="/relay/login"' in shown.text
        assert 'href="/relay/static/' in shown.text

    def test_is_before_the_page_after_the_login(self, app_with):
        client = app_with(relay_url=f"{OURS}/relay").test_client()
        form = {"token": ADMIN_TOKEN, "name": "Ada", "next": "/deliveries"}
        answer = client.post("/relay/login", data=form, base_url=OURS, headers=SAME_SITE)
        assert answer.location == "/relay/deliveries"


def test_a_form_is_not_larger_than_forms_are(stranger):
    assert stranger.log_in(name="x" * 70_000).status_code == 413


def test_a_static_file_is_kept_for_ever_under_a_name_that_changes_with_it(stranger):
    html = stranger.get("/login").html
    path = html.partition('<link rel="stylesheet" href="')[2].partition('"')[0]
    answer = stranger.get(path).answer
    assert "immutable" in answer.headers["Cache-Control"]
    assert answer.content_type.startswith("text/css")
    stranger.get(path.replace("/static/", "/static/0"), expect=404)


class TestWhereAPageRefreshesItself:
    def test_is_below_the_path_of_relay_url(self, app_with):
        visitor = Dashboard(app_with(relay_url=f"{OURS}/relay"))
        visitor.client.post(
            "/login",
            data={"token": ADMIN_TOKEN, "name": "Ada"},
            base_url=OURS,
            headers=SAME_SITE,
        )
        shown = visitor.client.get("/relay/runs?status=error", base_url=OURS)
        assert 'hx-get="/relay/runs?status=error"' in shown.text
        assert visitor.client.get("/relay", base_url=OURS).status_code == 200

    def test_is_the_page_of_a_workspace_whatever_its_name(self, dashboard, stranger, sql):
        sql("INSERT INTO relay.sync_states (workspace, sync_id) VALUES ('a?b#c%%2F', 5)")
        path = "/syncs/a%3Fb%23c%252F/5"
        assert f'hx-get="{path}?since=1h"' in dashboard.get(f"{path}?since=1h").html
        dashboard.post("/logout")
        asked = stranger.get(f"{path}?since=1h", expect=303).answer
        form = stranger.get(asked.location).fields
        answer = stranger.post("/login", token=ADMIN_TOKEN, name="Ada", next=form["next"])
        assert answer.location == f"{path}?since=1h"
