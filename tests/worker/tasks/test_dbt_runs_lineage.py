"""A dbt run whose decision needs the manifest: it is downloaded once, and only if needed."""

import dataclasses

import pytest
from mappings import mapping_text, sync_entry
from sandbox_runs import NIGHT, night

from relay.sandbox.dbt_runs import SandboxRun, invoke
from relay.sandbox.recordings import load


class TestWhenItIsNeeded:
    def test_the_manifest_is_not_downloaded_if_names_decide(self, relay, sandbox):
        relay.deliver(night())
        relay.work()
        assert sandbox.dbt_cloud.requests_to("manifest.json") == []

    def test_tags_paths_and_packages_are_resolved_with_the_manifest(self, relay, sandbox, events):
        relay.map(
            mapping_text(
                sync_entry(5123, "tag:crm"),
                sync_entry(5124, "path:models/marts"),
                sync_entry(5125, "package:jaffle_crm"),
                sync_entry(5126, "tag:nobody"),
            )
        )
        relay.deliver(night())
        relay.work()
        assert sorted(line["sync_id"] for line in events("sync.triggered")) == [5123, 5124, 5125]
        assert len(sandbox.dbt_cloud.requests_to("manifest.json")) == 1


class TestSelectorOfNothing:
    @pytest.fixture(name="misspelt")
    def _misspelt(self, relay):
        relay.map(mapping_text(sync_entry(5123, "customers", "path:models/mrats")))
        return relay

    def test_is_reported_once_for_all_runs_of_one_project_state(self, misspelt, events):
        for number in range(2):
            misspelt.deliver(night(number))
            misspelt.work()
        (reported,) = events("mapping.word_selects_nothing")
        assert reported["log_level"] == "warning"
        assert (reported["selector"], reported["sync_id"]) == ("path:models/mrats", 5123)
        assert reported["workspace"] == "default"
        assert reported["place"].endswith("syncs.yml:6:5: syncs[0].depends_on[1]")
        assert reported["dbt_run_id"] == NIGHT

    def test_is_reported_again_for_another_commit(self, misspelt, events):
        for number in range(2):
            misspelt.deliver(night(number, git_sha=str(number) * 40))
            misspelt.work()
        assert len(events("mapping.word_selects_nothing")) == 2

    def test_is_not_reported_where_no_manifest_was_downloaded(self, relay, sandbox, events):
        relay.map(mapping_text(sync_entry(5123, "customers"), sync_entry(5124, "x", jobs=[1])))
        relay.deliver(night())
        relay.work()
        assert sandbox.dbt_cloud.requests_to("manifest.json") == []
        assert events("mapping.word_selects_nothing") == []


class TestView:
    """`crm_customers` is a view on the table `customers`, which this run executes alone."""

    @pytest.fixture(name="of_a_view")
    def _of_a_view(self, relay):
        relay.map(mapping_text(sync_entry(5123, "crm_customers")))
        return relay

    def test_is_synced_if_the_table_it_reads_was_rebuilt(self, of_a_view, events):
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

    def test_is_withheld_if_the_table_it_reads_failed(self, of_a_view, events):
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

    def test_that_was_executed_itself_needs_no_manifest(self, of_a_view, sandbox, events):
        of_a_view.deliver(night())
        of_a_view.work()
        (triggered,) = events("sync.triggered")
        assert "through" not in triggered
        assert sandbox.dbt_cloud.requests_to("manifest.json") == []


class TestLineage:
    """`tag:crm` needs the manifest."""

    @pytest.fixture(name="by_tag")
    def _by_tag(self, relay):
        relay.map(mapping_text(sync_entry(5123, "tag:crm")))
        return relay

    def test_is_downloaded_once_for_all_runs_of_one_project_state(self, by_tag, sandbox, events):
        for number in range(3):
            by_tag.deliver(night(number))
            by_tag.work()
        assert [line["triggers"] for line in events("dbt_run.planned")] == [[5123]] * 3
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
    def test_is_downloaded_again_for_another_project_state(self, by_tag, sandbox, other):
        by_tag.deliver(night())
        by_tag.work()
        by_tag.deliver(night(1, **other))
        by_tag.work()
        assert len(sandbox.dbt_cloud.requests_to("manifest.json")) == 2

    def test_is_downloaded_again_if_the_cached_one_lacks_an_executed_node(
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

    def test_of_another_invocation_is_an_error_that_names_file_step_and_run(
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
            "it lacks model.jaffle_crm.clients, which the step executed"
        )
        assert sandbox.census.sync_runs == []

    def test_of_two_steps_that_ran_different_projects_is_that_of_both(self, relay, sandbox, events):
        syncs = sync_entry(5123, "tag:crm,clients"), sync_entry(5124, "tag:crm,customers")
        relay.map(mapping_text(*syncs, defaults={"consistency": "ignore"}))
        first, second = self.renamed(NIGHT, "customers", "clients").steps[-1], night().steps[3]
        relay.deliver(SandboxRun.of(first, second, dbt_run_id=NIGHT))
        relay.work()
        assert sorted(line["sync_id"] for line in events("sync.triggered")) == [5123, 5124]
        assert len(sandbox.dbt_cloud.requests_to("manifest.json")) == 2

    def test_comes_from_the_last_step_that_counts(self, by_tag, sandbox):
        """After `dbt build` the run has only `dbt docs generate`, which does not count."""
        by_tag.deliver(night())
        by_tag.work()
        (request,) = sandbox.dbt_cloud.requests_to("manifest.json")
        assert request.query == "step=4"
