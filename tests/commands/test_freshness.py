"""`relay freshness`: the worst first, for people and as JSON; and the stored state derived anew."""

import json

import pytest
from mappings import mapping_text, sync_entry
from sandbox_runs import night

from relay.worker.tasks import prune

MAPPING = mapping_text(
    sync_entry(
        5123, "customers", name="customers to Salesforce", owner="sales-ops", fresh_within="2h"
    ),
    sync_entry(5124, "orders"),
    sync_entry(5125, "nobody_builds_it"),
)


@pytest.fixture(name="night")
def _night(relay):
    """Syncs 5123 and 5124 run for the night; nothing was seen of 5125."""
    relay.map(MAPPING)
    relay.deliver(night())
    relay.work()


@pytest.fixture(name="behind")
def _behind(sql):
    """A sync has been behind for so many hours."""

    def behind(sync_id, hours):
        sql(
            "UPDATE relay.sync_states SET behind_since = now() - make_interval(hours => %s)"
            " WHERE sync_id = %s",
            *(hours, sync_id),
        )

    return behind


@pytest.mark.usefixtures("night")
class TestFreshness:
    def test_shows_the_worst_first(self, command, here, behind):
        behind(5123, 3)
        behind(5124, 40)
        printed = command("freshness", **here)
        assert printed.exit_code == 1
        assert [line.split()[0] for line in printed.stdout.splitlines()[2:5]] == [
            "5123",
            "5124",
            "5125",
        ]
        assert "stale" in printed.stdout
        assert "3 h, limit 2h" in printed.stdout
        assert printed.stdout.endswith("3 syncs: 1 stale, 1 behind.\n")

    def test_prints_json(self, command, here, behind):
        behind(5123, 1)
        printed = command("freshness", "--json", **here)
        assert printed.exit_code == 0
        rows = {row["sync_id"]: row for row in json.loads(printed.stdout)}
        assert rows[5123]["state"] == "behind"
        assert rows[5123]["because"] == "running"
        assert rows[5123]["owner"] == "sales-ops"
        assert rows[5123]["fresh_within"] == 7200
        assert rows[5123]["behind_seconds"] // 60 == 60
        assert (rows[5125]["state"], rows[5125]["last_rebuilt_at"]) == ("unknown", None)

    def test_is_fresh_after_the_sync_run_with_its_lag(self, command, here, relay):
        relay.tick(120)
        relay.finish_sync_runs()
        relay.work_for(16)
        rows = {
            row["sync_id"]: row for row in json.loads(command("freshness", "--json", **here).stdout)
        }
        assert [rows[5123][key] for key in ("state", "because", "last_outcome")] == [
            "fresh",
            None,
            "completed",
        ]
        assert round(rows[5123]["lag"]) == 120

    def test_says_that_waiting_triggers_of_a_held_sync_are_held(self, command, here, relay):
        relay.finish_sync_runs()
        relay.work_for(16)
        assert command("hold", "5123", **here).exit_code == 0
        relay.tick(60)
        relay.deliver(night(1))
        relay.work()
        rows = {
            row["sync_id"]: row for row in json.loads(command("freshness", "--json", **here).stdout)
        }
        assert rows[5123]["because"] == "held"
        assert rows[5124]["because"] == "running"

    def test_rebuild_finds_nothing_if_nothing_is_wrong(self, command, here):
        printed = command("freshness", "--rebuild", **here)
        assert printed.exit_code == 0
        assert "as its decisions and sync runs say" in printed.stdout

    def test_rebuild_puts_right_what_is_wrong_and_says_so(self, command, here, sql):
        sql("UPDATE relay.sync_states SET behind_since = NULL WHERE sync_id = 5124")
        printed = command("freshness", "--rebuild", **here)
        assert printed.exit_code == 1
        assert printed.stdout.startswith("sync 5124: not behind; corrected: behind since ")
        assert command("freshness", "--rebuild", "--json", **here).stdout == "[]\n"


def test_a_worker_that_deletes_old_rows_puts_right_what_is_wrong(relay, events, sql):
    relay.map(MAPPING)
    relay.deliver(night())
    relay.work()
    sql("UPDATE relay.sync_states SET because = NULL, behind_since = NULL WHERE sync_id = 5123")
    prune(relay.services)
    (line,) = events("freshness.corrected")
    assert (line["sync_id"], line["before"], line["because"]) == (5123, None, "running")


def test_without_a_database_it_says_so(command, tmp_path):
    printed = command("freshness", RELAY_DATA_DIR=str(tmp_path / "none"))
    assert printed.exit_code == 1
    assert "No relay database" in printed.stderr
