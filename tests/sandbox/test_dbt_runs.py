"""The runs of the simulated dbt Cloud: their status, and the artifacts of their steps."""

import gzip
from datetime import datetime

import pytest
from sandbox_runs import nightly

from relay.sandbox.dbt_runs import (
    CANCELLED,
    ERROR,
    QUEUED,
    RUNNING,
    SUCCESS,
    SandboxRun,
    SandboxStep,
    invoke,
)
from relay.sandbox.recordings import load

BUILD = load("build")


class TestStatus:
    def test_a_step_ends_as_its_recording_did(self):
        assert invoke("dbt build", BUILD).status == SUCCESS
        assert invoke("dbt build", load("build_model_error")).status == ERROR
        assert invoke("dbt build", load("build_test_fail")).status == ERROR
        assert invoke("dbt source freshness", load("source_freshness")).status == ERROR
        assert invoke("dbt parse").status == SUCCESS

    def test_a_run_is_an_error_if_a_step_was(self):
        failed = SandboxRun.of(invoke("dbt build", load("build_model_error")), dbt_run_id=1)
        assert failed.status == ERROR
        assert nightly(1).status == SUCCESS
        assert nightly(1, status=CANCELLED).status == CANCELLED


class TestProgress:
    """A run that goes on by the clock: 4 seconds in the queue, 10 for each of its five steps."""

    @pytest.fixture(autouse=True)
    def run(self, dbt_cloud):
        dbt_cloud.add_run(nightly(1, status=QUEUED, ends_as=SUCCESS))

    @pytest.mark.parametrize(
        ("seconds", "status", "steps"),
        [
            (0, QUEUED, []),
            (3, QUEUED, []),
            (4, RUNNING, [3]),
            (33, RUNNING, [10, 10, 3]),
            (34, RUNNING, [10, 10, 10, 3]),
            (53, RUNNING, [10, 10, 10, 10, 3]),
            (54, SUCCESS, [10, 10, 10, 10, 10]),
            (9999, SUCCESS, [10, 10, 10, 10, 10]),
        ],
    )
    def test_steps_begin_one_after_the_other(self, dbt, clock, seconds, status, steps):
        clock.tick(seconds)
        run = dbt.get("/runs/1/", include_related="run_steps").json()["data"]
        assert run["status"] == status
        assert [step["status"] for step in run["run_steps"]] == steps
        unfinished = [step for step in run["run_steps"] if step["finished_at"] is None]
        assert len(unfinished) == steps.count(3)

    def test_there_are_no_artifacts_before_the_end(self, dbt, clock):
        clock.tick(53)
        assert dbt.run_results(1, step=4).status_code == 404
        clock.tick(1)
        assert dbt.run_results(1, step=4).status_code == 200

    def test_it_ended_when_its_steps_had_their_time(self, dbt, clock):
        clock.tick(3600)
        assert dbt.get("/runs/1/").json()["data"]["finished_at"] == (
            "2026-11-23 06:00:54.000000+00:00"
        )

    def test_a_queued_run_has_no_start_and_no_commit(self, dbt):
        run = dbt.get("/runs/1/").json()["data"]
        assert (run["started_at"], run["git_sha"], run["git_branch"]) == (None, None, None)

    def test_a_run_without_an_end_goes_on_in_its_last_step(self, dbt, dbt_cloud, clock):
        dbt_cloud.add_run(nightly(1, status=RUNNING))
        clock.tick(3600)
        assert [step["status"] for step in dbt.run_steps(1)] == [10, 10, 10, 10, 3]

    def test_a_run_that_was_cancelled_in_the_queue_began_nothing(self, dbt, dbt_cloud, clock):
        clock.tick(3)
        dbt_cloud.cancel_run(1)
        run = dbt.get("/runs/1/", include_related="run_steps").json()["data"]
        assert (run["started_at"], run["run_steps"], run["artifacts_saved"]) == (None, [], False)

    def test_a_cancellation_cuts_off_the_step_under_way(self, dbt, dbt_cloud, clock):
        clock.tick(50)
        dbt_cloud.cancel_run(1)
        clock.tick(3600)
        steps = dbt.run_steps(1)
        assert [step["status"] for step in steps] == [10, 10, 10, 10, 30]
        assert steps[4]["finished_at"] == "2026-11-23 06:00:50.000000+00:00"
        assert dbt.run_results(1, step=4).status_code == 200
        assert dbt.run_results(1, step=5).status_code == 404


class TestArtifacts:
    def test_each_step_has_artifacts_of_its_own(self, dbt, dbt_cloud):
        dbt_cloud.add_run(nightly(1))
        assert dbt.run_results(1, step=4).json()["args"]["which"] == "build"
        assert dbt.run_results(1, step=5).json()["args"]["which"] == "generate"

    def test_without_a_step_they_are_those_of_the_last_step(self, dbt, dbt_cloud):
        dbt_cloud.add_run(nightly(1))
        assert dbt.run_results(1).json() == dbt.run_results(1, step=5).json()

    def test_a_missing_artifact_is_not_found(self, dbt, dbt_cloud):
        freshness = invoke("dbt source freshness", load("source_freshness"))
        dbt_cloud.add_run(SandboxRun.of(freshness, dbt_run_id=1))
        answer = dbt.run_results(1, step=4)
        assert answer.status_code == 404
        assert answer.json() == {
            "status": {
                "code": 404,
                "is_success": False,
                "user_message": "The requested resource was not found. "
                "Please check that you have the proper permissions.",
                "developer_message": "",
            },
            "data": None,
        }
        assert dbt.get("/runs/1/artifacts/sources.json", step=4).json()["results"]
        assert dbt.get("/runs/1/artifacts/").json()["data"] == ["manifest.json", "sources.json"]

    def test_the_list_can_be_of_one_step(self, dbt, dbt_cloud):
        dbt_cloud.add_run(nightly(1))
        both = ["manifest.json", "run_results.json"]
        assert dbt.get("/runs/1/artifacts/", step=4).json()["data"] == both
        assert dbt.get("/runs/1/artifacts/", step=3).json()["data"] is None

    @pytest.mark.parametrize("status", [RUNNING, SUCCESS])
    def test_a_run_without_any_lists_null(self, dbt, dbt_cloud, status):
        dbt_cloud.add_run(SandboxRun.of(invoke("dbt parse"), dbt_run_id=1, status=status))
        answer = dbt.get("/runs/1/artifacts/")
        assert answer.status_code == 200
        assert answer.json()["data"] is None

    @pytest.mark.parametrize("step", [0, 6, 99])
    def test_an_unknown_step_is_not_found(self, dbt, dbt_cloud, step):
        dbt_cloud.add_run(nightly(1))
        assert dbt.run_results(1, step=step).status_code == 404

    def test_they_are_compressed_for_clients_that_accept_gzip(self, dbt, dbt_cloud):
        dbt_cloud.add_run(nightly(1))
        path, secret = "/runs/1/artifacts/manifest.json", {"Authorization": dbt.authorization}
        packed = dbt.ask("GET", path, headers=secret | {"Accept-Encoding": "gzip"}, stream=True)
        plain = dbt.ask("GET", path, headers=secret | {"Accept-Encoding": "identity"}, stream=True)
        assert packed.headers["Content-Encoding"] == "gzip"
        assert "Content-Encoding" not in plain.headers
        with packed, plain:
            assert gzip.decompress(packed.raw.read()) == plain.raw.read()

    def test_two_runs_of_one_recording_are_two_invocations(self, dbt, dbt_cloud):
        for dbt_run_id in (1, 2):
            dbt_cloud.add_run(nightly(dbt_run_id))
        first, second = (dbt.run_results(number, step=4).json() for number in (1, 2))
        assert first["metadata"]["invocation_id"] != second["metadata"]["invocation_id"]
        manifest = dbt.get("/runs/1/artifacts/manifest.json", step=4).json()
        assert manifest["metadata"]["invocation_id"] == first["metadata"]["invocation_id"]

    def test_they_were_written_while_their_step_ran(self, dbt, dbt_cloud):
        dbt_cloud.add_run(nightly(1))
        steps = dbt.run_steps(1)
        for step in steps[3:]:
            metadata = dbt.run_results(1, step=step["index"]).json()["metadata"]
            written = datetime.fromisoformat(metadata["generated_at"])
            began, ended = (
                datetime.fromisoformat(step[key]) for key in ("started_at", "finished_at")
            )
            assert began < written <= ended

    def test_a_step_can_serve_the_file_of_the_one_before(self, dbt, dbt_cloud):
        build = invoke("dbt build", BUILD)
        parse = invoke("dbt parse", BUILD, invocation_id=build.invocation_id)
        dbt_cloud.add_run(SandboxRun.of(build, parse, dbt_run_id=1))
        ids = [dbt.run_results(1, step=step).json()["metadata"]["invocation_id"] for step in (4, 5)]
        assert ids == [build.invocation_id] * 2

    def test_a_step_can_leave_any_bytes(self, dbt, dbt_cloud):
        dbt_cloud.add_run(
            SandboxRun.of(invoke("dbt build", BUILD, run_results=b'{"results": [NaN'), dbt_run_id=1)
        )
        assert dbt.run_results(1, step=4).content == b'{"results": [NaN'

    def test_a_step_without_an_invocation_of_its_own_is_as_recorded(self, dbt, dbt_cloud):
        step = SandboxStep("Invoke dbt with `dbt build`", command="dbt build", recording=BUILD)
        dbt_cloud.add_run(SandboxRun.of(step, dbt_run_id=1))
        assert dbt.run_results(1, step=4).content == BUILD.run_results
