"""A part of a run_results.json that cannot be read costs what it says, and not the whole run."""

from dataclasses import replace

import msgspec
import pytest
from cases import dbt_run, lineage_of, mapping_of, plan_of, sync

from relay.dbt.artifacts import read_run_results
from relay.dbt.invocations import Invocation
from relay.dbt.outcome import outcome_of
from relay.dbt.rows import Standing
from relay.dbt.runs import ERROR, SUCCESS, Step
from relay.errors import BadArtifact

CUSTOMERS = "model.shop.customers"
ORDERS = "model.shop.orders"
WRITTEN_AT = "2026-11-01T11:30:00Z"


def step_of(command="dbt build", *, index=4, status=SUCCESS):
    return Step(index=index, name="", status=status, command=command)


class TestARowThatNamesNoNode:
    """Nobody can tell which node it is of, or whether it is a test's; the other rows count."""

    @staticmethod
    def executed(unnamed, *, command="dbt build", status=SUCCESS, index=4, others=()):
        file = {
            "metadata": {"invocation_id": f"{index}", "generated_at": WRITTEN_AT},
            "args": {"which": command.split()[1].replace("retry", "build")},
            "results": [{"unique_id": CUSTOMERS, "status": "success"}, unnamed, *others],
        }
        read = read_run_results(msgspec.json.encode(file))
        return Invocation(dbt_run(), step_of(command, status=status, index=index), read)

    @pytest.mark.parametrize(
        "unnamed",
        [None, 5, "row", [], {}, {"status": "success"}, {"unique_id": 5, "status": "success"}],
    )
    def test_costs_what_its_step_has_no_row_for(self, unnamed):
        invocation = self.executed(unnamed)
        outcome = outcome_of([invocation])
        assert outcome.standings == {CUSTOMERS: Standing.REBUILT}
        (unaccounted,) = outcome.unaccounted
        assert (unaccounted.step, unaccounted.known) == (invocation.step, {CUSTOMERS})
        assert unaccounted.standing is Standing.NO_ROW

    def test_is_reported_with_its_step(self):
        unnamed = "unreadable row without unique_id"
        assert outcome_of([self.executed(None)]).unknown_statuses == {unnamed: "unknown, in step 4"}

    def test_is_any_node_though_another_row_says_what_failed(self):
        failed = self.executed(
            None, status=ERROR, others=[{"unique_id": ORDERS, "status": "error"}]
        )
        (unaccounted,) = outcome_of([failed]).unaccounted
        assert not unaccounted.only_microbatches

    @pytest.mark.parametrize("command", ["dbt build", "dbt test", "dbt retry"])
    def test_may_be_a_failed_test_where_the_step_failed(self, command):
        failed = outcome_of([self.executed(None, command=command, status=ERROR)])
        assert failed.failed_tests == {"unknown, in step 4"}
        assert outcome_of([self.executed(None, command=command)]).failed_tests == frozenset()

    @pytest.mark.parametrize("command", ["dbt compile", "dbt docs"])
    def test_means_nothing_where_the_step_rebuilds_and_tests_nothing(self, command):
        outcome = outcome_of([self.executed(None, command=command, status=ERROR)])
        assert (outcome.unaccounted, outcome.failed_tests) == ((), frozenset())

    def test_is_in_a_retry_one_of_a_node_that_what_it_retries_has_a_row_of(self):
        first = self.executed(
            {"unique_id": CUSTOMERS, "status": "error"},
            others=[{"unique_id": ORDERS, "status": "skipped"}],
            status=ERROR,
        )
        retry = self.executed(None, command="dbt retry", index=5)
        outcome = outcome_of([first, retry])
        assert outcome.standings == {CUSTOMERS: Standing.REBUILT, ORDERS: Standing.SKIPPED}
        assert outcome.unaccounted == ()

    @pytest.mark.parametrize(
        ("status", "withheld"),
        [
            (SUCCESS, {2: "model_failed"}),
            (ERROR, {1: "test_failed", 2: "model_failed"}),
        ],
    )
    def test_withholds_what_may_have_failed(self, status, withheld):
        outcome = outcome_of([self.executed(None, status=status)])
        syncs = (
            sync("customers", sync_id=1),
            sync("orders", sync_id=2),
            sync("customers", sync_id=3, tests="ignore"),
        )
        lineage = lineage_of(customers=[], orders=[])
        plan = plan_of(outcome, mapping_of(*syncs), lineage=lineage)
        assert {each.sync.sync_id: each.reason for each in plan.withheld} == withheld
        assert {each.sync.sync_id for each in plan.triggers} == {1, 2, 3} - withheld.keys()


class TestAFieldOfTheFileThatCannotBeRead:
    """It costs what it says: the rows count as those of a file that leaves it out."""

    WRITTEN = '"invocation_id": "a", "generated_at": "2026-11-01T11:30:00Z"'
    ROW = '{"unique_id": "model.shop.customers", "status": "success"}'

    def outcome(self, metadata=WRITTEN, args="{}", command="dbt build", rows=ROW):
        file = f'{{"metadata": {{{metadata}}}, "args": {args}, "results": [{rows}]}}'
        return outcome_of(
            [Invocation(dbt_run(), step_of(command), read_run_results(file.encode()))]
        )

    @pytest.mark.parametrize(
        "args",
        [
            "null",
            '{"command": ["dbt", "build"]}',
            '{"which": "build", "command": ["dbt", "build"]}',
            '{"which": 5, "command": "build"}',
            '{"which": 1e999}',
            '{"which": "build", "threads": 1e999}',
        ],
    )
    def test_its_command_is_then_the_steps(self, args):
        assert self.outcome(args=args).standings == {CUSTOMERS: Standing.REBUILT}
        assert self.outcome(args=args.replace("build", "docs"), command="dbt docs").nodes == {}

    @pytest.mark.parametrize("args", ['{"empty": 1e999}', '{"sample": 1e999}', '{"__other__": []}'])
    def test_but_it_may_not_be_the_one_that_says_a_sample_was_built(self, args):
        with pytest.raises(BadArtifact):
            self.outcome(args=args)

    @pytest.mark.parametrize(
        "metadata",
        [
            '"invocation_id": "a", "generated_at": 1793494800',
            '"invocation_id": "a", "generated_at": 1e999',
            '"invocation_id": "a", "generated_at": ["2026-11-01T11:30:00Z"]',
        ],
    )
    def test_a_file_whose_time_is_unknown_belongs_to_no_step(self, metadata):
        outcome = self.outcome(metadata)
        assert (outcome.nodes, outcome.not_of_this_run) == ({}, (4,))

    @pytest.mark.parametrize("odd", ['"dbt_version": 1.12', '"invocation_started_at": 5'])
    def test_what_only_describes_the_file_costs_nothing(self, odd):
        assert self.outcome(f"{self.WRITTEN}, {odd}").standings == {CUSTOMERS: Standing.REBUILT}

    @pytest.mark.parametrize("invocation_id", ["5", "1e999", "null"])
    def test_a_file_without_an_identity_is_identified_by_its_time(self, invocation_id):
        """Served for a later step that failed, it is not that step's own."""
        metadata = f'"invocation_id": {invocation_id}, "generated_at": "2026-11-01T11:30:00Z"'
        file = f'{{"metadata": {{{metadata}}}, "args": {{}}, "results": [{self.ROW}]}}'
        first = Invocation(dbt_run(), step_of(), read_run_results(file.encode()))
        died = replace(first, step=step_of(index=5, status=ERROR))
        (unaccounted,) = outcome_of([first, died]).unaccounted
        assert (unaccounted.step, unaccounted.known) == (died.step, frozenset())

    @pytest.mark.parametrize(
        "odd",
        [
            '"adapter_response": {"code": 1e999}',
            '"adapter_response": 1e999',
            '"batch_results": {"successful": [1e999], "failed": []}',
            '"message": 1e999',
            '"timing": [{"started_at": 1e999}]',
        ],
    )
    def test_a_number_that_no_machine_holds_costs_the_row_that_needs_it(self, odd):
        odd_row = f'{{"unique_id": "{ORDERS}", "status": "success", {odd}}}'
        outcome = self.outcome(rows=f"{self.ROW}, {odd_row}")
        assert outcome.standings == {CUSTOMERS: Standing.REBUILT, ORDERS: Standing.FAILED}

    @pytest.mark.parametrize("number", ["1e999", "-1e999", "9" * 400, "1e-999", "NaN"])
    def test_and_no_row_where_relay_does_not_read_it(self, number):
        odd_row = f'{{"unique_id": "{ORDERS}", "status": "success", "failures": {number}}}'
        outcome = self.outcome(rows=f"{self.ROW}, {odd_row}")
        assert outcome.standings == dict.fromkeys((CUSTOMERS, ORDERS), Standing.REBUILT)
