"""What older releases of dbt did to the project in dbt_versions, and what relay reads of it.

The tables say what happened in the database and what dbt documents of each command; one table holds
for all releases. dbt_versions/record.py wrote the files.
"""

from pathlib import Path

import pytest
from cases import dbt_run

from relay.dbt.artifacts import read_run_results
from relay.dbt.invocations import Invocation
from relay.dbt.outcome import outcome_of
from relay.dbt.rows import Standing
from relay.dbt.runs import ERROR, SUCCESS, Step

RECORDED = Path(__file__).parents[1] / "dbt_versions" / "recorded"
VERSIONS = ("core-1.7", "core-1.8", "core-1.9", "core-1.10", "core-1.11")

SEED = "seed.shop.raw_orders"
SNAPSHOT = "snapshot.shop.orders_history"
STAGING = "model.shop.stg_orders"
# The ephemeral `paid_orders` has no standing anywhere: only a build that fails fast lists it, as
# skipped, and no retry would ever mend that.
ORDERS = "model.shop.orders"  # the one that fails, or whose test does
CUSTOMERS = "model.shop.customers"  # reads it
MICROBATCH = "model.shop.daily_orders"
BESIDE = {STAGING, "model.shop.order_log", "model.shop.accounts.v1", "model.shop.accounts.v2"}
MODELS = BESIDE | {ORDERS, CUSTOMERS}
ALL = MODELS | {SEED, SNAPSHOT}

EXPECTED = {
    "build": {Standing.REBUILT: ALL},
    "build_model_error": {
        Standing.REBUILT: ALL - {ORDERS, CUSTOMERS},
        Standing.FAILED: {ORDERS},
        Standing.SKIPPED: {CUSTOMERS},
    },
    "retry": {Standing.REBUILT: {ORDERS, CUSTOMERS}},
    # The rows that the test found are in the table: it was rebuilt.
    "build_test_fail": {Standing.REBUILT: ALL - {CUSTOMERS}, Standing.SKIPPED: {CUSTOMERS}},
    # Everything else had been built by then.
    "build_fail_fast": {
        Standing.REBUILT: ALL - {ORDERS, CUSTOMERS},
        Standing.FAILED: {ORDERS},
        Standing.SKIPPED: {CUSTOMERS},
    },
    "run": {Standing.REBUILT: MODELS},
    "test": {},
    "seed": {Standing.REBUILT: {SEED}},
    "snapshot": {Standing.REBUILT: {SNAPSHOT}},
    "compile": {},
    "docs_generate": {},
    # The snapshot has one schema in all targets, so it was in place.
    "clone": {Standing.REBUILT: ALL - {SNAPSHOT}},
    "clone_again": {},
    "build_select_nothing": {},
    "run_operation": {},
    "build_partial": {Standing.PARTIAL: {MICROBATCH}},
    "retry_partial": {Standing.REBUILT: {MICROBATCH}},
    # Of such a dry run nothing counts, not even what it loaded whole: the seed.
    "build_sample": {Standing.SAMPLED: ALL},
    "build_empty": {Standing.SAMPLED: ALL},
}

UNIQUE = "test.shop.unique_orders_order_id.fed79b3a6e"
NOT_NULL = "test.shop.not_null_customers_email.da3cfcd534"

TESTS = {
    "build": {UNIQUE: "pass", NOT_NULL: "warn"},
    "retry": {UNIQUE: "pass", NOT_NULL: "warn"},
    "build_test_fail": {UNIQUE: "fail"},
    "test": {UNIQUE: "pass", NOT_NULL: "warn"},
    "build_sample": {UNIQUE: "pass", NOT_NULL: "warn"},
    "build_empty": {UNIQUE: "pass", NOT_NULL: "pass"},
}

FAILED_STEPS = {"build_model_error", "build_test_fail", "build_fail_fast", "build_partial"}
SINCE = {
    "build_empty": "core-1.8",
    "build_partial": "core-1.9",
    "retry_partial": "core-1.9",
    "build_sample": "core-1.10",
}


def known_to(version):
    """The names of the invocations this release has the commands and options for."""
    age = VERSIONS.index(version)
    return {name for name in EXPECTED if VERSIONS.index(SINCE.get(name, VERSIONS[0])) <= age}


EACH = [(version, name) for version in VERSIONS for name in EXPECTED if name in known_to(version)]


def recorded(version, name, *, run=1, index=4):
    """The invocation as a step whose command nobody knows: the file alone must tell."""
    status = ERROR if name in FAILED_STEPS else SUCCESS
    body = (RECORDED / version / f"{name}.json").read_bytes()
    return Invocation(
        dbt_run(dbt_run_id=run), Step(index, name, status, None), read_run_results(body)
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_every_invocation_a_release_knows_wrote_a_file(version):
    assert {file.stem for file in (RECORDED / version).iterdir()} == known_to(version)


@pytest.mark.parametrize(("version", "name"), EACH)
def test_the_file_is_of_the_release_it_is_filed_under(version, name):
    dbt_version = recorded(version, name).run_results.metadata.dbt_version
    assert dbt_version.startswith(version.removeprefix("core-") + ".")


@pytest.mark.parametrize(("version", "name"), EACH)
def test_a_node_stands_as_dbt_left_it(version, name):
    nodes = outcome_of([recorded(version, name)]).standings
    assert nodes == {node: each for each, those in EXPECTED[name].items() for node in those}


@pytest.mark.parametrize(("version", "name"), EACH)
def test_only_a_test_that_ran_has_a_result(version, name):
    assert outcome_of([recorded(version, name)]).tests == TESTS.get(name, {})


@pytest.mark.parametrize(("version", "name"), EACH)
def test_no_release_says_a_word_relay_does_not_know(version, name):
    assert outcome_of([recorded(version, name)]).unknown_statuses == {}


@pytest.mark.parametrize("version", VERSIONS)
def test_what_a_retry_rebuilds_ends_the_failure_and_the_rest_stays_the_first_runs(version):
    first = recorded(version, "build_model_error", run=1)
    rebuilt = outcome_of([first, recorded(version, "retry", run=2)])
    assert rebuilt.in_standing(Standing.REBUILT) == ALL == rebuilt.nodes.keys()
    assert {node for node, did in rebuilt.nodes.items() if did.dbt_run_id == 2} == {
        ORDERS,
        CUSTOMERS,
    }


@pytest.mark.parametrize(
    "version", [each for each in VERSIONS if "retry_partial" in known_to(each)]
)
def test_a_retry_completes_what_was_partial(version):
    first = recorded(version, "build_partial", run=1)
    rebuilt = outcome_of([first, recorded(version, "retry_partial", run=2)])
    assert rebuilt.standings == {MICROBATCH: Standing.REBUILT}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("last", ["docs_generate", "compile", "test", "run_operation"])
def test_a_last_step_that_builds_nothing_takes_nothing_away(version, last):
    build = recorded(version, "build_model_error")
    after = recorded(version, last, index=5)
    assert outcome_of([build, after]).nodes == outcome_of([build]).nodes
