"""Who gets in: tokens, sessions, login, and what a viewer may not do."""

from datetime import timedelta

import pytest
from dashboard_client import ADMIN_TOKEN, SAME_SITE, VIEWER_TOKEN, Dashboard
from flask import session

from relay.dashboard.access import Access, Role
from relay.dashboard.application import SESSION_LASTS
from relay.dashboard.throttle import SECONDS, WRONG_TOKENS, Throttle
from relay.secret import Secret

PAGE = "/deliveries"
DATA = "/deliveries.json"
SET_COOKIE = "Set-Cookie"


class TestLoggingIn:
    def test_shows_the_page_that_was_asked_for(self, stranger):
        asked = stranger.get(f"{PAGE}?became=ignored", expect=303).answer
        form = stranger.get(asked.location)
        answer = stranger.post("/login", token=ADMIN_TOKEN, name="Ada", next=form.fields["next"])
        assert (answer.status_code, answer.location) == (303, f"{PAGE}?became=ignored")
        assert "Ada" in stranger.get(answer.location).text

    @pytest.mark.parametrize(
        "target", ["https://evil.example", "//evil.example", "/\\evil.example", "x", "", "/\n/e"]
    )
    def test_goes_on_to_relays_own_pages_only(self, stranger, target):
        answer = stranger.post("/login", token=ADMIN_TOKEN, name="Ada", next=target)
        assert answer.location == "/"

    def test_needs_the_right_token(self, stranger):
        answer = stranger.post("/login", token=f"{ADMIN_TOKEN}x", name="Ada")
        assert (answer.status_code, "not the token" in answer.text) == (403, True)
        assert SET_COOKIE not in answer.headers
        stranger.get(PAGE, expect=303)

    @pytest.mark.parametrize("name", ["", "   ", "\n"])
    def test_needs_a_name(self, stranger, name):
        assert stranger.log_in(name=name).status_code == 400

    def test_does_not_take_the_token_for_a_name_which_viewers_would_see(self, stranger):
        answer = stranger.log_in(name=f" {ADMIN_TOKEN}")
        assert (answer.status_code, SET_COOKIE in answer.headers) == (400, False)
        assert "the token, not your name" in answer.text

    def test_keeps_the_name_for_another_try_and_escapes_it(self, stranger):
        answer = stranger.log_in(token="wrong", name="<script>Ada")
        assert '"&lt;script&gt;Ada"' in answer.text

    def test_is_logged_with_the_name_and_without_the_token(self, stranger, events):
        stranger.log_in()
        stranger.log_in(token="wrong-wrong-wrong", name="Eve")
        lines = events("admin.logged_in", "admin.refused")
        assert [(line["event"], line["name"]) for line in lines] == [
            ("admin.logged_in", "Ada"),
            ("admin.refused", "Eve"),
        ]
        assert ADMIN_TOKEN not in str(lines)
        assert "wrong-wrong" not in str(lines)

    def test_is_possible_from_this_very_site_only(self, stranger):
        headers = {"Sec-Fetch-Site": "cross-site"}
        assert stranger.post("/login", headers=headers, token=ADMIN_TOKEN).status_code == 403


class TestASession:
    def test_ends_with_the_logout(self, dashboard):
        dashboard.get(PAGE)
        assert dashboard.post("/logout").status_code == 303
        dashboard.get(PAGE, expect=303)

    def test_is_kept_in_a_cookie_that_scripts_and_other_sites_do_not_get(self, stranger):
        cookie = stranger.log_in().headers[SET_COOKIE]
        assert cookie.startswith("relay=")
        assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
        assert "Domain" not in cookie

    def test_is_of_this_host_alone_where_relay_is_reached_over_https(self, app_with):
        visitor = Dashboard(app_with(relay_url="https://relay.example.com"))
        answer = visitor.client.post(
            "/login",
            data={"token": ADMIN_TOKEN, "name": "Ada"},
            base_url="https://relay.example.com",
            headers=SAME_SITE,
        )
        cookie = answer.headers[SET_COOKIE]
        assert cookie.startswith("__Host-relay=")
        assert "Secure" in cookie.split("; ")

    def test_lasts_for_twelve_hours(self, dashboard):
        assert timedelta(hours=12) == SESSION_LASTS
        app = dashboard.client.application
        assert app.permanent_session_lifetime == SESSION_LASTS
        # A page that is looked at again and again does not make it longer.
        assert SET_COOKIE not in dashboard.get(PAGE).answer.headers

    def test_of_a_changed_token_is_over(self, app_with, dashboard):
        cookie = dashboard.client.get_cookie("relay").value
        other = Dashboard(app_with(admin_token=Secret("another-" + ADMIN_TOKEN)))
        other.client.set_cookie("relay", cookie)
        other.get(PAGE, expect=303)

    def test_of_a_changed_viewer_token_is_over(self, app_with, viewer):
        cookie = viewer.client.get_cookie("relay").value
        for token in (Secret("another-" + VIEWER_TOKEN), None):
            other = Dashboard(app_with(viewer_token=token))
            other.client.set_cookie("relay", cookie)
            other.get(PAGE, expect=303)

    def test_that_somebody_has_made_up_is_none(self, stranger):
        stranger.client.set_cookie("relay", "eyJuYW1lIjoiQWRhIiwicm9sZSI6ImFkbWluIn0.x.y")
        stranger.get(PAGE, expect=303)

    @pytest.mark.parametrize(
        "content",
        [{}, {"name": "Ada"}, {"name": "Ada", "role": "admin"}, {"name": 1, "role": "admin"}],
    )
    def test_without_all_of_its_content_is_none(self, content):
        access = Access(Secret(ADMIN_TOKEN), None)
        assert access.visitor_of_session(content) is None

    def test_goes_on_behind_a_proxy_that_wants_a_password(self, dashboard):
        headers = {"Authorization": "Basic YWRhOnBhc3N3b3Jk"}
        dashboard.get(PAGE, **headers)
        assert dashboard.client.get(DATA, headers=headers).status_code == 200

    def test_of_a_page_that_refreshes_itself_sends_the_browser_to_the_login(self, stranger):
        answer = stranger.get(PAGE, expect=401, **{"HX-Request": "true"}).answer
        assert answer.headers["HX-Refresh"] == "true"

    @pytest.mark.parametrize("path", ["/webhooks/dbt", "/metrics", "/healthz", "/readyz"])
    def test_is_none_of_a_delivery_and_costs_it_nothing(self, dashboard, path):
        app = dashboard.client.application
        with app.test_request_context(path):
            assert app.session_interface.is_null_session(session._get_current_object())


class TestAToken:
    def test_opens_the_data(self, stranger):
        assert stranger.json(DATA)["deliveries"]["rows"] == []
        assert stranger.json(DATA, token=VIEWER_TOKEN)["deliveries"]["rows"] == []

    @pytest.mark.parametrize("header", ["Bearer wrong", "Basic abc", "Bearer", "", "Bearer ÿ"])
    def test_that_is_wrong_opens_nothing(self, stranger, header):
        answer = stranger.client.get(DATA, headers={"Authorization": header})
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert answer.content_type == "application/json"

    def test_that_is_wrong_is_not_replaced_by_a_session(self, dashboard):
        headers = {"Authorization": "Bearer wrong"}
        assert dashboard.client.get(DATA, headers=headers).status_code == 401

    def test_opens_no_page_for_people(self, stranger):
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        assert stranger.client.get(PAGE, headers=headers).status_code == 303

    def test_has_the_role_that_it_is_of(self):
        access = Access(Secret(ADMIN_TOKEN), Secret(VIEWER_TOKEN))
        assert access.role_of(ADMIN_TOKEN.encode()) is Role.ADMIN
        assert access.role_of(VIEWER_TOKEN.encode()) is Role.VIEWER
        assert access.role_of(b"") is None


class TestAViewer:
    def test_sees_the_pages_and_that_looking_is_all(self, viewer):
        assert "Vic (looking only)" in viewer.get(PAGE).text

    def test_may_log_out(self, viewer):
        assert viewer.post("/logout").status_code == 303


class TestTheThrottle:
    def test_makes_everybody_wait_a_minute_after_five_wrong_tokens(self, stranger):
        for _ in range(WRONG_TOKENS):
            assert stranger.log_in(token="wrong").status_code == 403
        answer = stranger.log_in()
        assert answer.status_code == 429
        assert 0 < int(answer.headers["Retry-After"]) <= SECONDS

    def test_lets_log_in_when_the_minute_is_over(self):
        at = [0.0]
        throttle = Throttle(lambda: at[0])
        for _ in range(WRONG_TOKENS):
            throttle.wrong_token()
        assert throttle.wait() == SECONDS
        at[0] = SECONDS
        assert throttle.wait() is None

    def test_forgives_wrong_tokens_that_are_far_apart(self):
        at = [0.0]
        throttle = Throttle(lambda: at[0])
        for _ in range(WRONG_TOKENS):
            at[0] += SECONDS / 2
            throttle.wrong_token()
        assert throttle.wait() is None


def test_a_shown_page_knows_nothing_of_the_tokens(dashboard):
    shown = dashboard.get(PAGE)
    assert ADMIN_TOKEN not in shown.html
    assert VIEWER_TOKEN not in shown.html


ZEROS = "0" * 19
LONG = f"{ZEROS}1{'9' * 30}"  # its first twenty digits are those of a small number
OF_NUMBERS = "2026-01-01T00:00:00Z~1"
OF_UUIDS = "2026-01-01T00:00:00Z~00000000-0000-0000-0000-000000000001"


@pytest.mark.parametrize(
    "path",
    [
        f"/runs?job={LONG}",
        f"/mapping?sync={LONG}",
        f"/act/replay?job={LONG}",
        f"/act/trigger?sync={LONG}",
        "/sync-runs?sync=a%00b/1",
        "/syncs/decisions?sync=%00/1",
        "/syncs/a%00b/5",
        f"/runs?before={OF_UUIDS}",
        f"/deliveries?before={OF_NUMBERS}",
        f"/syncs/decisions?before={OF_NUMBERS}",
    ],
)
def test_an_address_that_cannot_be_is_a_mistake_and_no_fault_of_the_database(one, dashboard, path):
    assert "does not answer" not in dashboard.get(path, expect=400).text


def test_a_form_with_an_endless_id_is_refused(one, dashboard):
    form = dashboard.get("/act/trigger?sync=5123").fields | {"sync": f"{ZEROS}1{'9' * 5000}"}
    assert dashboard.post("/act/trigger", **form).status_code == 400
