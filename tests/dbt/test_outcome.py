"""What a run rebuilt, step by step, on recorded artifacts and on documented rows."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from cases import dbt_run, run_that_wrote

from relay.dbt.artifacts import read_run_results
from relay.dbt.invocations import Invocation
from relay.dbt.outcome import outcome_of
from relay.dbt.rows import Standing
from relay.dbt.runs import CANCELLED, ERROR, SUCCESS, Step
from relay.errors import BadArtifact
from relay.sandbox import recordings

CUSTOMERS = "model.jaffle_crm.customers"
SEED_ROW = {"status": "success", "relation_name": None}
ORDERS = "model.jaffle_crm.orders"
RUN = 155144666
STARTED = datetime(2026, 11, 1, tzinfo=UTC)


def run(dbt_run_id=RUN, **fields):
    return dbt_run(dbt_run_id=dbt_run_id, **{"started_at": STARTED, "target": "prod"} | fields)


def step(command="dbt build", *, index=4, status=SUCCESS):
    return Step(index=index, name=f"Invoke dbt with `{command}`", status=status, command=command)


def recorded(name, *, index=4, command=None):
    recording = recordings.load(name)
    status = ERROR if recording.failed else SUCCESS
    read = read_run_results(recording.run_results)
    return Invocation(
        run_that_wrote(read, dbt_run_id=RUN, target="prod"),
        step(command or f"dbt {name}", index=index, status=status),
        read,
    )


def row(
    status,
    *,
    message=None,
    which="build",
    args=None,
    others=(),
    metadata=None,
    command=None,
    index=4,
    **fields,
):
    """An invocation in which `customers` has this row; `others` are rows beside it."""
    results = [{"unique_id": CUSTOMERS, "status": status, "message": message, **fields}]
    results += [{"unique_id": uid, "status": word} for uid, word in others]
    written = {"invocation_id": f"{index}", "generated_at": "2026-11-01T01:00:00Z"}
    metadata = written | (metadata or {})
    body = {"metadata": metadata, "args": {"which": which, **(args or {})}, "results": results}
    command = command or f"dbt {which}"
    return Invocation(
        run(), step(command, index=index), read_run_results(msgspec.json.encode(body))
    )


def standing(*invocations, node=CUSTOMERS):
    result = outcome_of(invocations).nodes.get(node)
    return result and result.standing


class TestRecordings:
    @pytest.mark.parametrize(
        ("name", "customers", "orders"),
        [
            ("build", Standing.REBUILT, Standing.REBUILT),
            ("run", Standing.REBUILT, Standing.REBUILT),
            ("build_model_error", Standing.SKIPPED, Standing.FAILED),
            ("build_test_fail", Standing.SKIPPED, Standing.REBUILT),
            ("retry", Standing.REBUILT, Standing.REBUILT),
            ("build_empty", Standing.SAMPLED, Standing.SAMPLED),
            ("build_sample", Standing.SAMPLED, Standing.SAMPLED),
            ("clone", Standing.REBUILT, Standing.REBUILT),
            ("run_tables_under_view", Standing.REBUILT, None),
            ("test", None, None),
            ("compile", None, None),
            ("docs_generate", None, None),
            ("seed", None, None),
            ("snapshot", None, None),
            ("build_select_nothing", None, None),
        ],
    )
    def test_only_what_an_invocation_built_was_rebuilt(self, name, customers, orders):
        assert standing(recorded(name)) == customers
        assert standing(recorded(name), node=ORDERS) == orders

    def test_seeds_and_snapshots_are_rebuilt_too(self):
        assert standing(recorded("seed"), node="seed.jaffle_crm.countries") is Standing.REBUILT
        snapshot = "snapshot.jaffle_crm.accounts_history"
        assert standing(recorded("snapshot"), node=snapshot) is Standing.REBUILT

    def test_both_versions_of_a_model_are_nodes_of_their_own(self):
        nodes = outcome_of([recorded("build")]).nodes
        assert {"model.jaffle_crm.dim_accounts.v1", "model.jaffle_crm.dim_accounts.v2"} <= set(
            nodes
        )

    def test_a_microbatch_with_a_failed_batch_is_partial(self):
        rebuilt = outcome_of([recorded("build_partial")])
        assert rebuilt.in_standing(Standing.PARTIAL) == {"model.jaffle_crm.daily_orders"}

    def test_hooks_tests_and_exposures_are_no_models(self):
        nodes = outcome_of([recorded("build")]).nodes
        assert {node.split(".")[0] for node in nodes} == {"model", "seed", "snapshot"}

    def test_docs_generate_at_the_end_hides_nothing_and_adds_nothing(self):
        failed = outcome_of([recorded("build_model_error")])
        with_docs = outcome_of([recorded("build_model_error"), recorded("docs_generate", index=5)])
        assert with_docs == failed

    def test_run_then_test_keeps_what_run_rebuilt_and_what_test_found(self):
        rebuilt = outcome_of([recorded("run"), recorded("test_fail", index=5)])
        assert rebuilt.nodes[CUSTOMERS].standing is Standing.REBUILT
        assert "fail" in rebuilt.tests.values()


class TestStatuses:
    @pytest.mark.parametrize(
        ("status", "message", "expected"),
        [
            ("success", "SELECT 5", Standing.REBUILT),
            ("success", None, Standing.REBUILT),
            ("warn", None, Standing.REBUILT),
            ("success", "NO-OP", None),
            ("success", "No-op", None),
            ("no-op", None, None),
            # Fusion and Core v2, crates/dbt-common/src/stats.rs
            ("reused", "No new changes on any upstreams", None),
            ("reused", "New changes detected within freshness tolerance of 1 hour", None),
            ("reused", "Reused (SAO replay)", None),
            ("reused", None, None),
            ("warn", "Warn", Standing.REBUILT),
            ("success", "Succeeded", Standing.REBUILT),
            ("reused", "Cloned from cached relation", Standing.REBUILT),
            (
                "reused",
                "Cloned from cached relation within freshness tolerance",
                Standing.REBUILT,
            ),
            ("partial success", "PARTIAL SUCCESS (4/5)", Standing.PARTIAL),
            ("error", "Database Error", Standing.FAILED),
            ("fail", None, Standing.FAILED),
            ("runtime error", None, Standing.FAILED),
            ("Error", None, Standing.FAILED),  # as other writers of the file spell them
            ("Fail", None, Standing.FAILED),
            ("Success", None, Standing.REBUILT),
            ("skipped", None, None),
            ("pass", None, None),
            ("transmogrified", None, None),
        ],
    )
    def test_each_word_of_dbts_has_one_meaning(self, status, message, expected):
        assert standing(row(status, message=message)) == expected

    @pytest.mark.parametrize(
        ("status", "adapter_response", "expected"),
        [
            # dbt-adapters, materialized_view_execute_no_op: the relation was left as it was.
            ("success", {"_message": "skip", "code": "skip", "rows_affected": "-1"}, None),
            ("warn", {"code": "skip", "rows_affected": -1}, None),  # dagster-io/dagster#34216
            ("success", {"code": "CREATE TABLE", "rows_affected": 0}, Standing.REBUILT),
            ("success", {"code": 200}, Standing.REBUILT),
            ("success", {}, Standing.REBUILT),
            ("success", None, Standing.REBUILT),
            ("success", "SELECT 5", Standing.REBUILT),
            ("error", {"code": "skip"}, Standing.FAILED),
        ],
    )
    def test_an_adapter_that_skipped_rebuilt_nothing(self, status, adapter_response, expected):
        assert standing(row(status, adapter_response=adapter_response)) == expected

    @pytest.mark.parametrize(
        ("message", "fields", "expected"),
        [
            (None, {}, Standing.SKIPPED),
            ("Skipped due to upstream failure", {"relation_name": "a.b"}, Standing.SKIPPED),
            ("Skipped due to upstream failure", {"relation_name": None}, None),  # ephemeral
            ("Skipping due to fail_fast", {"relation_name": "a.b"}, Standing.SKIPPED),
            ("Skipping due to fail_fast", {}, Standing.SKIPPED),  # dbt 1.6 and older
            ("Skipping due to fail_fast", {"relation_name": None}, None),  # ephemeral
            ("Skipped", {}, None),  # Fusion: there was nothing to do
        ],
    )
    def test_skipped_in_a_failed_step_is_a_failure_unless_there_was_nothing_to_build(
        self, message, fields, expected
    ):
        failing = row("skipped", message=message, others=[(ORDERS, "error")], **fields)
        assert standing(failing) == expected

    def test_an_unknown_status_is_reported_with_a_node(self):
        assert outcome_of([row("transmogrified")]).unknown_statuses == {"transmogrified": CUSTOMERS}
        assert outcome_of([row("odd\0")]).unknown_statuses == {r"odd\x00": CUSTOMERS}

    @pytest.mark.parametrize(
        ("batch_results", "expected"),
        [
            ({"successful": [], "failed": [["2026-11-01", "2026-11-02"]]}, Standing.FAILED),
            ({"successful": [["a", "b"]], "failed": [["b", "c"]]}, Standing.PARTIAL),
            ({"successful": [["a", "b"]], "failed": []}, Standing.REBUILT),
            ({"successful": [], "failed": []}, Standing.REBUILT),
            (None, Standing.REBUILT),
        ],
    )
    def test_a_microbatch_is_what_its_batches_are(self, batch_results, expected):
        """Though the row itself says success."""
        assert standing(row("success", batch_results=batch_results)) is expected

    @pytest.mark.parametrize("broken", [{"message": 5}, {"timing": "soon"}, {"status": None}])
    def test_a_row_that_cannot_be_read_costs_its_own_node_only(self, broken):
        """dbt 0.19 wrote the number of rows as the message."""
        rows = [
            {"unique_id": CUSTOMERS, "status": "success", **broken},
            {"unique_id": ORDERS, "status": "success"},
        ]
        metadata = {"generated_at": "2026-11-01T01:00:00Z"}
        file = {"metadata": metadata, "args": {"which": "build"}, "results": rows}
        body = msgspec.json.encode(file)
        outcome = outcome_of([Invocation(run(), step(), read_run_results(body))])
        assert outcome.standings == {CUSTOMERS: Standing.FAILED, ORDERS: Standing.REBUILT}
        assert outcome.unknown_statuses == {"unreadable row": CUSTOMERS}

    def test_a_row_that_cannot_be_read_is_no_ephemeral_models(self):
        """Though it names no relation, and other rows do."""
        rows = [
            {"unique_id": CUSTOMERS, "status": "success", "relation_name": "a.b", "message": 5},
            {"unique_id": ORDERS, "status": "success", "relation_name": "a.c"},
        ]
        metadata = {"generated_at": "2026-11-01T01:00:00Z"}
        file = {"metadata": metadata, "args": {"which": "build"}, "results": rows}
        read = read_run_results(msgspec.json.encode(file))
        assert standing(Invocation(run(), step(), read)) is Standing.FAILED

    @pytest.mark.parametrize("failing", ["error", "fail", "runtime error", "partial success"])
    def test_skipped_is_a_failure_where_something_failed(self, failing):
        assert standing(row("skipped", others=[(ORDERS, failing)])) is Standing.SKIPPED

    def test_skipped_is_a_failure_where_the_step_failed(self):
        invocation = row("skipped")
        failed = Invocation(run(), step(status=ERROR), invocation.run_results)
        assert standing(failed) is Standing.SKIPPED

    @pytest.mark.parametrize("which", ["build", "run", "seed", "snapshot", "retry", "clone"])
    def test_these_commands_rebuild(self, which):
        assert standing(row("success", which=which)) is Standing.REBUILT

    @pytest.mark.parametrize("status", ["success", "error", "skipped", "partial success"])
    def test_an_ephemeral_model_has_no_standing(self, status):
        """Fusion and Core v2 write rows of them, and `dbt clone` a success."""
        rows = {"others": [(ORDERS, "error")], "relation_name": None}
        assert standing(row(status, message="Succeeded", **rows)) is None

    @pytest.mark.parametrize(
        ("others_relation", "expected"),
        [("a.b", None), (None, None), (msgspec.UNSET, Standing.REBUILT)],
    )
    def test_so_where_the_relation_is_left_out_and_other_rows_name_theirs(
        self, others_relation, expected
    ):
        """Fusion preview and Core 2 alpha leave it out; before dbt 1.7 no row has one."""
        results = [
            {"unique_id": CUSTOMERS, "status": "success"},
            {"unique_id": ORDERS, "status": "success", "relation_name": others_relation},
        ]
        if others_relation is msgspec.UNSET:
            del results[1]["relation_name"]
        metadata = {"generated_at": "2026-11-01T01:00:00Z"}
        body = {"metadata": metadata, "args": {"which": "clone"}, "results": results}
        read = read_run_results(msgspec.json.encode(body))
        assert standing(Invocation(run(), step("dbt clone"), read)) is expected

    def test_a_seed_has_no_relation_name_and_stands_all_the_same(self):
        seed = "seed.jaffle_crm.countries"
        metadata = {"generated_at": "2026-11-01T01:00:00Z"}
        rows = [SEED_ROW | {"unique_id": seed}]
        body = {"metadata": metadata, "args": {"which": "seed"}, "results": rows}
        read = read_run_results(msgspec.json.encode(body))
        assert standing(Invocation(run(), step("dbt seed"), read), node=seed) is Standing.REBUILT

    @pytest.mark.parametrize(
        "which", ["build", "run", "seed", "snapshot", "retry", "clone", "test"]
    )
    def test_rows_of_tests_count_under_every_command_that_rebuilds_or_tests(self, which):
        """In a retry of a `dbt run`, Core v2 says `run` and has rows of tests."""
        retried = row("success", which=which, others=[("test.shop.t.1", "fail")])
        assert outcome_of([retried]).tests == {"test.shop.t.1": "fail"}

    @pytest.mark.parametrize(
        "which", ["generate", "compile", "test", "list", "show", "freshness", "run-operation"]
    )
    def test_these_never_do(self, which):
        assert standing(row("success", which=which, command="dbt build")) is None

    def test_without_which_the_steps_command_counts(self):
        told = row("success", which=None, command="dbt --no-use-colors build --select customers")
        assert standing(told) is Standing.REBUILT
        assert standing(row("success", which=None, command="dbt docs generate")) is None

    @pytest.mark.parametrize(
        ("args", "command"),
        [
            ({"empty": True}, "dbt build"),
            ({"sample": {"start": "a", "end": "b"}}, "dbt build"),
            ({"__other__": {"empty": True}}, "dbt build"),
            ({}, "dbt build --empty"),
            ({}, "dbt build --no-empty --empty"),
            ({}, 'dbt build --sample "3 days"'),
            ({}, "dbt build --sample=3d"),
        ],
    )
    def test_an_empty_or_sampled_build_never_counts(self, args, command):
        assert standing(row("success", args=args, command=command)) is Standing.SAMPLED

    @pytest.mark.parametrize(
        ("args", "command"),
        [
            ({"empty": False}, "dbt build"),
            ({}, "dbt build --no-empty"),
            ({}, "dbt build --empty --no-empty"),
            ({}, "dbt build --select empty"),
        ],
    )
    def test_a_whole_build_does(self, args, command):
        assert standing(row("success", args=args, command=command)) is Standing.REBUILT

    @pytest.mark.parametrize(
        ("commands", "expected"),
        [
            (("dbt build --empty", "dbt retry"), Standing.SAMPLED),
            (("dbt build --sample=3d", "dbt retry"), Standing.SAMPLED),
            (("dbt build --empty", "dbt retry", "dbt retry"), Standing.SAMPLED),
            (("dbt build --empty", "dbt build"), Standing.REBUILT),
            (("dbt build --empty", "dbt build", "dbt retry"), Standing.REBUILT),
            (("dbt run --empty", "dbt build", "dbt retry"), Standing.REBUILT),
            (("dbt build --empty", "dbt run", "dbt retry"), Standing.SAMPLED),  # retries the build
        ],
    )
    def test_a_retry_is_as_empty_as_what_it_retries(self, commands, expected):
        """Core 2 and Fusion keep --empty, and their files do not say so."""
        which = [command.split()[1].replace("retry", "build") for command in commands]
        steps = [
            row(
                "success",
                which=named,
                command=command,
                index=index,
                metadata={"invocation_id": f"{index}"},
            )
            for index, (command, named) in enumerate(zip(commands, which, strict=True))
        ]
        assert standing(*steps) is expected

    def test_a_failure_of_an_empty_build_is_still_a_failure(self):
        assert standing(row("error", args={"empty": True})) is Standing.FAILED


class TestTimes:
    def test_a_node_has_the_times_of_its_execution(self):
        nodes = outcome_of([recorded("build")]).nodes
        customers, orders = nodes[CUSTOMERS], nodes[ORDERS]
        assert orders.began < orders.ended <= customers.began < customers.ended
        assert customers.invocation == orders.invocation

    @pytest.mark.parametrize(
        "timing",
        [
            None,
            [],
            [{"name": "execute", "started_at": None, "completed_at": None}],
            [{"name": "execute", "started_at": "soon"}],
        ],
    )
    def test_what_dbt_does_not_say_is_not_known(self, timing):
        customers = outcome_of([row("success", timing=timing)]).nodes[CUSTOMERS]
        assert (customers.began, customers.ended) == (None, None)

    def test_are_those_of_the_last_invocation_to_execute_it(self):
        timing = [{"name": "execute", "started_at": "2026-11-01T00:00:00Z"}]
        first, second = row("success", timing=timing), row("success", index=5)
        assert outcome_of([first, second]).nodes[CUSTOMERS].began is None


class TestFusion:
    """What Fusion and Core v2 write, by their public artifacts and dbt-tasks-core/src/utils.rs."""

    @pytest.mark.parametrize(
        ("args", "command", "expected"),
        [
            # 2.0.0-preview.33 to .190
            (
                b'{"command":"build","which":"build","__other__":{"command":"build"}}',
                "x",
                "rebuilt",
            ),
            # 2.0.0-beta.12 and .32: each key twice
            (b'{"command":"run","which":"run","command":"run","which":"run"}', "x", "rebuilt"),
            # main: `empty` and `sample` are not among them, so the command tells
            (b'{"command":"run","which":"run","full_refresh":false}', "dbt run", "rebuilt"),
            (b'{"command":"run","which":"run","full_refresh":false}', "dbt run --empty", "sampled"),
            (b'{"command":"run","which":"run"}', "dbt run --sample=3d", "sampled"),
            (b'{"which":"docs"}', "dbt docs generate", None),  # Core v1 says `generate`
            (b"{}", "dbt build", "rebuilt"),
            (b"{}", "dbt docs generate", None),
        ],
    )
    def test_says_less_of_an_invocation_and_the_step_says_the_rest(self, args, command, expected):
        body = (
            b'{"metadata":{"generated_at":"2026-11-01T01:00:00Z"},"args":%s,'
            b'"results":[{"unique_id":"%s","status":"success"}]}'
        )
        read = read_run_results(body % (args, CUSTOMERS.encode()))
        assert standing(Invocation(run(), step(command), read)) == expected

    def test_calls_all_that_was_selected_an_error_when_it_cannot_compile(self):
        failed = row("error", message="Compilation Error", others=[(ORDERS, "error")])
        assert outcome_of([failed]).in_standing(Standing.FAILED) == {CUSTOMERS, ORDERS}

    def test_names_an_operation_without_its_kind(self):
        named = row("success", which="run-operation", others=[("check_rows", "success")])
        assert outcome_of([named]).nodes == {}


class TestSeveralSteps:
    def test_the_last_invocation_to_execute_a_node_decides(self):
        first, second = row("success"), row("error", index=5)
        assert standing(first, second) is Standing.FAILED
        assert standing(second, first) is Standing.FAILED

    @pytest.mark.parametrize("status", ["reused", "no-op"])
    def test_one_that_left_it_alone_does_not(self, status):
        assert standing(row("success"), row(status, index=5)) is Standing.REBUILT

    @pytest.mark.parametrize("failed", ["error", "skipped"])
    def test_one_that_found_it_in_order_clears_what_had_failed(self, failed):
        """And does not trigger: nothing was rebuilt."""
        first = row(failed, relation_name="a.b", others=[(ORDERS, "error")])
        later = row("reused", index=5, others=[(ORDERS, "success")])
        outcome = outcome_of([first, later])
        assert outcome.standings == {ORDERS: Standing.REBUILT}
        assert outcome.reused == {CUSTOMERS}

    @pytest.mark.parametrize("invocation_id", [None, "00000000-0000-0000-0000-000000000000"])
    def test_two_files_are_distinguished_if_the_invocation_id_repeats(self, invocation_id):
        """As with DBT_INVOCATION_ID in the job's environment."""
        seed, tests = (
            row(
                "success",
                which=which,
                command=f"dbt {which}",
                index=index,
                others=[("test.shop.t.1", "fail")],
                metadata={
                    "invocation_id": invocation_id,
                    "generated_at": f"2026-11-01T01:00:0{index}Z",
                },
            )
            for index, which in ((4, "seed"), (5, "test"))
        )
        assert outcome_of([seed, tests]).tests == {"test.shop.t.1": "fail"}

    def test_a_file_served_for_two_steps_counts_where_it_was_written(self):
        recording = recorded("build")
        stale = replace(recording, step=step("dbt build --empty", index=5))
        assert standing(recording, stale) is Standing.REBUILT

    def test_a_test_that_passes_later_has_passed(self):
        failed = recorded("test_fail")
        passed = recorded("test", index=5)
        assert "fail" not in outcome_of([failed, passed]).tests.values()


class TestAFileThatTheStepDidNotWrite:
    """dbt Cloud serves what lies in target/, such as a file that is committed to the repository."""

    @pytest.mark.parametrize(
        ("metadata", "is_own"),
        [
            ({"generated_at": "2026-11-01T00:00:30Z"}, True),
            ({"generated_at": "2026-10-31T23:56:00Z"}, True),  # clocks differ
            ({"generated_at": "2026-10-31T23:54:00Z"}, False),
            ({"generated_at": "2022-03-04T05:06:07.000008Z"}, False),
            ({"generated_at": "2026-11-01T12:04:00Z"}, True),  # clocks differ
            ({"generated_at": "2026-11-01T12:06:00Z"}, False),
            ({"generated_at": "2099-01-01T00:00:00Z"}, False),
            ({"generated_at": None}, False),
            ({"generated_at": "soon"}, False),
            ({"invocation_started_at": "2026-10-31T12:00:00Z"}, False),
            ({"invocation_started_at": "2026-11-01T00:59:00Z"}, True),
        ],
    )
    def test_was_written_before_the_run_or_after_it(self, metadata, is_own):
        outcome = outcome_of([row("success", metadata=metadata)])
        assert (outcome.standings, outcome.not_of_this_run) == (
            ({CUSTOMERS: Standing.REBUILT}, ()) if is_own else ({}, (4,))
        )

    @pytest.mark.parametrize(
        ("command", "which", "is_own"),
        [
            ("dbt build", "build", True),
            ("dbt build", "run", False),
            ("dbt source freshness", "build", False),
            ("dbt docs generate", "generate", True),
            ("dbt retry", "build", True),
            ("dbt retry", "run", True),
            ("dbt do-something-new", "build", True),  # an unknown command: the file knows better
            ("dbt build", None, True),
        ],
    )
    def test_has_a_command_that_is_not_the_steps(self, command, which, is_own):
        served = row("success", which=which, command=command)
        assert (outcome_of([served]).not_of_this_run == ()) is is_own

    def test_may_name_its_command_as_fusion_does(self):
        served = row("success", which=None, args={"command": "build"}, command="dbt docs generate")
        assert outcome_of([served]).not_of_this_run == (4,)

    def test_is_held_against_the_times_of_its_own_run(self):
        first = row("success", others=[(ORDERS, "error")])
        a_day_later = STARTED + timedelta(days=1)
        retry = run(RUN + 1, started_at=a_day_later, finished_at=a_day_later + timedelta(hours=1))
        outcome = outcome_of([first, Invocation(retry, first.step, first.run_results)])
        assert outcome.nodes[CUSTOMERS].dbt_run_id == RUN


class TestAStepWithoutAFile:
    def test_that_rebuilds_and_succeeded_is_reported(self):
        silent = Invocation(run(), step("dbt build --no-write-json"), None)
        assert outcome_of([silent]).without_results == (silent.step,)

    def test_that_serves_an_earlier_steps_file_is_reported(self):
        first = row("success", metadata={"invocation_id": "a"})
        silent = Invocation(run(), step("dbt build --no-write-json", index=5), first.run_results)
        outcome = outcome_of([first, silent])
        assert outcome.without_results == (silent.step,)
        assert outcome.standings == {CUSTOMERS: Standing.REBUILT}

    @pytest.mark.parametrize(
        ("fields", "why"),
        [
            ({"metadata": {"generated_at": "2022-03-04T05:06:07Z"}}, "it is dated 2022-03-04T05"),
            (
                {"metadata": {"invocation_started_at": "2022-03-04T05:06:07Z"}},
                "it is dated 2022-03-04T05:06:07+00:00, not within the run",
            ),
            ({"metadata": {"generated_at": None}}, "has no write time"),
            ({"which": "run", "command": "dbt build"}, "`dbt run` wrote it"),
        ],
    )
    def test_whose_file_is_refused_is_reported_with_why(self, fields, why):
        refused = row("success", **fields)
        outcome = outcome_of([refused])
        assert outcome.without_results == (refused.step,)
        assert why in outcome.problem_of(refused.step)
        assert "remove it (target/run_results.json)" in outcome.problem_of(refused.step)

    def test_is_distinguished_from_one_whose_file_is_refused(self):
        silent = Invocation(run(), step("dbt build --no-write-json"), None)
        outcome = outcome_of([silent])
        assert "but wrote no run_results.json" in outcome.problem_of(silent.step)

    @pytest.mark.parametrize(
        ("command", "status"), [("dbt build", ERROR), ("dbt source freshness", SUCCESS)]
    )
    def test_that_failed_or_rebuilds_nothing_is_not(self, command, status):
        silent = Invocation(run(), step(command, status=status), None)
        assert outcome_of([silent]).without_results == ()


class TestAFailedStepWithoutAFailedRow:
    """Core 2 and Fusion write no row of a microbatch model with a failing batch."""

    def failed(self, *others, status=ERROR, index=4, command="dbt build", **metadata):
        metadata = {"invocation_id": f"{index}", **metadata}
        written = row("success", others=others, index=index, metadata=metadata)
        return Invocation(run(), step(command, status=status, index=index), written.run_results)

    def test_leaves_what_it_has_no_row_for_unaccounted(self):
        failed = self.failed()
        (unaccounted,) = outcome_of([failed]).unaccounted
        assert (unaccounted.step, unaccounted.known) == (failed.step, {CUSTOMERS})

    def test_what_a_later_step_has_a_row_for_is_known(self):
        later = row("success", others=[(ORDERS, "success")], index=5)
        (unaccounted,) = outcome_of([self.failed(), later]).unaccounted
        assert unaccounted.known == {CUSTOMERS, ORDERS}

    def test_says_so_where_a_row_failed_or_the_step_succeeded(self):
        assert outcome_of([self.failed(("test.shop.t.1", "fail"))]).unaccounted == ()
        assert outcome_of([self.failed(status=SUCCESS)]).unaccounted == ()

    @pytest.mark.parametrize(
        ("dbt_version", "expected"),
        [
            ("1.12.6", []),
            (None, []),
            ("2.0.0-alpha.4", [True]),
            ("2.0.0-preview.196", [True]),
            ("10.0.0", [True]),
        ],
    )
    def test_beside_a_failed_row_core_2_may_leave_out_a_microbatch(self, dbt_version, expected):
        failed = self.failed((ORDERS, "error"), dbt_version=dbt_version)
        unaccounted = outcome_of([failed]).unaccounted
        assert [one.only_microbatches for one in unaccounted] == expected

    def test_of_a_retry_all_is_known_from_what_it_retries(self):
        first = self.failed((ORDERS, "error"))
        retry = self.failed(index=5, command="dbt retry", dbt_version="2.0.0-preview.196")
        assert outcome_of([first, retry]).unaccounted == ()
        assert len(outcome_of([retry]).unaccounted) == 1


class TestAStepThatFailedBeforeItWroteAFile:
    """Killed, cancelled, out of memory: what it selects may not be what an earlier step built."""

    FIRST = row("success", metadata={"invocation_id": "first"})

    @staticmethod
    def died(command="dbt build", *, index=5, status=ERROR, served=None):
        return Invocation(run(), step(command, index=index, status=status), served)

    @pytest.mark.parametrize(
        "served",
        [
            None,
            FIRST.run_results,
            row("success", metadata={"generated_at": "2020-01-01T00:00:00Z"}).run_results,
            row("success", which="docs").run_results,
        ],
    )
    @pytest.mark.parametrize("status", [ERROR, CANCELLED])
    @pytest.mark.parametrize("command", ["dbt build", "dbt run -s a --full-refresh", "dbt clone"])
    def test_leaves_all_that_it_selects_unaccounted(self, served, status, command):
        died = self.died(command, status=status, served=served)
        (unaccounted,) = outcome_of([self.FIRST, died]).unaccounted
        assert (unaccounted.step, unaccounted.known) == (died.step, frozenset())

    def test_does_not_count_where_it_never_began(self):
        """dbt Cloud lists the steps behind one that failed; the earlier ones stay true."""
        died = self.died(status=CANCELLED)
        waited = replace(died, step=replace(died.step, has_begun=False))
        outcome = outcome_of([self.FIRST, waited])
        assert (outcome.rebuilt, outcome.unaccounted) == ([CUSTOMERS], ())

    def test_is_made_good_by_what_a_later_step_executed(self):
        later = row("success", index=6, metadata={"invocation_id": "later"})
        (unaccounted,) = outcome_of([self.FIRST, self.died(), later]).unaccounted
        assert unaccounted.known == {CUSTOMERS}

    def test_is_made_good_by_what_a_run_that_retries_it_executed(self):
        retry = run(RUN + 1)
        later = row("success", metadata={"invocation_id": "later"})
        (unaccounted,) = outcome_of(
            [self.FIRST, self.died(), Invocation(retry, later.step, later.run_results)]
        ).unaccounted
        assert unaccounted.known == {CUSTOMERS}

    @pytest.mark.parametrize(
        ("command", "status"),
        [
            ("dbt build", SUCCESS),
            ("dbt deps", ERROR),
            ("dbt test", ERROR),
            ("dbt docs generate", ERROR),
            (None, ERROR),
            ("dbt retry", ERROR),  # what it retries has rows of all that it executes
        ],
    )
    def test_is_not_one_that_succeeded_or_rebuilds_nothing_of_its_own(self, command, status):
        died = self.died(command, status=status)
        assert outcome_of([self.FIRST, died]).unaccounted == ()

    @pytest.mark.parametrize(
        ("first", "died", "later", "known"),
        [
            ("dbt build", "dbt build", "dbt build -tdev", False),
            ("dbt build", "dbt build", "dbt build -tprod", True),
            ("dbt build", "dbt build -tdev", "dbt seed", True),
            ("dbt build -tdev", "dbt build -tdev", "dbt seed", False),
        ],
    )
    def test_spoils_and_is_made_good_in_the_place_of_its_own_target(
        self, first, died, later, known
    ):
        before = row("success", command=first, metadata={"invocation_id": "before"})
        after = row(
            "success",
            which=later.split()[1],
            command=later,
            index=6,
            metadata={"invocation_id": "later"},
        )
        if later == "dbt seed":
            after = Invocation(run(), after.step, None)
        (unaccounted,) = outcome_of([before, self.died(died), after]).unaccounted
        assert (CUSTOMERS in unaccounted.known) is known

    def test_may_be_a_retry_of_what_is_not_known(self):
        died = self.died("dbt retry", index=3)
        assert len(outcome_of([self.FIRST, died]).unaccounted) == 1

    @pytest.mark.parametrize(
        ("command", "expected"),
        [
            ("dbt build --no-write-json", []),
            ("dbt build --empty --no-write-json", [Standing.SAMPLED]),
            ("dbt run --sample '3 days' --no-write-json", [Standing.SAMPLED]),
            ("dbt build --empty --no-empty --no-write-json", []),
            ("dbt compile --empty --no-write-json", []),
        ],
    )
    @pytest.mark.parametrize(
        "served",
        [
            None,
            FIRST.run_results,
            row(
                "success", args={"empty": True}, metadata={"generated_at": "2020-01-01T00:00:00Z"}
            ).run_results,
        ],
    )
    def test_or_succeeded_without_one_spoils_it_if_its_command_builds_a_sample(
        self, served, command, expected
    ):
        silent = self.died(command, status=SUCCESS, served=served)
        unaccounted = outcome_of([self.FIRST, silent]).unaccounted
        assert [one.standing for one in unaccounted] == expected

    def test_does_not_matter_where_the_run_built_nothing(self):
        assert outcome_of([self.died()]).unaccounted == ()


class TestANodeThatIsBuiltInTwoPlaces:
    @staticmethod
    def built(status, relation, *, index=4, command="dbt build"):
        return row(status, relation_name=relation, index=index, command=command)

    def test_stands_as_what_the_jobs_own_target_built(self):
        own = self.built("error", "prod.a")
        other = self.built("success", "dev.a", index=5, command="dbt build --target dev")
        for invocations in ((own, other), (other, own)):
            outcome = outcome_of(invocations)
            assert outcome.standings == {CUSTOMERS: Standing.FAILED}
            assert outcome.relations == {}

    def test_is_reported_where_one_target_built_both(self):
        first, second = self.built("success", "a.a"), self.built("success", "b.a", index=5)
        assert outcome_of([first, second]).relations == {CUSTOMERS: ("a.a", "b.a")}
        third = row("success", metadata={"invocation_id": "3"}, relation_name="c\0", index=6)
        assert outcome_of([first, third]).relations == {CUSTOMERS: ("a.a", r"c\x00")}

    @pytest.mark.parametrize(
        ("commands", "statuses", "expected"),
        [
            (("dbt build", "dbt build"), ("fail", "pass"), "pass"),
            (("dbt build", "dbt build -t prod"), ("fail", "pass"), "pass"),
            (("dbt build", "dbt build -tdev"), ("fail", "pass"), "fail"),
            (("dbt build", "dbt build -tdev"), ("error", "warn"), "error"),
            (("dbt build", "dbt build -tdev"), ("error", "fail"), "fail"),
            (("dbt build", "dbt build -tdev"), ("pass", "fail"), "fail"),
            (("dbt build -tdev", "dbt build"), ("fail", "pass"), "fail"),
            (("dbt build -tdev", "dbt build -tdev"), ("fail", "pass"), "pass"),
        ],
    )
    def test_has_failed_its_test_where_it_failed_it_in_one(self, commands, statuses, expected):
        first, second = (
            row(
                "success",
                others=[("test.shop.t.1", status)],
                command=command,
                index=index,
                metadata={"invocation_id": f"{index}"},
            )
            for index, (command, status) in enumerate(zip(commands, statuses, strict=True), 4)
        )
        assert outcome_of([first, second]).tests == {"test.shop.t.1": expected}

    @pytest.mark.parametrize(
        ("command", "expected"),
        [
            ("dbt build", None),
            ("dbt build -t prod", None),
            ("dbt build --target dev", Standing.FAILED),
        ],
    )
    def test_is_in_order_again_where_its_own_target_reused_it(self, command, expected):
        failed = self.built("error", "prod.a")
        metadata = {"invocation_id": "second"}
        reused = row("reused", index=5, command=command, metadata=metadata)
        assert standing(failed, reused) is expected

    @pytest.mark.parametrize(
        ("retry", "expected"),
        [("dbt retry", Standing.REBUILT), ("dbt retry --target prod", Standing.REBUILT)],
    )
    def test_is_built_by_a_retry_in_the_target_of_what_it_retries(self, retry, expected):
        """dbt takes it from there, whatever the retry's own command says."""
        own = self.built("success", "prod.a")
        other = self.built("error", "dev.a", index=5, command="dbt build --target dev")
        again = row("success", relation_name="dev.a", which="build", index=6, command=retry)
        outcome = outcome_of([own, other, again])
        assert outcome.nodes[CUSTOMERS].invocation == outcome_of([own]).nodes[CUSTOMERS].invocation
        assert (outcome.standings, outcome.relations) == ({CUSTOMERS: expected}, {})

    def test_is_not_spoilt_by_a_retry_that_fails_in_another_target(self):
        own = self.built("success", "prod.a")
        other = self.built("error", "dev.a", index=5, command="dbt build --target dev")
        again = row("error", relation_name="dev.a", index=6, command="dbt retry")
        twice = row("error", relation_name="dev.a", index=7, command="dbt retry")
        assert standing(own, other, again, twice) is Standing.REBUILT

    @pytest.mark.parametrize(
        ("statuses", "expected"),
        [
            (("error", "success"), Standing.FAILED),
            (("success", "error"), Standing.FAILED),
            (("partial success", "success"), Standing.PARTIAL),
            (("success", "success"), Standing.REBUILT),
        ],
    )
    @pytest.mark.parametrize("relations", [("a.a", "b.a"), (msgspec.UNSET, msgspec.UNSET)])
    def test_stands_as_the_worst_where_several_targets_built_it_and_none_is_the_jobs(
        self, statuses, expected, relations
    ):
        steps = [
            row(
                status,
                command=f"dbt build -t {target}",
                index=index,
                **({} if relation is msgspec.UNSET else {"relation_name": relation}),
            )
            for status, relation, target, index in zip(
                statuses, relations, ("one", "two"), (4, 5), strict=True
            )
        ]
        outcome = outcome_of(steps)
        assert outcome.standings == {CUSTOMERS: expected}
        told = ("a.a", "b.a") if relations[0] == "a.a" else ("--target one", "--target two")
        assert outcome.relations == {CUSTOMERS: told}

    def test_stands_as_the_last_of_one_other_target(self):
        first = self.built("error", "dev.a", command="dbt build -t dev")
        second = self.built("success", "dev.a", index=5, command="dbt build -t dev")
        outcome = outcome_of([first, second])
        assert (outcome.standings, outcome.relations) == ({CUSTOMERS: Standing.REBUILT}, {})

    def test_does_not_stand_for_what_the_jobs_own_target_then_found_in_order(self):
        failed = self.built("error", "prod.a")
        reused = row("reused", index=5)
        other = self.built("success", "dev.a", index=6, command="dbt build -t dev")
        assert standing(failed, reused, other) is None

    def test_may_be_built_by_another_target_alone(self):
        other = self.built("success", "dev.a", command="dbt build --target=dev")
        assert outcome_of([other]).standings == {CUSTOMERS: Standing.REBUILT}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b'{"results": 5}',
        b'{"args": {}}',
        b'{"results": [01]}',
        b'{"results": null}',
    ],
)
def test_what_is_no_run_results_is_a_bad_artifact(body):
    with pytest.raises(BadArtifact):
        read_run_results(body)
