"""Jobs: what their commands leave."""

import json

import pytest

from relay.sandbox import story
from relay.sandbox.dbt_jobs import executed
from relay.sandbox.dbt_runs import ERROR


class TestCommands:
    @pytest.mark.parametrize(
        ("command", "which"),
        [
            ("dbt build", "build"),
            ("dbt build --select orders+", "build"),
            ("dbt run --full-refresh", "run"),
            ("dbt docs generate", "generate"),
            ("dbt seed", "seed"),
        ],
    )
    def test_a_command_leaves_its_recording(self, command, which):
        (step,) = executed([command])
        assert (step.command, step.name) == (command, f"Invoke dbt with `{command}`")
        assert json.loads(step.recording.run_results)["args"]["which"] == which

    @pytest.mark.parametrize("command", ["dbt run-operation x", "dbt ls", "dbt builder", "ls"])
    def test_one_without_a_recording_leaves_nothing(self, command):
        (step,) = executed([command])
        assert step.recording is None

    def test_nothing_comes_after_a_failure(self):
        steps = executed(["dbt seed", "dbt source freshness", "dbt build"])
        assert [step.command for step in steps] == ["dbt seed", "dbt source freshness"]
        assert steps[-1].status == ERROR


class TestRunOfAJob:
    def test_it_is_in_the_jobs_environment(self):
        run = story.CI_JOB.run(dbt_run_id=1, cause="api")
        assert (run.dbt_job_id, run.job_name, run.job_type) == (278165, "CI", "ci")
        assert (run.environment_id, run.environment_name) == (187999, "CI")
        assert (run.project_id, run.project_name) == (241251, "Jaffle CRM")
        assert run.cause == "api"
