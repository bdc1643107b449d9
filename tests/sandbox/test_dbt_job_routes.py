"""dbt Cloud's account, projects, environments and jobs."""

import pytest
from sandbox_runs import nightly

from relay.sandbox import story
from relay.sandbox.dbt_runs import RUNNING
from sandbox.clients import DbtCloudClient


@pytest.fixture(name="v3")
def _v3(dbt_cloud):
    return DbtCloudClient(dbt_cloud, f"/api/v3/accounts/{story.DBT_ACCOUNT_ID}")


def ids(answer):
    return [row["id"] for row in answer.json()["data"]]


class TestAccount:
    def test_it_is_found_in_both_versions(self, dbt, v3):
        for client in (dbt, v3):
            account = client.get("/").json()["data"]
            assert (account["id"], account["name"]) == (story.DBT_ACCOUNT_ID, "Sandbox")
            assert account["run_slots"] == 5

    def test_it_is_the_only_one(self, dbt):
        dbt.root = "/api/v2"
        assert ids(dbt.get("/accounts/")) == [story.DBT_ACCOUNT_ID]
        assert dbt.get("/accounts/1/").status_code == 404

    def test_it_needs_the_token(self, dbt):
        dbt.authorization = "Token wrong"
        assert dbt.get("/").status_code == 401


class TestProjectsAndEnvironments:
    def test_projects_are_those_of_the_jobs(self, dbt, v3):
        for client in (dbt, v3):
            assert ids(client.get("/projects/")) == [241251]
            project = client.get("/projects/241251/").json()["data"]
            assert (project["name"], project["account_id"]) == ("Jaffle CRM", story.DBT_ACCOUNT_ID)
            assert client.get("/projects/1/").status_code == 404

    def test_a_project_has_its_environments_on_request(self, v3):
        (project,) = v3.get("/projects/", include_related="['environments']").json()["data"]
        assert [row["name"] for row in project["environments"]] == ["Production", "CI"]
        assert v3.get("/projects/").json()["data"][0]["environments"] is None

    def test_environments_are_listed_for_an_account_and_for_a_project(self, dbt, v3):
        assert ids(dbt.get("/environments/")) == [187998, 187999]
        assert ids(v3.get("/environments/")) == [187998, 187999]
        assert ids(v3.get("/projects/241251/environments/")) == [187998, 187999]
        assert v3.get("/projects/1/environments/").status_code == 404

    def test_one_environment_can_be_asked_for(self, dbt, v3):
        environment = dbt.get("/environments/187998/").json()["data"]
        assert (environment["name"], environment["deployment_type"]) == ("Production", "production")
        for path in ("/environments/187998/", "/projects/241251/environments/187998/"):
            assert v3.get(path).json()["data"] == environment
        assert dbt.get("/environments/1/").status_code == 404
        assert v3.get("/projects/1/environments/187998/").status_code == 404


class TestJobs:
    def test_they_are_listed(self, dbt):
        answer = dbt.get("/jobs/", project_id=241251, environment_id=187998)
        assert ids(answer) == [278164]
        assert answer.json()["extra"]["pagination"] == {"count": 1, "total_count": 1}

    def test_a_job_has_its_commands_and_its_schedule(self, dbt):
        job = dbt.get("/jobs/278164/").json()["data"]
        assert (job["name"], job["job_type"]) == ("Nightly build", "scheduled")
        assert job["execute_steps"] == ["dbt build", "dbt docs generate"]
        assert (job["triggers"]["schedule"], job["schedule"]["cron"]) == (True, "0 3 * * *")
        assert dbt.get("/jobs/1/").status_code == 404

    def test_a_job_of_pull_requests_has_no_schedule(self, dbt):
        triggers = dbt.get("/jobs/278165/").json()["data"]["triggers"]
        assert (triggers["schedule"], triggers["github_webhook"]) == (False, True)

    def test_the_newest_runs_are_included_on_request(self, dbt, dbt_cloud):
        for number, fields in ((1, {}), (2, {"status": RUNNING}), (3, {"dbt_job_id": 278165})):
            dbt_cloud.add_run(nightly(number, **fields))
        newest = ("most_recent_run", "most_recent_completed_run")
        related = dbt.get("/jobs/278164/", include_related=str(list(newest))).json()["data"]
        assert [related[name]["id"] for name in newest] == [2, 1]
        plain = dbt.get("/jobs/278164/").json()["data"]
        assert [plain[name] for name in newest] == [None, None]

    def test_the_environment_is_included_on_request(self, dbt):
        job = dbt.get("/jobs/278164/", include_related="environment").json()["data"]
        assert job["environment"]["id"] == 187998

    def test_an_invalid_query_is_refused(self, dbt):
        answer = dbt.get("/jobs/", colour="red")
        assert answer.status_code == 400
        assert "'colour'" in answer.json()["data"]


class TestRunning:
    def test_a_job_can_be_run(self, dbt, clock):
        body = {"cause": "manual", "schema_override": "try", "steps_override": ["dbt seed"]}
        run = dbt.ask("POST", "/jobs/278164/run/", json=body).json()["data"]
        assert (run["id"], run["status"]) == (story.FIRST_DBT_RUN_ID, 1)
        clock.tick(60)
        ended = dbt.get(f"/runs/{run['id']}/", include_related="trigger,run_steps").json()["data"]
        assert ended["status"] == 10
        assert ended["trigger"]["cause"] == "manual"
        assert ended["trigger"]["schema_override"] == "try"
        assert ended["trigger"]["steps_override"] == ["dbt seed"]
        assert dbt.run_results(run["id"], step=4).json()["args"]["which"] == "seed"

    def test_a_path_without_its_last_slash_is_served_too(self, dbt):
        answer = dbt.ask("POST", "/jobs/278164/run", json={"cause": "manual"})
        assert answer.status_code == 200

    @pytest.mark.parametrize("body", [{}, {"cause": ""}, []], ids=str)
    def test_a_run_needs_a_cause(self, dbt, dbt_cloud, body):
        assert dbt.ask("POST", "/jobs/278164/run/", json=body).status_code == 400
        assert dbt_cloud.runs == []

    def test_a_job_can_be_rerun_from_its_failure(self, dbt, dbt_cloud):
        dbt_cloud.add_run(nightly(1, recording="build_model_error"))
        assert dbt.post("/jobs/278164/rerun/").json()["data"]["retrying_run_id"] == 1

    @pytest.mark.parametrize("what", ["run", "rerun"])
    def test_an_unknown_job_is_not_found(self, dbt, what):
        answer = dbt.ask("POST", f"/jobs/1/{what}/", json={"cause": "manual"})
        assert answer.status_code == 404
