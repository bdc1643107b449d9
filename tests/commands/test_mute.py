"""`relay mute` and `relay unmute`, and where alerts and mutes are shown."""

import json
from datetime import UTC, datetime, timedelta

import pytest


@pytest.fixture(name="an_alert")
def _an_alert(sql):
    sql(
        "INSERT INTO relay.alerts (event, workspace, sync_id, detail, opened_at)"
        " VALUES ('failing', 'default', 5123, '{}', now())"
    )


class TestMute:
    def test_says_until_when_and_records_who_and_why(self, command, one, here):
        before = datetime.now(UTC)
        given = ("--for", "4h", "--why", "a\tbackfill", "--by", "ana")
        result = command("mute", "5123", *given, **here)
        assert result.exit_code == 0
        assert result.stdout.startswith("sync 5123: muted until ")
        (muted,) = one.services.store.mutes.open(now=before)
        assert (muted.key, muted.why, muted.by) == (("default", 5123), "a backfill", "ana")
        assert timedelta(hours=4) <= muted.until - before < timedelta(hours=4, minutes=1)

    def test_mutes_again_to_change_it(self, command, one, here):
        now = datetime.now(UTC)
        command("mute", "5123", "--for", "4h", **here)
        printed = command("mute", "5123", "--for", "1h", "--why", "shorter", "--json", **here)
        assert json.loads(printed.stdout)["why"] == "shorter"
        (muted,) = one.services.store.mutes.open(now=now)
        assert muted.until - now < timedelta(hours=2)
        assert muted.since - now < timedelta(minutes=1)

    @pytest.mark.usefixtures("one")
    @pytest.mark.parametrize(
        ("words", "problem"),
        [
            (("5123",), "say when it ends: either --for or --until"),
            (("5123", "--for", "1h", "--until", "18:00"), "either --for or --until"),
            (("5123", "--until", "2026-01-01T00:00Z"), "--until is over already"),
        ],
    )
    def test_needs_one_end_that_is_ahead(self, command, here, words, problem):
        result = command("mute", *words, **here)
        assert result.exit_code == 2
        assert problem in result.stderr

    @pytest.mark.usefixtures("one")
    def test_refuses_a_sync_that_is_not_mapped(self, command, here):
        result = command("mute", "5132", "--for", "1h", **here)
        assert result.exit_code == 1
        assert "did you mean 5123" in result.stderr


class TestUnmute:
    @pytest.mark.usefixtures("one")
    def test_ends_it_once(self, command, here):
        command("mute", "5123", "--for", "4h", **here)
        result = command("unmute", "5123", **here)
        assert (result.exit_code, result.stdout) == (
            0,
            "sync 5123: unmuted; what is still wrong with it is told\n",
        )
        result = command("unmute", "5123", **here)
        assert (result.exit_code, result.stdout) == (
            1,
            "sync 5123: is not muted, see `relay status`\n",
        )

    @pytest.mark.usefixtures("one")
    def test_of_a_mute_whose_time_is_up_says_so(self, command, here, sql):
        command("mute", "5123", "--for", "4h", **here)
        sql("UPDATE relay.mutes SET until = now() - interval '1 s'")
        assert command("unmute", "5123", **here).exit_code == 1


class TestStatus:
    @pytest.mark.usefixtures("one", "an_alert")
    def test_shows_open_alerts_and_mutes(self, command, here, sql):
        command("mute", "5123", "--for", "4h", "--why", "backfill", "--by", "ana", **here)
        shown = command("status", **here).stdout
        alerts = shown.partition("Open alerts")[2].partition("\n\n")[0]
        assert "failing" in alerts
        assert "5123" in alerts
        muted = shown.partition("Muted")[2]
        assert "backfill" in muted
        assert "`relay unmute` ends a mute." in muted
        report = json.loads(command("status", "--json", **here).stdout)
        assert report["alerts"][0]["event"] == "failing"
        assert report["alerts"][0]["muted_until"] == report["mutes"][0]["until"]
        sql("UPDATE relay.alerts SET resolved_at = now()")
        assert "Open alerts" not in command("status", **here).stdout
