"""A backtest decides as the service did: the same runs through both, on a real PostgreSQL."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest
from mappings import mapping_text, sync_entry
from sandbox_runs import NIGHT, build_run

from relay.backtest.replay import HEARD_AFTER
from relay.mapping_file import load
from relay.operations.backtest import BacktestRequest, backtest
from relay.sandbox import open_sandbox
from relay.sandbox.census_runs import SandboxSync
from relay.sandbox.dbt_runs import CANCELLED, SandboxRun, invoke
from relay.sandbox.recordings import load as recording

SYNC_RUNS_TAKE = timedelta(seconds=90)
HEARD = HEARD_AFTER.total_seconds()
A_DAY = 24 * 3600


@pytest.fixture(name="sandbox")
def _sandbox(clock):
    with open_sandbox(runs_take=SYNC_RUNS_TAKE, clock=clock) as sandbox:
        for sync_id in range(5127, 5134):
            sync = SandboxSync(
                sync_id=sync_id, label=None, source="customers", destination_object="Contact"
            )
            sandbox.census.add_sync(sync)
        yield sandbox


MAPPING = mapping_text(
    sync_entry(5123, "customers"),
    sync_entry(5124, "customers", "fct_revenue", require="all"),
    sync_entry(5125, "fct_revenue", at_most_every="30m"),
    sync_entry(5126, "tag:crm"),
    sync_entry(5127, "customers", "orders", consistency="block"),
    sync_entry(5128, "customers", "fct_revenue", require="all", within="1h", at_most_every="20m"),
    sync_entry(5129, "fct_tickets", tests="ignore"),
    sync_entry(5130, "customers", jobs=[278165]),
    sync_entry(5131, "customers", enabled=False),
    sync_entry(5132, "customers", "fct_revenue", "crm_orders", at_most_every="2h"),
    sync_entry(5133, "orders"),
)


def failed_run(number):
    """`dbt build` in which `customers` failed, and more with it."""
    return build_of("build_model_error", number)


def failed_test(number):
    """`dbt build` in which a test of `orders` failed."""
    return build_of("build_test_fail", number)


def build_of(name, number):
    return SandboxRun.of(invoke("dbt build", recording(name)), dbt_run_id=NIGHT + number)


def retry_of(failed, number):
    """A run that rebuilds what failed in the run that it retries."""
    steps = invoke("dbt retry", recording("retry"))
    return SandboxRun.of(steps, dbt_run_id=NIGHT + number, retrying_run_id=NIGHT + failed)


# Each with the seconds until the next: while a sync run is going, in a cool-down, and after both.
STORY = [
    (build_run(number=0), 40),
    (build_run("customers", number=1), 60),
    (build_run("fct_revenue", number=2, dbt_job_id=278165), 45),
    (build_run("fct_revenue", number=3), 700),
    (build_run("orders", number=4, dbt_job_id=278165), 300),
    (build_run("customers", number=5), 2000),
    (failed_run(6), 120),
    (retry_of(6, 7), 3000),
    (failed_test(8), 500),
    (build_run(number=9), 35),
    (build_run(number=10, dbt_job_id=278165), 35),
    (build_run("customers", number=11, status=CANCELLED), 4000),
    (build_run("customers", number=12, job_type="ci"), 600),
    (build_run("crm_orders", number=13), 3700),
    (build_run("customers", number=14), 3700),
    (build_run("fct_revenue", number=15), 1800),
    (build_run("customers", number=16), 100),
    (failed_run(17), 40),
    (retry_of(17, 18), 50),
    (retry_of(17, 19), 3000),
]


def random_story(seed):
    """Thirty runs in any order and distance; a run that failed may be retried, once or twice."""
    rng = random.Random(seed)
    story, failed = [], []
    for number in range(30):
        job = rng.choice((278164, 278165))
        models = rng.choice(((), ("customers",), ("fct_revenue",), ("orders",), ("crm_orders",)))
        kind = rng.choices(("build", "fails", "test fails", "retry"), (12, 2, 1, 3))[0]
        if kind == "fails":
            run = failed_run(number)
            failed.append(number)
        elif kind == "test fails":
            run = failed_test(number)
        elif kind == "retry" and failed:
            run = retry_of(rng.choice(failed), number)
        else:
            run = build_run(*models, number=number, dbt_job_id=job)
        story.append((run, rng.choice((31, 60, 100, 400, 1300, 4000))))
    return story


@pytest.fixture(name="settings")
def _settings(settings):
    """A sync run's end is seen when it comes, as in the model."""
    return replace(settings, follow_interval=int(SYNC_RUNS_TAKE.total_seconds()))


@pytest.fixture(name="lived", params=["as told", 1, 2])
def _lived(relay, sandbox, request):
    """The runs of a story, through the service."""
    relay.map(MAPPING)
    for run, pause in STORY if request.param == "as told" else random_story(request.param):
        ended = sandbox.dbt_cloud.add_run(run)
        relay.work_for(HEARD)
        relay.deliver(ended)
        relay.work_for(pause - HEARD)
    relay.work_for(3 * 3600)
    return relay


@pytest.fixture(name="report")
def _report(lived, settings, clock, tmp_path):
    mapping = load(settings.mapping, settings.census_hosts)
    asked = BacktestRequest(2 * A_DAY, (), tmp_path / "cache")
    return backtest(settings, mapping, asked, now=clock(), tell=lambda _: None)


def test_every_decision_and_every_sync_run_is_the_services(lived, report, request):
    of_service = {
        (run, sync): (reason, tuple(models))
        for run, sync, reason, models in lived.sql(
            "SELECT dbt_run_id, sync_id, reason, models FROM relay.decisions"
        )
    }
    of_backtest = {
        (one.dbt_run_id, one.sync_id): (one.reason.value, one.models) for one in report.decisions
    }
    assert of_backtest == of_service
    assert started_by_the_backtest(report) == started_by_the_service(lived)
    if request.node.callspec.params["lived"] == "as told":
        assert {reason for reason, _ in of_service.values()} >= {
            *("rebuilt", "cooling_down", "waiting_for_models", "model_failed", "test_failed"),
            *("stale_parent", "job_not_listed", "sync_disabled", "run_cancelled"),
        }
        retried = [run for run, _ in of_service if run == NIGHT + 7]
        assert retried, "a retry was decided"


def started_by_the_service(relay):
    """The sync runs: the sync, the dbt runs, and when, to the second."""
    rows = relay.sql(
        "SELECT sync_id, array_agg(dbt_run_id ORDER BY dbt_run_id), triggered_at"
        " FROM relay.sync_runs JOIN relay.triggers USING (attempt_id, workspace, sync_id)"
        " GROUP BY attempt_id, sync_id, triggered_at"
    )
    return sorted((sync, tuple(runs), at.replace(microsecond=0)) for sync, runs, at in rows)


def started_by_the_backtest(report):
    return sorted(
        (sync.sync_id, tuple(sorted(run.dbt_run_ids)), run.began_at.replace(microsecond=0))
        for sync in report.syncs
        for run in sync.modelled_runs
    )
