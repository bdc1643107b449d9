"""From a delivery to the end of a sync run: only the vendors are stand-ins, and time is given."""

import dataclasses
import random
from datetime import timedelta

import pytest

from relay.operations import trigger as by_hand
from relay.sandbox import story
from relay.sandbox.dbt_runs import CANCELLED, RUNNING, SandboxRun, invoke
from relay.sandbox.recordings import load
from relay.sandbox.wire import Body, HangUp, HangUpAfter, Status, StatusAfter
from relay.store import Redo
from relay.worker import tasks

NIGHT = story.FIRST_DBT_RUN_ID
ONE_SYNC = "version: 1\nsyncs:\n  - {sync_id: 5123, depends_on: [customers]}\n"


@pytest.fixture(name="events")
def _events(logged):
    """The log lines of these events so far."""
    return lambda *names: [line for line in logged if line["event"] in names]


@pytest.fixture(name="one")
def _one(relay):
    """The service with one sync, 5123, which depends on customers."""
    relay.map(ONE_SYNC)
    return relay


def night(number=0, recording="build"):
    return story.nightly_run(NIGHT + number, recording=recording)


def finish_all(sandbox):
    for run in sandbox.census.sync_runs:
        if run.end is None:
            sandbox.census.finish(run.sync_run_id)


def nothing_is_left_to_do(relay):
    return relay.sql("SELECT count(*) FROM procrastinate_jobs WHERE status <> 'succeeded'") == [
        (0,)
    ]


class TestAGoodNight:
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

    def test_it_is_told_what_was_rebuilt_and_planned(self, relay, events):
        relay.deliver(night())
        relay.work()
        (examined,) = events("dbt_run.examined")
        assert "model.jaffle_crm.customers" in examined["rebuilt"]
        assert (examined["failed"], examined["steps"]) == ([], 5)
        (planned,) = events("dbt_run.planned")
        assert (planned["triggers"], planned["withheld"]) == ([5123, 5124, 5125, 5126], [])
        assert planned["dbt_run_id"] == NIGHT
        assert planned["event_id"].startswith("wev_")

    def test_its_sync_runs_are_followed_to_their_end(self, relay, sandbox, events):
        relay.deliver(night())
        relay.work()
        for run in sandbox.census.sync_runs:
            sandbox.census.finish(run.sync_run_id, records_failed=3 if run.sync_id == 5124 else 0)
        relay.tick(15)
        relay.work()
        ended = {line["sync_id"]: line for line in events("sync_run.finished")}
        assert ended[5123]["outcome"] == "completed"
        assert ended[5123]["records_processed"] == 100
        assert ended[5123]["seconds"] == 15
        assert ended[5124]["outcome"] == "completed_with_rejects"
        assert ended[5124]["records_failed"] == 3
        assert nothing_is_left_to_do(relay)

    def test_a_second_delivery_of_the_run_changes_nothing(self, one, sandbox):
        one.deliver(night())
        one.work()
        one.deliver(night())
        one.work()
        assert len(sandbox.census.requests_to("/trigger")) == 1

    def test_the_manifest_is_not_fetched_where_names_decide(self, relay, sandbox):
        relay.deliver(night())
        relay.work()
        assert sandbox.dbt_cloud.requests_to("manifest.json") == []

    def test_tags_paths_and_packages_decide_with_the_manifest(self, relay, sandbox, events):
        relay.map(
            "version: 1\nsyncs:\n"
            "  - {sync_id: 5123, depends_on: ['tag:crm']}\n"
            "  - {sync_id: 5124, depends_on: ['path:models/marts']}\n"
            "  - {sync_id: 5125, depends_on: ['package:jaffle_crm']}\n"
            "  - {sync_id: 5126, depends_on: ['tag:nobody']}\n"
        )
        relay.deliver(night())
        relay.work()
        assert sorted(line["sync_id"] for line in events("sync.triggered")) == [5123, 5124, 5125]
        assert len(sandbox.dbt_cloud.requests_to("manifest.json")) == 1

    def test_a_selector_that_selects_nothing_in_the_project_is_reported_once(self, relay, events):
        relay.map(
            "version: 1\nsyncs:\n  - {sync_id: 5123, depends_on: [customers, path:models/mrats]}\n"
        )
        for number in range(2):
            relay.deliver(night(number))
            relay.work()
        (reported,) = events("mapping.word_selects_nothing")
        assert reported["log_level"] == "warning"
        assert (reported["selector"], reported["sync_id"]) == ("path:models/mrats", 5123)
        assert reported["workspace"] == "default"
        assert reported["place"].endswith("3:45: syncs[0].depends_on[1]")
        assert reported["dbt_run_id"] == NIGHT


class TestABadNight:
    def test_a_failed_model_withholds_its_syncs_and_no_other(self, relay, events):
        relay.deliver(night(recording="build_model_error"))
        relay.work()
        assert [line["sync_id"] for line in events("sync.triggered")] == [5126]
        withheld = {line["sync_id"]: line for line in events("sync.withheld")}
        assert {line["reason"] for line in withheld.values()} == {"model_failed"}
        assert withheld[5123]["models"] == ["model.jaffle_crm.customers"]

    def test_a_failed_test_withholds_the_tested_models_syncs(self, relay, events):
        relay.map("version: 1\nsyncs:\n  - {sync_id: 5124, depends_on: [orders]}\n")
        relay.deliver(night(recording="build_test_fail"))
        relay.work()
        (withheld,) = events("sync.withheld")
        assert (withheld["reason"], withheld["models"]) == (
            "test_failed",
            ["model.jaffle_crm.orders"],
        )

    def test_so_does_one_that_failed_in_a_later_step_though_the_job_is_green(self, relay, events):
        relay.map(
            "version: 1\nsyncs:\n"
            "  - {sync_id: 5124, depends_on: [orders]}\n"
            "  - {sync_id: 5126, depends_on: [fct_tickets]}\n"
        )
        steps = invoke("dbt run", load("run")), invoke("dbt test", load("test_fail"), status=10)
        relay.deliver(SandboxRun.of(*steps, dbt_run_id=NIGHT, status=10))
        relay.work()
        assert [line["sync_id"] for line in events("sync.triggered")] == [5126]
        (withheld,) = events("sync.withheld")
        assert (withheld["sync_id"], withheld["reason"]) == (5124, "test_failed")

    @pytest.mark.parametrize(
        ("key", "reason"),
        [
            ("jobs: [1]", "job_not_listed"),
            ("environments: [1]", "environment_not_listed"),
            ("enabled: false", "sync_disabled"),
        ],
    )
    def test_a_sync_that_the_run_does_not_count_for_is_withheld(self, relay, events, key, reason):
        relay.map(
            f"version: 1\nsyncs:\n  - sync_id: 5123\n    depends_on: [customers]\n    {key}\n"
        )
        relay.deliver(night())
        relay.work()
        assert [line["reason"] for line in events("sync.withheld")] == [reason]
        assert events("sync.triggered") == []

    def test_a_sync_that_ignores_tests_is_triggered_all_the_same(self, relay, events):
        relay.map("version: 1\nsyncs:\n  - {sync_id: 5124, depends_on: [orders], tests: ignore}\n")
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
    def test_a_ci_run_is_not_even_looked_into(self, one, sandbox, events, job_type):
        one.deliver(
            SandboxRun.of(invoke("dbt build", load("build")), dbt_run_id=NIGHT, job_type=job_type)
        )
        one.work()
        (planned,) = events("dbt_run.planned")
        assert (planned["triggers"], planned["withheld"]) == ([], [])
        assert events("dbt_run.examined")[0]["never_counts"] == f"{job_type}_job"
        assert sandbox.dbt_cloud.requests_to("/artifacts/") == []

    def test_a_run_of_nothing_but_docs_concerns_no_sync(self, one, events):
        docs = invoke("dbt docs generate", load("docs_generate"))
        one.deliver(SandboxRun.of(docs, dbt_run_id=NIGHT))
        one.work()
        (planned,) = events("dbt_run.planned")
        assert (planned["triggers"], planned["withheld"]) == ([], [])


class TestAView:
    """`crm_customers` is a view on the table `customers`, which this run executes alone."""

    @pytest.fixture(name="of_a_view")
    def _of_a_view(self, relay):
        relay.map("version: 1\nsyncs:\n  - {sync_id: 5123, depends_on: [crm_customers]}\n")
        return relay

    def test_is_synced_when_the_table_behind_it_was_rebuilt(self, of_a_view, events):
        of_a_view.deliver(night(recording="run_tables_under_view"))
        of_a_view.work()
        (triggered,) = events("sync.triggered")
        assert triggered["because"] == ["model.jaffle_crm.crm_customers"]
        assert triggered["through"] == {
            "model.jaffle_crm.crm_customers": ["model.jaffle_crm.customers"]
        }
        assert of_a_view.sql("SELECT models, through FROM relay.decisions") == [
            (triggered["because"], triggered["through"])
        ]

    def test_is_withheld_when_the_table_behind_it_failed(self, of_a_view, events):
        failed = load("run_tables_under_view").with_results({"model.jaffle_crm.customers": "error"})
        step = invoke("dbt run --select customers", failed)
        of_a_view.deliver(SandboxRun.of(step, dbt_run_id=NIGHT))
        of_a_view.work()
        (withheld,) = events("sync.withheld")
        assert withheld["reason"] == "model_failed"
        assert withheld["models"] == ["model.jaffle_crm.crm_customers"]
        assert withheld["through"] == {
            "model.jaffle_crm.crm_customers": ("model.jaffle_crm.customers",)
        }

    def test_that_was_executed_has_nothing_to_look_through(self, of_a_view, sandbox, events):
        of_a_view.deliver(night())
        of_a_view.work()
        (triggered,) = events("sync.triggered")
        assert "through" not in triggered
        assert sandbox.dbt_cloud.requests_to("manifest.json") == []


class TestTheLineage:
    """`tag:crm` needs the manifest."""

    @pytest.fixture(name="by_tag")
    def _by_tag(self, relay):
        relay.map("version: 1\nsyncs:\n  - {sync_id: 5123, depends_on: ['tag:crm']}\n")
        return relay

    def test_is_fetched_once_for_all_runs_of_one_project_state(self, by_tag, sandbox, events):
        for number in range(3):
            by_tag.deliver(night(number))
            by_tag.work()
        (planned, *others) = events("dbt_run.planned")
        assert [each["triggers"] for each in (planned, *others)] == [[5123]] * 3
        assert len(sandbox.dbt_cloud.requests_to("manifest.json")) == 1

    @pytest.mark.parametrize(
        "other",
        [
            {"git_sha": "2" * 40},
            {"dbt_job_id": 278165},
            {"environment_id": 187999},
            {"project_id": 241252},
        ],
    )
    def test_is_fetched_anew_for_another_state(self, by_tag, sandbox, other):
        by_tag.deliver(night())
        by_tag.work()
        by_tag.deliver(dataclasses.replace(night(1), **other))
        by_tag.work()
        assert len(sandbox.dbt_cloud.requests_to("manifest.json")) == 2

    def test_is_fetched_anew_where_the_kept_one_does_not_know_what_was_executed(
        self, by_tag, sandbox, events
    ):
        """The same commit, but a package or an environment variable has changed."""
        by_tag.deliver(self.renamed(NIGHT, "customers", "clients"))
        by_tag.work()
        by_tag.deliver(night(1))
        by_tag.work()
        assert len(sandbox.dbt_cloud.requests_to("manifest.json")) == 2
        assert "model.jaffle_crm.clients" in events("dbt_run.examined")[0]["rebuilt"]
        assert len(events("dbt_run.planned")) == 2

    @staticmethod
    def renamed(dbt_run_id, old, new):
        def with_the_new_name(artifact):
            for said in ('model.jaffle_crm.{}"', '"name":"{}"'):
                artifact = artifact.replace(said.format(old).encode(), said.format(new).encode())
            return artifact

        build = load("build")
        recording = dataclasses.replace(
            build,
            run_results=with_the_new_name(build.run_results),
            manifest=with_the_new_name(build.manifest),
        )
        return SandboxRun.of(invoke("dbt build", recording), dbt_run_id=dbt_run_id)

    def test_of_another_invocation_is_a_problem_that_names_file_step_and_run(
        self, by_tag, sandbox, events
    ):
        build = load("build")
        renamed = self.renamed(NIGHT, "customers", "clients").steps[-1].recording
        mixed = dataclasses.replace(build, run_results=renamed.run_results)
        by_tag.deliver(SandboxRun.of(invoke("dbt build", mixed), dbt_run_id=NIGHT))
        by_tag.work()
        (retried,) = events("dbt_run.retried")
        assert retried["problem"] == (
            f"manifest.json of step 4 of dbt run {NIGHT} is of another invocation: "
            "it does not know model.jaffle_crm.clients, which the step executed"
        )
        assert sandbox.census.sync_runs == []

    def test_of_two_steps_that_saw_different_projects_is_of_both(self, relay, sandbox, events):
        relay.map(
            "version: 1\ndefaults: {consistency: ignore}\nsyncs:\n"
            "  - {sync_id: 5123, depends_on: ['tag:crm,clients']}\n"
            "  - {sync_id: 5124, depends_on: ['tag:crm,customers']}\n"
        )
        first, second = self.renamed(NIGHT, "customers", "clients").steps[-1], night().steps[3]
        relay.deliver(SandboxRun.of(first, second, dbt_run_id=NIGHT))
        relay.work()
        assert sorted(line["sync_id"] for line in events("sync.triggered")) == [5123, 5124]
        assert len(sandbox.dbt_cloud.requests_to("manifest.json")) == 2

    def test_is_that_of_the_last_step_that_counts(self, by_tag, sandbox):
        """Behind `dbt build` come `dbt docs generate`, which counts not, and here nothing else."""
        by_tag.deliver(night())
        by_tag.work()
        (request,) = sandbox.dbt_cloud.requests_to("manifest.json")
        assert request.query == "step=4"


class TestASyncThatWaitsForAllOfItsModels:
    """Two jobs: one builds `customers`, the other everything but that."""

    @pytest.fixture(name="waiting")
    def _waiting(self, relay):
        relay.map(
            "version: 1\nsyncs:\n"
            "  - {sync_id: 5123, depends_on: [customers, fct_revenue], require: all}\n"
        )
        return relay

    @staticmethod
    def rebuilt(number, *models, **fields):
        ids = [f"model.jaffle_crm.{model}" for model in models]
        step = invoke("dbt build", load("build").only(*ids))
        return SandboxRun.of(step, dbt_run_id=NIGHT + number, **fields)

    def test_goes_when_the_last_of_them_was_rebuilt_by_whichever_job(self, waiting, events):
        waiting.deliver(self.rebuilt(0, "customers"))
        waiting.work()
        (withheld,) = events("sync.withheld")
        assert withheld["reason"] == "waiting_for_models"
        assert withheld["models"] == ["model.jaffle_crm.fct_revenue"]
        waiting.tick(60)
        waiting.deliver(self.rebuilt(1, "fct_revenue", dbt_job_id=278165))
        waiting.work()
        (triggered,) = events("sync.triggered")
        assert triggered["because"] == ["model.jaffle_crm.fct_revenue"]

    def test_then_waits_for_all_of_them_anew(self, waiting, events):
        for number, model in enumerate(("customers", "fct_revenue", "customers")):
            waiting.deliver(self.rebuilt(number, model))
            waiting.work()
            waiting.tick(60)
        assert len(events("sync.triggered")) == 1
        assert [line["models"] for line in events("sync.withheld")] == [
            ["model.jaffle_crm.fct_revenue"],
            ["model.jaffle_crm.fct_revenue"],
        ]

    def test_waits_for_all_of_them_anew_after_a_trigger_by_hand_too(self, waiting, events):
        waiting.deliver(self.rebuilt(0, "customers"))
        waiting.work()
        waiting.tick(60)
        waiting.trigger(5123, by_hand.Records.AS_MAPPED)
        waiting.work_for(60)
        waiting.deliver(self.rebuilt(1, "fct_revenue"))
        waiting.work()
        assert events("sync.withheld")[-1]["models"] == ["model.jaffle_crm.customers"]

    def test_is_not_helped_by_a_rebuild_that_is_too_old(self, waiting, events):
        waiting.deliver(self.rebuilt(0, "customers"))
        waiting.work()
        waiting.tick(25 * 3600)
        waiting.deliver(self.rebuilt(1, "fct_revenue"))
        waiting.work()
        assert events("sync.triggered") == []

    def test_goes_too_where_the_earlier_run_is_told_of_later(self, waiting, sandbox, events):
        sandbox.dbt_cloud.add_run(self.rebuilt(0, "customers"))
        waiting.tick(60)
        later = self.rebuilt(1, "fct_revenue")
        waiting.deliver(later)
        waiting.work()
        earlier = sandbox.dbt_cloud.run(NIGHT)
        waiting.deliver(earlier)
        waiting.work()
        assert [line["dbt_run_ids"] for line in events("sync.triggered")] == [[NIGHT]]

    def test_counts_again_what_a_refused_trigger_was_for(self, waiting, sandbox, events):
        sandbox.census.fail_next("/trigger", Status(404))
        waiting.deliver(self.rebuilt(0, "customers", "fct_revenue"))
        waiting.work()
        assert len(events("sync.trigger_failed")) == 1
        waiting.tick(60)
        waiting.deliver(self.rebuilt(1, "customers"))
        waiting.work()
        assert len(events("sync.triggered")) == 1


class TestAModelThatIsOlderThanItsParent:
    """`customers` reads `stg_customers` and `orders`; these are rebuilt by another job."""

    MAPPING = (
        "version: 1\nsyncs:\n"
        "  - {sync_id: 5123, depends_on: [customers, orders], consistency: %s}\n"
    )

    def nights(self, relay, *runs):
        for number, models in enumerate(runs):
            ids = [f"model.jaffle_crm.{model}" for model in models]
            step = invoke("dbt build", load("build").only(*ids))
            relay.deliver(
                SandboxRun.of(step, dbt_run_id=NIGHT + number, dbt_job_id=278164 + number)
            )
            relay.work()
            relay.tick(600)

    def test_withholds_its_syncs_until_it_is_rebuilt_itself(self, relay, events):
        relay.map(self.MAPPING % "block")
        self.nights(relay, ["orders", "customers"], ["orders"], ["customers"])
        assert [line["dbt_run_ids"] for line in events("sync.triggered")] == [[NIGHT]]
        (withheld,) = events("sync.withheld")
        assert withheld["reason"] == "stale_parent"
        assert withheld["models"] == ["model.jaffle_crm.customers"]

    def test_does_not_where_the_mapping_ignores_it(self, relay, events):
        relay.map(self.MAPPING % "ignore")
        self.nights(relay, ["orders", "customers"], ["orders"])
        assert len(events("sync.withheld")) == 0


class TestASyncThatRunsOnlySoOften:
    @pytest.fixture(name="cooling")
    def _cooling(self, relay):
        relay.map(
            "version: 1\nsyncs:\n  - {sync_id: 5123, depends_on: [customers], at_most_every: 30m}\n"
        )
        return relay

    def test_is_held_and_goes_once_for_all_when_the_time_has_come(self, cooling, sandbox, events):
        cooling.deliver(night())
        cooling.work()
        sandbox.census.finish(sandbox.census.sync_runs[0].sync_run_id)
        for number in (1, 2):
            cooling.tick(600)
            cooling.deliver(night(number))
            cooling.work()
        held = events("sync.withheld")
        assert [line["reason"] for line in held] == ["cooling_down"] * 2
        assert held[0]["until"] == held[1]["until"]
        assert len(sandbox.census.sync_runs) == 1
        cooling.tick(599)
        cooling.work()
        assert len(sandbox.census.sync_runs) == 1
        cooling.tick(2)
        cooling.work()
        assert [line["dbt_run_ids"] for line in events("sync.triggered")] == [
            [NIGHT],
            [NIGHT + 1, NIGHT + 2],
        ]

    def test_waits_on_for_a_run_that_takes_longer_than_that(self, cooling, sandbox, events):
        cooling.deliver(night())
        cooling.work()
        cooling.tick(600)
        cooling.deliver(night(1))
        cooling.work()
        cooling.tick(3600)
        cooling.work()
        assert len(sandbox.census.sync_runs) == 1
        sandbox.census.finish(sandbox.census.sync_runs[0].sync_run_id)
        cooling.tick(15)
        cooling.work()
        assert len(sandbox.census.sync_runs) == 2

    def test_loses_no_run_and_sends_none_twice_whatever_the_times(self, cooling, sandbox, events):
        times = random.Random(5)
        for number in range(12):
            cooling.deliver(night(number))
            for _ in range(times.randint(1, 3)):
                cooling.work()
                cooling.tick(times.choice([5, 300, 900, 2000]))
            finish_all(sandbox)
        for _ in range(8):
            cooling.tick(1800)
            cooling.work()
            finish_all(sandbox)
        sent = [each for line in events("sync.triggered") for each in line["dbt_run_ids"]]
        assert sorted(sent) == [NIGHT + number for number in range(12)]
        assert len(events("sync.triggered")) < 12

    def test_shows_its_held_trigger(self, cooling):
        cooling.deliver(night())
        cooling.work()
        cooling.deliver(night(1))
        cooling.work()
        states = cooling.sql("SELECT due_at > requested_at FROM relay.triggers ORDER BY 1")
        assert states == [(False,), (True,)]


class TestARetriedRun:
    """A night in which `orders` failed, and the run that took it up from there."""

    @pytest.fixture(name="failed")
    def _failed(self):
        return night(recording="build_model_error")

    @pytest.fixture(name="retry")
    def _retry(self):
        again = invoke("dbt retry", load("retry"))
        return SandboxRun.of(again, dbt_run_id=NIGHT + 1, retrying_run_id=NIGHT)

    def test_counts_what_both_rebuilt_and_triggers_nothing_twice(
        self, relay, failed, retry, events
    ):
        relay.deliver(failed)
        relay.work()
        assert [line["sync_id"] for line in events("sync.triggered")] == [5126]
        relay.deliver(retry)
        relay.work()
        triggered = {line["sync_id"]: line["dbt_run_ids"] for line in events("sync.triggered")}
        assert triggered == {
            5126: [NIGHT],
            5123: [NIGHT + 1],
            5124: [NIGHT + 1],
            5125: [NIGHT + 1],
        }
        assert events("dbt_run.examined")[-1]["retries"] == [NIGHT]

    def test_does_so_too_where_its_webhook_comes_first(self, relay, sandbox, failed, retry, events):
        sandbox.dbt_cloud.add_run(failed)
        relay.deliver(retry)
        relay.work()
        assert len(events("sync.triggered")) == 4
        relay.deliver(failed)
        relay.work()
        assert len(events("sync.triggered")) == 4

    def test_triggers_what_census_refused_the_first_time(
        self, relay, sandbox, failed, retry, events
    ):
        sandbox.census.fail_next("/trigger", Status(422))
        relay.deliver(failed)
        relay.work()
        assert [line["sync_id"] for line in events("sync.trigger_failed")] == [5126]
        relay.deliver(retry)
        relay.work()
        assert len(events("sync.triggered")) == 4

    def test_lets_a_sync_go_whose_models_stand_in_both(self, relay, failed, retry, events):
        relay.map(
            "version: 1\nsyncs:\n  - {sync_id: 5123, depends_on: [stg_customers, customers]}\n"
        )
        relay.deliver(failed)
        relay.work()
        assert [line["reason"] for line in events("sync.withheld")] == ["model_failed"]
        relay.deliver(retry)
        relay.work()
        (triggered,) = events("sync.triggered")
        assert triggered["because"] == [
            "model.jaffle_crm.customers",
            "model.jaffle_crm.stg_customers",
        ]

    def test_that_retries_itself_in_a_circle_ends(self, one, sandbox, failed, retry, events):
        sandbox.dbt_cloud.add_run(dataclasses.replace(failed, retrying_run_id=NIGHT + 1))
        one.deliver(retry)
        one.work()
        assert len(events("sync.triggered")) == 1


class TestDbtCloudInTrouble:
    @pytest.mark.parametrize("fault", [Status(503), Status(429), HangUp(), Body(b"<html>")])
    def test_is_asked_again(self, one, sandbox, events, fault):
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

    def test_a_run_that_goes_on_is_waited_for(self, one, sandbox, events):
        build = invoke("dbt build", load("build"))
        one.deliver(SandboxRun.of(build, dbt_run_id=NIGHT, status=RUNNING))
        one.work()
        sandbox.dbt_cloud.add_run(night())
        one.work_for(2)
        assert len(events("sync.triggered")) == 1

    def test_429_is_obeyed(self, one, sandbox, events):
        sandbox.dbt_cloud.fail_next("/runs/", Status(429, retry_after=120))
        one.deliver(night())
        one.work()
        one.work_for(119)
        assert events("sync.triggered") == []
        one.work_for(3)
        assert len(events("sync.triggered")) == 1

    def test_it_is_given_up_visibly_in_the_end(self, one, sandbox, events):
        sandbox.dbt_cloud.fail_next("/runs/", Status(503), times=1000)
        one.deliver(night())
        began = one.clock()
        one.work_for(40 * 60)
        (given_up,) = events("dbt_run.given_up")
        assert events("dbt_run.retried")[-1]["again_at"] - began >= timedelta(minutes=30)
        assert "HTTP 503" in given_up["problem"]
        assert given_up["log_level"] == "error"
        assert nothing_is_left_to_do(one)
        assert one.sql("SELECT given_up_at IS NOT NULL FROM relay.dbt_runs") == [(True,)]

    def test_the_time_in_which_nobody_tried_does_not_count(self, one, sandbox, events):
        sandbox.dbt_cloud.fail_next("/runs/", Status(502), times=2)
        one.deliver(night())
        one.work()
        one.tick(86400)
        one.work_for(60)
        assert events("dbt_run.given_up") == []
        assert len(events("sync.triggered")) == 1

    def test_a_run_that_was_given_up_can_be_replayed(self, one, sandbox, events):
        sandbox.dbt_cloud.fail_next("/artifacts/", Status(404), times=1000)
        one.deliver(night())
        one.work_for(40 * 60)
        assert len(events("dbt_run.given_up")) == 1
        sandbox.dbt_cloud.heal()
        assert one.replay(NIGHT).replay == "due"
        one.work()
        assert len(events("sync.triggered")) == 1

    def test_a_replayed_run_has_its_whole_time_again(self, one, sandbox, events):
        sandbox.dbt_cloud.fail_next("/runs/", Status(503), times=1000)
        one.deliver(night())
        one.work_for(40 * 60)
        one.replay(NIGHT)
        one.work()
        assert len(events("dbt_run.given_up")) == 1
        assert one.replay(NIGHT).replay == "under_way"

    def test_a_run_that_no_delivery_told_of_can_be_replayed(self, one, sandbox, events):
        sandbox.dbt_cloud.add_run(night())
        assert one.replay(NIGHT).replay == "due"
        one.work()
        assert len(events("sync.triggered")) == 1

    def test_a_token_that_is_being_replaced_costs_no_sync(self, one, sandbox, events):
        sandbox.dbt_cloud.fail_next("/runs/", Status(401))
        one.deliver(night())
        one.work()
        assert "DBT_CLOUD_TOKEN" in events("dbt_run.retried")[0]["problem"]
        one.work_for(2)
        assert len(events("sync.triggered")) == 1


class TestATriggerByHand:
    def test_tells_that_no_dbt_run_is_behind_it(self, one, events):
        one.trigger(5123, by_hand.Records.AS_MAPPED)
        one.work()
        (line,) = events("sync.triggered")
        assert (line["dbt_run_id"], line["dbt_run_ids"], line["because"]) == (None, [], [])

    @pytest.mark.parametrize(("full_sync", "asked"), [("true", True), ("false", False)])
    def test_sends_the_records_that_the_mapping_says(self, one, sandbox, full_sync, asked):
        one.map(
            "version: 1\nsyncs:\n"
            f"  - {{sync_id: 5123, depends_on: [customers], full_sync: {full_sync}}}\n"
        )
        one.trigger(5123, by_hand.Records.AS_MAPPED)
        one.work()
        assert [run.full_sync for run in sandbox.census.sync_runs] == [asked]

    def test_goes_together_with_what_a_run_brings(self, one, sandbox, events):
        one.deliver(night())
        one.work()
        one.deliver(night(1))
        one.trigger(5123, by_hand.Records.ALL)
        one.work()
        finish_all(sandbox)
        one.work_for(15)
        assert [line["dbt_run_ids"] for line in events("sync.triggered")] == [[NIGHT], [NIGHT + 1]]
        assert [run.full_sync for run in sandbox.census.sync_runs] == [False, True]


class TestAReplay:
    @pytest.fixture(name="decided")
    def _decided(self, one, sandbox):
        """A run of one sync, decided and its sync run ended."""
        one.deliver(night())
        one.work()
        finish_all(sandbox)
        one.work_for(15)
        return one

    def test_triggers_nothing_that_was_triggered(self, events, decided, sandbox):
        replayed = decided.replay(NIGHT)
        (left,) = replayed.left_alone
        assert (left.sync_id, left.sync_run_id) == (5123, sandbox.census.sync_runs[0].sync_run_id)
        decided.work()
        assert len(sandbox.census.requests_to("/trigger")) == 1
        assert [line["triggers"] for line in events("dbt_run.planned")] == [[5123], []]

    def test_does_with_again(self, decided, sandbox):
        assert decided.replay(NIGHT, Redo.EVERYTHING).left_alone == ()
        decided.work()
        assert len(sandbox.census.sync_runs) == 2
        (left,) = decided.replay(NIGHT).left_alone
        assert left.sync_run_id == sandbox.census.sync_runs[1].sync_run_id
        decided.work()
        assert len(sandbox.census.sync_runs) == 2

    def test_waits_with_again_for_the_run_under_way(self, one, sandbox):
        one.deliver(night())
        one.work()
        one.replay(NIGHT, Redo.EVERYTHING)
        one.work()
        assert len(sandbox.census.sync_runs) == 1
        finish_all(sandbox)
        one.work_for(15)
        assert len(sandbox.census.sync_runs) == 2

    def test_decides_by_the_mapping_as_it_is_now(self, events, decided):
        decided.map(
            "version: 1\nsyncs:\n"
            "  - {sync_id: 5123, depends_on: [customers]}\n"
            "  - {sync_id: 5124, depends_on: [orders]}\n"
        )
        decided.replay(NIGHT)
        decided.work()
        assert [line["sync_id"] for line in events("sync.triggered")] == [5123, 5124]

    def test_lets_go_what_was_withheld_for_what_is_mended_now(self, relay, events):
        mapping = "version: 1\nsyncs:\n  - {sync_id: 5124, depends_on: [orders], tests: %s}\n"
        relay.map(mapping % "block")
        relay.deliver(night(recording="build_test_fail"))
        relay.work()
        assert [line["reason"] for line in events("sync.withheld")] == ["test_failed"]
        relay.map(mapping % "ignore")
        relay.replay(NIGHT)
        relay.work()
        assert [line["sync_id"] for line in events("sync.triggered")] == [5124]
        assert relay.sql("SELECT reason FROM relay.decisions") == [("rebuilt",)]

    def test_drives_what_census_refused_once_more(self, one, sandbox, events):
        sandbox.census.fail_next("/trigger", Status(422))
        one.deliver(night())
        one.work()
        assert len(events("sync.trigger_failed")) == 1
        assert one.replay(NIGHT).left_alone == ()
        one.work()
        assert len(events("sync.triggered")) == 1
        one.replay(NIGHT)
        one.work()
        assert len(sandbox.census.sync_runs) == 1


class TestARunThatNoWebhookToldOf:
    @pytest.fixture(name="watching")
    def _watching(self, one):
        """A relay that was started an hour ago."""
        one.start()
        one.round()
        one.tick(3600)
        return one

    @staticmethod
    def ended(one, dbt_run_id, *, ago, **fields):
        """A good night's run that ended so many seconds ago."""
        at = one.clock() - timedelta(seconds=ago)
        build = invoke("dbt build", load("build"))
        run = SandboxRun.of(build, dbt_run_id=dbt_run_id, finished_at=at, **fields)
        return one.sandbox.dbt_cloud.add_run(run)

    def test_is_caught_up_and_relayed(self, watching, events):
        self.ended(watching, NIGHT, ago=600)
        watching.round()
        (caught,) = events("dbt_run.caught_up")
        assert caught["dbt_run_id"] == NIGHT
        assert [line["dbt_run_id"] for line in events("sync.triggered")] == [NIGHT]

    def test_is_caught_up_once(self, watching, sandbox, events):
        self.ended(watching, NIGHT, ago=600)
        for _ in range(3):
            watching.round()
            watching.tick(600)
        assert len(events("dbt_run.caught_up")) == 1
        assert len(sandbox.census.sync_runs) == 1

    def test_is_the_same_run_for_a_webhook_that_comes_later(self, watching, sandbox):
        run = self.ended(watching, NIGHT, ago=600)
        watching.round()
        watching.deliver(run)
        watching.work()
        assert len(sandbox.census.sync_runs) == 1

    def test_is_none_that_a_webhook_brought(self, watching, events):
        watching.deliver(self.ended(watching, NIGHT, ago=600))
        watching.work()
        watching.round()
        assert events("dbt_run.caught_up", "webhook.silent") == []

    def test_leaves_its_webhook_a_minute(self, watching, events):
        self.ended(watching, NIGHT, ago=30)
        watching.round()
        assert events("dbt_run.caught_up") == []
        watching.tick(600)
        watching.round()
        assert len(events("dbt_run.caught_up")) == 1

    @pytest.mark.parametrize(("ago", "is_taken"), [(3599, True), (3601, False)])
    def test_is_none_from_before_relays_first_start(self, watching, events, ago, is_taken):
        self.ended(watching, NIGHT, ago=ago)
        watching.round()
        assert len(events("dbt_run.caught_up")) == is_taken

    @pytest.mark.parametrize(("days", "is_taken"), [(6.9, True), (7.1, False)])
    def test_is_at_most_seven_days_old(self, watching, events, days, is_taken):
        watching.tick(30 * 86400)
        self.ended(watching, NIGHT, ago=days * 86400)
        watching.round()
        assert len(events("dbt_run.caught_up")) == is_taken

    def test_is_none_of_a_job_that_nothing_is_mapped_to(self, watching, events):
        watching.map(
            "version: 1\nsyncs:\n  - {sync_id: 5123, depends_on: [customers], jobs: [4]}\n"
        )
        self.ended(watching, NIGHT, ago=600, dbt_job_id=3)
        self.ended(watching, NIGHT + 1, ago=600, dbt_job_id=4)
        watching.round()
        assert [line["dbt_run_id"] for line in events("dbt_run.caught_up")] == [NIGHT + 1]

    def test_is_looked_for_again_where_dbt_cloud_did_not_answer(self, watching, sandbox, events):
        self.ended(watching, NIGHT, ago=600)
        sandbox.dbt_cloud.fail_next("/runs/", Status(503))
        watching.round()
        assert "HTTP 503" in events("catch_up.failed")[0]["problem"]
        watching.tick(600)
        watching.round()
        assert len(events("dbt_run.caught_up")) == 1

    def test_is_looked_for_every_so_often_and_when_a_worker_starts(self, watching, sandbox):
        asked = lambda: len(sandbox.dbt_cloud.requests_to("/runs/"))  # noqa: E731
        watching.round()
        before = asked()
        watching.tick(599)
        watching.round()
        assert asked() == before
        watching.tick(1)
        watching.round()
        assert asked() == before + 1
        watching.start()
        watching.round()
        assert asked() == before + 2

    def test_is_found_by_one_of_several_workers(self, watching, sandbox):
        before = len(sandbox.dbt_cloud.requests_to("/runs/"))
        for _ in range(3):
            tasks.hand_out_chores(watching.services)
        watching.work()
        assert len(sandbox.dbt_cloud.requests_to("/runs/")) == before + 1

    def test_is_not_looked_for_where_the_interval_is_0(self, one, sandbox):
        settings = dataclasses.replace(one.services.settings, catch_up_interval=None)
        one.services = dataclasses.replace(one.services, settings=settings)
        one.start()
        one.tick(3600)
        one.round()
        assert sandbox.dbt_cloud.requests == []

    def test_says_so_where_no_webhook_comes_at_all(self, watching, events):
        self.ended(watching, NIGHT, ago=600)
        watching.round()
        (silent,) = events("webhook.silent")
        assert (silent["last_delivery_at"], silent["missed"]) == (None, 1)

    def test_is_no_silence_where_other_webhooks_came_since(self, watching, sql, events):
        watching.deliver(self.ended(watching, NIGHT, ago=300))
        sql("UPDATE relay.deliveries SET received_at = %s", watching.clock())
        self.ended(watching, NIGHT + 1, ago=600)
        watching.round()
        assert len(events("dbt_run.caught_up")) == 1
        assert events("webhook.silent") == []

    def test_has_the_webhook_subscription_looked_at(self, watching, sandbox, events):
        inactive = dataclasses.replace(
            story.SUBSCRIPTION, active=False, deactivate_reason="it failed too often"
        )
        sandbox.dbt_cloud.add_subscription(inactive)
        watching.round()
        (unwell,) = events("webhook.unwell")
        assert "it failed too often" in unwell["problem"]

    def test_does_without_where_the_token_may_not_read_subscriptions(
        self, watching, sandbox, events
    ):
        self.ended(watching, NIGHT, ago=600)
        sandbox.dbt_cloud.fail_next("/webhooks/", Status(403))
        watching.round()
        assert len(events("webhook.not_readable")) == 1
        assert len(events("dbt_run.caught_up")) == 1


class TestOneSyncRunAtATime:
    def test_triggers_that_come_meanwhile_become_one_more(self, one, sandbox, events):
        one.deliver(night())
        one.work()
        for number in (1, 2, 3):
            one.deliver(night(number, "run_tables_under_view"))
            one.work()
        assert len(sandbox.census.sync_runs) == 1
        sandbox.census.finish(sandbox.census.sync_runs[0].sync_run_id)
        one.work_for(15)
        first, second = events("sync.triggered")
        assert first["dbt_run_ids"] == [NIGHT]
        assert second["dbt_run_ids"] == [NIGHT + 1, NIGHT + 2, NIGHT + 3]
        assert second["dbt_run_id"] == NIGHT + 3
        assert len(sandbox.census.sync_runs) == 2

    def test_a_failed_run_lets_the_next_one_go(self, one, sandbox, events):
        one.deliver(night())
        one.work()
        one.deliver(night(1))
        one.work()
        sandbox.census.finish(sandbox.census.sync_runs[0].sync_run_id, status="failed")
        one.work_for(15)
        assert [line["outcome"] for line in events("sync_run.finished")] == ["failed"]
        assert len(events("sync.triggered")) == 2

    def test_a_skipped_run_waits_for_the_one_in_its_way_and_goes_once_more(
        self, one, sandbox, events
    ):
        scheduled = sandbox.census.trigger(5123)
        one.deliver(night())
        one.work()
        one.work_for(15)
        assert len(events("sync_run.skipped")) == 1
        for _ in range(5):
            one.work_for(15)
        assert len(sandbox.census.sync_runs) == 2, "no trigger while the other one goes"
        sandbox.census.finish(scheduled.sync_run_id)
        one.work_for(15)
        assert len(sandbox.census.sync_runs) == 3
        assert events("sync.triggered")[-1]["dbt_run_ids"] == [NIGHT]
        sandbox.census.finish(sandbox.census.sync_runs[-1].sync_run_id)
        one.work_for(15)
        assert [line["outcome"] for line in events("sync_run.finished")] == ["completed"]
        assert nothing_is_left_to_do(one)

    def test_it_does_not_wait_for_ever_for_somebody_elses(self, one, sandbox, events):
        sandbox.census.trigger(5123)
        one.deliver(night())
        one.work()
        one.work_for(15)
        one.tick(6 * 3600)
        one.work()
        (failed,) = events("sync.trigger_failed")
        assert "did not start" in failed["problem"]
        assert len(sandbox.census.sync_runs) == 2
        assert nothing_is_left_to_do(one)

    def test_full_sync_is_asked_for_where_the_mapping_says(self, relay, sandbox):
        relay.map(
            "version: 1\nsyncs:\n  - {sync_id: 5123, depends_on: [customers], full_sync: true}\n"
        )
        relay.deliver(night())
        relay.work()
        assert sandbox.census.requests_to("/trigger")[0].query == "force_full_sync=true"


class TestCensusInTrouble:
    @pytest.mark.parametrize(
        "fault",
        [
            Status(404),
            Body(b'{"status":"error","message":"no"}'),
            Body(b"HTTP Basic: Access denied.", 401, "text/plain"),
        ],
    )
    def test_a_refusal_is_final_at_once(self, one, sandbox, events, fault):
        sandbox.census.fail_next("/trigger", fault)
        one.deliver(night())
        one.work()
        (failed,) = events("sync.trigger_failed")
        assert failed["dbt_run_ids"] == [NIGHT]
        assert failed["sync_id"] == 5123
        assert nothing_is_left_to_do(one)

    def test_a_refusal_does_not_stand_in_the_next_runs_way(self, one, sandbox, events):
        sandbox.census.fail_next("/trigger", Status(404))
        one.deliver(night())
        one.work()
        one.deliver(night(1))
        one.work()
        assert [line["dbt_run_ids"] for line in events("sync.triggered")] == [[NIGHT + 1]]

    def test_429_is_tried_again_when_it_says(self, one, sandbox, events):
        sandbox.census.fail_next("/trigger", Status(429, retry_after=40))
        one.deliver(night())
        one.work()
        one.work_for(39)
        assert len(sandbox.census.requests_to("/trigger")) == 1
        one.work_for(3)
        assert len(events("sync.triggered")) == 1
        assert sandbox.census.requests_to("/sync_runs") == [], "it did nothing: no need to look"

    @pytest.mark.parametrize("fault", [HangUpAfter(), StatusAfter(502), StatusAfter(504)])
    def test_a_run_whose_answer_was_lost_is_found_and_not_started_again(
        self, one, sandbox, events, fault
    ):
        sandbox.census.fail_next("/trigger", fault)
        one.deliver(night())
        one.work()
        assert len(events("sync.trigger_retried")) == 1
        one.work_for(61)
        (run,) = sandbox.census.sync_runs
        assert [line["sync_run_id"] for line in events("sync.trigger_recovered")] == [
            run.sync_run_id
        ]
        assert [line["sync_run_id"] for line in events("sync.triggered")] == [run.sync_run_id]
        sandbox.census.finish(run.sync_run_id)
        one.work_for(15)
        assert len(events("sync_run.finished")) == 1

    @pytest.mark.parametrize("fault", [HangUp(), Status(500), Status(503)])
    def test_one_that_did_not_start_is_started_after_a_look(self, one, sandbox, events, fault):
        sandbox.census.fail_next("/trigger", fault)
        one.deliver(night())
        one.work()
        one.work_for(61)
        assert len(sandbox.census.sync_runs) == 1
        assert len(events("sync.triggered")) == 1
        assert events("sync.trigger_recovered") == []
        assert len(sandbox.census.requests_to("/syncs/5123/sync_runs")) == 1

    def test_a_look_that_is_refused_is_no_end(self, one, sandbox, events):
        """A key that is being replaced must not hide a sync run that goes on unfollowed."""
        sandbox.census.fail_next("/trigger", HangUpAfter())
        sandbox.census.fail_next("/syncs/5123/sync_runs", Status(401))
        one.deliver(night())
        one.work_for(120)
        assert events("sync.trigger_failed", "task.failed") == []
        assert len(events("sync.trigger_recovered")) == 1
        assert len(sandbox.census.sync_runs) == 1

    def test_an_older_run_of_somebody_elses_is_not_taken_for_ours(self, one, sandbox, clock):
        older = sandbox.census.trigger(5123)
        sandbox.census.finish(older.sync_run_id)
        clock.tick(60)
        sandbox.census.fail_next("/trigger", HangUp())
        one.deliver(night())
        one.work()
        one.work_for(61)
        assert len(sandbox.census.sync_runs) == 2

    def test_a_lost_answer_waits_until_census_must_be_done_with_it(self, one, sandbox):
        sandbox.census.fail_next("/trigger", HangUp())
        one.deliver(night())
        one.work()
        one.work_for(50)
        assert len(sandbox.census.requests_to("/trigger")) == 1
        one.work_for(11)
        assert len(sandbox.census.requests_to("/trigger")) == 2

    def test_it_is_given_up_visibly_in_the_end(self, one, sandbox, events):
        sandbox.census.fail_next("/trigger", Status(503), times=1000)
        one.deliver(night())
        began = one.clock()
        one.work_for(40 * 60)
        (failed,) = events("sync.trigger_failed")
        assert events("sync.trigger_retried")[-1]["again_at"] - began >= timedelta(minutes=30)
        assert "HTTP 503" in failed["problem"]
        assert nothing_is_left_to_do(one)

    @pytest.mark.parametrize("fault", [Status(429), HangUp(), HangUpAfter()])
    def test_the_time_in_which_nobody_tried_does_not_count(self, one, sandbox, events, fault):
        sandbox.census.fail_next("/trigger", fault)
        one.deliver(night())
        one.work()
        one.tick(86400)
        sandbox.census.fail_next("/", Status(502))
        one.work_for(300)
        assert events("sync.trigger_failed") == []
        assert len(sandbox.census.sync_runs) == 1
        assert len(events("sync.triggered")) == 1

    def test_nor_does_it_before_a_run_is_abandoned(self, one, sandbox, events):
        one.deliver(night())
        one.work()
        one.tick(86400)
        sandbox.census.fail_next("/sync_runs/", Status(502), times=3)
        one.work_for(40)
        finish_all(sandbox)
        one.work_for(30)
        assert events("sync_run.abandoned") == []
        assert len(events("sync_run.finished")) == 1

    def test_only_looks_in_a_row_are_in_vain(self, one, sandbox, events):
        settings = dataclasses.replace(one.services.settings, retry_for=30)
        one.services = dataclasses.replace(one.services, settings=settings)
        one.deliver(night())
        one.work()
        for _ in range(3):
            sandbox.census.fail_next("/sync_runs/", Status(502))
            one.work_for(30)  # one look in vain, and one that is answered
        one.tick(86400)
        sandbox.census.fail_next("/sync_runs/", Status(502), times=2)
        one.work_for(15)
        finish_all(sandbox)
        one.work_for(30)
        assert events("sync_run.abandoned") == []
        assert len(events("sync_run.finished")) == 1

    def test_faults_while_following_are_borne(self, one, sandbox, events):
        one.deliver(night())
        one.work()
        (run,) = sandbox.census.sync_runs
        for fault in (Status(500), Status(429), HangUp(), Body(b"<html>"), Status(401)):
            sandbox.census.fail_next("/sync_runs/", fault)
            one.work_for(15)
        sandbox.census.finish(run.sync_run_id)
        one.work_for(15)
        assert len(events("sync_run.finished")) == 1

    def test_a_word_nobody_knows_is_told_once_and_followed_on(self, one, sandbox, events):
        one.deliver(night())
        one.work()
        (run,) = sandbox.census.sync_runs
        sandbox.census.say(run.sync_run_id, "reticulating")
        for _ in range(3):
            one.work_for(15)
        (unknown,) = events("sync_run.status_unknown")
        assert unknown["status"] == "reticulating"
        sandbox.census.finish(run.sync_run_id)
        one.work_for(15)
        assert len(events("sync_run.finished")) == 1

    def test_a_run_without_an_end_is_abandoned_at_the_deadline(self, one, events):
        one.deliver(night())
        one.work()
        one.tick(6 * 3600 + 20)
        one.work()
        (abandoned,) = events("sync_run.abandoned")
        assert "deadline" in abandoned["problem"]
        assert nothing_is_left_to_do(one)

    def test_a_run_that_census_does_not_know_any_more_is_abandoned(self, one, sandbox, events):
        one.deliver(night())
        one.work()
        sandbox.census.fail_next("/sync_runs/", Status(404))
        one.work_for(15)
        assert "HTTP 404" in events("sync_run.abandoned")[0]["problem"]
        assert nothing_is_left_to_do(one)

    def test_a_run_that_failed_without_counts_is_at_its_end(self, one, sandbox, events):
        """As Census's own example has it: no counts, and no time of its end."""
        one.deliver(night())
        one.work()
        failed = (
            b'{"status":"success","data":{"id":90001,"status":"failed","completed_at":null,'
            b'"records_processed":null,"records_updated":null,"records_failed":null,'
            b'"records_invalid":0,"error_code":"JSON_ARRAY_ERROR","error_message":"no array"}}'
        )
        sandbox.census.fail_next("/sync_runs/", Body(failed))
        one.work_for(15)
        (ended,) = events("sync_run.finished")
        assert (ended["outcome"], ended["records_failed"]) == ("failed", None)
        assert (ended["error_code"], ended["log_level"]) == ("JSON_ARRAY_ERROR", "error")

    def test_each_workspace_rests_for_itself(self, relay, sandbox):
        relay.map(
            "version: 1\nsyncs:\n"
            "  - {sync_id: 5123, depends_on: [customers], workspace: emea}\n"
            "  - {sync_id: 5124, depends_on: [customers]}\n"
            "  - {sync_id: 5125, depends_on: [customers]}\n"
            f"workspaces:\n  emea: {{url: '{sandbox.census.url}', api_key_env: CENSUS_API_KEY,"
            " api_version: v2}\n"
        )
        sandbox.census.fail_next("POST /api/v1/", Status(429, retry_after=60))
        relay.deliver(night())
        relay.work()
        asked = [seen.path for seen in sandbox.census.requests_to("/trigger")]
        assert max(asked) == "/api/v2/syncs/5123/trigger", "emea is asked all the same"
        assert len(asked) == 2, "one of the others is not even asked"
        relay.work_for(70)
        assert len(sandbox.census.sync_runs) == 3

    def test_a_canceled_run_is_at_its_end(self, one, sandbox, events):
        one.deliver(night())
        one.work()
        sandbox.census.finish(sandbox.census.sync_runs[0].sync_run_id, canceled=True)
        one.work_for(15)
        assert [line["outcome"] for line in events("sync_run.finished")] == ["canceled"]


class TestAWorkerThatWasTakenForDead:
    """It is only slow, and holds an attempt to start a sync run that another one comes upon."""

    @pytest.fixture(name="slow")
    def _slow(self, one, sandbox):
        """The attempt: begun, its POST cut off."""
        sandbox.census.fail_next("/trigger", HangUp())
        one.deliver(night())
        one.work()
        return one.services.store.attempts.open("default", 5123)

    def test_is_not_robbed_of_what_it_is_about_to_send(self, one, sandbox, slow, events):
        with one.services.store.attempts.hold(slow) as held:
            assert held is not None
            one.work_for(300)
        assert len(sandbox.census.requests_to("/trigger")) == 1
        assert sandbox.census.requests_to("/sync_runs") == []
        one.work_for(120)
        assert len(sandbox.census.sync_runs) == 1
        assert len(events("sync.triggered")) == 1

    @pytest.mark.parametrize("answer", ["a run", "none"])
    def test_does_not_send_what_another_one_has_sent_since(self, one, sandbox, slow, answer):
        if answer == "none":
            sandbox.census.fail_next("/trigger", HangUp())
        one.work_for(61)
        assert len(sandbox.census.requests_to("/trigger")) == 2
        with one.services.store.attempts.hold(slow) as held:
            assert held is None
        now = one.clock()
        attempts = one.services.store.attempts
        assert attempts.send_again(slow, now=now, look_from=now) is None


class TestTheMappingInForce:
    def test_a_changed_file_counts_for_the_next_run(self, one, events):
        one.map("version: 1\nsyncs:\n  - {sync_id: 5124, depends_on: [customers]}\n")
        one.deliver(night())
        one.work()
        assert [line["sync_id"] for line in events("sync.triggered")] == [5124]

    def test_a_broken_one_is_refused_and_the_last_good_one_stays(self, one, events):
        one.map("version: 1\nsyncs: oops\n")
        one.deliver(night())
        one.work()
        (refused,) = events("mapping.refused")
        assert "expected a list" in refused["problems"][0]
        assert [line["sync_id"] for line in events("sync.triggered")] == [5123]

    def test_a_workspace_that_is_gone_fails_the_trigger_clearly(self, one, sandbox, events):
        one.map(
            "version: 1\nsyncs:\n  - {sync_id: 5123, depends_on: [customers], workspace: emea}\n"
            f"workspaces:\n  emea: {{url: '{sandbox.census.url}', api_key_env: NOT_SET}}\n"
        )
        one.deliver(night())
        one.work()
        assert "NOT_SET is not set" in events("sync.trigger_failed")[0]["problem"]
