"""Starting a run with overrides."""

import msgspec
import pytest

from relay.sandbox import story
from relay.sandbox.dbt_run_request import RunRequest
from relay.sandbox.dbt_runs import ERROR, QUEUED, SUCCESS


def started(**overrides):
    request = msgspec.convert({"cause": "manual"} | overrides, RunRequest)
    return request.run_of(story.NIGHTLY_JOB, 7)


class TestRunRequest:
    def test_it_starts_the_jobs_commands(self):
        run = started()
        assert (run.dbt_run_id, run.status, run.ends_as) == (7, QUEUED, SUCCESS)
        assert (run.cause, run.cause_category) == ("manual", "api")
        assert [step.command for step in run.invocations] == ["dbt build", "dbt docs generate"]

    @pytest.mark.parametrize(
        ("overrides", "commands"),
        [
            ({"steps_override": ["dbt seed", "dbt run"]}, ["dbt seed", "dbt run"]),
            ({"steps_override": None}, ["dbt build", "dbt docs generate"]),
            ({"generate_docs_override": False}, ["dbt build"]),
            (
                {"steps_override": ["dbt run"], "generate_docs_override": True},
                ["dbt run", "dbt docs generate"],
            ),
            ({"generate_docs_override": True}, ["dbt build", "dbt docs generate"]),
        ],
    )
    def test_commands_can_be_overridden(self, overrides, commands):
        assert [step.command for step in started(**overrides).invocations] == commands

    def test_a_command_that_fails_makes_the_run_an_error(self):
        run = started(steps_override=["dbt source freshness", "dbt build"])
        assert run.ends_as == ERROR
        assert len(run.invocations) == 1

    def test_the_rest_can_be_overridden_too(self):
        run = started(
            git_sha="abc",
            git_branch="feature",
            github_pull_request_id=42,
            schema_override="pr_42",
            target_name_override="ci",
            dbt_version_override="1.11.1",
        )
        assert (run.git_sha, run.git_branch, run.dbt_version) == ("abc", "feature", "1.11.1")
        assert (run.github_pull_request_id, run.schema_override) == (42, "pr_42")
        assert run.target_name_override == "ci"

    @pytest.mark.parametrize("overrides", [{"cause": ""}, {"cause": None}, {"steps_override": "x"}])
    def test_what_cannot_be_read_is_refused(self, overrides):
        with pytest.raises(msgspec.ValidationError):
            started(**overrides)
