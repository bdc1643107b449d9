"""What is asked of dbt Cloud about a run, and how often."""

import json
import threading
from datetime import timedelta

import pytest

from relay.errors import BadArtifact, Unavailable
from relay.evidence.collect import MOST_RETRIES, collector_of
from relay.sandbox import story
from relay.sandbox.dbt_runs import CANCELLED, ERROR, RUNNING, SandboxRun, invoke
from relay.sandbox.recordings import load
from relay.sandbox.wire import Body, Status
from relay.vendors.connect import dbt_cloud_of


@pytest.fixture(name="collector")
def _collector(settings, sandbox):
    for number in range(2):
        sandbox.dbt_cloud.add_run(story.nightly_run(story.FIRST_DBT_RUN_ID + number))
    return collector_of(settings, dbt_cloud_of(settings))


@pytest.fixture(name="evidence")
def _evidence(collector):
    return collector.collect(story.FIRST_DBT_RUN_ID)


def test_every_step_that_may_have_results_is_asked_for_its_own(evidence, sandbox):
    """Not those before the first command, nor `dbt deps`."""
    asked = [seen.query for seen in sandbox.dbt_cloud.requests_to("run_results.json")]
    assert asked == [f"step={index}" for index in (4, 5)]
    assert evidence.outcome.nodes["model.jaffle_crm.customers"].standing == "rebuilt"


def test_a_worker_holds_one_lineage_at_a_time_and_two_runs_share_it(
    collector, evidence, sandbox, clock
):
    """Runs that end together would else each fetch hundreds of megabytes, and keep them."""
    other = collector.collect(story.FIRST_DBT_RUN_ID + 1)
    entered = threading.Event()

    def enter():
        with collector.lineage(other, now=clock()):
            entered.set()

    with collector.lineage(evidence, now=clock()) as lineage:
        assert "model.jaffle_crm.customers" in lineage.nodes
        second = threading.Thread(target=enter)
        second.start()
        assert not entered.wait(0.3)
    assert entered.wait(10)
    second.join()
    assert len(sandbox.dbt_cloud.requests_to("manifest.json")) == 1


def test_what_is_kept_outlives_the_worker(collector, evidence, settings, sandbox, clock):
    for one in (collector, collector_of(settings, dbt_cloud_of(settings))):
        with one.lineage(evidence, now=clock()):
            pass
    assert len(sandbox.dbt_cloud.requests_to("manifest.json")) == 1
    with collector.lineage(evidence, now=clock() + timedelta(days=2)):
        pass
    assert len(sandbox.dbt_cloud.requests_to("manifest.json")) == 2


def test_artifacts_lie_in_the_data_folder_only_while_they_are_read(evidence, settings):
    assert list((settings.data_dir / "downloads").iterdir()) == []


def test_a_data_folder_that_cannot_be_written_is_done_without(
    settings, collector, sandbox, clock, logged, tmp_path
):
    (tmp_path / "data" / "downloads").rmdir()
    (tmp_path / "data").rmdir()
    (tmp_path / "data").write_text("a file, no folder")
    collector = collector_of(settings, dbt_cloud_of(settings))
    with collector.lineage(collector.collect(story.FIRST_DBT_RUN_ID), now=clock()) as known:
        assert "model.jaffle_crm.customers" in known.nodes
    assert [line["event"] for line in logged] == ["data_dir.not_writable", "lineage.not_kept"]


class TestARetryChain:
    """What a retry is judged by includes the runs that it retries: all of them, or none."""

    @pytest.fixture(name="add")
    def _add(self, sandbox):
        def add(dbt_run_id, **fields):
            step = invoke("dbt build", load("build"))
            run = SandboxRun.of(step, dbt_run_id=dbt_run_id, **fields)
            sandbox.dbt_cloud.add_run(run)

        return add

    def test_a_run_that_was_cancelled_is_in_it(self, collector, add):
        add(8, status=CANCELLED)
        add(9, retrying_run_id=8)
        assert [run.dbt_run_id for run in collector.collect(9).run.retried_runs] == [8]

    def test_a_retried_run_that_has_not_ended_is_waited_for(self, collector, add):
        add(8, status=RUNNING)
        add(9, retrying_run_id=8)
        with pytest.raises(Unavailable, match="dbt run 8, which dbt run 9 retries, has not ended"):
            collector.collect(9)

    @pytest.mark.parametrize(
        ("fields", "why"),
        [({"schema_override": "x"}, "schema_override"), ({"job_type": "ci"}, "ci_job")],
    )
    def test_a_retried_run_in_a_schema_of_its_own_proves_nothing(self, collector, add, fields, why):
        add(8, status=ERROR, **fields)
        add(9, retrying_run_id=8)
        with pytest.raises(BadArtifact, match=rf"dbt run 8, .* a schema of its own \({why}\)"):
            collector.collect(9)

    def test_one_that_is_too_long_is_told_instead_of_cut(self, collector, add):
        for number in range(1, MOST_RETRIES + 3):
            add(number, retrying_run_id=number - 1 if number > 1 else None)
        assert len(collector.collect(MOST_RETRIES + 1).run.retried_runs) == MOST_RETRIES
        with pytest.raises(BadArtifact, match=f"dbt run 22 retries more than {MOST_RETRIES} runs"):
            collector.collect(MOST_RETRIES + 2)


@pytest.fixture(name="answer")
def _answer(sandbox):
    """Let dbt Cloud answer with this fourth step."""

    def answer(**step):
        data = {
            "id": 9,
            "status": 10,
            "started_at": "2026-11-01T00:00:00Z",
            "finished_at": "2026-11-01T00:10:00Z",
            "trigger": {
                "cause_category": "scheduled",
                "schema_override": None,
                "github_pull_request_id": None,
                "gitlab_merge_request_id": None,
                "azure_pull_request_id": None,
            },
            "job": {"job_type": "scheduled"},
            "run_steps": [
                {"index": 4, "status": 10, "name": None, "run_step_command": None} | step
            ],
        }
        sandbox.dbt_cloud.fail_next("/runs/9/", Body(json.dumps({"data": data}).encode()))
        sandbox.dbt_cloud.fail_next("/artifacts/", Status(404))

    return answer


def test_a_green_step_without_name_command_and_file_is_unreadable(collector, answer):
    answer()
    with pytest.raises(BadArtifact, match="step 4 of dbt run 9 succeeded, but has neither name, "):
        collector.collect(9)


@pytest.mark.parametrize("name", ["Publish the docs", "Invoke dbt with `dbt source freshness`"])
def test_a_named_step_may_leave_no_file(collector, answer, name):
    answer(name=name)
    assert collector.collect(9).outcome.nodes == {}
