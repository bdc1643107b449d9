"""`relay plan` and `relay explain`: what a dbt run means for the syncs, and why."""

import dataclasses
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from mappings import mapping_text, sync_entry
from sandbox_runs import build_run, night

from relay.decision.gates import Reason
from relay.sandbox import story
from relay.sandbox.dbt_projects import SandboxEnvironment
from relay.sandbox.dbt_runs import SandboxRun, invoke
from relay.sandbox.recordings import load
from relay.sandbox.wire import Status


class TestPlanAndExplain:
    @pytest.fixture(name="here")
    def _here(self, here, sandbox, mapping):
        sandbox.dbt_cloud.add_run(night(recording="build_model_error"))
        return here

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
        output = json.loads(command("plan", "--run", self.RUN, "--json", **here).stdout)
        relay.deliver(night(recording="build_model_error"))
        relay.work()
        planned = {(verdict["sync_id"], verdict["reason"]) for verdict in output["verdicts"]}
        assert planned == set(relay.sql("SELECT sync_id, reason FROM relay.decisions"))
        again = json.loads(command("plan", "--run", self.RUN, "--json", **here).stdout)
        assert again == output, "also of a run that was decided on already"

    def test_plan_of_a_run_that_affects_no_sync_says_how_to_find_a_misspelt_model(
        self, command, here, mapping
    ):
        mapping.write_text(mapping_text(sync_entry(5123, "custmers")))
        told = command("plan", "--run", self.RUN, **here).stdout
        assert f"executed no model that a sync of {mapping} depends on" in told
        assert f"relay check {mapping} --manifest" in told

    def test_plan_of_a_ci_run_says_that_it_never_counts(self, command, here, sandbox):
        ci = SandboxRun.of(invoke("dbt build", load("build")), dbt_run_id=9, job_type="ci")
        sandbox.dbt_cloud.add_run(ci)
        output = command("plan", "--run", "9", **here).stdout
        assert output == "dbt run 9 never counts: ci_job\n"
        output = command("explain", "--sync", "5123", "--run", "9", **here).stdout
        assert output.endswith("\nthe run never counts: ci_job\n")

    def test_explain_shows_each_condition_and_its_evidence(self, command, relay, here):
        result = command("explain", "--sync", "5123", "--run", self.RUN, **here)
        lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
        assert lines[0] == f"sync 5123, dbt run {self.RUN}, as it would be decided now"
        assert "job_not_listed no job 278164; every job counts" in lines
        assert "run_cancelled no the run ended in error" in lines
        assert "model_failed yes model.jaffle_crm.customers: skipped" in lines
        assert lines[-2:] == ["withheld: model_failed", "model.jaffle_crm.customers"]

    def test_explain_shows_a_decision_as_it_was_recorded(self, command, relay, here, mapping):
        relay.deliver(night(recording="build_model_error"))
        relay.work()
        mapping.write_text(story.MAPPING.replace("sync_id: 5123", "sync_id: 9"))
        by_run = command("explain", "--sync", "5123", "--run", self.RUN, **here).stdout
        assert ", decided 2" in by_run
        assert "model.jaffle_crm.customers: skipped" in by_run
        assert command("explain", "--sync", "5123", "--last", **here).stdout == by_run
        database_alone = {"RELAY_DATABASE_URL": here["RELAY_DATABASE_URL"]}
        last = command("explain", "--sync", "5126", "--last", "--json", **database_alone)
        output = json.loads(last.stdout)
        assert (output["reason"], output["models"]) == ("rebuilt", ["model.jaffle_crm.fct_tickets"])
        assert [condition["reason"] for condition in output["conditions"]] == [
            reason for reason in Reason if reason != "rebuilt"
        ]

    def test_explain_says_where_a_run_does_not_concern_a_sync(self, command, here, sandbox):
        docs = invoke("dbt docs generate", load("docs_generate"))
        sandbox.dbt_cloud.add_run(SandboxRun.of(docs, dbt_run_id=9))
        result = command("explain", "--sync", "5123", "--run", "9", **here)
        assert result.stdout.endswith("not affected: the run executed none of its models\n")

    @pytest.mark.parametrize(
        ("words", "status", "said"),
        [
            (("plan", "--run", "404"), 1, "lacks permission"),
            (("explain", "--sync", "9", "--run", RUN), 1, "has no sync 9"),
            (("explain", "--sync", "5123", "--last"), 1, "no dbt run has affected sync 5123 yet"),
            (("explain", "--sync", "5123"), 2, "either --run ID or --last"),
            (("explain", "--sync", "5123", "--run", RUN, "--last"), 2, "either --run ID or --last"),
        ],
    )
    def test_says_why_there_is_no_answer(self, command, here, words, status, said):
        result = command(*words, **here)
        assert result.exit_code == status
        assert said in result.stderr


class TestPlanOfARunThatMayNotBeOfProduction:
    RUN = str(story.FIRST_DBT_RUN_ID)
    STAGING = SandboxEnvironment(
        environment_id=5, name="Staging", project=story.PROJECT, deployment_type="staging"
    )
    SANDBOX = SandboxEnvironment(environment_id=6, name="Playground", project=story.PROJECT)
    UNBOUND = mapping_text(sync_entry(5123, "customers"), sync_entry(5124, "orders", jobs=[278164]))

    @pytest.fixture(name="plan")
    def _plan(self, command, here, sandbox, mapping):
        def plan(environment_id, *words, text=self.UNBOUND):
            mapping.write_text(text)
            for environment in (self.STAGING, self.SANDBOX):
                job = replace(story.NIGHTLY_JOB, environment=environment)
                sandbox.dbt_cloud.add_job(replace(job, dbt_job_id=environment.environment_id))
            sandbox.dbt_cloud.add_run(night(environment_id=environment_id))
            return command("plan", "--run", self.RUN, *words, **here)

        return plan

    @pytest.mark.parametrize(
        ("environment_id", "said"),
        [
            (5, "this run is of environment 5 (Staging: staging), and triggers sync 5123: neither"),
            (6, "this run is of environment 6 (Playground: not marked as production), and trigg"),
            (404, "this run is of environment 404, which may not be production (dbt Cloud answer"),
            (None, "this run is of no environment that dbt Cloud names, and triggers sync 5123"),
        ],
    )
    def test_warns_first_of_the_syncs_it_would_trigger(self, plan, environment_id, said):
        first, second, *_ = plan(environment_id).stdout.splitlines()
        assert first.startswith(f"warning: {said}")
        assert first.endswith("write `defaults: {environments: [ID]}` into the mapping file")
        assert second.startswith("dbt run")
        (warning,) = json.loads(plan(environment_id, "--json").stdout)["warnings"]
        assert first == f"warning: {warning}"

    @pytest.mark.parametrize(
        ("environment_id", "text"),
        [
            (story.PRODUCTION.environment_id, UNBOUND),
            (5, mapping_text(sync_entry(5123, "customers", environments=[5]))),
            (5, mapping_text(sync_entry(5123, "customers"), defaults={"jobs": [278164]})),
            (5, mapping_text(sync_entry(5123, "no_such_model"))),
        ],
    )
    def test_warns_of_nothing_else(self, plan, environment_id, text):
        assert "warning" not in plan(environment_id, text=text).output


def test_what_asks_dbt_cloud_reports_all_that_it_needs_at_once(command):
    result = command("plan", "--run", "1")
    assert result.exit_code == 2
    for name in ("DBT_CLOUD_URL", "DBT_CLOUD_TOKEN", "DBT_CLOUD_ACCOUNT_ID"):
        assert f"{name}: is not set" in result.stderr
    assert "CENSUS_API_KEY" not in result.stderr


class TestASyncThatCannotBeDecided:
    """The run ended when there was no year before it to look back at."""

    @pytest.fixture(name="here")
    def _here(self, here, relay, mapping):
        mapping.write_text(
            mapping_text(
                sync_entry(5123, "orders"),
                sync_entry(5124, "customers", "orders", require="all", within="365d"),
            )
        )
        relay.services.mapping.refresh()
        relay.deliver(build_run("customers"))
        relay.work()
        ended_at = datetime(1, 6, 1, tzinfo=UTC)
        relay.sandbox.dbt_cloud.add_run(build_run("orders", number=1, finished_at=ended_at))
        return here

    RUN = str(story.FIRST_DBT_RUN_ID + 1)

    def test_is_named_by_plan_beside_what_would_happen_to_the_others(self, command, here):
        result = command("plan", "--run", self.RUN, **here)
        lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
        assert "5123 trigger model.jaffle_crm.orders" in lines
        assert lines[-1].endswith("sync 5124: deciding raised OverflowError")

    def test_is_an_error_of_explain(self, command, here):
        result = command("explain", "--sync", "5124", "--run", self.RUN, **here)
        assert result.exit_code == 1
        assert "sync 5124: deciding raised OverflowError" in result.stderr


def _built_as(relation):
    """`dbt run` of orders, in this place."""
    recorded = load("run").only("model.jaffle_crm.orders")
    run_results = json.loads(recorded.run_results)
    run_results["results"][0]["relation_name"] = relation
    return dataclasses.replace(recorded, run_results=json.dumps(run_results).encode())


class TestWhatIsUnclear:
    """A run whose files leave something open, which the worker logs as warnings."""

    RUN = str(story.FIRST_DBT_RUN_ID)
    ORDERS = "model.jaffle_crm.orders"

    @pytest.fixture(name="here")
    def _here(self, here, relay, sandbox, mapping):
        mapping.write_text(mapping_text(sync_entry(5124, "orders"), sync_entry(5123, "tag:none")))
        build = load("build")
        seed = "seed.jaffle_crm.countries"
        steps = (
            invoke("dbt build", build.with_results({seed: "exploded"})),
            invoke("dbt run -s orders", _built_as("other.orders")),
            invoke("dbt seed --no-write-json"),
            invoke("dbt source freshness", run_results=build.run_results),
        )
        sandbox.dbt_cloud.add_run(SandboxRun.of(*steps, dbt_run_id=story.FIRST_DBT_RUN_ID))
        return here

    def test_is_shown_by_plan(self, command, here):
        lines = command("plan", "--run", self.RUN, **here).stdout.splitlines()
        warnings = [line for line in lines if line.startswith("warning: ")]
        assert warnings[0].startswith("warning: step 7 has a run_results.json of another run")
        assert warnings[1].startswith("warning: step 6 (dbt seed --no-write-json): the step rebuil")
        assert "seed.jaffle_crm.countries has the status 'exploded'" in warnings[2]
        assert f"{self.ORDERS} was built in several places" in warnings[3]
        assert "other.orders" in warnings[3]
        assert len(warnings) == 4

    def test_is_in_its_json(self, command, here):
        output = json.loads(command("plan", "--run", self.RUN, "--json", **here).stdout)["unclear"]
        (step,) = output["without_results"]
        assert (step["step"], step["command"]) == (6, "dbt seed --no-write-json")
        assert "remove --no-write-json" in step["problem"]
        assert output["not_of_this_run"] == [7]
        assert output["unknown_statuses"] == {"exploded": "seed.jaffle_crm.countries"}
        assert len(output["relations"][self.ORDERS]) == 2

    def test_the_places_of_a_model_are_kept_with_the_decision(self, command, relay, here):
        relay.deliver(relay.sandbox.dbt_cloud.run(story.FIRST_DBT_RUN_ID))
        relay.work()
        output = command("explain", "--sync", "5124", "--run", self.RUN, **here).stdout
        assert ", decided 2" in output
        (seen,) = [line for line in output.splitlines() if "model_failed" in line]
        assert f"none of its models; {self.ORDERS} was built as " in seen
        assert "other.orders" in seen

    def test_a_run_that_is_clear_has_no_warnings(self, command, here, sandbox):
        sandbox.dbt_cloud.add_run(build_run("orders"))
        assert "warning" not in command("plan", "--run", self.RUN, **here).stdout


class TestAManifestThatCannotBeRead:
    RUN = str(story.FIRST_DBT_RUN_ID)

    @pytest.fixture(name="here")
    def _here(self, here, sandbox, mapping):
        mapping.write_text(mapping_text(sync_entry(5123, "customers"), sync_entry(5124, "tag:crm")))
        sandbox.dbt_cloud.add_run(night())
        sandbox.dbt_cloud.fail_next("manifest.json", Status(404), times=10)
        return here

    def test_costs_plan_only_the_syncs_that_need_it(self, command, here):
        result = command("plan", "--run", self.RUN, **here)
        lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
        assert "5123 trigger model.jaffle_crm.customers" in lines
        assert lines[-1].endswith(f"sync 5124: step 4 of dbt run {self.RUN} has no manifest.json")

    def test_is_the_error_of_explain_for_these(self, command, here):
        result = command("explain", "--sync", "5124", "--run", self.RUN, **here)
        assert result.exit_code == 1
        assert f"sync 5124: step 4 of dbt run {self.RUN} has no manifest.json" in result.stderr
        assert command("explain", "--sync", "5123", "--run", self.RUN, **here).exit_code == 0
