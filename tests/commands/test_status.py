"""`relay status`: is relay ready, what needs attention, what came and what is running."""

import json
import os
import re
from datetime import UTC, datetime

import psycopg
import pytest
from mappings import mapping_text, sync_entry
from psycopg.conninfo import conninfo_to_dict
from sandbox_runs import night
from terminals import Terminal

from relay.sandbox import story
from relay.sandbox.wire import Status
from relay.worker import tasks

UNTIL = "read dbt Cloud's runs until 20"
FIRST, SECOND = story.FIRST_DBT_RUN_ID, story.FIRST_DBT_RUN_ID + 1


@pytest.fixture(name="here")
def _here(relay, settings):
    return {
        name: settings.environment[name]
        for name in ("RELAY_DATABASE_URL", "RELAY_DATA_DIR", "RELAY_MAPPING")
    }


def sections(text):
    """The lines of each section but the head's, by its title."""
    _, *others = text.rstrip().split("\n\n")
    return {first: rest for first, *rest in (each.splitlines() for each in others)}


def head(text):
    """What stands behind each name of the head."""
    return {line[2:17].strip(): line[17:] for line in text.split("\n\n")[0].splitlines()[1:]}


def a_worker_lives(relay):
    relay.sql("INSERT INTO procrastinate_workers DEFAULT VALUES")


class TestTheHead:
    def test_says_that_relay_is_ready(self, command, relay, here):
        a_worker_lives(relay)
        relay.deliver(night())
        result = command("status", **here)
        assert result.exit_code == 0
        assert result.stdout.startswith("relay is ready\n")
        said = head(result.stdout)
        assert said["database"] == "ok"
        assert said["mapping"] == f"ok, 4 syncs in {here['RELAY_MAPPING']}"
        assert said["worker"].startswith("ok, seen ")
        assert said["last delivery"].endswith(" s ago")

    def test_says_what_is_missing(self, command, relay, here, mapping):
        mapping.write_text("version: 1\nsyncs: 5\n")
        result = command("status", **here)
        assert result.exit_code == 0
        assert result.stdout.startswith("relay is not ready\n")
        said = head(result.stdout)
        assert said["mapping"] == "1 to fix: `relay check` lists them"
        assert said["worker"] == "there is none: `relay up` or `relay worker` starts one"
        assert said["last delivery"] == "none yet"

    def test_says_that_deliveries_cannot_be_stored(self, command, relay, here):
        a_worker_lives(relay)
        name = relay.sql("SELECT current_database()")[0][0]
        relay.sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        result = command("status", **here)
        assert result.stdout.startswith("relay is not ready\n")
        assert head(result.stdout)["database"].startswith("deliveries cannot be stored: cannot ")

    def test_says_that_a_worker_is_silent(self, command, relay, here):
        relay.sql(
            "INSERT INTO procrastinate_workers (last_heartbeat)"
            " VALUES (now() - interval '3 minutes')"
        )
        assert head(command("status", **here).stdout)["worker"].startswith("silent for 18")

    def test_says_how_far_catching_up_is(self, command, relay, here, sandbox):
        assert head(command("status", **here).stdout)["last catch-up"] == "not yet"
        relay.start()
        relay.tick(3600)
        relay.round()
        assert head(command("status", **here).stdout)["last catch-up"].startswith(UNTIL)
        never = head(command("status", **here, RELAY_CATCH_UP_INTERVAL="0").stdout)["last catch-up"]
        assert never == "never: RELAY_CATCH_UP_INTERVAL is 0"

    def test_names_census_api_version_as_a_worker_found_it(self, command, here, relay):
        assert head(command("status", **here).stdout)["Census API"].startswith("auto: not found")
        relay.services.store.census_versions.record("default", "v2", at=relay.clock())
        assert head(command("status", **here).stdout)["Census API"] == "v2"

    def test_names_census_api_version_and_its_end(self, command, here, mapping):
        days = (datetime(2027, 1, 15, tzinfo=UTC).date() - datetime.now(UTC).date()).days
        v1 = head(command("status", **here, CENSUS_API_VERSION="v1").stdout)["Census API"]
        when = f"is retired by its vendor on 2027-01-15, in {days} days"
        assert v1.startswith(f"v1, which {when}" if days > 1 else "v1, which ")
        assert head(command("status", **here, CENSUS_API_VERSION="v2").stdout)["Census API"] == "v2"
        workspace = {"api_key_env": "CENSUS_API_KEY_EMEA", "api_version": "v2"}
        mapping.write_text(
            mapping_text(
                sync_entry(1, "a"),
                sync_entry(2, "b", workspace="emea"),
                workspaces={"emea": workspace},
            )
        )
        of_both = head(command("status", **here, CENSUS_API_VERSION="v1").stdout)["Census API"]
        assert of_both == f"{v1}, v2 (emea)"


class TestTheSections:
    def test_show_deliveries_triggers_and_open_sync_runs(self, command, relay, here, sandbox):
        relay.deliver(night())
        relay.work()
        sandbox.census.finish(90001)
        relay.tick(15)
        relay.work()
        said = sections(command("status", **here).stdout)
        assert list(said) == ["Newest deliveries", "Newest triggers", "Open sync runs"]
        assert said["Newest deliveries"][0].split() == [
            *("received", "dbt", "run", "status", "delivery")
        ]
        (trigger,) = [line for line in said["Newest triggers"] if "  90001  " in line]
        assert re.search(r"  512\d \w+ to \w", trigger)
        assert trigger.endswith(f"{FIRST}  90001     completed")
        assert all("working" in line or "queued" in line for line in said["Open sync runs"][2:])
        assert said["Open sync runs"][0].split()[-1] == "polls"

    def test_are_left_out_where_they_have_no_rows(self, command, here):
        result = command("status", **here)
        assert sections(result.stdout) == {}
        assert "none\n" not in result.stdout.partition("last delivery")[0]

    def test_show_until_when_a_cool_down_lasts(self, command, relay, here, sandbox):
        relay.map(mapping_text(sync_entry(5123, "customers", at_most_every="30m")))
        for number in (0, 1):
            relay.deliver(night(number))
            relay.work()
            relay.finish_sync_runs()
        until = relay.sql("SELECT max(due_at) FROM relay.triggers")[0][0]
        (newest, _) = sections(command("status", **here).stdout)["Newest triggers"][2:]
        assert f"cooling down until {until.astimezone():%Y-%m-%d %H:%M:%S}" in newest
        output = json.loads(command("status", "--json", **here).stdout)["triggers"]
        assert [each["until"] is None for each in output] == [False, True]

    def test_show_a_manual_trigger_and_a_sync_without_a_name(self, command, relay, here):
        relay.map(mapping_text(sync_entry(5123, "customers")))
        command("trigger", "5123", **here)
        (line,) = sections(command("status", **here).stdout)["Newest triggers"][2:]
        assert line.split()[2:] == ["5123", "manual", "waiting"]


class TestWhatNeedsAttention:
    def test_is_what_was_given_up_or_refused(self, command, relay, here, sandbox):
        relay.map(mapping_text(sync_entry(5123, "customers", name="customers to CRM")))
        sandbox.census.fail_next("/trigger", Status(422))
        relay.deliver(night())
        relay.work()
        sandbox.dbt_cloud.fail_next("/runs/", Status(503), times=1000)
        relay.deliver(night(1))
        relay.work_for(40 * 60)
        text = command("status", **here).stdout
        assert next(iter(sections(text))) == "Needs attention"
        run, sync, hint = sections(text)["Needs attention"][2:]
        assert f"  retries exhausted  {SECOND}  " in run
        assert f"  refused            {FIRST}  5123 customers to CRM  " in sync
        assert "HTTP 422" in sync
        assert "relay replay --run" in hint
        run, sync = json.loads(command("status", "--json", **here).stdout)["given_up"]
        assert (run["dbt_run_id"], run["sync_id"]) == (SECOND, None)
        assert (sync["dbt_run_id"], sync["sync_id"]) == (FIRST, 5123)

    def test_is_a_sync_run_that_was_abandoned_until_a_later_one_completes(
        self, command, relay, here, sandbox
    ):
        relay.map(mapping_text(sync_entry(5123, "customers")))
        sandbox.census.fail_next("/sync_runs/", Status(404))
        relay.deliver(night())
        relay.work_for(15)
        (line,) = sections(command("status", **here).stdout)["Needs attention"][2:]
        assert line.split()[2:5] == ["abandoned", "5123", "90001"]
        relay.deliver(night(1))
        sandbox.census.finish(90001)
        relay.work()
        relay.finish_sync_runs()
        relay.work_for(15)
        assert "Needs attention" not in command("status", **here).stdout

    def test_is_what_no_worker_has_taken_up_for_ten_minutes(self, command, relay, here):
        relay.deliver(night())
        assert "Needs attention" not in command("status", **here).stdout
        relay.sql("UPDATE procrastinate_events SET at = at - interval '11 minutes'")
        (line,) = sections(command("status", **here).stdout)["Needs attention"][2:]
        assert line.split()[2:4] == ["stuck", str(FIRST)]
        (output,) = json.loads(command("status", "--json", **here).stdout)["stuck"]
        assert (output["dbt_run_id"], output["sync_id"]) == (FIRST, None)

    @pytest.mark.parametrize(("silent", "is_stuck"), [("5 minutes", True), ("5 seconds", False)])
    def test_is_what_a_worker_that_died_has_begun(self, command, relay, here, silent, is_stuck):
        relay.deliver(night())
        relay.work()
        relay.sql(
            "WITH worker AS (INSERT INTO procrastinate_workers (last_heartbeat)"
            " VALUES (now() - %s::interval) RETURNING id)"
            " UPDATE procrastinate_jobs SET status = 'doing', worker_id = worker.id,"
            " scheduled_at = now() - interval '11 minutes' FROM worker"
            " WHERE args ->> 'attempt_id' = '1'",
            silent,
        )
        relay.sql("UPDATE procrastinate_events SET at = at - interval '2 days'")
        said = sections(command("status", **here).stdout)
        assert ("Needs attention" in said) is is_stuck
        assert not is_stuck or re.search(r"  512\d \w+ to \w", said["Needs attention"][-1])


class TestJson:
    def test_has_the_rows_and_the_head(self, command, relay, here):
        relay.deliver(night())
        relay.work()
        output = json.loads(command("status", "--json", **here).stdout)
        (delivery,) = output["deliveries"]
        assert delivery["dbt_run_id"] == FIRST
        assert {trigger["state"] for trigger in output["triggers"]} == {"running"}
        assert len(output["open_sync_runs"]) == 4
        assert output["triggers"][0].keys() >= {"sync_id", "sync_name", "sync_run_id", "until"}
        assert output["open_sync_runs"][0].keys() >= {"begun_at", "looks", "status"}
        assert output["lost_log_lines"] == []
        assert output["ready"] is False
        assert [check["name"] for check in output["checks"]] == ["database", "mapping", "worker"]
        assert output["census"] == [{"workspace": "default", "api_version": None, "ends_on": None}]


class TestOnATerminal:
    def test_has_colours_unless_no_color_is_set(self, relay, here):
        a_worker_lives(relay)
        coloured = Terminal("status", **here)
        assert coloured.end() == 0
        assert coloured.shown.startswith("relay is \x1b[32mready\x1b[0m\n")
        plain = Terminal("status", **here, NO_COLOR="1")
        assert plain.end() == 0
        assert plain.shown.startswith("relay is ready\n")

    def test_fits_its_width(self, relay, here, sandbox):
        relay.map(mapping_text(sync_entry(5123, "customers", name="all customers " * 5)))
        sandbox.census.fail_next("/trigger", Status(422))
        relay.deliver(night())
        relay.work()
        terminal = Terminal("status", columns=80, **here)
        assert terminal.end() == 0
        tables = terminal.text.partition("\n\n")[2]
        assert max(map(len, tables.splitlines())) <= 80
        assert tables.count("customers") == 3 * 5

    def test_watch_draws_it_again_until_ctrl_c(self, relay, here):
        terminal = Terminal("status", "--watch", rows=12, **here)
        terminal.wait_for(lambda seen: seen.shown.count("relay is ") == 1)
        relay.deliver(night())
        terminal.wait_for(lambda seen: "Newest deliveries" in seen.text)
        terminal.interrupt()
        assert terminal.end() == 0
        assert "Traceback" not in terminal.text
        last = terminal.text.rpartition("relay is ")[2].rstrip("\n")
        assert len(last.splitlines()) <= 11

    def test_watch_survives_a_database_that_goes_away(self, here, postgres, database):
        name = conninfo_to_dict(database.conninfo)["dbname"]
        terminal = Terminal("status", "--watch", **here)
        terminal.wait_for(lambda seen: "relay is " in seen.text)
        with psycopg.connect(postgres, autocommit=True) as server:
            server.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")
            terminal.wait_for(lambda seen: "The database: it does not answer" in seen.text)
            server.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true")
        terminal.wait_for(lambda seen: "relay is " in seen.text.rpartition("The database")[2])
        terminal.interrupt()
        assert terminal.end() == 0


class TestWithoutATerminal:
    @pytest.mark.parametrize(
        ("words", "said"),
        [(("--watch",), "--watch needs a terminal"), (("--watch", "--json"), "for programs")],
    )
    def test_watch_is_refused(self, command, here, words, said):
        result = command("status", *words, **here)
        assert result.exit_code == 2
        assert said in result.stderr

    def test_cells_are_not_shortened(self, command, relay, here, monkeypatch):
        monkeypatch.setitem(os.environ, "COLUMNS", "40")
        relay.deliver(night())
        relay.work()
        assert "5125 revenue to Google Sheets  " in command("status", **here).stdout


def test_exits_with_1_and_an_explanation_if_the_database_is_gone(command):
    result = command("status", RELAY_DATABASE_URL="postgresql://u:s3cr3t@127.0.0.1:1/x")
    assert result.exit_code == 1
    assert "the database" in result.stderr
    assert "s3cr3t" not in result.output


class TestDrift:
    TITLE = "Differences from Census and dbt"

    @pytest.fixture(name="drifted")
    def _drifted(self, relay, sandbox):
        relay.deliver(night())
        relay.map(mapping_text(sync_entry(5123, "customers", name="customers to CRM")))
        sandbox.census.change_sync(5123, paused=True)
        tasks.check_drift(relay.services)
        return relay

    def test_is_one_line_for_each_finding_problems_first(self, command, drifted, here):
        said = sections(command("status", **here).stdout)[self.TITLE]
        paused, name, *unmapped, hint = said[2:]
        assert re.search(r"sync paused +5123 customers to CRM +sync 5123 is paused", paused)
        assert "name differs" in name or "sync unmapped" in name
        assert len(unmapped) == 3
        assert "relay check --online" in hint

    def test_is_in_the_json(self, command, drifted, here):
        rows = json.loads(command("status", "--json", **here).stdout)["drift"]
        assert rows[0]["kind"] == "sync_paused"
        assert rows[0]["severity"] == "problem"

    def test_is_gone_when_it_is_mended(self, command, drifted, here, sandbox):
        drifted.map(story.MAPPING)
        sandbox.census.change_sync(5123, paused=False)
        tasks.check_drift(drifted.services)
        assert self.TITLE not in sections(command("status", **here).stdout)
