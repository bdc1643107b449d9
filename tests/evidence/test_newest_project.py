"""The project as the newest run of each environment saw it, of the sandbox's dbt Cloud."""

import dataclasses
from datetime import timedelta

import pytest
from sandbox_runs import NIGHT, night

from relay.errors import BadArtifact
from relay.evidence.newest_project import newest_project
from relay.sandbox import story
from relay.sandbox.dbt_projects import SandboxEnvironment
from relay.sandbox.dbt_runs import invoke
from relay.sandbox.recordings import load
from relay.vendors.connect import dbt_cloud_of

JOB = story.NIGHTLY_JOB.dbt_job_id


@pytest.fixture(name="ask")
def _ask(settings, clock):
    """The newest project: `ask({278164}) -> project`."""

    def ask(dbt_job_ids=None, later=timedelta(hours=1)):
        cloud = dbt_cloud_of(settings)
        return newest_project(cloud, dbt_job_ids=dbt_job_ids, now=clock() + later)

    return ask


@pytest.mark.parametrize("dbt_job_ids", [None, {JOB}])
def test_it_is_that_of_the_newest_run(ask, sandbox, dbt_job_ids):
    for number in range(3):
        sandbox.dbt_cloud.add_run(night(number))
    newest = ask(dbt_job_ids)
    assert newest.dbt_run_ids == (NIGHT + 2,)
    assert "model.jaffle_crm.customers" in newest.project.lineage.nodes
    assert {one.environment_id for one in newest.project.relations.built} == {
        story.PRODUCTION.environment_id
    }
    assert len(sandbox.dbt_cloud.requests_to("manifest.json")) == 1


def test_a_run_of_a_pull_request_is_passed_over(ask, sandbox):
    sandbox.dbt_cloud.add_run(night())
    sandbox.dbt_cloud.add_run(story.ci_run(NIGHT + 1, pull_request_id=5))
    assert ask().dbt_run_ids == (NIGHT,)
    assert ask({JOB, story.CI_JOB.dbt_job_id}).dbt_run_ids == (NIGHT,)


def test_a_run_of_another_job_is_passed_over(ask, sandbox):
    sandbox.dbt_cloud.add_run(night())
    with pytest.raises(BadArtifact, match="no run of job 7 "):
        ask({7})


def test_a_run_without_a_manifest_is_passed_over(ask, sandbox):
    sandbox.dbt_cloud.add_run(night())
    without = night(1)
    steps = [dataclasses.replace(step, recording=None) for step in without.steps]
    sandbox.dbt_cloud.add_run(dataclasses.replace(without, steps=tuple(steps)))
    assert ask().dbt_run_ids == (NIGHT,)


def test_each_environment_has_its_own(ask, sandbox):
    other = SandboxEnvironment(environment_id=188000, name="EU", project=story.PROJECT)
    job = dataclasses.replace(story.NIGHTLY_JOB, dbt_job_id=278170, environment=other)
    sandbox.dbt_cloud.add_job(job)
    sandbox.dbt_cloud.add_run(night())
    sandbox.dbt_cloud.add_run(job.run(invoke("dbt build", load("build")), dbt_run_id=NIGHT + 1))
    newest = ask()
    assert sorted(newest.dbt_run_ids) == [NIGHT, NIGHT + 1]
    assert {one.environment_id for one in newest.project.relations.built} == {187998, 188000}


def test_without_any_run_a_person_is_told_what_to_do(ask):
    with pytest.raises(BadArtifact, match="name a file by --manifest"):
        ask()
