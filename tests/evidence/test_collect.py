"""What is asked of dbt Cloud about a run, and how often."""

import dataclasses
import json
import threading
from datetime import timedelta

import pytest

from relay.errors import BadArtifact, Unavailable
from relay.evidence.collect import LONGEST_WAIT, MAX_RETRIES, collector_of
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


@pytest.fixture(name="collect")
def _collect(collector, clock):
    """What a run did, as it is known now."""
    return lambda dbt_run_id: collector.collect(dbt_run_id, now=clock())


@pytest.fixture(name="evidence")
def _evidence(collect):
    return collect(story.FIRST_DBT_RUN_ID)


def test_every_step_that_may_have_results_is_asked_for_its_own(evidence, sandbox):
    """Not those before the first command, nor `dbt deps`."""
    asked = [seen.query for seen in sandbox.dbt_cloud.requests_to("run_results.json")]
    assert asked == [f"step={index}" for index in (4, 5)]
    assert evidence.outcome.nodes["model.jaffle_crm.customers"].standing == "rebuilt"


def test_a_worker_holds_one_lineage_at_a_time_and_two_runs_share_it(
    collect, collector, evidence, sandbox, clock
):
    """Runs that end together would else each fetch hundreds of megabytes, and keep them."""
    other = collect(story.FIRST_DBT_RUN_ID + 1)
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
    evidence = collector.collect(story.FIRST_DBT_RUN_ID, now=clock())
    with collector.lineage(evidence, now=clock()) as known:
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

    def test_a_run_that_was_cancelled_is_in_it(self, collect, add):
        add(8, status=CANCELLED)
        add(9, retrying_run_id=8)
        assert [run.dbt_run_id for run in collect(9).run.retried_runs] == [8]

    def test_a_retried_run_that_has_not_ended_is_waited_for(self, collect, add):
        add(8, status=RUNNING)
        add(9, retrying_run_id=8)
        with pytest.raises(Unavailable, match="dbt run 8, which dbt run 9 retries, has not ended"):
            collect(9)

    @pytest.mark.parametrize(
        ("fields", "why"),
        [({"schema_override": "x"}, "schema_override"), ({"job_type": "ci"}, "ci_job")],
    )
    def test_a_retried_run_in_a_schema_of_its_own_proves_nothing(self, collect, add, fields, why):
        add(8, status=ERROR, **fields)
        add(9, retrying_run_id=8)
        with pytest.raises(BadArtifact, match=rf"dbt run 8, .* a schema of its own \({why}\)"):
            collect(9)

    def test_one_that_is_too_long_is_reported_and_not_cut(self, collect, add):
        for number in range(1, MAX_RETRIES + 3):
            add(number, retrying_run_id=number - 1 if number > 1 else None)
        assert len(collect(MAX_RETRIES + 1).run.retried_runs) == MAX_RETRIES
        with pytest.raises(BadArtifact, match=f"dbt run 22 retries more than {MAX_RETRIES} runs"):
            collect(MAX_RETRIES + 2)


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


def test_a_green_step_without_name_command_and_file_is_unreadable(collect, answer):
    answer()
    with pytest.raises(BadArtifact, match="step 4 of dbt run 9 succeeded, but has neither name, "):
        collect(9)


@pytest.mark.parametrize("name", ["Publish the docs", "Invoke dbt with `dbt source freshness`"])
def test_a_named_step_may_leave_no_file(collect, answer, name):
    answer(name=name)
    assert collect(9).outcome.nodes == {}


class TestALateFile:
    """dbt Cloud may serve a file some time after the run; or there is none, for DBT_WRITE_JSON."""

    @pytest.fixture(name="run")
    def _run(self, collector, sandbox):
        steps = invoke("dbt seed", load("seed")), invoke("dbt build")
        return sandbox.dbt_cloud.add_run(SandboxRun.of(*steps, dbt_run_id=9))

    def test_is_waited_for_and_the_possible_cause_is_reported(self, collector, run):
        almost = run.finished_at + LONGEST_WAIT - timedelta(seconds=1)
        with pytest.raises(Unavailable) as told:
            collector.collect(9, now=almost)
        assert "step 5 of dbt run 9 (dbt build) succeeded, but has no run_resu" in str(told.value)
        assert "within 10m of the run's end, as with DBT_WRITE_JSON=false" in str(told.value)

    def test_is_done_without_in_the_end(self, collector, run):
        outcome = collector.collect(9, now=run.finished_at + LONGEST_WAIT).outcome
        assert [step.index for step in outcome.without_results] == [5]
        assert outcome.nodes["seed.jaffle_crm.countries"].standing == "rebuilt"

    def test_is_not_done_without_where_no_step_has_one(self, collector, sandbox):
        """There is nothing else to decide by; dbt Cloud may not have saved any yet."""
        steps = invoke("dbt seed"), invoke("dbt build")
        run = sandbox.dbt_cloud.add_run(SandboxRun.of(*steps, dbt_run_id=9))
        with pytest.raises(Unavailable, match=r"step 4 .* yet, nor has any other step; does the"):
            collector.collect(9, now=run.finished_at + timedelta(days=1))

    def test_is_waited_for_no_longer_than_a_third_of_the_retry_period(self, settings, run):
        impatient = dataclasses.replace(settings, retry_for=90)
        collector = collector_of(impatient, dbt_cloud_of(impatient))
        with pytest.raises(Unavailable):
            collector.collect(9, now=run.finished_at + timedelta(seconds=29))
        assert collector.collect(9, now=run.finished_at + timedelta(seconds=30)).outcome.nodes


class TestAnUnreadableFile:
    LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"

    @pytest.fixture(name="outcome_of")
    def _outcome_of(self, collect, sandbox):
        """What a run did whose last step is this one and serves this file."""

        def outcome_of(command, file, status=10):
            seed = invoke("dbt seed", load("seed"))
            last = invoke(command, run_results=file, status=status)
            sandbox.dbt_cloud.add_run(SandboxRun.of(seed, last, dbt_run_id=9, status=status))
            return collect(9).outcome

        return outcome_of

    @pytest.mark.parametrize("file", [b"{}", b'{"results": {}}', b"", LFS_POINTER])
    @pytest.mark.parametrize(
        "command",
        ["dbt docs generate", "dbt source freshness", "dbt compile", "dbt run-operation x"],
    )
    def test_of_a_step_that_neither_rebuilds_nor_tests_costs_nothing(
        self, outcome_of, command, file
    ):
        outcome = outcome_of(command, file)
        assert outcome.not_of_this_run == (5,)
        assert "seed.jaffle_crm.countries" in outcome.rebuilt

    def test_is_no_file_of_a_step_that_writes_none(self, outcome_of):
        outcome = outcome_of("dbt build --no-write-json", self.LFS_POINTER)
        assert [step.index for step in outcome.without_results] == [5]

    @pytest.mark.parametrize("command", ["dbt build", "dbt test", "dbt retry", "make everything"])
    def test_of_any_other_step_makes_the_run_unreadable(self, outcome_of, command):
        with pytest.raises(BadArtifact, match=r"run_results.json of step 5 of dbt run 9"):
            outcome_of(command, self.LFS_POINTER)
