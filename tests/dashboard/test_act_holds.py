"""Holding, releasing, muting and unmuting from the dashboard."""

import uuid
from datetime import timedelta

import pytest
from sandbox_runs import night

HOLD = "/act/hold?sync=default/5123"
MUTE = "/act/mute?sync=default/5123"


def test_a_hold_makes_triggers_wait_until_the_release(one, dashboard, sandbox):
    assert "held until it is released: audit" in dashboard.act(HOLD, why="audit").text
    one.deliver(night())
    one.work()
    assert sandbox.census.sync_runs == []
    preview = dashboard.get("/act/release?sync=default/5123")
    assert "held until it is released by Ada (audit)" in preview.text
    assert "released" in dashboard.act("/act/release?sync=default/5123").text
    one.work()
    assert len(sandbox.census.sync_runs) == 1


@pytest.mark.parametrize(
    ("query", "subject", "key"),
    [
        ("all=yes", "all syncs", (None, None)),
        ("workspace=default", "all syncs of default", ("default", None)),
        ("sync=5123", "sync 5123", ("default", 5123)),
    ],
)
def test_one_sync_those_of_a_workspace_or_all(one, dashboard, sql, query, subject, key):
    assert f"hold: {subject}" in dashboard.act(f"/act/hold?{query}").text
    assert sql("SELECT workspace, sync_id FROM relay.holds") == [key]
    assert f"release: {subject}" in dashboard.act(f"/act/release?{query}").text


def test_for_a_time_or_until_one_in_utc(one, dashboard, sql, clock):
    dashboard.act(HOLD, **{"for": "4h"})
    assert sql("SELECT until FROM relay.holds") == [(clock() + timedelta(hours=4),)]
    later = clock() + timedelta(days=2)
    dashboard.act(HOLD, until=f"{later:%Y-%m-%dT%H:%M}")
    ((until,),) = sql("SELECT until FROM relay.holds")
    assert until == later.replace(second=0, microsecond=0)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"for": "4h", "until": "18:00"}, "either for how long, or until when"),
        ({"for": "soon"}, "expected a duration"),
        ({"until": "soon"}, "expected a time"),
        ({"until": "2020-01-01T00:00"}, "this time is over already"),
        ({"until": "9999-12-31T23:59"}, "at most 365 days ahead"),
        ({"for": "9" * 200}, "expected a duration"),
    ],
)
def test_a_wrong_end_is_refused_and_what_was_given_is_kept(one, dashboard, sql, given, problem):
    shown = dashboard.act(HOLD, **given, why="an audit", expect=400)
    assert problem in shown.text
    assert shown.fields["why"] == "an audit"
    assert {name: shown.fields[name] for name in given} == given
    assert sql("SELECT count(*) FROM relay.holds") == [(0,)]
    assert sql("SELECT count(*) FROM relay.actions") == [(0,)]


@pytest.mark.parametrize("query", ["", "sync=5123&all=yes", "sync=x", "all="])
def test_it_must_say_what(one, dashboard, query):
    dashboard.get(f"/act/hold?{query}", expect=400)
    dashboard.get(f"/act/release?{query}", expect=400)


@pytest.mark.parametrize("query", ["sync=5999", "workspace=emea"])
def test_what_the_mapping_does_not_have_is_not_held(one, dashboard, sql, query):
    assert "the mapping file has no" in dashboard.get(f"/act/hold?{query}").text
    name, _, value = query.partition("=")
    form = {"nonce": dashboard.get(HOLD).fields["nonce"], name: value}
    assert dashboard.post("/act/hold", **form).status_code == 400
    assert sql("SELECT count(*) FROM relay.holds") == [(0,)]


def test_what_is_not_held_is_not_released(one, dashboard):
    assert "There is no such hold." in dashboard.get("/act/release?sync=5123").text
    dashboard.act(HOLD)
    form = dashboard.get("/act/release?sync=5123").fields
    dashboard.act("/act/release?sync=5123")
    result = dashboard.get(dashboard.post("/act/release", **form | {"nonce": "0" * 32}).location)
    assert "Nothing was done." in result.text
    assert "no such hold is open" in result.text


def test_what_somebody_has_held_since_the_preview_is_neither_changed_nor_released(
    one, dashboard, sql
):
    dashboard.act(HOLD, why="audit")
    release = dashboard.get("/act/release?sync=5123").fields
    dashboard.act("/act/release?sync=5123")
    one.work()
    hold = dashboard.get(HOLD).fields
    dashboard.act(HOLD, why="incident")
    for path, form in (("/act/release", release), ("/act/hold", hold | {"for": "1h"})):
        answer = dashboard.post(path, **form | {"nonce": uuid.uuid4()})
        assert answer.status_code == 400
        assert "it has changed meanwhile: it is held until" in answer.text
    assert sql("SELECT until, why FROM relay.holds WHERE released_by IS NULL") == [
        (None, "incident")
    ]


def test_a_release_says_what_stays_held(one, dashboard):
    dashboard.act("/act/hold?all=yes")
    dashboard.act(HOLD)
    assert "stays held" in dashboard.get("/act/release?sync=5123").text
    assert "still held: all syncs" in dashboard.act("/act/release?sync=5123").text


def test_a_mute_has_an_end(one, dashboard, sql, clock):
    assert "say when it ends" in dashboard.act(MUTE, expect=400).text
    assert "muted until" in dashboard.act(MUTE, **{"for": "4h"}, why="known").text
    assert sql("SELECT until, why, muted_by FROM relay.mutes") == [
        (clock() + timedelta(hours=4), "known", "Ada")
    ]
    assert "by Ada (known): this changes it" in dashboard.get(MUTE).text


def test_unmute(one, dashboard, sql):
    unmute = "/act/unmute?sync=default/5123"
    assert "It is not muted." in dashboard.get(unmute).text
    dashboard.act(MUTE, **{"for": "4h"})
    assert "what is still wrong with it is told" in dashboard.act(unmute).text
    assert sql("SELECT count(*) FROM relay.mutes") == [(0,)]
