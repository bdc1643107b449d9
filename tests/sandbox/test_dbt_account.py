"""An account: its runs as time passes, and who starts and ends them."""

import json

import pytest
from sandbox_runs import nightly

from relay.sandbox import story
from relay.sandbox.dbt_account import NotRetryable
from relay.sandbox.dbt_run_request import RunRequest
from relay.sandbox.dbt_runs import CANCELLED, ERROR, QUEUED, RUNNING, SUCCESS

REQUEST = RunRequest(cause="manual")


class TestStarting:
    def test_ids_count_up(self, dbt_cloud):
        ids = [dbt_cloud.start_run(278164, REQUEST).dbt_run_id for _ in range(2)]
        assert ids == [story.FIRST_DBT_RUN_ID, story.FIRST_DBT_RUN_ID + 1]

    def test_a_run_goes_on_by_the_clock(self, dbt_cloud, clock):
        dbt_run_id = dbt_cloud.start_run(278164, REQUEST).dbt_run_id
        statuses = []
        for _ in range(3):
            statuses.append(dbt_cloud.run(dbt_run_id).status)
            clock.tick(30)
        assert statuses == [QUEUED, RUNNING, SUCCESS]
        assert [run.status for run in dbt_cloud.runs] == [SUCCESS]

    def test_an_unknown_job_is_an_error(self, dbt_cloud):
        with pytest.raises(LookupError):
            dbt_cloud.start_run(1, REQUEST)


class TestRetrying:
    def test_it_is_a_run_of_the_same_job_and_commit(self, dbt_cloud):
        failed = dbt_cloud.add_run(nightly(1, recording="build_model_error", git_sha="abc"))
        again = dbt_cloud.retry_run(1)
        assert (again.dbt_job_id, again.git_sha) == (failed.dbt_job_id, "abc")
        assert (again.retrying_run_id, again.ends_as) == (1, SUCCESS)
        assert again.created_at == failed.finished_at

    def test_only_a_failure_is_retried(self, dbt_cloud):
        dbt_cloud.add_run(nightly(1))
        with pytest.raises(NotRetryable):
            dbt_cloud.retry_run(1)

    @pytest.mark.parametrize(("recording", "retried"), [("build_model_error", 1), ("build", None)])
    def test_a_rerun_retries_what_failed_and_else_starts_anew(self, dbt_cloud, recording, retried):
        dbt_cloud.add_run(nightly(1, recording=recording))
        assert dbt_cloud.rerun_job(278164).retrying_run_id == retried

    def test_a_job_that_never_ran_is_started(self, dbt_cloud):
        assert dbt_cloud.rerun_job(278164).cause == "rerun"


class TestFinishing:
    @pytest.mark.parametrize(
        ("recording", "status", "expected"),
        [
            ("build", None, SUCCESS),
            ("build_model_error", None, ERROR),
            ("build", ERROR, ERROR),
            ("build", CANCELLED, CANCELLED),
        ],
    )
    def test_a_run_ends_as_told_or_as_its_steps(self, dbt_cloud, recording, status, expected):
        dbt_cloud.add_run(nightly(1, recording=recording, status=RUNNING))
        assert dbt_cloud.finish_run(1, status).status == expected
        assert dbt_cloud.run(1).finished_at == dbt_cloud.now()

    def test_a_run_ends_once(self, dbt_cloud):
        dbt_cloud.add_run(nightly(1))
        with pytest.raises(ValueError, match="dbt run 1 has ended"):
            dbt_cloud.finish_run(1)

    def test_a_run_in_the_queue_can_only_be_cancelled(self, dbt_cloud):
        dbt_cloud.add_run(nightly(1, status=QUEUED))
        with pytest.raises(ValueError, match="dbt run 1 has not started"):
            dbt_cloud.finish_run(1)
        assert dbt_cloud.cancel_run(1).status == CANCELLED


class TestEvents:
    @pytest.mark.parametrize(
        ("status", "event_type"),
        [
            (RUNNING, "job.run.started"),
            (SUCCESS, "job.run.completed"),
            (CANCELLED, "job.run.completed"),
        ],
    )
    def test_the_newest_tells_of_the_start_or_of_the_end(self, dbt_cloud, status, event_type):
        dbt_cloud.add_run(nightly(1, status=status))
        assert json.loads(dbt_cloud.newest_event(1))["eventType"] == event_type

    def test_nothing_tells_of_a_run_in_the_queue(self, dbt_cloud):
        dbt_cloud.add_run(nightly(1, status=QUEUED))
        with pytest.raises(ValueError, match="has not started"):
            dbt_cloud.newest_event(1)
