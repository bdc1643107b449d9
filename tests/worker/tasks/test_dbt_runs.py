"""A delivered dbt run: what it rebuilt is examined, and each sync's decision recorded."""

from datetime import timedelta

import pytest
from mappings import mapping_text, sync_entry
from sandbox_runs import NIGHT, build_run, night

from relay.sandbox.dbt_runs import CANCELLED, RUNNING, SandboxRun, invoke
from relay.sandbox.recordings import load
from relay.sandbox.wire import Body, HangUp, Status


class TestSuccessfulRun:
    def test_every_sync_of_a_rebuilt_model_is_triggered_once(self, relay, sandbox, events):
        relay.deliver(night())
        relay.work()
        triggered = {line["sync_id"]: line for line in events("sync.triggered")}
        assert sorted(triggered) == [5123, 5124, 5125, 5126]
        assert triggered[5123]["because"] == ["model.jaffle_crm.customers"]
        assert triggered[5123]["dbt_run_id"] == NIGHT
        assert triggered[5123]["dbt_run_ids"] == [NIGHT]
        assert triggered[5123]["sync_run_id"] == sandbox.census.sync_runs_of(5123)[0].sync_run_id
        assert len(sandbox.census.requests_to("/trigger")) == 4

    def test_what_was_rebuilt_and_planned_is_logged(self, relay, events):
        relay.deliver(night())
        relay.work()
        (examined,) = events("dbt_run.examined")
        assert "model.jaffle_crm.customers" in examined["rebuilt"]
        assert (examined["failed"], examined["steps"]) == ([], 5)
        (planned,) = events("dbt_run.planned")
        assert (planned["triggers"], planned["withheld"]) == ([5123, 5124, 5125, 5126], [])
        assert planned["dbt_run_id"] == NIGHT
        assert planned["event_id"].startswith("wev_")

    def test_a_redelivery_changes_nothing(self, one, sandbox):
        one.deliver(night())
        one.work()
        one.deliver(night())
        one.work()
        assert len(sandbox.census.requests_to("/trigger")) == 1


class TestWithheldSyncs:
    def test_a_failed_model_withholds_its_syncs_and_no_other(self, relay, events):
        relay.deliver(night(recording="build_model_error"))
        relay.work()
        assert [line["sync_id"] for line in events("sync.triggered")] == [5126]
        withheld = {line["sync_id"]: line for line in events("sync.withheld")}
        assert {line["reason"] for line in withheld.values()} == {"model_failed"}
        assert withheld[5123]["models"] == ["model.jaffle_crm.customers"]

    def test_a_failed_test_withholds_the_syncs_of_the_tested_model(self, relay, events):
        relay.map(mapping_text(sync_entry(5124, "orders")))
        relay.deliver(night(recording="build_test_fail"))
        relay.work()
        (withheld,) = events("sync.withheld")
        assert (withheld["reason"], withheld["models"]) == (
            "test_failed",
            ["model.jaffle_crm.orders"],
        )

    def test_a_test_that_failed_in_a_later_step_withholds_even_if_the_run_succeeded(
        self, relay, events
    ):
        relay.map(mapping_text(sync_entry(5124, "orders"), sync_entry(5126, "fct_tickets")))
        steps = invoke("dbt run", load("run")), invoke("dbt test", load("test_fail"), status=10)
        relay.deliver(SandboxRun.of(*steps, dbt_run_id=NIGHT, status=10))
        relay.work()
        assert [line["sync_id"] for line in events("sync.triggered")] == [5126]
        (withheld,) = events("sync.withheld")
        assert (withheld["sync_id"], withheld["reason"]) == (5124, "test_failed")

    @pytest.mark.parametrize(
        ("keys", "reason"),
        [
            ({"jobs": [1]}, "job_not_listed"),
            ({"environments": [1]}, "environment_not_listed"),
            ({"enabled": False}, "sync_disabled"),
        ],
        ids=str,
    )
    def test_a_sync_that_is_disabled_or_lists_other_jobs_or_environments_is_withheld(
        self, relay, events, keys, reason
    ):
        relay.map(mapping_text(sync_entry(5123, "customers", **keys)))
        relay.deliver(night())
        relay.work()
        assert [line["reason"] for line in events("sync.withheld")] == [reason]
        assert events("sync.triggered") == []

    def test_a_sync_that_ignores_tests_is_triggered_despite_a_failed_test(self, relay, events):
        relay.map(mapping_text(sync_entry(5124, "orders", tests="ignore")))
        relay.deliver(night(recording="build_test_fail"))
        relay.work()
        assert [line["sync_id"] for line in events("sync.triggered")] == [5124]

    def test_an_empty_build_triggers_nothing(self, one, events):
        one.deliver(night(recording="build_empty"))
        one.work()
        assert [line["reason"] for line in events("sync.withheld")] == ["sample_run"]
        assert events("sync.triggered") == []

    def test_a_cancelled_run_triggers_nothing(self, one, sandbox, events):
        build = invoke("dbt build", load("build"), status=CANCELLED)
        one.deliver(SandboxRun.of(build, dbt_run_id=NIGHT, status=CANCELLED))
        one.work()
        assert [line["reason"] for line in events("sync.withheld")] == ["run_cancelled"]
        assert sandbox.census.sync_runs == []

    @pytest.mark.parametrize("job_type", ["ci", "merge"])
    def test_the_artifacts_of_a_ci_run_are_not_downloaded(self, one, sandbox, events, job_type):
        one.deliver(build_run(job_type=job_type))
        one.work()
        (planned,) = events("dbt_run.planned")
        assert (planned["triggers"], planned["withheld"]) == ([], [])
        assert events("dbt_run.examined")[0]["never_counts"] == f"{job_type}_job"
        assert sandbox.dbt_cloud.requests_to("/artifacts/") == []

    def test_a_run_that_only_generates_docs_concerns_no_sync(self, one, events):
        docs = invoke("dbt docs generate", load("docs_generate"))
        one.deliver(SandboxRun.of(docs, dbt_run_id=NIGHT))
        one.work()
        (planned,) = events("dbt_run.planned")
        assert (planned["triggers"], planned["withheld"]) == ([], [])


class TestMappingReload:
    def test_a_changed_file_applies_to_the_next_run(self, one, events):
        one.map(mapping_text(sync_entry(5124, "customers")))
        one.deliver(night())
        one.work()
        assert [line["sync_id"] for line in events("sync.triggered")] == [5124]

    def test_a_broken_file_is_refused_and_the_last_good_one_stays(self, one, events):
        one.map("version: 1\nsyncs: oops\n")
        one.deliver(night())
        one.work()
        (refused,) = events("mapping.refused")
        assert "expected a list" in refused["problems"][0]
        assert [line["sync_id"] for line in events("sync.triggered")] == [5123]


class TestDbtCloudErrors:
    @pytest.mark.parametrize("fault", [Status(503), Status(429), HangUp(), Body(b"<html>")])
    def test_a_failed_request_is_retried(self, one, sandbox, events, fault):
        sandbox.dbt_cloud.fail_next("/runs/", fault)
        one.deliver(night())
        one.work()
        assert len(events("dbt_run.retried")) == 1
        one.work_for(2)
        assert len(events("sync.triggered")) == 1

    def test_a_late_artifact_is_waited_for(self, one, sandbox, events):
        sandbox.dbt_cloud.fail_next("/artifacts/run_results.json", Status(404))
        one.deliver(night())
        one.work()
        assert "has no run_results.json yet" in events("dbt_run.retried")[0]["problem"]
        assert events("sync.triggered") == []
        one.work_for(2)
        assert len(events("sync.triggered")) == 1

    def test_a_run_that_is_still_running_is_waited_for(self, one, sandbox, events):
        one.deliver(build_run(status=RUNNING))
        one.work()
        sandbox.dbt_cloud.add_run(night())
        one.work_for(2)
        assert len(events("sync.triggered")) == 1

    def test_the_retry_after_of_a_429_is_respected(self, one, sandbox, events):
        sandbox.dbt_cloud.fail_next("/runs/", Status(429, retry_after=120))
        one.deliver(night())
        one.work()
        one.work_for(119)
        assert events("sync.triggered") == []
        one.work_for(3)
        assert len(events("sync.triggered")) == 1

    def test_a_run_is_given_up_with_an_error_after_the_retry_period(self, one, sandbox, events):
        sandbox.dbt_cloud.fail_next("/runs/", Status(503), times=1000)
        one.deliver(night())
        began = one.clock()
        one.work_for(40 * 60)
        (given_up,) = events("dbt_run.given_up")
        assert events("dbt_run.retried")[-1]["again_at"] - began >= timedelta(minutes=30)
        assert "HTTP 503" in given_up["problem"]
        assert given_up["log_level"] == "error"
        assert one.is_idle()
        assert one.sql("SELECT given_up_at IS NOT NULL FROM relay.dbt_runs") == [(True,)]

    def test_downtime_does_not_count_towards_the_retry_period(self, one, sandbox, events):
        sandbox.dbt_cloud.fail_next("/runs/", Status(502), times=2)
        one.deliver(night())
        one.work()
        one.tick(86400)
        one.work_for(60)
        assert events("dbt_run.given_up") == []
        assert len(events("sync.triggered")) == 1

    def test_a_token_that_is_being_rotated_loses_no_sync(self, one, sandbox, events):
        sandbox.dbt_cloud.fail_next("/runs/", Status(401))
        one.deliver(night())
        one.work()
        assert "DBT_CLOUD_TOKEN" in events("dbt_run.retried")[0]["problem"]
        one.work_for(2)
        assert len(events("sync.triggered")) == 1


class TestStepsWithoutTheirOwnResults:
    COMMITTED = load("build").run_results  # written on another day than the run

    def test_a_file_that_lay_in_target_triggers_nothing(self, one, sandbox, events):
        """`dbt source freshness` writes none, and dbt Cloud serves the one that is committed."""
        step = invoke("dbt source freshness", run_results=self.COMMITTED)
        one.deliver(SandboxRun.of(step, dbt_run_id=NIGHT))
        one.work()
        assert events("dbt_run.examined")[0]["not_of_this_run"] == (4,)
        assert events("dbt_run.planned")[0]["triggers"] == []
        assert sandbox.census.sync_runs == []

    def test_nor_does_one_behind_a_build_that_failed_before_it_wrote_any(self, one, sandbox):
        step = invoke("dbt build", run_results=self.COMMITTED, status=20)
        one.deliver(SandboxRun.of(step, dbt_run_id=NIGHT))
        one.work()
        assert sandbox.census.sync_runs == []

    def test_a_green_build_without_a_file_is_reported_and_the_other_steps_count(
        self, relay, events
    ):
        relay.map(mapping_text(sync_entry(5123, "customers"), sync_entry(5126, "countries")))
        seed, silent = invoke("dbt seed", load("seed")), invoke("dbt build --no-write-json")
        relay.deliver(SandboxRun.of(seed, silent, dbt_run_id=NIGHT))
        relay.work()
        assert [line["sync_id"] for line in events("sync.triggered")] == [5126]
        (reported,) = events("dbt_run.step_without_results")
        assert (reported["step"], reported["command"]) == (5, "dbt build --no-write-json")
        assert "remove --no-write-json (DBT_WRITE_JSON) from the job" in reported["problem"]
        assert events("sync.withheld") == []

    def test_so_is_one_that_does_not_say_so_after_a_while(self, relay, events):
        """With DBT_WRITE_JSON=false in the environment, which no command shows."""
        relay.map(mapping_text(sync_entry(5123, "customers"), sync_entry(5126, "countries")))
        relay.deliver(
            SandboxRun.of(invoke("dbt seed", load("seed")), invoke("dbt build"), dbt_run_id=NIGHT)
        )
        relay.work_for(9 * 60)
        assert events("sync.triggered", "dbt_run.step_without_results") == []
        relay.work_for(11 * 60)
        assert [line["sync_id"] for line in events("sync.triggered")] == [5126]
        assert [line["step"] for line in events("dbt_run.step_without_results")] == [5]
        assert events("dbt_run.given_up") == []

    def test_a_green_build_whose_file_is_refused_is_reported_as_that(self, one, events):
        one.deliver(
            SandboxRun.of(invoke("dbt build", run_results=self.COMMITTED), dbt_run_id=NIGHT)
        )
        one.work()
        (reported,) = events("dbt_run.step_without_results")
        assert "is not its own (it is dated " in reported["problem"]
        assert "remove it (target/run_results.json)" in reported["problem"]

    def test_a_test_step_that_died_withholds_what_it_tests_and_is_reported(self, relay, events):
        relay.map(
            mapping_text(
                sync_entry(5123, "customers"),
                sync_entry(5124, "customers", tests="ignore"),
                sync_entry(5125, "orders"),
            )
        )
        died = invoke("dbt test --select customers", status=20)
        relay.deliver(SandboxRun.of(invoke("dbt run", load("run")), died, dbt_run_id=NIGHT))
        relay.work()
        assert sorted(line["sync_id"] for line in events("sync.triggered")) == [5124, 5125]
        (withheld,) = events("sync.withheld")
        assert (withheld["sync_id"], withheld["reason"]) == (5123, "test_failed")
        (reported,) = events("dbt_run.tests_unknown")
        assert (reported["step"], reported["command"]) == (5, "dbt test --select customers")
        assert "its tests may have" in reported["problem"]

    def test_a_run_that_failed_before_its_first_step_is_done_with_a_warning(self, one, events):
        one.deliver(SandboxRun(dbt_run_id=NIGHT, steps=(), status=20))
        one.work()
        assert len(events("dbt_run.without_steps")) == 1
        assert events("dbt_run.planned")[0]["triggers"] == []

    def test_an_answer_without_steps_is_retried_then_given_up_and_triggers_nothing(
        self, one, sandbox, events
    ):
        one.deliver(SandboxRun(dbt_run_id=NIGHT, steps=(), status=10))
        one.work_for(2 * 3600)
        assert "lacks run_steps" in events("dbt_run.retried")[0]["problem"]
        assert len(events("dbt_run.given_up")) == 1
        assert sandbox.census.sync_runs == []


UNREADABLE = Body(b'{"nodes": {"a": 5}}')


class TestWhatOnlySomeSyncsNeed:
    """What is missing costs the syncs that ask for it, and no other."""

    @pytest.fixture(name="mixed")
    def _mixed(self, relay):
        relay.map(mapping_text(sync_entry(5123, "customers"), sync_entry(5124, "tag:crm")))
        return relay

    @pytest.mark.parametrize("fault", [UNREADABLE, Status(404), Status(503), Status(403)])
    def test_a_manifest_that_never_comes_costs_the_syncs_that_need_it(
        self, mixed, sandbox, events, fault
    ):
        sandbox.dbt_cloud.fail_next("manifest.json", fault, times=1000)
        mixed.deliver(night())
        mixed.work_for(20 * 60)
        assert events("sync.triggered", "dbt_run.given_up") == []
        assert "manifest.json" in events("dbt_run.retried")[0]["problem"]
        mixed.work_for(20 * 60)
        assert [line["sync_id"] for line in events("sync.triggered")] == [5123]
        (given_up,) = events("dbt_run.given_up")
        assert "all other syncs were: sync 5124: " in given_up["problem"]
        assert "manifest.json" in given_up["problem"]
        assert given_up["undecided"] == [5124]
        assert events("task.failed") == []

    def test_a_manifest_that_comes_late_is_read_and_all_are_decided_once(
        self, mixed, sandbox, events
    ):
        sandbox.dbt_cloud.fail_next("manifest.json", UNREADABLE, times=5)
        mixed.deliver(night())
        mixed.work_for(30 * 60)
        assert [line["sync_id"] for line in events("sync.triggered")] == [5123, 5124]
        assert events("dbt_run.given_up") == []

    def test_what_was_left_undecided_is_decided_by_a_replay_and_the_others_are_left_alone(
        self, mixed, sandbox, events
    ):
        sandbox.dbt_cloud.fail_next("manifest.json", UNREADABLE, times=1000)
        mixed.deliver(night())
        mixed.work_for(40 * 60)
        mixed.finish_sync_runs()
        sandbox.dbt_cloud.clear_faults()
        mixed.replay(NIGHT)
        mixed.work_for(60)
        assert [line["sync_id"] for line in events("sync.triggered")] == [5123, 5124]

    def test_of_a_failed_test_all_tested_syncs_need_it(self, relay, sandbox, events):
        """Without the manifest the test would count against all models, or against none."""
        relay.map(
            mapping_text(
                sync_entry(5123, "customers"), sync_entry(5126, "fct_tickets", tests="ignore")
            )
        )
        sandbox.dbt_cloud.fail_next("manifest.json", UNREADABLE, times=1000)
        relay.deliver(night(recording="build_test_fail"))
        relay.work_for(40 * 60)
        assert [line["sync_id"] for line in events("sync.triggered")] == [5126]
        assert events("sync.withheld") == []
        assert events("dbt_run.given_up")[0]["undecided"] == [5123]

    def test_what_a_run_without_its_manifest_built_is_not_remembered(self, relay, sandbox, sql):
        """What it may have spoilt is unknown, and would pass for a good build."""
        relay.map(mapping_text(sync_entry(5123, "customers", "orders", require="all")))
        sandbox.dbt_cloud.fail_next("manifest.json", UNREADABLE, times=1000)
        relay.deliver(night())
        relay.work_for(40 * 60)
        assert sql("SELECT count(*) FROM relay.builds") == [(0,)]

    @pytest.mark.parametrize(
        ("absent", "keys", "said"),
        [
            ("dbt_job_id", {"jobs": [278164]}, "its job's id"),
            ("environment_id", {"environments": [187998]}, "its environment's id"),
            ("project_id", {"require": "all"}, "its project's id"),
        ],
    )
    def test_an_id_that_only_some_syncs_ask_for_costs_only_these(
        self, relay, events, absent, keys, said
    ):
        relay.map(
            mapping_text(sync_entry(5123, "customers", **keys), sync_entry(5124, "customers"))
        )
        relay.deliver(night(**{absent: None}))
        relay.work_for(40 * 60)
        assert said in events("dbt_run.retried")[0]["problem"]
        assert [line["sync_id"] for line in events("sync.triggered")] == [5124]
        assert events("sync.withheld") == []
        (given_up,) = events("dbt_run.given_up")
        assert (given_up["undecided"], said in given_up["problem"]) == ([5123], True)

    def test_an_id_that_no_sync_asks_for_may_be_absent(self, one, events):
        one.deliver(night(dbt_job_id=None))
        one.work()
        assert [line["sync_id"] for line in events("sync.triggered")] == [5123]

    def test_so_may_one_of_a_run_that_did_nothing(self, one, events):
        one.map(mapping_text(sync_entry(5123, "customers", jobs=[1])))
        docs = invoke("dbt docs generate", load("docs_generate"))
        one.deliver(SandboxRun.of(docs, dbt_run_id=NIGHT, dbt_job_id=None))
        one.work()
        assert len(events("dbt_run.planned")) == 1
