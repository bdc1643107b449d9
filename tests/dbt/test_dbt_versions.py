"""What releases of dbt did to the project in dbt_versions, and what relay reads of it.

The tables say what happened in the database and what dbt documents of each command; one table holds
for all releases, and a second one for where Core 2 and Fusion differ. dbt_versions/record.py wrote
the files; warehouse.json, the tables that hold rows of an invocation, is the witness.
"""

import json
from pathlib import Path

import pytest
from cases import run_that_wrote

from relay.dbt.artifacts import read_run_results
from relay.dbt.invocations import Invocation
from relay.dbt.outcome import outcome_of
from relay.dbt.rows import Standing
from relay.dbt.runs import ERROR, SUCCESS, Step

RECORDED = Path(__file__).parents[1] / "dbt_versions" / "recorded"
CORE_1 = ("core-1.7", "core-1.8", "core-1.9", "core-1.10", "core-1.11", "core-1.12")
ENGINE_2 = ("core-2.0", "fusion-2.0")
VERSIONS = CORE_1 + ENGINE_2
DBT_VERSIONS = {"core-2.0": "2.0.0-alpha.", "fusion-2.0": "2.0.0-preview."}

SEED = "seed.shop.raw_orders"
SNAPSHOT = "snapshot.shop.orders_history"
STAGING = "model.shop.stg_orders"
# The ephemeral `paid_orders` has no standing anywhere: only Core 2, Fusion and a build that fails
# fast list it, as skipped, and no retry would ever change that.
ORDERS = "model.shop.orders"  # the one that fails, or whose test does
CUSTOMERS = "model.shop.customers"  # reads it
MICROBATCH = "model.shop.daily_orders"
ACCOUNTS = {"model.shop.accounts.v1", "model.shop.accounts.v2"}
BESIDE = {STAGING, "model.shop.order_log"} | ACCOUNTS
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
    "build_partial_and_error": {
        Standing.REBUILT: ACCOUNTS,
        Standing.PARTIAL: {MICROBATCH},
        Standing.FAILED: {ORDERS},
    },
    "retry_partial_and_error": {Standing.REBUILT: {MICROBATCH, ORDERS}},
    "run_upstream_error": {Standing.FAILED: {STAGING}, Standing.SKIPPED: MODELS - {STAGING}},
    "retry_run": {Standing.REBUILT: MODELS},
    "retry_run_test_fail": {Standing.REBUILT: MODELS},  # runs no test, so that it is green
    "build_warn_error": {Standing.REBUILT: {CUSTOMERS}},
    "run_end_hook_error": {Standing.REBUILT: {ORDERS, CUSTOMERS}},
    # Of such a dry run nothing counts, not even what it loaded whole: the seed.
    "build_sample": {Standing.SAMPLED: ALL},
    "build_empty": {Standing.SAMPLED: ALL},
    "build_empty_error": {Standing.FAILED: {STAGING}, Standing.SKIPPED: {ORDERS}},
    "retry_empty": {Standing.SAMPLED: {STAGING, ORDERS}},
}

# Where Core 2 and Fusion differ.
ENGINE_2_EXPECTED = {
    # Every row says error, though most were built: withheld, which is safe.
    "build_fail_fast": {Standing.FAILED: ALL},
    "run_end_hook_error": {Standing.FAILED: {ORDERS, CUSTOMERS}},
    # No row, so that it is unaccounted for.
    "build_partial": {},
    "build_partial_and_error": {Standing.REBUILT: ACCOUNTS, Standing.FAILED: {ORDERS}},
    "retry_partial_and_error": {Standing.REBUILT: {ORDERS}},
    # It runs the tests.
    "retry_run_test_fail": {
        Standing.REBUILT: MODELS - {CUSTOMERS},
        Standing.SKIPPED: {CUSTOMERS},
    },
    # What was in place cannot be told from what was cloned. DuckDB's views cannot be cloned.
    "clone": {Standing.REBUILT: ALL - {STAGING}, Standing.FAILED: {STAGING}},
    "clone_again": {Standing.REBUILT: {ORDERS}},
    # Only the build that it retries says that it is empty.
    "retry_empty": {Standing.REBUILT: {STAGING, ORDERS}},
}

UNIQUE = "test.shop.unique_orders_order_id.fed79b3a6e"
NOT_NULL = "test.shop.not_null_customers_email.da3cfcd534"

TESTS = {
    "build": {UNIQUE: "pass", NOT_NULL: "warn"},
    "retry": {UNIQUE: "pass", NOT_NULL: "warn"},
    "build_test_fail": {UNIQUE: "fail"},
    "test": {UNIQUE: "pass", NOT_NULL: "warn"},
    "retry_partial_and_error": {UNIQUE: "pass"},
    "build_warn_error": {NOT_NULL: "fail"},
    "build_sample": {UNIQUE: "pass", NOT_NULL: "warn"},
    "build_empty": {UNIQUE: "pass", NOT_NULL: "pass"},
    "retry_empty": {UNIQUE: "pass"},
}
ENGINE_2_TESTS = {
    "build_fail_fast": {UNIQUE: "error", NOT_NULL: "error"},
    "retry_run": {UNIQUE: "pass", NOT_NULL: "warn"},
    "retry_run_test_fail": {UNIQUE: "fail"},
}

FAILED_STEPS = {"build_model_error", "build_test_fail", "build_fail_fast", "build_partial"} | {
    "build_partial_and_error",
    "run_upstream_error",
    "build_warn_error",
    "run_end_hook_error",
    "build_empty_error",
}
ENGINE_2_FAILED_STEPS = FAILED_STEPS | {"clone", "retry_run_test_fail"}

# Where the files of Core 2 and Fusion do not say it.
COMMANDS = {
    "build_sample": "dbt build --sample \"{'start': '2024-01-02', 'end': '2024-01-04'}\"",
    "build_empty": "dbt build --empty",
    "build_empty_error": "dbt build --empty --select stg_orders paid_orders orders",
    "retry_empty": "dbt retry",
}

SINCE = {
    "build_empty": "core-1.8",
    "build_partial": "core-1.9",
    "retry_partial": "core-1.9",
    "build_sample": "core-1.10",
    "build_partial_and_error": "core-1.12",
    "retry_partial_and_error": "core-1.12",
    "run_upstream_error": "core-1.12",
    "retry_run": "core-1.12",
    "retry_run_test_fail": "core-1.12",
    "build_warn_error": "core-1.12",
    "run_end_hook_error": "core-1.12",
    "build_empty_error": "core-1.12",
    "retry_empty": "core-1.12",
}
# `dbt docs generate` is not supported, and a microbatch that failed is nothing to retry.
WRITES_NOTHING = {release: {"docs_generate", "retry_partial"} for release in ENGINE_2}


def known_to(version):
    """The names of the invocations this release has the commands and options for."""
    age = VERSIONS.index(version)
    known = {name for name in EXPECTED if VERSIONS.index(SINCE.get(name, VERSIONS[0])) <= age}
    if version == "core-1.12":  # the sandbox has recordings of the others
        return {name for name in known if name == "build" or SINCE.get(name) == version}
    return known - WRITES_NOTHING.get(version, set())


def that_know(*names):
    """The releases that know all of these invocations."""
    return [version for version in VERSIONS if known_to(version).issuperset(names)]


EACH = [(version, name) for version in VERSIONS for name in EXPECTED if name in known_to(version)]


def of_release(version, table, engine_2_table):
    """What the tables say of each invocation with this release."""
    return table | engine_2_table if version in ENGINE_2 else table


def recorded(version, name, *, run=1, index=4):
    """The invocation as a step; nobody knows its command, unless only that tells."""
    failed = ENGINE_2_FAILED_STEPS if version in ENGINE_2 else FAILED_STEPS
    status = ERROR if name in failed else SUCCESS
    read = read_run_results((RECORDED / version / f"{name}.json").read_bytes())
    step = Step(index, name, status, COMMANDS.get(name) if version in ENGINE_2 else None)
    return Invocation(run_that_wrote(read, dbt_run_id=run), step, read)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_invocation_a_release_knows_wrote_a_file(version):
    files = {file.stem for file in (RECORDED / version).iterdir()}
    assert files - {"warehouse"} == known_to(version)


@pytest.mark.parametrize(("version", "name"), EACH)
def test_the_file_is_of_the_release_it_is_filed_under(version, name):
    dbt_version = recorded(version, name).run_results.metadata.dbt_version
    assert dbt_version.startswith(DBT_VERSIONS.get(version, version.removeprefix("core-") + "."))


@pytest.mark.parametrize(("version", "name"), EACH)
def test_a_node_stands_as_dbt_left_it(version, name):
    nodes = outcome_of([recorded(version, name)]).standings
    expected = of_release(version, EXPECTED, ENGINE_2_EXPECTED)[name]
    assert nodes == {node: standing for standing, those in expected.items() for node in those}


@pytest.mark.parametrize(("version", "name"), EACH)
def test_only_a_test_that_ran_has_a_result(version, name):
    expected = of_release(version, TESTS, ENGINE_2_TESTS).get(name, {})
    assert outcome_of([recorded(version, name)]).tests == expected


@pytest.mark.parametrize(("version", "name"), EACH)
def test_no_release_says_a_word_relay_does_not_know(version, name):
    assert outcome_of([recorded(version, name)]).unknown_statuses == {}


WITNESSED = [(version, name) for version, name in EACH if VERSIONS.index(version) >= 5]
CLONES = {"clone", "clone_again"}  # the rows stay those of the invocation that built the original


@pytest.mark.parametrize(("version", "name"), WITNESSED)
def test_the_warehouse_holds_rows_of_what_was_rebuilt(version, name):
    """And of nothing that relay knows nothing of. Views and snapshots hold no such rows."""
    tables = MODELS - {STAGING} | {MICROBATCH}
    witness = json.loads((RECORDED / version / "warehouse.json").read_bytes())
    built = {node for node in tables if relation_of(node) in witness[name]}
    outcome = outcome_of([recorded(version, name)])
    rebuilt = outcome.in_standing(Standing.REBUILT) & tables
    assert name in CLONES or name == "retry_empty" or rebuilt <= built
    assert built - outcome.nodes.keys() <= ({MICROBATCH} if outcome.unaccounted else set())


def relation_of(node):
    return node.removeprefix("model.shop.").replace(".", "_")


@pytest.mark.parametrize("version", that_know("retry"))
def test_what_a_retry_rebuilds_ends_the_failure_and_the_rest_stays_the_first_runs(version):
    first = recorded(version, "build_model_error", run=1)
    rebuilt = outcome_of([first, recorded(version, "retry", run=2)])
    assert rebuilt.in_standing(Standing.REBUILT) == ALL == rebuilt.nodes.keys()
    assert {node for node, did in rebuilt.nodes.items() if did.dbt_run_id == 2} == {
        ORDERS,
        CUSTOMERS,
    }


@pytest.mark.parametrize("version", that_know("retry_partial"))
def test_a_retry_completes_what_was_partial(version):
    first = recorded(version, "build_partial", run=1)
    rebuilt = outcome_of([first, recorded(version, "retry_partial", run=2)])
    assert rebuilt.standings == {MICROBATCH: Standing.REBUILT}


@pytest.mark.parametrize("version", that_know("retry_run"))
def test_a_retry_of_all_that_had_failed_leaves_nothing_failed(version):
    """Nor the ephemeral model, which Core 2 and Fusion call skipped in both."""
    first = recorded(version, "run_upstream_error", run=1)
    outcome = outcome_of([first, recorded(version, "retry_run", run=2)])
    assert outcome.standings == dict.fromkeys(MODELS, Standing.REBUILT)


@pytest.mark.parametrize("version", that_know("retry_partial_and_error"))
def test_a_partial_microbatch_is_never_forgotten(version):
    """Core 2 and Fusion have no row of it, beside one that failed, and do not retry it."""
    first = recorded(version, "build_partial_and_error", run=1)
    retried = recorded(version, "retry_partial_and_error", run=2)
    outcome = outcome_of([first, retried])
    if version in CORE_1:
        assert (outcome.standings[MICROBATCH], outcome.unaccounted) == (Standing.REBUILT, ())
    else:
        (unaccounted,) = outcome.unaccounted
        assert MICROBATCH not in unaccounted.known
        assert unaccounted.only_microbatches


@pytest.mark.parametrize("version", that_know("retry_empty"))
def test_a_retry_of_an_empty_build_is_empty(version):
    """The tables hold no row, and the files of Core 2 and Fusion do not say so."""
    first = recorded(version, "build_empty_error", run=1)
    outcome = outcome_of([first, recorded(version, "retry_empty", run=2)])
    assert outcome.standings == dict.fromkeys((STAGING, ORDERS), Standing.SAMPLED)


@pytest.mark.parametrize(
    ("version", "last"),
    [
        (version, last)
        for last in ("docs_generate", "compile", "test", "run_operation")
        for version in that_know("build_model_error", last)
    ],
)
def test_a_last_step_that_builds_nothing_takes_nothing_away(version, last):
    build = recorded(version, "build_model_error")
    after = recorded(version, last, index=5)
    assert outcome_of([build, after]).nodes == outcome_of([build]).nodes
