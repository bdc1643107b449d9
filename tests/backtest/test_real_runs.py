"""What Census's own sync runs shipped, by what dbt runs did to their models."""

from datetime import timedelta

import pytest
from cases import NOON

from relay.backtest.effects import Effect
from relay.backtest.real_runs import Fault, judge_runs
from relay.sync_runs import SyncRun

MODEL = "model.shop.customers"
SINCE = NOON - timedelta(hours=12)


def at(minutes):
    return NOON + timedelta(minutes=minutes)


def sync_run(sync_run_id, began, took=5, **fields):
    """A completed sync run that began so many minutes after noon."""
    times = {"created_at": at(began), "completed_at": at(began + took)}
    return SyncRun(sync_run_id=sync_run_id, **({"status": "completed"} | times | fields))


def effect(dbt_run_id, began, ended, **fields):
    """A dbt run of these minutes after noon that rebuilt its models at its end."""
    rebuilt = {"first_rebuilt_at": at(ended), "rebuilt_at": at(ended)}
    times = {"began_at": at(began), "ended_at": at(ended)}
    return Effect(dbt_run_id=dbt_run_id, **(times | rebuilt | fields))


def failed(dbt_run_id, began, ended, **fields):
    nothing = {"first_rebuilt_at": None, "rebuilt_at": None, "failed": frozenset({MODEL})}
    return effect(dbt_run_id, began, ended, **(nothing | fields))


def faults(effects, *runs, since=SINCE):
    judged = judge_runs(effects, runs, since=since)
    return {run.sync_run_id: [finding.fault for finding in run.findings] for run in judged}


class TestUnchanged:
    def test_is_a_run_since_whose_predecessor_nothing_was_rebuilt(self):
        runs = sync_run(1, 10), sync_run(2, 30), sync_run(3, 70)
        assert faults([effect(9, -5, 5), effect(10, 40, 60)], *runs) == {
            1: [],
            2: [Fault.UNCHANGED],
            3: [],
        }

    def test_is_not_one_that_began_after_the_models_but_before_the_dbt_run_ended(self):
        early = effect(9, 15, 30, first_rebuilt_at=at(18), rebuilt_at=at(20))
        assert faults([early], sync_run(1, 10), sync_run(2, 25))[2] == []

    def test_is_not_one_whose_predecessor_shipped_nothing(self):
        runs = sync_run(1, 10, status="failed"), sync_run(2, 30)
        assert faults([effect(9, -5, 5)], *runs) == {2: []}

    def test_is_unknown_if_its_predecessor_began_before_the_window(self):
        assert faults([], sync_run(1, -800), sync_run(2, 30)) == {2: []}
        (judged,) = judge_runs([], [sync_run(1, -800), sync_run(2, 30)], since=SINCE)
        assert not judged.is_certain

    def test_is_unknown_if_a_dbt_run_between_could_not_be_read(self):
        unread = Effect(dbt_run_id=10, began_at=at(20), ended_at=at(20), is_known=False)
        effects = [effect(9, -5, 5), unread]
        assert faults(effects, sync_run(1, 10), sync_run(2, 30))[2] == []
        *_, judged = judge_runs(effects, [sync_run(1, 10), sync_run(2, 30)], since=SINCE)
        assert not judged.is_certain


class TestBeforeRebuild:
    def test_is_a_run_that_began_while_its_models_were_yet_to_be_rebuilt(self):
        assert faults([effect(9, 0, 20)], sync_run(1, 10)) == {1: [Fault.BEFORE_REBUILD]}

    @pytest.mark.parametrize("began", [-10, 25])
    def test_is_not_one_from_before_the_dbt_run_or_after_the_rebuild(self, began):
        assert Fault.BEFORE_REBUILD not in faults([effect(9, 0, 20)], sync_run(1, began))[1]

    def test_names_the_dbt_run_also_if_a_short_one_ends_first(self):
        effects = [effect(10, 30, 35), effect(9, 0, 60)]
        (judged,) = judge_runs(effects, [sync_run(1, 10)], since=SINCE)
        assert [finding.dbt_run_id for finding in judged.findings] == [9]


class TestFailed:
    def test_is_a_run_that_began_while_a_model_had_failed(self):
        (judged,) = judge_runs([effect(9, 0, 5), failed(10, 6, 8)], [sync_run(1, 10)], since=SINCE)
        (finding,) = judged.findings
        assert finding.fault is Fault.MODEL_FAILED
        assert (finding.dbt_run_id, finding.models) == (10, (MODEL,))

    def test_is_not_one_after_the_model_was_rebuilt(self):
        fixed = effect(11, 9, 12, fixed=frozenset({MODEL}))
        assert faults([failed(10, 6, 8), fixed], sync_run(1, 20)) == {1: []}

    def test_is_one_while_a_test_had_failed_until_it_passes_again(self):
        tested = effect(10, 6, 8, failed_tests=frozenset({MODEL}))
        fixed = effect(11, 20, 22, fixed=frozenset({MODEL}))
        assert faults([tested, fixed], sync_run(1, 10), sync_run(2, 30)) == {
            1: [Fault.TEST_FAILED],
            2: [],
        }
