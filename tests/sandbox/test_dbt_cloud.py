"""dbt Cloud's Administrative API: what it answers about a run, and to whom."""

from datetime import datetime

import pytest
from sandbox_runs import nightly

from relay.sandbox import story
from relay.sandbox.dbt_runs import RUNNING


class TestRun:
    def test_a_run_begins_with_three_steps_that_leave_nothing(self, dbt, dbt_cloud):
        dbt_cloud.add_run(nightly(1))
        steps = dbt.run_steps(1)
        assert [(step["index"], step["name"]) for step in steps] == [
            (1, "Clone git repository"),
            (2, "Create profile from connection Snowflake"),
            (3, "Invoke dbt with `dbt deps`"),
            (4, "Invoke dbt with `dbt build`"),
            (5, "Invoke dbt with `dbt docs generate`"),
        ]
        commands = [step["run_step_command"] for step in steps]
        assert commands[:2] == [None, None]
        assert [command["dbt_command"] for command in commands[2:]] == [
            "dbt deps",
            "dbt build",
            "dbt docs generate",
        ]
        assert [dbt.run_results(1, step=step).status_code for step in (1, 2, 3)] == [404] * 3

    @pytest.mark.parametrize("written", ["trigger,job,run_steps", '["trigger","job","run_steps"]'])
    def test_related_objects_are_included_on_request(self, dbt, dbt_cloud, written):
        dbt_cloud.add_run(
            nightly(1, job_type="ci", github_pull_request_id=7, schema_override="pr_7")
        )
        plain = dbt.get("/runs/1/").json()["data"]
        assert (plain["trigger"], plain["job"], plain["run_steps"]) == (None, None, [])
        related = dbt.get("/runs/1/", include_related=written).json()["data"]
        assert related["trigger"]["github_pull_request_id"] == 7
        assert related["trigger"]["schema_override"] == "pr_7"
        assert related["job"]["job_type"] == "ci"
        assert related["job"]["execute_steps"] == ["dbt build", "dbt docs generate"]
        assert len(related["run_steps"]) == 5

    def test_times_are_written_as_dbt_cloud_writes_them(self, dbt, dbt_cloud, clock):
        dbt_cloud.add_run(nightly(1))
        run = dbt.get("/runs/1/").json()["data"]
        assert run["finished_at"] == "2026-11-23 06:00:00.000000+00:00"
        assert datetime.fromisoformat(run["started_at"]) < clock.now

    def test_adding_a_run_again_updates_it(self, dbt, dbt_cloud):
        dbt_cloud.add_run(nightly(1, status=RUNNING))
        going = dbt.get("/runs/1/").json()["data"]
        assert (going["status"], going["is_complete"], going["finished_at"]) == (3, False, None)
        assert dbt.run_results(1, step=4).status_code == 404
        dbt_cloud.add_run(nightly(1))
        assert dbt.get("/runs/1/").json()["data"]["status_humanized"] == "Success"
        assert dbt.run_results(1, step=4).status_code == 200

    def test_a_path_without_its_last_slash_is_redirected(self, dbt, dbt_cloud):
        dbt_cloud.add_run(nightly(1))
        answer = dbt.ask("GET", "/runs/1", allow_redirects=False)
        assert answer.status_code == 308
        assert answer.headers["Location"].endswith("/runs/1/")


class TestCredentials:
    @pytest.mark.parametrize("scheme", ["Token", "Bearer"])
    def test_both_authorization_schemes_are_accepted(self, dbt, scheme):
        dbt.authorization = f"{scheme} {story.DBT_TOKEN}"
        assert dbt.get("/runs/").status_code == 200

    @pytest.mark.parametrize("said", ["", "Token wrong", story.DBT_TOKEN])
    def test_other_credentials_are_refused(self, dbt, said):
        dbt.authorization = said
        answer = dbt.get("/runs/")
        assert answer.status_code == 401
        assert answer.json()["status"]["user_message"] == "Invalid token."

    def test_another_account_is_not_found(self, dbt):
        dbt.root = "/api/v2/accounts/1"
        assert dbt.get("/runs/").status_code == 404

    def test_an_unknown_run_is_not_found(self, dbt):
        assert dbt.get("/runs/404/").status_code == 404
