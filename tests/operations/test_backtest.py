"""Reading a past time from both vendors, once, and replaying it."""

import stat
from datetime import timedelta

import pytest
from mappings import mapping_text, sync_entry
from past_week import NIGHT, Past
from sandbox_runs import build_run

from relay.backtest.differences import Kind
from relay.backtest.real_runs import Fault
from relay.backtest.unknowns import Unknown
from relay.decision.gates import Reason
from relay.errors import CannotWrite
from relay.mapping_file import load
from relay.operations.backtest import BacktestRequest, backtest
from relay.sandbox.wire import Body, Status
from relay.settings import WorkerSettings

TEN_HOURS = 36000
MAPPING = mapping_text(sync_entry(5123, "customers"), sync_entry(5124, "crm_orders"))
ARTIFACTS = "/artifacts/"


@pytest.fixture(name="past")
def _past():
    past = Past()
    with past.sandbox:
        yield past


@pytest.fixture(name="look_back")
def _look_back(past, tmp_path):
    """Do what `relay backtest` does: `look_back(seconds, mapping=…)`."""

    def look(seconds=TEN_HOURS, *, mapping=MAPPING, jobs=(), cache="cache", tell=str):
        (tmp_path / "syncs.yml").write_text(mapping)
        settings = WorkerSettings.from_environment(past.settings(tmp_path))
        asked = BacktestRequest(seconds, jobs, tmp_path / cache)
        known = load(settings.mapping, settings.census_hosts)
        return backtest(settings, known, asked, now=past.clock(), tell=tell)

    return look


def differences(report, sync_id=5123):
    return [
        (one.kind, one.dbt_run_id, one.sync_run_id)
        for one in report.differences
        if one.sync_id == sync_id
    ]


class TestWhatCensusRan:
    @pytest.fixture(name="runs")
    def _runs(self, past):
        return past.happen()

    def test_each_fault_is_a_difference_with_its_runs(self, runs, look_back):
        assert differences(look_back()) == [
            (Kind.UNCHANGED, None, runs["unchanged"]),
            (Kind.MODEL_FAILED, NIGHT + 1, runs["model_failed"]),
            (Kind.UNCHANGED, None, runs["model_failed"]),
            (Kind.SOONER, NIGHT + 2, runs["late"]),
            (Kind.BEFORE_REBUILD, NIGHT + 3, runs["before_rebuild"]),
            (Kind.UNCHANGED, None, runs["before_rebuild"]),
            (Kind.NOT_SHIPPED, NIGHT + 3, None),
        ]

    def test_is_counted_beside_what_relay_would_have_run(self, runs, look_back):
        report = look_back()
        customers, orders = report.syncs
        assert (customers.counts.modelled, customers.counts.real, customers.counts.faulty) == (
            *(3, 5, 3),
        )
        assert customers.counts.faults == {
            Fault.UNCHANGED: 3,
            Fault.MODEL_FAILED: 1,
            Fault.BEFORE_REBUILD: 1,
        }
        assert customers.withheld == {Reason.MODEL_FAILED: 1}
        assert (orders.counts.modelled, orders.counts.real) == (3, 0)
        assert (report.totals.modelled, report.totals.real) == (6, 5)

    def test_lags_are_from_the_rebuild_to_the_end_of_the_sync_run(self, runs, look_back):
        customers, _ = look_back().syncs
        late = customers.lags[1]
        assert late.dbt_run_id == NIGHT + 2
        # Two hours to its beginning, two minutes to its end; the build ended before the dbt run.
        assert timedelta(seconds=late.real_seconds) > timedelta(hours=2, minutes=2)
        assert timedelta(seconds=late.real_seconds) < timedelta(hours=2, minutes=3)
        assert late.sooner_seconds == pytest.approx(2 * 3600 - 30, abs=1)

    def test_what_a_shorter_time_does_not_know_is_no_finding(self, past, runs, look_back):
        past.pass_by(60)
        past.sync_run()
        past.pass_by(200)
        assert differences(look_back(300)) == [], "its previous run is before the window"
        assert look_back(300).totals.uncertain == 1


class TestReading:
    def test_only_reads(self, past, look_back):
        past.happen()
        look_back()
        seen = [*past.sandbox.dbt_cloud.requests, *past.sandbox.census.requests]
        assert {one.line.split()[0] for one in seen} == {"GET"}

    def test_a_second_time_only_new_runs_are_asked_for(self, past, look_back):
        past.happen()
        first = look_back()
        asked = len(past.sandbox.dbt_cloud.requests_to("/runs/1"))
        past.dbt_run(4)
        past.pass_by(1200)
        second = look_back()
        assert second.decisions[: len(first.decisions)] == first.decisions
        new = past.sandbox.dbt_cloud.requests_to("/runs/1")[asked:]
        assert [
            one for one in new if f"/runs/{NIGHT}" in one.line and str(NIGHT + 4) not in one.line
        ] == []
        assert (second.dbt_runs.read, second.dbt_runs.from_cache) == (5, 4)

    def test_a_run_whose_files_may_still_come_is_not_kept(self, past, look_back):
        past.dbt_run(0)
        past.pass_by(60)
        look_back()
        past.pass_by(1200)
        assert look_back().dbt_runs.from_cache == 0
        assert look_back().dbt_runs.from_cache == 1

    def test_what_is_kept_is_its_users_only(self, past, look_back, tmp_path):
        past.happen()
        look_back(mapping=mapping_text(sync_entry(5123, "tag:crm")))
        cache = tmp_path / "cache"
        kept = (cache, *cache.rglob("*"))
        modes = {stat.S_IMODE(each.stat().st_mode) for each in kept}
        assert modes == {0o600, 0o700}
        assert list(cache.rglob("*.lineage"))

    def test_what_was_read_before_an_interruption_is_kept(self, past, look_back):
        past.happen()

        def interrupt(progress):
            if progress.startswith("Read 2 of 4 dbt runs"):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            look_back(tell=interrupt)
        assert look_back().dbt_runs.from_cache >= 3

    @pytest.mark.parametrize("damage", [b"", b"{}", "half", "flipped"])
    def test_a_damaged_file_is_read_again(self, past, look_back, tmp_path, damage):
        past.happen()
        first = look_back()
        for file in (tmp_path / "cache").glob("*.run"):
            file.write_bytes(damaged(file.read_bytes(), damage))
        again = look_back()
        assert again.dbt_runs.from_cache == 0
        assert again.decisions == first.decisions
        assert look_back().dbt_runs.from_cache == 4

    def test_what_is_kept_of_one_account_is_not_taken_for_anothers(self, past, look_back, tmp_path):
        past.happen()
        look_back()
        other = Past()
        other.clock.now = past.clock.now
        with other.sandbox:
            other.sandbox.dbt_cloud.add_run(past.sandbox.dbt_cloud.run(NIGHT))
            settings = WorkerSettings.from_environment(other.settings(tmp_path))
            known = load(settings.mapping, settings.census_hosts)
            asked = BacktestRequest(TEN_HOURS, (), tmp_path / "cache")
            report = backtest(settings, known, asked, now=other.clock(), tell=lambda _: None)
        assert (report.dbt_runs.read, report.dbt_runs.from_cache) == (1, 0)

    def test_the_runs_of_one_job_are_enough_if_asked(self, past, look_back):
        past.dbt_run(0)
        past.dbt_run(1, dbt_job_id=99)
        past.pass_by(1200)
        assert {one.dbt_run_id for one in look_back(jobs=(99,)).decisions} == {NIGHT + 1}

    def test_a_folder_that_cannot_be_written_is_an_error_that_names_it(self, look_back, tmp_path):
        (tmp_path / "a file").write_text("")
        with pytest.raises(CannotWrite, match=r"a file.*--cache"):
            look_back(cache="a file")


def damaged(content, how):
    if how == "half":
        return content[: len(content) // 2]
    if how == "flipped":
        return content[:-20] + bytes(255 - byte for byte in content[-20:])
    return how


class TestWhatCannotBeRead:
    def test_a_run_is_counted_and_named(self, past, look_back):
        past.happen()
        past.sandbox.dbt_cloud.fail_next(f"/runs/{NIGHT + 2}/", Status(404), times=9)
        report = look_back()
        (unread,) = report.unread
        assert unread.dbt_run_id == NIGHT + 2
        assert "404" in unread.problem
        assert (report.dbt_runs.listed, report.dbt_runs.read) == (4, 3)
        assert not report.is_complete
        # What it may have rebuilt or fixed is not known: nothing is said of the sync run after it.
        assert [kind for kind, *_ in differences(report)] == [
            *(Kind.UNCHANGED, Kind.MODEL_FAILED, Kind.UNCHANGED),
            *(Kind.BEFORE_REBUILD, Kind.UNCHANGED, Kind.NOT_SHIPPED),
        ]
        assert report.totals.uncertain == 1

    def test_a_run_is_read_the_next_time(self, past, look_back):
        past.happen()
        past.sandbox.dbt_cloud.fail_next(f"/runs/{NIGHT}/artifacts", Body(b"<html>"))
        assert len(look_back().unread) == 1
        assert look_back().is_complete

    def test_a_fault_that_passes_is_none(self, past, look_back):
        past.happen()
        past.sandbox.dbt_cloud.fail_next(f"/runs/{NIGHT}/", Status(429, retry_after=0))
        past.sandbox.census.fail_next("/sync_runs", Status(429, retry_after=0))
        assert look_back().is_complete

    def test_a_sync_is_named_and_not_compared(self, past, look_back):
        past.happen()
        past.sandbox.census.fail_next("/syncs/5123/", Status(404), times=9)
        report = look_back()
        customers, orders = report.syncs
        assert "5123" in customers.problem
        assert (customers.lags, customers.real_runs) == ((), ())
        assert orders.problem is None
        assert not report.is_complete

    def test_a_manifest_costs_only_the_syncs_that_need_it(self, past, look_back):
        past.happen()
        past.sandbox.dbt_cloud.fail_next("manifest.json", Status(404), times=99)
        mapping = mapping_text(sync_entry(5123, "customers"), sync_entry(5124, "tag:crm"))
        report = look_back(mapping=mapping)
        assert {syncs for one in report.unread for syncs in one.syncs} == {("default", 5124)}
        assert report.syncs[0].counts.modelled == 3


class TestWhatCameBefore:
    def test_marks_a_decision_that_an_earlier_cool_down_may_hold(self, past, look_back):
        past.dbt_run(0)
        past.pass_by(1200)
        mapping = mapping_text(
            sync_entry(5123, "customers", "crm_orders", require="all"),
            sync_entry(5124, "customers", at_most_every="2h"),
            sync_entry(5125, "customers", at_most_every="1m"),
        )
        by_sync = {one.sync_id: one for one in look_back(3600, mapping=mapping).decisions}
        assert by_sync[5124].unknown == (Unknown.EARLIER_TRIGGER,)
        assert by_sync[5125].unknown == ()

    def test_marks_the_retry_of_an_earlier_run(self, past, look_back):
        past.dbt_run(0, "build_model_error")
        past.pass_by(7200)
        past.dbt_run(1, "retry", retrying_run_id=NIGHT)
        past.pass_by(1200)
        assert {one.unknown for one in look_back(3600).decisions} == {(Unknown.RETRIED_RUN,)}
        assert {one.unknown for one in look_back().decisions} == {()}

    def test_marks_what_an_unread_run_may_have_changed(self, past, look_back):
        past.happen()
        past.sandbox.dbt_cloud.fail_next(f"/runs/{NIGHT}/", Status(404), times=9)
        mapping = mapping_text(
            sync_entry(5123, "customers", at_most_every="1s"), sync_entry(5124, "customers")
        )
        marked = {(one.sync_id, one.unknown) for one in look_back(mapping=mapping).decisions}
        assert (5123, (Unknown.UNREAD_RUN,)) in marked
        assert {unknown for sync_id, unknown in marked if sync_id == 5124} == {()}

    def test_marks_a_model_whose_earlier_build_is_not_known(self, past, look_back):
        past.sandbox.dbt_cloud.add_run(build_run("fct_revenue"))
        past.pass_by(7200)
        past.sandbox.dbt_cloud.add_run(build_run("customers", number=1))
        past.pass_by(1200)
        mapping = mapping_text(sync_entry(5123, "customers", "fct_revenue", require="all"))
        (short,) = look_back(3600, mapping=mapping).decisions
        assert (short.reason, short.unknown) == (
            *(Reason.WAITING_FOR_MODELS, (Unknown.EARLIER_BUILDS,)),
        )
        *_, long = look_back(mapping=mapping).decisions
        assert (long.reason, long.unknown) == (Reason.REBUILT, ())
