"""The commands speak to a person: words, exit statuses, JSON for a pipe, never a traceback."""

import json
import threading
import uuid

import pytest
from click.testing import CliRunner
from psycopg.conninfo import conninfo_to_dict
from werkzeug.serving import make_server

from relay.cli import main
from relay.decision.judge import Reason
from relay.postgres.connections import asking
from relay.sandbox import story
from relay.sandbox.command import environment
from relay.sandbox.dbt_runs import SandboxRun, invoke
from relay.sandbox.recordings import load
from relay.sandbox.wire import Status
from relay.store import Delivery, Store
from relay.web.app import create_app
from relay.web.health import Health
from relay.web.recorder import Recorder

WHOLE = environment("https://ab123.us1.dbt.com", "https://app.getcensus.com")


@pytest.fixture(name="command")
def _command(monkeypatch):
    """Run a command with nothing in its environment but what is given."""
    for name in [*WHOLE, "RELAY_DATABASE_URL", "DATABASE_URL", "RELAY_MAPPING"]:
        monkeypatch.delenv(name, raising=False)

    def run(*words, **variables):
        return CliRunner().invoke(main, words, env=variables, catch_exceptions=False)

    return run


@pytest.fixture(name="mapping")
def _mapping(tmp_path):
    path = tmp_path / "syncs.yml"
    path.write_text(story.MAPPING)
    return path


class TestCheck:
    def test_is_content_with_what_is_right(self, command, mapping):
        result = command("check", RELAY_MAPPING=str(mapping), **WHOLE)
        assert result.exit_code == 0
        assert f"{mapping}: 4 syncs, no problem" in result.stdout
        assert "v1 is retired by its vendor on 2027-01-15" in result.stderr

    def test_tells_bad_settings_and_a_bad_mapping_together_and_ends_with_2(self, command, mapping):
        mapping.write_text("version: 1\nsyncs: 5\n")
        result = command("check", RELAY_MAPPING=str(mapping), PORT="none")
        assert result.exit_code == 2
        for said in (
            "PORT:",
            "DBT_CLOUD_TOKEN: is not set",
            f"{mapping}:2:1: syncs: expected a list",
        ):
            assert said in result.stderr

    def test_ends_with_1_for_a_bad_mapping(self, command, mapping):
        mapping.write_text("version: 1\nsyncs: 5\n")
        assert command("check", RELAY_MAPPING=str(mapping), **WHOLE).exit_code == 1

    def test_looks_for_the_keys_of_the_workspaces(self, command, mapping):
        mapping.write_text(
            "version: 1\nsyncs:\n  - {sync_id: 1, depends_on: [a], workspace: emea}\n"
            "workspaces:\n  emea: {api_key_env: CENSUS_API_KEY_EMEA}\n"
        )
        result = command("check", RELAY_MAPPING=str(mapping), **WHOLE)
        assert result.exit_code == 1
        assert "CENSUS_API_KEY_EMEA: is not set" in result.stderr
        whole = WHOLE | {"CENSUS_API_KEY_EMEA": "a-key", "RELAY_MAPPING": str(mapping)}
        assert command("check", **whole).exit_code == 0

    def test_looks_at_one_file_alone_if_one_is_named(self, command, mapping):
        assert command("check", str(mapping)).exit_code == 0
        assert command("check", str(mapping) + ".gone").exit_code == 1

    def test_takes_a_warning_for_a_problem_if_it_is_strict(self, command, mapping):
        here = WHOLE | {"RELAY_MAPPING": str(mapping)}
        result = command("check", "--strict", **here)
        assert result.exit_code == 1
        assert result.stderr.startswith("CENSUS_API_VERSION: v1 is retired")
        assert command("check", "--strict", **here | {"CENSUS_API_VERSION": "v2"}).exit_code == 0
        assert command("check", "--strict", **here | {"PORT": "none"}).exit_code == 2

    def test_speaks_json_for_a_pipe(self, command, mapping):
        told = json.loads(command("check", str(mapping), "--json").stdout)
        assert told == {
            "mapping": str(mapping),
            "syncs": 4,
            "problems": [],
            "warnings": [],
            "exit_status": 0,
        }


class TestConfig:
    def test_shows_what_is_in_effect_with_the_secrets_masked(self, command):
        result = command("config", **WHOLE)
        assert result.exit_code == 0
        assert "DBT_CLOUD_TOKEN=***" in result.stdout
        assert "RELAY_FOLLOW_DEADLINE=6h" in result.stdout
        assert story.DBT_TOKEN not in result.output

    def test_speaks_json_for_a_pipe(self, command):
        told = json.loads(command("config", "--json", **WHOLE).stdout)
        assert told["CENSUS_API_KEY"] == "***"
        assert told["PORT"] == 8080

    def test_ends_with_2_and_words_for_bad_settings(self, command):
        result = command("config", PORT="none", RELAY_LOG_FORMAT="xml")
        assert result.exit_code == 2
        assert "PORT: expected a positive number" in result.stderr
        assert "RELAY_LOG_FORMAT: expected one of" in result.stderr
        assert "Traceback" not in result.output


class TestCheckWithAManifest:
    @pytest.fixture(name="manifest")
    def _manifest(self, tmp_path):
        path = tmp_path / "manifest.json"
        path.write_bytes(load("build").manifest)
        return path

    def check(self, command, mapping, manifest, *words, options=""):
        listed = ", ".join(f"'{word}'" for word in words)
        mapping.write_text(
            "version: 1\nsyncs:\n  - sync_id: 1\n    depends_on: [customers]\n"
            f"  - sync_id: 2\n    depends_on: [{listed}]\n"
        )
        return command("check", str(mapping), "--manifest", str(manifest), *options.split())

    def test_is_content_where_every_word_selects_something(self, command, mapping, manifest):
        result = self.check(command, mapping, manifest, "tag:crm", "+fct_revenue", "dim_accounts")
        assert (result.exit_code, result.stderr) == (0, "")

    def test_ends_with_1_for_words_that_select_nothing(self, command, mapping, manifest):
        result = self.check(command, mapping, manifest, "no_such", "tag:crm,tag:nobody")
        assert result.exit_code == 1
        assert result.stderr.splitlines() == [
            f"{mapping}:6:{place}: '{word}' selects nothing in this project"
            for place, word in (
                ("18: syncs[1].depends_on[0]", "no_such"),
                ("29: syncs[1].depends_on[1]", "tag:crm,tag:nobody"),
            )
        ]

    @pytest.mark.parametrize(
        ("word", "meant"),
        [
            ("custmers", "customers"),
            ("CUSTOMERS", "customers"),
            ("+custmers", "customers"),
            ("tag:crm,custmers", "customers"),
            ("model.jaffle_crm.custmers", "model.jaffle_crm.customers"),
        ],
    )
    def test_asks_about_a_name_that_is_nearly_one(self, command, mapping, manifest, word, meant):
        result = self.check(command, mapping, manifest, word)
        assert result.stderr.endswith(
            f"'{word}' selects nothing in this project; did you mean '{meant}'?\n"
        )

    @pytest.mark.parametrize("word", ["cust*ers_", "tag:custmers", "tag:nobody,customers"])
    def test_asks_about_nothing_else(self, command, mapping, manifest, word):
        result = self.check(command, mapping, manifest, word)
        assert result.stderr.endswith(f"'{word}' selects nothing in this project\n")

    def test_warns_of_a_name_that_two_packages_have(self, command, mapping, manifest):
        with_another = json.loads(manifest.read_text())
        copy = dict(with_another["nodes"]["model.jaffle_crm.customers"])
        copy |= {"unique_id": "model.shop.customers", "package_name": "shop"}
        with_another["nodes"]["model.shop.customers"] = copy
        manifest.write_text(json.dumps(with_another))
        result = self.check(command, mapping, manifest, "model.shop.customers", "dim_accounts")
        assert result.exit_code == 0
        assert result.stderr == (
            f"warning: {mapping}:4:18: syncs[0].depends_on[0]: 'customers' is the name of several: "
            "model.jaffle_crm.customers, model.shop.customers; "
            "write the unique_id if you mean one\n"
        )

    @pytest.mark.parametrize(
        ("word", "said"),
        [
            ("legacy_customers", "is disabled"),
            ("model.jaffle_crm.legacy_customers", "is disabled"),
            ("legacy_*", "selects only what is disabled"),
            ("path:models/marts/legacy_customers.sql", "selects only what is disabled"),
        ],
    )
    def test_tells_a_word_that_is_only_disabled(self, command, mapping, manifest, word, said):
        result = self.check(command, mapping, manifest, "path:models/marts", word)
        assert result.exit_code == 1
        place = f"{mapping}:6:39: syncs[1].depends_on[1]"
        assert result.stderr == f"{place}: '{word}' {said} in this project\n"

    @pytest.mark.parametrize("disabled", [{}, None])
    def test_needs_no_list_of_what_is_disabled(self, command, mapping, manifest, disabled):
        with_another = json.loads(manifest.read_text()) | {"disabled": disabled}
        manifest.write_text(json.dumps(with_another))
        result = self.check(command, mapping, manifest, "legacy_customers")
        assert "'legacy_customers' selects nothing in this project" in result.stderr

    def test_warns_of_a_word_that_selects_very_many(self, command, mapping, manifest):
        words = ["tag:crm", "resource_type:seed"]
        result = self.check(command, mapping, manifest, *words, options="--most 1")
        assert result.exit_code == 0
        assert [line.partition("depends_on")[2] for line in result.stderr.splitlines()] == [
            "[0]: 'tag:crm' selects 6 nodes, more than 1",
            "[1]: 'resource_type:seed' selects 2 nodes, more than 1",
        ]
        assert result.stderr.startswith(f"warning: {mapping}:6:18: syncs[1].depends_on[0]: ")
        assert self.check(command, mapping, manifest, *words, options="--most 6").stderr == ""

    def test_takes_warnings_for_problems_if_it_is_strict(self, command, mapping, manifest):
        strictly = "--most 1 --strict"
        result = self.check(command, mapping, manifest, "tag:crm", options=strictly)
        assert result.exit_code == 1
        assert result.stderr.startswith(f"{mapping}:6:18: syncs[1].depends_on[0]: 'tag:crm'")
        assert "no problem" not in result.stdout
        fine = self.check(command, mapping, manifest, "customers", options=strictly)
        assert (fine.exit_code, fine.stderr) == (0, "")

    def test_prints_all_of_it_as_json(self, command, mapping, manifest):
        words = ["tag:crm", "custmers", "legacy_customers"]
        result = self.check(command, mapping, manifest, *words, options="--most 1 --json")
        told = json.loads(result.stdout)
        assert (result.exit_code, told["exit_status"], told["syncs"]) == (1, 1, 2)
        assert [each.partition("]: ")[2] for each in told["problems"]] == [
            "'custmers' selects nothing in this project; did you mean 'customers'?",
            "'legacy_customers' is disabled in this project",
        ]
        (warning,) = told["warnings"]
        assert "'tag:crm' selects " in warning

    @pytest.mark.parametrize("options", ["--most 0", "--most many"])
    def test_ends_with_2_for_a_bound_that_is_none(self, command, mapping, manifest, options):
        assert self.check(command, mapping, manifest, "a", options=options).exit_code == 2

    @pytest.mark.parametrize("content", [b"<html>", b"{}", None])
    def test_ends_with_1_for_a_manifest_that_is_none(self, command, mapping, manifest, content):
        manifest.unlink() if content is None else manifest.write_bytes(content)
        result = self.check(command, mapping, manifest, "customers")
        assert result.exit_code == 1
        assert result.stderr.startswith(f"{manifest}: ")

    def test_tells_a_bad_mapping_once(self, command, mapping, manifest):
        mapping.write_text("version: 1\nsyncs: 5\n")
        result = command("check", str(mapping), "--manifest", str(manifest))
        assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)


class TestStatus:
    @pytest.fixture(name="here")
    def _here(self, relay, settings):
        return {"RELAY_DATABASE_URL": settings.database_url.reveal()}

    def test_shows_deliveries_triggers_and_open_sync_runs(self, command, relay, here, sandbox):
        relay.deliver(story.nightly_run())
        relay.work()
        sandbox.census.finish(90001)
        relay.tick(15)
        relay.work()
        result = command("status", **here)
        assert result.exit_code == 0
        assert "planned" in result.stdout
        assert "completed" in result.stdout
        assert "queued" in result.stdout or "working" in result.stdout

    def test_speaks_json_for_a_pipe(self, command, relay, here):
        relay.deliver(story.nightly_run())
        relay.work()
        told = json.loads(command("status", "--json", **here).stdout)
        (delivery,) = told["deliveries"]
        assert delivery["dbt_run_id"] == story.FIRST_DBT_RUN_ID
        assert {trigger["state"] for trigger in told["triggers"]} == {"running"}
        assert len(told["open_sync_runs"]) == 4

    def test_of_nothing_says_so(self, command, here):
        assert command("status", **here).stdout.count("none") == 4

    def test_shows_first_what_nobody_will_try_again(self, command, relay, here, sandbox):
        relay.map("version: 1\nsyncs:\n  - {sync_id: 5123, depends_on: [customers]}\n")
        sandbox.census.fail_next("/trigger", Status(422))
        relay.deliver(story.nightly_run())
        relay.work()
        sandbox.dbt_cloud.fail_next("/runs/", Status(503), times=1000)
        relay.deliver(story.nightly_run(story.FIRST_DBT_RUN_ID + 1))
        relay.work_for(40 * 60)
        run, sync = json.loads(command("status", "--json", **here).stdout)["given_up"]
        assert (run["dbt_run_id"], run["sync_id"]) == (story.FIRST_DBT_RUN_ID + 1, None)
        assert (sync["dbt_run_id"], sync["sync_id"]) == (story.FIRST_DBT_RUN_ID, 5123)
        assert "HTTP 422" in sync["problem"]

    def test_of_a_database_that_is_gone_ends_with_1_and_words(self, command):
        result = command("status", RELAY_DATABASE_URL="postgresql://u:s3cr3t@127.0.0.1:1/x")
        assert result.exit_code == 1
        assert "The database" in result.stderr
        assert "s3cr3t" not in result.output


class TestPlanAndExplain:
    @pytest.fixture(name="here")
    def _here(self, relay, settings, sandbox, mapping):
        sandbox.dbt_cloud.add_run(story.nightly_run(recording="build_model_error"))
        return {
            **environment(sandbox.dbt_cloud.url, sandbox.census.url),
            "RELAY_DATABASE_URL": settings.database_url.reveal(),
            "RELAY_DATA_DIR": str(settings.data_dir),
            "RELAY_MAPPING": str(mapping),
        }

    RUN = str(story.FIRST_DBT_RUN_ID)

    def test_plan_shows_what_would_happen_and_does_nothing(self, command, relay, here, sandbox):
        result = command("plan", "--run", self.RUN, **here)
        assert result.exit_code == 0
        lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
        assert lines[0] == f"dbt run {self.RUN}: 13 rebuilt, 7 failed or skipped"
        assert "5126 trigger model.jaffle_crm.fct_tickets" in lines
        assert "5123 withhold: model_failed model.jaffle_crm.customers" in lines
        assert sandbox.census.sync_runs == []
        assert relay.sql("SELECT count(*) FROM relay.decisions") == [(0,)]
        assert relay.sql("SELECT count(*) FROM relay.dbt_runs") == [(0,)]

    def test_plan_says_what_the_worker_then_does(self, command, relay, here):
        told = json.loads(command("plan", "--run", self.RUN, "--json", **here).stdout)
        relay.deliver(story.nightly_run(recording="build_model_error"))
        relay.work()
        planned = {(each["sync_id"], each["reason"]) for each in told["verdicts"]}
        assert planned == set(relay.sql("SELECT sync_id, reason FROM relay.decisions"))
        again = json.loads(command("plan", "--run", self.RUN, "--json", **here).stdout)
        assert again == told, "also of a run that was decided on already"

    def test_plan_of_a_ci_run_says_that_it_never_counts(self, command, here, sandbox):
        ci = SandboxRun.of(invoke("dbt build", load("build")), dbt_run_id=9, job_type="ci")
        sandbox.dbt_cloud.add_run(ci)
        told = command("plan", "--run", "9", **here).stdout
        assert told == "dbt run 9 never counts: ci_job\n"
        told = command("explain", "--sync", "5123", "--run", "9", **here).stdout
        assert told.endswith("\nthe run never counts: ci_job\n")

    def test_explain_tells_each_condition_and_what_was_seen(self, command, relay, here):
        result = command("explain", "--sync", "5123", "--run", self.RUN, **here)
        lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
        assert lines[0] == f"sync 5123, dbt run {self.RUN}, as it would be decided now"
        assert "job_not_listed no job 278164; every one counts" in lines
        assert "run_cancelled no the run ended in error" in lines
        assert "model_failed yes model.jaffle_crm.customers: skipped" in lines
        assert lines[-2:] == ["withheld: model_failed", "model.jaffle_crm.customers"]

    def test_explain_tells_a_decision_as_it_was_seen_then(self, command, relay, here, mapping):
        relay.deliver(story.nightly_run(recording="build_model_error"))
        relay.work()
        mapping.write_text(story.MAPPING.replace("sync_id: 5123", "sync_id: 9"))
        by_run = command("explain", "--sync", "5123", "--run", self.RUN, **here).stdout
        assert ", decided 2" in by_run
        assert "model.jaffle_crm.customers: skipped" in by_run
        assert command("explain", "--sync", "5123", "--last", **here).stdout == by_run
        told = json.loads(command("explain", "--sync", "5126", "--last", "--json", **here).stdout)
        assert (told["reason"], told["models"]) == ("rebuilt", ["model.jaffle_crm.fct_tickets"])
        assert [each["reason"] for each in told["conditions"]] == [
            reason for reason in Reason if reason != "rebuilt"
        ]

    def test_explain_says_where_a_run_does_not_concern_a_sync(self, command, here, sandbox):
        docs = invoke("dbt docs generate", load("docs_generate"))
        sandbox.dbt_cloud.add_run(SandboxRun.of(docs, dbt_run_id=9))
        result = command("explain", "--sync", "5123", "--run", "9", **here)
        assert result.stdout.endswith("not concerned: the run executed none of its models\n")

    @pytest.mark.parametrize(
        ("words", "status", "said"),
        [
            (("plan", "--run", "404"), 1, "may not look"),
            (("explain", "--sync", "9", "--run", RUN), 1, "has no sync 9"),
            (("explain", "--sync", "5123", "--last"), 1, "no dbt run has concerned sync 5123 yet"),
            (("explain", "--sync", "5123"), 2, "either --run ID or --last"),
            (("explain", "--sync", "5123", "--run", RUN, "--last"), 2, "either --run ID or --last"),
        ],
    )
    def test_what_cannot_be_told_is_told_as_such(self, command, here, words, status, said):
        result = command(*words, **here)
        assert result.exit_code == status
        assert said in result.stderr


class TestReplay:
    @pytest.fixture(name="here")
    def _here(self, relay, settings):
        return dict(settings.environment)

    @pytest.fixture(name="decided")
    def _decided(self, relay):
        """A good night's run, its four syncs triggered; its delivery."""
        relay.deliver(story.nightly_run())
        relay.work()
        ((delivery_id,),) = relay.sql("SELECT delivery_id FROM relay.deliveries")
        return str(delivery_id)

    def test_says_what_comes_of_it(self, command, relay, sandbox, here):
        sandbox.dbt_cloud.add_run(story.nightly_run())
        told = command("replay", "--run", "155144666", **here)
        assert (told.exit_code, told.stdout) == (0, "dbt run 155144666: a worker will examine it\n")
        (again,) = json.loads(command("replay", "--run", "155144666", "--json", **here).stdout)
        assert again == {"dbt_run_id": 155144666, "replay": "under_way", "left_alone": []}

    def test_ends_with_1_for_a_run_that_dbt_cloud_does_not_know(self, command, relay, here):
        told = command("replay", "--run", "7", **here)
        assert told.exit_code == 1
        assert "HTTP 404 for dbt run 7" in told.stderr
        assert relay.sql("SELECT count(*) FROM relay.dbt_runs") == [(0,)]

    def test_names_what_it_leaves_alone(self, command, decided, here):
        told = command("replay", "--run", "155144666", **here)
        assert "sync 5123 was triggered for it already (sync run 9000" in told.stdout

    def test_takes_a_delivery_or_a_time_too(self, command, decided, here):
        by_delivery = command("replay", "--delivery", decided, **here)
        assert by_delivery.stdout.startswith("dbt run 155144666: a worker will examine it\n")
        by_time = command("replay", "--since", "1h", **here)
        assert by_time.stdout.startswith("dbt run 155144666: it is being examined already\n")
        before = command("replay", "--since", "2d", "--until", "1d", **here)
        assert (before.exit_code, before.stdout) == (0, "no dbt run was told of in that time\n")

    def test_ends_with_1_for_a_delivery_that_tells_of_no_run(self, command, database, here):
        ignored = Delivery(delivery_id=uuid.uuid4(), body=b"{}", ignored_because="other_account")
        with asking(database) as connections:
            Store(connections).deliveries.record([ignored])
        told = command("replay", "--delivery", str(ignored.delivery_id), **here)
        assert told.exit_code == 1
        assert "was ignored: other_account" in told.stderr
        unknown = command("replay", "--delivery", str(uuid.uuid4()), **here)
        assert unknown.exit_code == 1
        assert "there is no delivery" in unknown.stderr

    @pytest.mark.parametrize(("words", "triggers"), [([], 0), (["--again"], 4)])
    def test_dry_run_shows_it_and_does_nothing(
        self, command, relay, decided, here, words, triggers
    ):
        told = command("replay", "--run", "155144666", "--dry-run", *words, **here)
        assert told.stdout.count(" trigger ") == triggers
        assert told.stdout.count("already") == 4 - triggers
        assert relay.sql("SELECT count(*) FROM relay.triggers WHERE superseded") == [(0,)]
        assert relay.sql("SELECT planned_at IS NOT NULL FROM relay.dbt_runs") == [(True,)]

    def test_ends_with_2_where_the_account_is_not_set(self, command, here):
        result = command("replay", "--run", "9", **here | {"DBT_CLOUD_ACCOUNT_ID": ""})
        assert result.exit_code == 2
        assert "DBT_CLOUD_ACCOUNT_ID" in result.stderr

    @pytest.mark.parametrize(
        "words",
        [
            *([], ["--run", "0"], ["--run", "last"], ["--run", "1", "--since", "6h"]),
            *(["--since", "yesterday"], ["--run", "1", "--until", "1h"], ["--delivery", "1"]),
        ],
    )
    def test_ends_with_2_for_wrong_words(self, command, words):
        assert command("replay", *words).exit_code == 2


class TestTrigger:
    @pytest.fixture(name="here")
    def _here(self, relay, settings):
        return dict(settings.environment)

    def test_has_a_worker_trigger_a_sync(self, command, relay, sandbox, here):
        told = command("trigger", "5123", **here)
        assert told.stdout == "sync 5123: a worker will trigger it, see `relay status`\n"
        relay.tick(1)
        relay.work()
        (run,) = sandbox.census.sync_runs
        assert (run.sync_id, run.full_sync) == (5123, False)

    def test_may_send_all_records(self, command, relay, sandbox, here):
        command("trigger", "5123", "--full-sync", **here)
        relay.tick(1)
        relay.work()
        assert sandbox.census.sync_runs[0].full_sync

    def test_waits_for_the_run_under_way(self, command, relay, sandbox, here):
        for _ in range(3):
            command("trigger", "5123", **here)
            relay.tick(1)
            relay.work()
        (run,) = sandbox.census.sync_runs
        sandbox.census.finish(run.sync_run_id)
        relay.work_for(16)
        assert len(sandbox.census.sync_runs) == 2

    def test_ends_with_2_for_a_workspace_nobody_knows(self, command, here):
        told = command("trigger", "5123", "--workspace", "apac", **here)
        assert told.exit_code == 2
        assert "'apac' is not one of default" in told.stderr


class TestMigrate:
    def test_tells_what_it_did(self, command, empty_database):
        named = conninfo_to_dict(empty_database.conninfo)
        url = f"postgresql:///{named['dbname']}?host={named['host']}&user={named['user']}"
        if "password" in named:
            url += f"&password={named['password']}&port={named['port']}"
        assert (
            command("migrate", RELAY_DATABASE_URL=url).stdout
            == "applied: procrastinate, 0001, 0002, 0003, 0004\n"
        )
        assert command("migrate", RELAY_DATABASE_URL=url).stdout == "up to date\n"


class TestSend:
    @pytest.fixture(name="url")
    def _url(self, settings, database):
        recorder = Recorder(database)
        app = create_app(settings, recorder, Health(database, settings.mapping))
        server = make_server("127.0.0.1", 0, app)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.port}/webhooks/dbt"
        server.shutdown()
        thread.join()
        server.server_close()
        recorder.close()

    @pytest.fixture(name="event")
    def _event(self, sandbox, tmp_path):
        sandbox.dbt_cloud.add_run(story.nightly_run())
        path = tmp_path / "event.json"
        path.write_bytes(sandbox.dbt_cloud.completed_event(story.FIRST_DBT_RUN_ID))
        return str(path)

    def test_delivers_an_event_as_dbt_cloud_does(self, command, url, event):
        result = command("send", event, "--to", url, **WHOLE)
        assert result.exit_code == 0
        assert 'HTTP 202 {"status":"accepted"' in result.stdout

    def test_ends_with_1_where_it_is_refused(self, command, url, event):
        result = command("send", event, "--to", url, DBT_CLOUD_WEBHOOK_SECRETS="another")
        assert result.exit_code == 1
        assert "HTTP 401" in result.stdout

    def test_ends_with_1_where_nobody_answers(self, command, event):
        result = command("send", event, "--to", "http://127.0.0.1:1/webhooks/dbt", **WHOLE)
        assert result.exit_code == 1
        assert "no answer from http://127.0.0.1:1/webhooks/dbt" in result.stderr

    def test_ends_with_2_where_there_is_nothing_to_sign_with(self, command, event):
        result = command("send", event, "--to", "http://127.0.0.1:1/")
        assert result.exit_code == 2
        assert "DBT_CLOUD_WEBHOOK_SECRETS: is not set" in result.stderr

    @pytest.mark.parametrize("words", [["send"], ["send", "/no/such/file", "--to", "x"], ["dance"]])
    def test_ends_with_2_for_wrong_words(self, command, words):
        assert command(*words).exit_code == 2


def test_help_names_every_command(command):
    told = command("--help").stdout
    for name in main.commands:
        assert name in told
    for name in main.commands:
        assert command(name, "--help").exit_code == 0
