"""The Administrative API's answers become values, over real HTTP to the sandbox."""

import dataclasses
import json
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import parse_qsl, urlencode

import pytest

from relay.dbt.runs import FinishedRun
from relay.dbt.subscriptions import WebhookSubscription, problems_of
from relay.errors import BadArtifact, Rejected, Unavailable
from relay.notation import printable
from relay.sandbox import Sandbox, story
from relay.sandbox.census import SandboxCensus
from relay.sandbox.dbt_cloud import SandboxDbtCloud
from relay.sandbox.dbt_runs import CANCELLED, ERROR, RUNNING, SandboxRun, invoke
from relay.sandbox.dbt_subscriptions import SandboxSubscription
from relay.sandbox.recordings import load
from relay.sandbox.wire import Body, HangUp, Status
from relay.secret import Secret
from relay.vendors.dbt_cloud import DbtCloud
from relay.vendors.dbt_cloud.answers import MOST_PAGES
from relay.vendors.transport import Limits, Transport


def dbt_cloud_of(sandbox, *, token=story.DBT_TOKEN, limits=None):
    transport = Transport(
        vendor="dbt Cloud",
        setting="DBT_CLOUD_URL",
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


# As dbt Cloud wrote it in 2022, but for `cause_category`; `non_native_pull_request_id` came later.
SCHEDULED = {
    "cause_category": "scheduled",
    "schema_override": None,
    "github_pull_request_id": None,
    "gitlab_merge_request_id": None,
    "azure_pull_request_id": None,
}
WHOLE_ANSWER = {
    "id": 9,
    "status": 10,
    "started_at": "2026-11-01 00:00:00.000000+00:00",
    "finished_at": "2026-11-01 00:10:00.000000+00:00",
    "trigger": SCHEDULED,
    "job": {"job_type": "scheduled"},
    "run_steps": [{"index": 4, "status": 10, "name": "Invoke dbt with `dbt build`"}],
}


class TestAbsentIsUnknown:
    """dbt Cloud has answered with nulls in place of what `include_related` asked for."""

    @pytest.fixture(name="answer")
    def _answer(self, sandbox):
        def answer(**changes):
            data = {
                key: value for key, value in {**WHOLE_ANSWER, **changes}.items() if value != "-"
            }
            body = json.dumps({"data": data}).encode()
            sandbox.dbt_cloud.fail_next("/runs/", Body(body))

        return answer

    @pytest.fixture(name="get")
    def _get(self, dbt_cloud, answer):
        def get(**changes):
            answer(**changes)
            return dbt_cloud.get_run(9)

        return get

    @pytest.fixture(name="get_retried")
    def _get_retried(self, dbt_cloud, answer):
        def get_retried(**changes):
            answer(**changes)
            return dbt_cloud.get_retried_run(9)

        return get_retried

    def test_a_complete_answer_is_a_run(self, get):
        assert get().never_counts_because is None

    @pytest.mark.parametrize(
        ("step", "has_begun"),
        [
            ({"status": 1, "started_at": None}, False),
            ({"status": 30, "started_at": None}, False),
            ({"status": 30, "started_at": "2026-11-01 00:05:00.000000+00:00"}, True),
            ({"status": 30, "started_at": 1793494800}, True),
            ({"status": 30}, True),
            ({"status": 20, "started_at": None}, True),
            ({"status": 3, "started_at": None}, True),
            ({"status": 99, "started_at": None}, True),
        ],
    )
    def test_a_step_has_not_begun_only_where_the_answer_says_so(self, get, step, has_begun):
        build = {"index": 4, "name": "Invoke dbt with `dbt build`"}
        run = get(status=20, run_steps=[build | step])
        assert run.steps[0].has_begun is has_begun

    @pytest.mark.parametrize(
        ("changes", "lacks"),
        [
            ({"run_steps": None}, "run_steps"),
            ({"run_steps": "-"}, "run_steps"),
            ({"run_steps": []}, "run_steps"),
            ({"run_steps": [{"index": 1, "status": 10, "name": "Clone"}]}, "run_steps"),
            ({"status": 20, "run_steps": None}, "run_steps"),
            ({"trigger": None}, "trigger"),
            ({"trigger": "-"}, "trigger"),
            ({"trigger": {}}, "trigger.schema_override, trigger.github_pull_request_id, .*"),
            ({"trigger": {"id": 5}, "run_steps": None}, "trigger.schema_override, .*, run_steps"),
            (
                {"job": {"job_type": ""}, "trigger": SCHEDULED | {"cause_category": "api"}},
                "job.job_type",
            ),
            ({"finished_at": None}, "finished_at"),
            ({"started_at": None, "created_at": None}, "started_at"),
            ({"job": None, "trigger": SCHEDULED | {"cause_category": "api"}}, "job"),
            ({"job": None, "trigger": SCHEDULED | {"cause_category": "rerun"}}, "job"),
            ({"job": {}, "trigger": SCHEDULED | {"cause_category": None}}, "job.job_type"),
            ({"job": None, "run_steps": None, "trigger": None}, "trigger, run_steps"),
        ],
    )
    def test_an_ended_run_without_what_decides_is_unreadable(self, get, changes, lacks):
        with pytest.raises(BadArtifact, match=f"dbt run 9 has ended, but .* lacks {lacks}: "):
            get(**changes)

    @pytest.mark.parametrize(
        "key",
        [
            "schema_override",
            "github_pull_request_id",
            "gitlab_merge_request_id",
            "azure_pull_request_id",
        ],
    )
    def test_a_trigger_without_a_key_that_tells_a_ci_run_is_unreadable(self, get, key):
        """Its absence would pass for null: a run that builds where production reads."""
        trigger = {name: value for name, value in SCHEDULED.items() if name != key}
        with pytest.raises(BadArtifact, match=f"lacks trigger.{key}: "):
            get(trigger=trigger)

    @pytest.mark.parametrize(
        "key", ["cause_category", "non_native_pull_request_id", "target_name_override"]
    )
    def test_a_trigger_may_lack_a_key_that_older_answers_have_not(self, get, key):
        trigger = {name: value for name, value in SCHEDULED.items() if name != key}
        assert get(trigger=trigger).never_counts_because is None

    @pytest.mark.parametrize(
        "changes",
        [
            {"job": None},  # deleted since: a schedule has only a deployment job
            {"job": None, "trigger": SCHEDULED | {"cause_category": "job completion"}},
            {"started_at": None, "created_at": "2026-11-01T00:00:00Z"},
            {"status": 20, "run_steps": []},  # it died before its first step
            {"status": 30, "run_steps": None, "trigger": None},
            {"status": 3, "run_steps": None, "trigger": None, "finished_at": None},
        ],
    )
    def test_what_does_not_decide_may_be_absent(self, get, changes):
        assert get(**changes).never_counts_because is None

    @pytest.mark.parametrize(
        ("changes", "why"),
        [
            ({"job": {"job_type": "ci"}, "trigger": None, "run_steps": None}, "ci_job"),
            ({"job": {"job_type": "CI"}}, "ci_job"),
            ({"job": None, "trigger": {"cause_category": "merge"}}, "merge_job"),
            ({"job": None, "trigger": {"cause_category": "Merge"}}, "merge_job"),
            ({"job": None, "trigger": {"schema_override": "x"}}, "schema_override"),
            ({"job": None, "trigger": {"github_pull_request_id": 5}}, "pull_request"),
        ],
    )
    def test_a_run_that_is_known_never_to_count_needs_nothing_else(self, get, changes, why):
        assert get(**changes).never_counts_because == why

    @pytest.mark.parametrize("status", [10, 20, 30])
    @pytest.mark.parametrize("absent", ["run_steps", "trigger", "finished_at"])
    def test_a_run_that_is_retried_needs_all_however_it_ended(self, get_retried, status, absent):
        with pytest.raises(BadArtifact, match=f"dbt run 9 has ended, but .* lacks {absent}: "):
            get_retried(**{"status": status, absent: None})

    def test_a_retried_run_may_have_been_cancelled_before_its_first_step(self, get_retried):
        assert get_retried(status=30, run_steps=[]).was_cancelled

    @pytest.mark.parametrize("status", [10, 20])
    @pytest.mark.parametrize(
        ("indexes", "lost"),
        [
            ([1, 2, 3, 5], "step 4 of run_steps"),
            ([1, 3, 4], "step 2 of run_steps"),
            ([5], "step 4 of run_steps"),
            ([4, 7], "step 5 of run_steps, step 6 of run_steps"),
            ([6, 4, 1], "step 2 of run_steps, step 3 of run_steps, step 5 of run_steps"),
        ],
    )
    def test_a_run_with_a_gap_among_its_steps_is_unreadable(self, get, status, indexes, lost):
        steps = [WHOLE_ANSWER["run_steps"][0] | {"index": index} for index in indexes]
        with pytest.raises(BadArtifact, match=f"lacks {lost}: "):
            get(status=status, run_steps=steps)

    @pytest.mark.parametrize(
        "indexes", [[1, 2, 3, 4, 5], [4, 3, 2, 1], [4], [2, 3, 4], [1, 2, 3, 4, 4]]
    )
    def test_steps_may_come_in_any_order_and_without_those_that_cloned(self, get, indexes):
        steps = [WHOLE_ANSWER["run_steps"][0] | {"index": index} for index in indexes]
        assert len(get(run_steps=steps).steps) == len(indexes)

    def test_a_dbt_retry_without_a_word_on_what_it_retries_is_unreadable(self, get):
        retry = [{"index": 4, "status": 10, "name": "Invoke dbt with `dbt retry`"}]
        with pytest.raises(BadArtifact, match="lacks retrying_run_id: "):
            get(run_steps=retry)
        assert get(run_steps=retry, retrying_run_id=None).retrying_run_id is None
        assert get(run_steps=retry, retrying_run_id=8).retrying_run_id == 8

    def test_a_retried_run_of_id_0_is_none(self, get):
        assert get(retrying_run_id=0).retrying_run_id is None
        assert get(retrying_run_id=8).retrying_run_id == 8


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


@pytest.mark.parametrize(
    "content",
    [
        b"<html>",
        b'{"results": [',
        b"",
        b'{"data": 5}',
        b'{"data": {"id": 9, "status": 10, "git_sha": "\xff"}}',
        b"[" * 9999,
    ],
)
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
        (b'{"args": {}}', "missing required field `results`"),
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
    with pytest.raises(Rejected, match="lacks permission"):
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


def test_a_refusal_is_told_in_dbt_clouds_own_words(sandbox, night):
    body = b'{"status": {"code": 403, "user_message": "This IP address is not\\n allowed."}}'
    sandbox.dbt_cloud.fail_next("/runs/", Body(body, 403))
    with pytest.raises(Rejected, match=r"This IP address is not allowed; may the token read"):
        dbt_cloud_of(sandbox).get_run(night.dbt_run_id)


ESCAPES = [r"\u0000", r"\ud83d", r"\u001b[2J", r"\u202e"]


@pytest.mark.parametrize("escape", ESCAPES)
class TestTexts:
    """Whatever dbt Cloud writes can be stored and printed."""

    @pytest.fixture(name="answer")
    def _answer(self, sandbox, escape):
        """Let dbt Cloud answer with this, and with the escape wherever it holds a `@`."""

        def answer(path_part, body, status=200):
            content = json.dumps(body).replace("@", escape).encode()
            sandbox.dbt_cloud.fail_next(path_part, Body(content, status))

        return answer

    def test_a_refusal(self, dbt_cloud, answer):
        answer("/runs/", {"status": {"user_message": "not @allowed"}}, 403)
        with pytest.raises(Rejected, match=r"for dbt run 9: not .*allowed; may the token") as exc:
            dbt_cloud.get_run(9)
        assert printable(str(exc.value)) == str(exc.value)

    def test_a_run_and_its_steps(self, dbt_cloud, answer):
        command = {"dbt_command": "dbt build @\n --select a"}
        step = {"index": 4, "status": 10, "name": "@", "run_step_command": command}
        named = {"index": 5, "status": 10, "name": "Invoke dbt with `dbt run @`"}
        changed = {"git_sha": "@", "job": {"job_type": "@", "settings": {"target_name": "@"}}}
        answer("/runs/", {"data": WHOLE_ANSWER | changed | {"run_steps": [step, named]}})
        run = dbt_cloud.get_run(9)
        assert [step.dbt_command for step in run.steps] == ["build", "run"]
        assert run.steps[0].words[-2:] == ("--select", "a")
        texts = [run.git_sha, run.job_type, run.target]
        texts += [text for step in run.steps for text in (step.name, step.command)]
        assert [text for text in texts if printable(text) != text] == []

    def test_a_run_that_ended_at_no_time(self, dbt_cloud, answer):
        answer("/runs/", {"data": [{"id": 9, "finished_at": "at @ noon"}]})
        with pytest.raises(BadArtifact, match="invalid finished_at") as exc:
            list_of(dbt_cloud, MIDNIGHT, MIDNIGHT + MINUTE)
        assert printable(str(exc.value)) == str(exc.value)

    def test_a_webhook_subscription(self, dbt_cloud, answer):
        row = {"id": "@", "client_url": "https://a/@/webhooks/dbt", "active": False, "name": "@"}
        answer("/webhooks/", {"data": [row | {"deactivate_reason": "@", "event_types": ["@"]}]})
        problems = problems_of(dbt_cloud.list_webhook_subscriptions())
        assert len(problems) == 2
        assert [problem for problem in problems if printable(problem) != problem] == []


@pytest.mark.parametrize("fault", SandboxDbtCloud.transient_faults, ids=str)
def test_a_fault_that_passes_is_never_taken_for_a_refusal(sandbox, night, fault):
    sandbox.dbt_cloud.fail_next("", fault, times=4)
    for ask in (
        lambda dbt_cloud: dbt_cloud.get_run(night.dbt_run_id),
        lambda dbt_cloud: dbt_cloud.get_manifest(night.dbt_run_id, step=4),
        lambda dbt_cloud: dbt_cloud.list_finished_runs(since=MIDNIGHT, until=MIDNIGHT),
        DbtCloud.list_webhook_subscriptions,
    ):
        with suppress(Unavailable, BadArtifact):
            ask(dbt_cloud_of(sandbox))
    assert dbt_cloud_of(sandbox).get_run(night.dbt_run_id).has_ended


MIDNIGHT = datetime(2026, 11, 23, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def ended_at(dbt_run_id, finished_at, **fields):
    step = invoke("dbt build")
    return SandboxRun.of(step, dbt_run_id=dbt_run_id, finished_at=finished_at, **fields)


def list_of(dbt_cloud, since, until):
    return [run.dbt_run_id for run in dbt_cloud.list_finished_runs(since=since, until=until)]


class TestFinishedRuns:
    @pytest.fixture(autouse=True)
    def six_runs(self, sandbox):
        for number in range(6):
            run = ended_at(10 - number, MIDNIGHT + number * MINUTE, environment_id=number)
            sandbox.dbt_cloud.add_run(run)

    def test_they_are_listed_oldest_first(self, dbt_cloud):
        runs = dbt_cloud.list_finished_runs(since=MIDNIGHT, until=MIDNIGHT + 9 * MINUTE)
        assert [run.dbt_run_id for run in runs] == [10, 9, 8, 7, 6, 5]
        assert runs[1] == FinishedRun(
            dbt_run_id=9, dbt_job_id=278164, environment_id=1, finished_at=MIDNIGHT + MINUTE
        )

    def test_both_ends_of_the_time_are_in_it(self, dbt_cloud):
        assert list_of(dbt_cloud, MIDNIGHT + MINUTE, MIDNIGHT + 3 * MINUTE) == [9, 8, 7]

    def test_a_time_may_be_of_any_zone(self, dbt_cloud):
        india = MIDNIGHT.astimezone(timezone(timedelta(hours=5.5)))
        assert list_of(dbt_cloud, india + MINUTE, india + 3 * MINUTE) == [9, 8, 7]

    def test_a_time_without_runs_has_none(self, dbt_cloud):
        assert list_of(dbt_cloud, MIDNIGHT - MINUTE, MIDNIGHT - MINUTE / 2) == []

    def test_however_they_ended_they_count_but_ended_they_must_have(self, dbt_cloud, sandbox):
        for dbt_run_id, status in ((1, ERROR), (2, CANCELLED)):
            at = MIDNIGHT + (6 + dbt_run_id) * MINUTE
            sandbox.dbt_cloud.add_run(ended_at(dbt_run_id, at, status=status))
        sandbox.dbt_cloud.add_run(ended_at(3, None, status=RUNNING))
        assert list_of(dbt_cloud, MIDNIGHT + 5 * MINUTE, MIDNIGHT + 99 * MINUTE) == [5, 1, 2]

    def test_a_short_list_is_one_question(self, dbt_cloud, sandbox):
        list_of(dbt_cloud, MIDNIGHT, MIDNIGHT + 9 * MINUTE)
        assert len(sandbox.dbt_cloud.requests) == 1

    @pytest.mark.parametrize(
        "content",
        [
            b"<html>",
            b"",
            b'{"data": {}}',
            b'{"data": [{"finished_at": null}]}',
            b'{"data": [{"id": "7"}]}',
            b'{"data": [{"id": 7, "finished_at": "\xff"}]}',
            b'{"data": [{"id": 7, "finished_at": "yesterday"}]}',
            b"[" * 9999,
        ],
    )
    def test_a_list_that_cannot_be_read_is_a_bad_artifact(self, dbt_cloud, sandbox, content):
        sandbox.dbt_cloud.fail_next("/runs/", Body(content))
        with pytest.raises(BadArtifact, match="list"):
            list_of(dbt_cloud, MIDNIGHT, MIDNIGHT + MINUTE)

    @pytest.mark.parametrize("fault", [Status(503), Status(429), HangUp()])
    def test_one_that_did_not_come_may_be_asked_for_again(self, dbt_cloud, sandbox, fault):
        sandbox.dbt_cloud.fail_next("/runs/", fault)
        with pytest.raises(Unavailable, match="runs"):
            list_of(dbt_cloud, MIDNIGHT, MIDNIGHT + MINUTE)

    @pytest.mark.parametrize(
        ("code", "hint"),
        [(401, "DBT_CLOUD_TOKEN"), (403, "read this account's runs"), (404, "lacks permission")],
    )
    def test_a_token_that_may_not_read_them_is_told(self, dbt_cloud, sandbox, code, hint):
        sandbox.dbt_cloud.fail_next("/runs/", Status(code))
        with pytest.raises(Rejected, match=f"{code} for the list of runs: .*; .*{hint}"):
            list_of(dbt_cloud, MIDNIGHT, MIDNIGHT + MINUTE)

    def test_one_without_an_end_is_given_up(self, dbt_cloud, sandbox):
        page = b'{"data": [{"id": 7}], "extra": {"pagination": {"total_count": 1000000}}}'
        sandbox.dbt_cloud.fail_next("/runs/", Body(page), times=MOST_PAGES)
        with pytest.raises(Rejected, match=f"has over {MOST_PAGES} pages; ask for a shorter time"):
            list_of(dbt_cloud, MIDNIGHT, MIDNIGHT + MINUTE)
        assert len(sandbox.dbt_cloud.requests) == MOST_PAGES

    def test_the_last_page_that_is_read_may_be_the_end(self, dbt_cloud, sandbox):
        page = b'{"data": [{"id": 7}], "extra": {"pagination": {"total_count": 1000000}}}'
        sandbox.dbt_cloud.fail_next("/runs/", Body(page), times=MOST_PAGES - 1)
        assert list_of(dbt_cloud, MIDNIGHT, MIDNIGHT + MINUTE) == []
        assert len(sandbox.dbt_cloud.requests) == MOST_PAGES


class OtherDbtCloud(SandboxDbtCloud):
    """One that reads another query than it was sent; None for a parameter it does not see."""

    reads: dict[str, str | None] = {}  # noqa: RUF012  a test sets its own

    def __call__(self, environ, start_response):
        query = dict(parse_qsl(environ["QUERY_STRING"])) | self.reads
        seen = {key: value for key, value in query.items() if value is not None}
        return super().__call__(environ | {"QUERY_STRING": urlencode(seen)}, start_response)


class BusyDbtCloud(SandboxDbtCloud):
    """One where with every question another run has just ended, and the oldest is gone."""

    @property
    def runs(self):
        newest, oldest = max(self._runs), min(self._runs)
        self.add_run(ended_at(newest + 1, self._runs[newest].finished_at + timedelta(seconds=1)))
        del self._runs[oldest]
        return super().runs


@contextmanager
def account_of(kind, *, runs, apart):
    """A served account of so many runs, the first at midnight; and the door to it."""
    stand_in = kind(story.DBT_ACCOUNT_ID, story.DBT_TOKEN)
    for number in range(runs):
        stand_in.add_run(ended_at(number, MIDNIGHT + number * apart))
    with Sandbox(stand_in, SandboxCensus(story.CENSUS_API_KEY)) as sandbox:
        yield stand_in, dbt_cloud_of(sandbox)


class TestManyFinishedRuns:
    @pytest.mark.parametrize("runs", [99, 100, 101, 250])
    def test_all_pages_are_read(self, runs):
        with account_of(SandboxDbtCloud, runs=runs, apart=MINUTE) as (_, dbt_cloud):
            assert list_of(dbt_cloud, MIDNIGHT, MIDNIGHT + runs * MINUTE) == list(range(runs))

    def test_that_takes_few_questions(self):
        with account_of(SandboxDbtCloud, runs=250, apart=MINUTE) as (stand_in, dbt_cloud):
            list_of(dbt_cloud, MIDNIGHT, MIDNIGHT + 250 * MINUTE)
            assert len(stand_in.requests) == 3

    def test_so_are_those_that_ended_at_the_same_time(self):
        with account_of(SandboxDbtCloud, runs=250, apart=timedelta()) as (_, dbt_cloud):
            assert list_of(dbt_cloud, MIDNIGHT, MIDNIGHT) == list(range(250))

    def test_none_is_lost_while_others_end_and_go(self):
        with account_of(BusyDbtCloud, runs=350, apart=MINUTE) as (stand_in, dbt_cloud):
            listed = list_of(dbt_cloud, MIDNIGHT, MIDNIGHT + 999 * MINUTE)
            questions = len(stand_in.requests)
            assert questions > 3
            assert listed == list(range(min(listed), max(listed) + 1))
            assert min(listed) <= questions
            assert max(listed) >= 350

    def test_a_page_may_hold_fewer_than_were_asked_for(self):
        with account_of(OtherDbtCloud, runs=45, apart=MINUTE) as (stand_in, dbt_cloud):
            stand_in.reads = {"limit": "10"}
            assert list_of(dbt_cloud, MIDNIGHT, MIDNIGHT + 99 * MINUTE) == list(range(45))

    def test_the_time_is_kept_to_even_where_dbt_cloud_does_not(self):
        with account_of(OtherDbtCloud, runs=450, apart=MINUTE) as (stand_in, dbt_cloud):
            stand_in.reads = {"finished_at__range": None}
            stand_in.add_run(ended_at(999, None, status=RUNNING))
            since, until = MIDNIGHT + 200 * MINUTE, MIDNIGHT + 405 * MINUTE
            assert list_of(dbt_cloud, since, until) == list(range(200, 406))
            assert len(stand_in.requests) == 3

    def test_another_order_is_no_answer(self):
        with account_of(OtherDbtCloud, runs=9, apart=MINUTE) as (stand_in, dbt_cloud):
            stand_in.reads = {"order_by": "finished_at"}
            with pytest.raises(BadArtifact, match="another order"):
                list_of(dbt_cloud, MIDNIGHT, MIDNIGHT + 99 * MINUTE)


class TestWebhookSubscriptions:
    def test_the_sandbox_has_one_that_is_all_right(self, dbt_cloud):
        (subscription,) = dbt_cloud.list_webhook_subscriptions()
        assert subscription == WebhookSubscription(
            subscription_id=story.SUBSCRIPTION.webhook_id,
            name="relay",
            client_url="http://127.0.0.1:8080/webhooks/dbt",
            is_active=True,
            event_types=("job.run.completed",),
            dbt_job_ids=frozenset(),
            deactivate_reason=None,
        )
        assert problems_of([subscription]) == ()

    def test_one_for_some_jobs_names_them_and_an_inactive_one_says_why(self, dbt_cloud, sandbox):
        sandbox.dbt_cloud.add_subscription(
            SandboxSubscription(
                webhook_id="wsu_2",
                client_url="https://relay.example.com/webhooks/dbt",
                job_ids=(123, 321),
                active=False,
                deactivate_reason="Too many failures",
            )
        )
        _, second = dbt_cloud.list_webhook_subscriptions()
        assert second.dbt_job_ids == {123, 321}
        assert (second.is_active, second.deactivate_reason) == (False, "Too many failures")

    def test_a_job_may_be_a_string_or_a_number_and_much_may_be_left_out(self, dbt_cloud, sandbox):
        rows = (
            b'{"id": "a", "client_url": "", "active": true, "job_ids": ["7", 8]},'
            b'{"id": "b", "client_url": "", "active": false, "name": null, "job_ids": null}'
        )
        sandbox.dbt_cloud.fail_next("/webhooks/", Body(b'{"data": [%s]}' % rows))
        first, second = dbt_cloud.list_webhook_subscriptions()
        assert first.dbt_job_ids == {7, 8}
        assert (second.name, second.event_types, second.dbt_job_ids) == ("", (), frozenset())

    @pytest.mark.parametrize("number", [0, 9, 10, 25])
    def test_all_pages_of_them_are_read(self, dbt_cloud, sandbox, number):
        for each in range(number):
            sandbox.dbt_cloud.add_subscription(
                SandboxSubscription(webhook_id=f"wsu_{each}", client_url="https://example.com")
            )
        ids = [each.subscription_id for each in dbt_cloud.list_webhook_subscriptions()]
        assert ids[1:] == [f"wsu_{each}" for each in range(number)]

    @pytest.mark.parametrize(
        ("code", "hint"),
        [
            (401, "DBT_CLOUD_TOKEN"),
            (403, "read this account's webhooks"),
            (404, "lacks permission"),
        ],
    )
    def test_a_token_that_may_not_read_them_is_told(self, dbt_cloud, sandbox, code, hint):
        sandbox.dbt_cloud.fail_next("/webhooks/", Status(code))
        with pytest.raises(Rejected, match=f"{code} for the list of webhook subs.*{hint}"):
            dbt_cloud.list_webhook_subscriptions()

    @pytest.mark.parametrize(
        "content",
        [
            b"<html>",
            b'{"data": null}',
            b'{"data": [{"id": "a", "client_url": ""}]}',
            b'{"data": [{"id": "a", "client_url": "", "active": true, "job_ids": ["x"]}]}',
        ],
    )
    def test_a_list_that_cannot_be_read_is_a_bad_artifact(self, dbt_cloud, sandbox, content):
        sandbox.dbt_cloud.fail_next("/webhooks/", Body(content))
        with pytest.raises(BadArtifact, match="webhook subscriptions cannot be read"):
            dbt_cloud.list_webhook_subscriptions()

    def test_one_without_an_end_is_given_up(self, dbt_cloud, sandbox):
        row = b'{"id": "a", "client_url": "", "active": true}'
        page = b'{"data": [%s], "extra": {"pagination": {"total_count": 1000000}}}' % row
        sandbox.dbt_cloud.fail_next("/webhooks/", Body(page), times=MOST_PAGES)
        with pytest.raises(Rejected, match=f"over {MOST_PAGES} pages"):
            dbt_cloud.list_webhook_subscriptions()


class TestEnvironmentsAndJobs:
    def test_are_those_of_the_account(self, dbt_cloud):
        production, ci = dbt_cloud.list_environments()
        assert (production.environment_id, production.name) == (187998, "Production")
        assert production.is_production
        assert (ci.deployment_type, ci.is_production) == (None, False)
        assert dbt_cloud.get_environment(187998) == production
        nightly, ci_job = dbt_cloud.list_jobs()
        assert (nightly.dbt_job_id, nightly.environment_id) == (278164, 187998)
        assert (nightly.may_count, ci_job.may_count) == (True, False)

    def test_are_read_page_by_page(self, dbt_cloud, sandbox):
        for number in range(1, 121):
            sandbox.dbt_cloud.add_job(dataclasses.replace(story.NIGHTLY_JOB, dbt_job_id=number))
        listed = [job.dbt_job_id for job in dbt_cloud.list_jobs()]
        assert listed == [*range(1, 121), 278164, 278165]

    def test_an_environment_that_is_not_there_is_refused(self, dbt_cloud):
        with pytest.raises(Rejected, match="HTTP 404 for environment 9"):
            dbt_cloud.get_environment(9)

    def test_a_name_is_one_printable_line(self, dbt_cloud, sandbox):
        job = dataclasses.replace(story.NIGHTLY_JOB, name="one\ntwo\x1b")
        sandbox.dbt_cloud.add_job(job)
        assert dbt_cloud.list_jobs()[0].name == r"one two\x1b"
