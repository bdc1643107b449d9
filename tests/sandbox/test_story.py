"""What the sandbox starts with: an account, a workspace, a nightly run."""

import json

from relay.sandbox import story
from relay.sandbox.dbt_runs import ERROR
from relay.sandbox.recordings import load

BUILD = load("build")


class TestStory:
    def test_the_nightly_run_ends_with_docs_that_call_everything_a_success(self, dbt, dbt_cloud):
        dbt_cloud.add_run(story.nightly_run())
        last = dbt.run_results(story.FIRST_DBT_RUN_ID)
        assert last.json()["args"]["which"] == "generate"
        assert {result["status"] for result in last.json()["results"]} == {"success"}

    def test_after_an_error_there_are_no_docs(self):
        run = story.nightly_run(recording="build_model_error")
        assert run.status == ERROR
        assert [step.command for step in run.invocations] == ["dbt build"]

    def test_the_nightly_run_is_one_of_the_nightly_job(self):
        run = story.nightly_run()
        assert run == story.NIGHTLY_JOB.run(*run.invocations, dbt_run_id=run.dbt_run_id)
        commands = tuple(step.command for step in run.invocations)
        assert commands == story.NIGHTLY_JOB.commands

    def test_a_ci_run_is_of_a_pull_request_and_builds_into_a_schema_of_its_own(self):
        run = story.ci_run(pull_request_id=42)
        assert (run.job_type, run.cause_category) == ("ci", "ci")
        assert (run.github_pull_request_id, run.schema_override) == (42, "dbt_cloud_pr_278165_42")
        assert [step.command for step in run.invocations] == ["dbt build"]

    def test_every_sync_reads_what_a_model_of_the_project_makes(self):
        nodes = json.loads(BUILD.manifest)["nodes"]
        models = {node["relation_name"]: node["name"] for node in nodes.values()}
        for sync in story.SYNCS:
            table = sync.source
            model = models[f'"{table.catalog}"."{table.schema}"."{table.name}"']
            assert f"sync_id: {sync.sync_id}\n    name: {sync.label}\n" in story.MAPPING
            assert f"depends_on: [{model}]" in story.MAPPING
