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

    @pytest.mark.parametrize(
        "written",
        [
            "trigger,job,run_steps",
            '["trigger","job","run_steps"]',
            "['trigger','job','run_steps']",
            ["trigger", "job", "run_steps"],
        ],
        ids=str,
    )
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

    def test_a_name_with_brackets_is_refused_instead_of_ignored(self, dbt, dbt_cloud):
        dbt_cloud.add_run(nightly(1))
        answer = dbt.get("/runs/1/", **{"include_related[]": "trigger"})
        assert answer.status_code == 400
        assert "'include_related[]' was unexpected" in answer.json()["data"]

    def test_the_environment_is_a_related_object_too(self, dbt, dbt_cloud):
        dbt_cloud.add_run(nightly(1))
        environment = dbt.get("/runs/1/", include_related="environment").json()["data"][
            "environment"
        ]
        assert (environment["id"], environment["name"]) == (187998, "Production")
        assert dbt.get("/runs/1/").json()["data"]["environment"] is None

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


class TestCancelling:
    def test_a_run_that_is_going_ends_now(self, dbt, dbt_cloud, clock):
        dbt_cloud.add_run(nightly(1, status=RUNNING))
        clock.tick(25)
        run = dbt.post("/runs/1/cancel/").json()["data"]
        assert (run["status"], run["is_cancelled"], run["is_complete"]) == (30, True, True)
        assert run["status_message"] == "Cancelled by user."
        assert run["finished_at"] == "2026-11-23 06:00:25.000000+00:00"
        assert dbt.get("/runs/1/").json()["data"] == run

    def test_a_run_that_has_ended_stays_as_it_is(self, dbt, dbt_cloud):
        dbt_cloud.add_run(nightly(1))
        answer = dbt.post("/runs/1/cancel/")
        assert answer.status_code == 200
        assert answer.json()["data"]["status"] == 10

    def test_an_unknown_run_is_not_found(self, dbt):
        assert dbt.post("/runs/1/cancel/").status_code == 404


class TestRetrying:
    def test_a_failed_run_is_retried_by_another(self, dbt, dbt_cloud, clock):
        dbt_cloud.add_run(nightly(1, recording="build_model_error"))
        again = dbt.post("/runs/1/retry/").json()["data"]
        assert (again["id"], again["retrying_run_id"], again["status"]) == (2, 1, 1)
        clock.tick(60)
        related = dbt.get("/runs/2/", include_related="trigger,run_steps").json()["data"]
        assert related["status"] == 10
        assert related["trigger"]["cause_category"] == "rerun"
        commands = [step["run_step_command"] for step in related["run_steps"][2:]]
        assert [command["dbt_command"] for command in commands] == [
            "dbt deps",
            "dbt retry",
            "dbt docs generate",
        ]
        results = dbt.run_results(2, step=4).json()
        assert {row["status"] for row in results["results"]}.isdisjoint({"error", "skipped"})

    def test_what_failed_and_what_was_skipped_can_be_asked(self, dbt, dbt_cloud):
        dbt_cloud.add_run(nightly(1, recording="build_model_error"))
        assert dbt.get("/runs/1/retry/").json()["data"] == {
            "failed_step": "dbt build",
            "skipped_steps": ["dbt docs generate"],
        }

    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_a_run_that_did_not_fail_is_not_retried(self, dbt, dbt_cloud, method):
        dbt_cloud.add_run(nightly(1))
        answer = dbt.ask(method, "/runs/1/retry/")
        assert answer.status_code == 400
        assert answer.json()["data"] == "RETRY_NOT_FAILED_RUN"
        assert len(dbt_cloud.runs) == 1

    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_an_unknown_run_is_not_found(self, dbt, method):
        assert dbt.ask(method, "/runs/1/retry/").status_code == 404


class TestRoutesThatAreNotServed:
    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/users/"),
            ("GET", "/steps/1/"),
            ("POST", "/jobs/"),
            ("DELETE", "/jobs/278164/"),
            ("DELETE", "/jobs/278164"),
        ],
    )
    def test_the_answer_says_so(self, dbt, method, path):
        answer = dbt.ask(method, path)
        assert answer.status_code == 501
        said = f"The sandbox does not serve {method} {dbt.root}{path}."
        assert answer.json()["status"]["user_message"] == said

    def test_what_is_only_not_there_is_said_as_dbt_cloud_says_it(self, dbt):
        said = dbt.get("/runs/1/").json()["status"]["user_message"]
        assert said.endswith("Please check that you have the proper permissions.")


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
