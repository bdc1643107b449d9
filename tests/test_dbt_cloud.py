"""The Administrative API's answers become values, over real HTTP to the sandbox."""

import dataclasses

import pytest

from relay.dbt_cloud import DbtCloud
from relay.errors import BadArtifact, Rejected, Unavailable
from relay.sandbox import story
from relay.sandbox.dbt_runs import CANCELLED, SandboxRun, invoke
from relay.sandbox.recordings import load
from relay.sandbox.wire import Body, HangUp, Status
from relay.settings import Secret
from relay.transport import Limits, Transport


def dbt_cloud_of(sandbox, *, token=story.DBT_TOKEN, limits=None):
    transport = Transport(
        vendor="dbt Cloud",
        base_url=sandbox.dbt_cloud.url,
        token=Secret(token),
        read_seconds=5,
        connections=1,
        limits=limits,
    )
    return DbtCloud(transport, dbt_account_id=story.DBT_ACCOUNT_ID)


@pytest.fixture(name="dbt_cloud")
def _dbt_cloud(sandbox):
    return dbt_cloud_of(sandbox)


@pytest.fixture(name="night")
def _night(sandbox):
    return sandbox.dbt_cloud.add_run(story.nightly_run())


def test_a_run_has_its_steps_from_one_with_their_commands(dbt_cloud, night):
    run = dbt_cloud.get_run(night.dbt_run_id)
    assert [step.index for step in run.steps] == [1, 2, 3, 4, 5]
    assert [step.dbt_command for step in run.steps] == [None, None, "deps", "build", "docs"]
    assert run.has_ended
    assert run.never_counts_because is None
    assert run.finished_at == night.finished_at


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"job_type": "ci"}, "ci_job"),
        ({"job_type": "merge"}, "merge_job"),
        ({"github_pull_request_id": 12}, "pull_request"),
        ({"gitlab_merge_request_id": 12}, "pull_request"),
        ({"azure_pull_request_id": 12}, "pull_request"),
        ({"non_native_pull_request_id": 12}, "pull_request"),
        ({"schema_override": "dbt_cloud_pr_1"}, "schema_override"),
        ({"job_type": "scheduled"}, None),
    ],
)
def test_a_run_tells_whether_it_built_into_a_schema_of_its_own(dbt_cloud, sandbox, fields, why):
    built = SandboxRun.of(invoke("dbt build", load("build")), dbt_run_id=9, **fields)
    sandbox.dbt_cloud.add_run(built)
    assert dbt_cloud.get_run(9).never_counts_because == why


def test_a_run_tells_the_commit_and_the_target_it_was_of(dbt_cloud, sandbox, night):
    run = dbt_cloud.get_run(night.dbt_run_id)
    assert (run.git_sha, run.target) == (night.git_sha, "default")
    sandbox.dbt_cloud.add_run(dataclasses.replace(night, target_name_override="nightly"))
    assert dbt_cloud.get_run(night.dbt_run_id).target == "nightly"


def test_a_cancelled_run_says_so(dbt_cloud, sandbox):
    cancelled = SandboxRun.of(invoke("dbt build", status=CANCELLED), dbt_run_id=9, status=CANCELLED)
    sandbox.dbt_cloud.add_run(cancelled)
    assert dbt_cloud.get_run(9).was_cancelled


def test_each_steps_own_artifact_is_read(dbt_cloud, night):
    build = dbt_cloud.get_run_results(night.dbt_run_id, step=4)
    docs = dbt_cloud.get_run_results(night.dbt_run_id, step=5)
    assert (build.args.which, docs.args.which) == ("build", "generate")


def test_a_step_without_one_has_none(dbt_cloud, night):
    assert dbt_cloud.get_run_results(night.dbt_run_id, step=1) is None


def test_the_manifest_knows_tags_paths_packages_and_tests(dbt_cloud, night):
    nodes = dbt_cloud.get_manifest(night.dbt_run_id, step=4).nodes
    customers = nodes["model.jaffle_crm.customers"]
    assert customers.name == "customers"
    assert customers.package_name == "jaffle_crm"
    assert customers.path == "models/marts/customers.sql"
    assert "crm" in customers.all_tags
    assert any(node.attached_node == customers.unique_id for node in nodes.values())
    assert any(unique_id.startswith("unit_test.") for unique_id in nodes)


def test_a_missing_manifest_is_a_bad_artifact(dbt_cloud, night):
    with pytest.raises(BadArtifact, match=r"has no manifest\.json"):
        dbt_cloud.get_manifest(night.dbt_run_id, step=1)


@pytest.mark.parametrize("content", [b"<html>", b'{"results": [', b"", b'{"data": 5}', b"[" * 9999])
def test_an_answer_that_cannot_be_read_is_a_bad_artifact(dbt_cloud, sandbox, night, content):
    sandbox.dbt_cloud.fail_next("/runs/", Body(content), times=3)
    with pytest.raises(BadArtifact):
        dbt_cloud.get_run(night.dbt_run_id)
    with pytest.raises(BadArtifact):
        dbt_cloud.get_run_results(night.dbt_run_id, step=4)
    with pytest.raises(BadArtifact):
        dbt_cloud.get_manifest(night.dbt_run_id, step=4)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"results": [{"unique_id": "model.a.b"}]}', "missing required field `status`"),
        (b'{"results": [{"status": "success"}]}', "missing required field `unique_id`"),
        (b'{"results": [{"unique_id": "model.a.b", "status": 5}]}', "$.results[0].status"),
        (b'{"results": {}, "args": {}}', "$.results"),
        (b'{"results": [', "truncated"),
        (b"<html>", "malformed"),
        (b"", "truncated"),
    ],
)
def test_a_bad_artifact_is_named_by_file_step_and_run(dbt_cloud, sandbox, night, content, said):
    sandbox.dbt_cloud.fail_next("/artifacts/", Body(content))
    with pytest.raises(BadArtifact) as told:
        dbt_cloud.get_run_results(night.dbt_run_id, step=4)
    assert f"run_results.json of step 4 of dbt run {night.dbt_run_id}: " in str(told.value)
    assert said in str(told.value)


@pytest.mark.parametrize("fault", [Status(503), Status(429), HangUp()])
def test_so_is_one_that_did_not_come(dbt_cloud, sandbox, night, fault):
    sandbox.dbt_cloud.fail_next("/artifacts/", fault)
    with pytest.raises(Unavailable, match=rf"{night.dbt_run_id}/artifacts/manifest.json\?step=4"):
        dbt_cloud.get_manifest(night.dbt_run_id, step=4)


def test_so_is_one_that_is_too_large(sandbox, night):
    small = dbt_cloud_of(sandbox, limits=Limits(download=1000))
    with pytest.raises(Rejected, match=r"manifest.json\?step=4.*more than 1000 bytes"):
        small.get_manifest(night.dbt_run_id, step=4)


def test_a_run_nobody_knows_is_rejected_with_what_it_may_mean(dbt_cloud):
    with pytest.raises(Rejected, match="may not look"):
        dbt_cloud.get_run(404)


@pytest.mark.parametrize("code", [401, 403, 400, 418])
def test_a_refusal_is_rejected(dbt_cloud, sandbox, night, code):
    sandbox.dbt_cloud.fail_next("/runs/", Status(code))
    with pytest.raises(Rejected, match=str(code)):
        dbt_cloud.get_run(night.dbt_run_id)


def test_a_wrong_token_is_told_as_such(sandbox, night):
    with pytest.raises(Rejected, match="DBT_CLOUD_TOKEN"):
        dbt_cloud_of(sandbox, token="wrong").get_run(night.dbt_run_id)


def test_a_fault_of_dbt_clouds_may_be_asked_again(dbt_cloud, sandbox, night):
    sandbox.dbt_cloud.fail_next("/runs/", Status(503))
    with pytest.raises(Unavailable):
        dbt_cloud.get_run(night.dbt_run_id)
