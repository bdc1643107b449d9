"""The list of what people did, and one action; the settings."""

import getpass
import socket

import pytest
from click.testing import CliRunner
from dashboard_client import Dashboard
from sandbox_runs import NIGHT, night

from relay.cli import main

HOLD = "/act/hold?sync=default/5123"


@pytest.fixture(name="acted")
def _acted(one, dashboard, clock):
    """Ada has held sync 5123 and triggered it a day later."""
    dashboard.act(HOLD, why="audit")
    clock.tick(24 * 3600)
    dashboard.act("/act/trigger?sync=5123")
    return dashboard


def test_the_newest_come_first_with_who_what_and_on_which(acted):
    rows = [row[1:] for row in acted.get("/actions").rows[1:]]
    assert rows == [
        ["trigger", "sync 5123", "Ada", "dashboard", "1", "0"],
        ["hold", "sync 5123", "Ada", "dashboard", "1", "0"],
    ]


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("who=Ada", ["trigger", "hold"]),
        ("who=Bob", []),
        ("what=hold", ["hold"]),
        ("since=1h", ["trigger"]),
        ("who=&what=&since=", ["trigger", "hold"]),
        ("who=%00", []),
    ],
)
def test_filters_are_in_the_url(acted, query, shown):
    assert [row[1] for row in acted.get(f"/actions?{query}").rows[1:]] == shown


@pytest.mark.parametrize("query", ["what=eaten", "since=soon", "before=x"])
def test_a_filter_that_cannot_be_read_is_refused(dashboard, query):
    dashboard.get(f"/actions?{query}", expect=400)


def test_the_older_ones_are_a_page_away(dashboard, sql):
    sql(
        "INSERT INTO relay.actions (at, who, through, what, subject, result)"
        " SELECT now(), 'Ada', 'dashboard', 'hold', 'sync ' || n, '{}'"
        " FROM generate_series(1, 51) AS n"
    )
    first = dashboard.get("/actions")
    second = dashboard.get(f"/actions{first.links['Older actions']}")
    subjects = [row[2] for row in (*first.rows[1:], *second.rows[1:])]
    assert subjects == [f"sync {number}" for number in range(51, 0, -1)]


def test_an_empty_list_says_so(dashboard):
    assert "Nothing matches." in dashboard.get("/actions").text


def test_the_same_is_data(acted):
    data = acted.json("/actions.json?what=hold")
    (row,) = data["actions"]["rows"]
    assert (row["who"], row["what"], row["subject"]) == ("Ada", "hold", "sync 5123")
    one = acted.json(f"/actions/{row['action_id']}.json")
    (done,) = one["action"]["result"]["done"]
    assert done["says"] == "held until it is released: audit"
    assert (done["workspace"], done["sync_id"]) == ("default", 5123)


def test_an_unknown_action_is_not_found(dashboard):
    dashboard.get("/actions/9", expect=404)


def test_a_viewer_sees_them_without_buttons(acted, viewer):
    assert "Hold all syncs…" in acted.get("/actions").text
    shown = viewer.get("/actions")
    assert len(shown.rows) == 3
    assert "/act/" not in shown.html


class TestCommands:
    @pytest.fixture(name="command")
    def _command(self, settings, one):
        """Run a command of this relay."""

        def run(*words):
            result = CliRunner().invoke(main, words, env=dict(settings.environment))
            assert result.exception is None or result.exit_code in (0, 1), result.output
            return result

        return run

    @pytest.mark.parametrize(
        ("words", "row"),
        [
            (("hold", "5123", "--by", "ana"), ["hold", "sync 5123", "ana"]),
            (("hold", "--all", "--by", "ana"), ["hold", "all syncs", "ana"]),
            (("mute", "5123", "--for", "4h", "--by", "ana"), ["mute", "sync 5123", "ana"]),
            (("trigger", "5123"), ["trigger", "sync 5123", None]),
            (("trigger", "5123", "--full-sync"), ["full sync", "sync 5123", None]),
            (("replay", "--run", str(NIGHT)), ["replay", f"dbt run {NIGHT}", None]),
        ],
    )
    def test_are_recorded_too(self, one, command, dashboard, words, row):
        one.deliver(night())
        one.work()
        command(*words)
        (shown,) = dashboard.get("/actions").rows[1:]
        me = f"{getpass.getuser()}@{socket.gethostname()}"
        assert shown[1:5] == [*row[:2], row[2] or me, "command"]
        assert shown[5] == "1"

    def test_that_end_something_are_recorded(self, command, dashboard):
        command("hold", "5123", "--by", "ana")
        command("release", "5123", "--by", "ana")
        command("mute", "5123", "--for", "4h", "--by", "ana")
        command("unmute", "5123")
        what = [row[1] for row in dashboard.get("/actions").rows[1:]]
        assert what == ["unmute", "mute", "release", "hold"]

    def test_that_find_nothing_to_do_are_not(self, command, dashboard):
        command("release", "5123")
        command("unmute", "5123")
        command("replay", "--run", str(NIGHT), "--dry-run")
        assert "Nothing matches." in dashboard.get("/actions").text


class TestSettings:
    def test_shows_what_is_in_effect(self, dashboard):
        rows = dict(dashboard.get("/settings").rows[1:])
        assert rows["CENSUS_API_VERSION"] == "v1"
        assert rows["RELAY_FOLLOW_INTERVAL"] == "15s"
        assert rows["RELAY_DRY_RUN"] == "false"
        assert rows["RELAY_URL"] == "—"

    def test_shows_no_secret(self, dashboard, dashboard_settings):
        shown = dashboard.get("/settings")
        data = dashboard.json("/settings.json")
        rows = dict(shown.rows[1:])
        assert rows["RELAY_ADMIN_TOKEN"] == rows["CENSUS_API_KEY"] == "***"
        assert rows["RELAY_DATABASE_URL"] == "***"
        assert data["settings"]["DBT_CLOUD_WEBHOOK_SECRETS"] == ["***"]
        assert len(dashboard_settings.secrets) > 4
        for secret in dashboard_settings.secrets:
            assert secret.reveal() not in shown.html
            assert secret.reveal() not in str(data)

    def test_says_what_cannot_be_read_any_more(self, app_with, dashboard_settings, tmp_path):
        environment = dict(dashboard_settings.environment)
        del environment["CENSUS_API_KEY"]
        environment["CENSUS_API_KEY_FILE"] = str(tmp_path / "gone")
        visitor = Dashboard(app_with(environment=environment))
        visitor.log_in()
        assert "gone cannot be read" in visitor.get("/settings").text
