"""What is asked of dbt Cloud about a run, and how often."""

import threading
from datetime import timedelta

import pytest

from relay.decision.mapping_reader import read_mapping
from relay.evidence.examine import examiner_of
from relay.sandbox import story
from relay.vendors.connect import dbt_cloud_of

BY_TAG = read_mapping(
    b"version: 1\nsyncs:\n  - {sync_id: 1, depends_on: ['tag:crm']}\n", file="syncs.yml"
)
BY_NAME = read_mapping(
    b"version: 1\nsyncs:\n  - {sync_id: 1, depends_on: [customers]}\n", file="syncs.yml"
)


@pytest.fixture(name="examiner")
def _examiner(settings, sandbox):
    for number in range(2):
        sandbox.dbt_cloud.add_run(story.nightly_run(story.FIRST_DBT_RUN_ID + number))
    return examiner_of(settings, dbt_cloud_of(settings))


@pytest.fixture(name="examined")
def _examined(examiner):
    return examiner.examine(story.FIRST_DBT_RUN_ID)


def test_every_step_that_may_have_results_is_asked_for_its_own(examined, sandbox):
    """Not those before the first command, nor `dbt deps`."""
    asked = [seen.query for seen in sandbox.dbt_cloud.requests_to("run_results.json")]
    assert asked == [f"step={index}" for index in (4, 5)]
    assert examined.rebuilt.nodes["model.jaffle_crm.customers"] == "rebuilt"


def test_no_manifest_is_asked_for_where_no_decision_needs_it(examiner, examined, sandbox, clock):
    with examiner.lineage(examined, BY_NAME, now=clock()) as lineage:
        assert lineage is None
    assert sandbox.dbt_cloud.requests_to("manifest.json") == []


def test_a_worker_holds_one_lineage_at_a_time_and_two_runs_share_it(
    examiner, examined, sandbox, clock
):
    """Runs that end together would else each fetch hundreds of megabytes, and keep them."""
    other = examiner.examine(story.FIRST_DBT_RUN_ID + 1)
    entered = threading.Event()

    def enter():
        with examiner.lineage(other, BY_TAG, now=clock()):
            entered.set()

    with examiner.lineage(examined, BY_TAG, now=clock()) as lineage:
        assert "model.jaffle_crm.customers" in lineage.nodes
        second = threading.Thread(target=enter)
        second.start()
        assert not entered.wait(0.3)
    assert entered.wait(10)
    second.join()
    assert len(sandbox.dbt_cloud.requests_to("manifest.json")) == 1


def test_what_is_kept_outlives_the_worker(examiner, examined, settings, sandbox, clock):
    for each in (examiner, examiner_of(settings, dbt_cloud_of(settings))):
        with each.lineage(examined, BY_TAG, now=clock()):
            pass
    assert len(sandbox.dbt_cloud.requests_to("manifest.json")) == 1
    with examiner.lineage(examined, BY_TAG, now=clock() + timedelta(days=2)):
        pass
    assert len(sandbox.dbt_cloud.requests_to("manifest.json")) == 2


def test_artifacts_lie_in_the_data_folder_only_while_they_are_read(examined, settings):
    assert list((settings.data_dir / "downloads").iterdir()) == []


def test_a_data_folder_that_cannot_be_written_is_done_without(
    settings, examiner, sandbox, clock, logged, tmp_path
):
    (tmp_path / "data" / "downloads").rmdir()
    (tmp_path / "data").rmdir()
    (tmp_path / "data").write_text("a file, no folder")
    examiner = examiner_of(settings, dbt_cloud_of(settings))
    with examiner.lineage(examiner.examine(story.FIRST_DBT_RUN_ID), BY_TAG, now=clock()) as known:
        assert "model.jaffle_crm.customers" in known.nodes
    assert [line["event"] for line in logged] == ["data_dir.not_writable", "lineage.not_kept"]
