"""Injected faults of a simulator, and its journal of requests."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from sandbox_runs import nightly
from werkzeug.test import EnvironBuilder, run_wsgi_app

from relay.sandbox.wire import (
    KEPT_REQUESTS,
    Body,
    Delay,
    HangUp,
    HangUpAfter,
    Status,
    StatusAfter,
    TruncatedBody,
)


class TestFaults:
    def test_a_status_is_returned_the_given_number_of_times(self, api, census):
        census.fail_next("/trigger", Status(503), times=2)
        assert [api.post("/syncs/5123/trigger").status_code for _ in range(3)] == [503, 503, 200]
        assert len(census.sync_runs) == 1

    def test_a_429_has_a_retry_after(self, api, census):
        census.fail_next("/trigger", Status(429, retry_after=2))
        answer = api.post("/syncs/5123/trigger")
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "2")

    def test_an_artifact_can_be_late(self, dbt, dbt_cloud):
        dbt_cloud.add_run(nightly(1))
        dbt_cloud.fail_next("/artifacts/run_results.json", Status(404))
        assert dbt.run_results(1, step=4).json()["status"]["code"] == 404
        assert dbt.run_results(1, step=4).status_code == 200

    def test_a_dropped_request_starts_nothing(self, api, census):
        census.fail_next("/trigger", HangUp())
        with pytest.raises(requests.ConnectionError):
            api.post("/syncs/5123/trigger")
        assert census.sync_runs == []

    @pytest.mark.parametrize("fault", [HangUpAfter(), TruncatedBody()])
    def test_a_response_can_be_lost_after_the_work(self, api, census, fault):
        census.fail_next("/trigger", fault)
        with pytest.raises(requests.RequestException):
            api.post("/syncs/5123/trigger")
        assert [run.sync_id for run in census.sync_runs] == [5123]

    def test_a_gateway_can_time_out_after_the_work(self, api, census):
        census.fail_next("/trigger", StatusAfter(502))
        assert api.post("/syncs/5123/trigger").status_code == 502
        assert len(census.sync_runs) == 1

    def test_a_response_can_come_too_late(self, api, census):
        census.fail_next("/trigger", Delay(60))
        with pytest.raises(requests.ReadTimeout):
            api.ask("POST", "/syncs/5123/trigger", timeout=0.2)
        assert len(census.sync_runs) == 1

    def test_a_response_can_have_another_body(self, api, census):
        census.fail_next("/sync_runs", Body(b"<html>", status=200, content_type="text/html"))
        answer = api.get("/syncs/5123/sync_runs")
        assert (answer.content, answer.headers["Content-Type"]) == (b"<html>", "text/html")

    def test_faults_apply_in_the_order_they_were_added(self, api, census):
        census.fail_next("GET /api/v1/sync_runs", Status(500))
        census.fail_next("/sync", Status(503))
        census.fail_next("/sync", Status(504))
        sync_run_id = census.trigger(5123).sync_run_id
        codes = [api.get(f"/sync_runs/{sync_run_id}").status_code for _ in range(4)]
        assert codes == [500, 503, 504, 200]

    def test_a_status_may_lack_a_standard_name(self, api, census, dbt, dbt_cloud):
        census.fail_next("", Status(520))
        dbt_cloud.fail_next("", Status(520))
        assert api.get("/syncs").status_code == 520
        assert dbt.get("/runs/").json()["status"]["code"] == 520

    def test_healing_removes_them(self, api, census):
        census.fail_next("", HangUp(), times=1000)
        census.clear_faults()
        assert api.get("/syncs").status_code == 200

    def test_every_request_is_in_the_journal(self, api, census, clock):
        census.fail_next("/trigger", HangUp())
        with pytest.raises(requests.ConnectionError):
            api.post("/syncs/5123/trigger", force_full_sync="true")
        api.get("/syncs")
        seen = census.requests[0]
        assert (seen.method, seen.path) == ("POST", "/api/v1/syncs/5123/trigger")
        assert seen.query == "force_full_sync=true"
        assert seen.at == clock.now
        assert [seen.path for seen in census.requests_to("GET ")] == ["/api/v1/syncs"]


def codes_of(api, number):
    return [api.get("/syncs").status_code for _ in range(number)]


class TestFaultsAtRandom:
    FAULTS = (Status(500), Status(429, retry_after=1), StatusAfter(503))

    def test_about_the_given_share_of_requests_fails(self, api, census):
        census.fail_at_random(0.25, self.FAULTS, seed=1)
        codes = codes_of(api, 100)
        assert 15 < 100 - codes.count(200) < 35
        assert set(codes) == {200, 500, 429, 503}

    @pytest.mark.parametrize(("share", "codes"), [(0, {200}), (1, {500, 429, 503})])
    def test_the_share_can_be_none_or_all(self, api, census, share, codes):
        census.fail_at_random(share, self.FAULTS, seed=1)
        assert set(codes_of(api, 30)) == codes

    def test_the_same_seed_gives_the_same_faults(self, api, census):
        seeds = {}
        for seed in (1, 2, 1):
            census.fail_at_random(0.5, self.FAULTS, seed=seed)
            codes = codes_of(api, 30)
            assert seeds.setdefault(seed, codes) == codes
        assert seeds[1] != seeds[2]

    def test_the_same_seed_gives_many_threads_the_same_faults(self, api, census):
        census.fail_at_random(0.5, self.FAULTS, seed=1)
        alone = codes_of(api, 60)
        census.fail_at_random(0.5, self.FAULTS, seed=1)
        with ThreadPoolExecutor(6) as threads:
            together = threads.map(lambda _: codes_of(api, 10), range(6))
        assert sorted(code for codes in together for code in codes) == sorted(alone)

    def test_a_fault_that_was_added_comes_first_and_shifts_no_other(self, api, census):
        census.fail_at_random(0.5, self.FAULTS, seed=1)
        codes = codes_of(api, 30)
        census.fail_at_random(0.5, self.FAULTS, seed=1)
        census.fail_next("/syncs", Status(418))
        assert codes_of(api, 30) == [418, *codes[1:]]

    def test_healing_stops_them(self, api, census):
        census.fail_at_random(1, self.FAULTS, seed=1)
        census.clear_faults()
        assert set(codes_of(api, 10)) == {200}

    @pytest.mark.parametrize(("share", "faults"), [(1.5, FAULTS), (-0.1, FAULTS), (0.5, ())])
    def test_invalid_arguments_are_refused(self, census, share, faults):
        with pytest.raises(ValueError, match=r"share|fault"):
            census.fail_at_random(share, faults, seed=1)

    @pytest.mark.parametrize("vendor", ["census", "dbt_cloud"])
    def test_the_transient_faults_are_of_every_kind(self, sandbox, vendor):
        faults = getattr(sandbox, vendor).transient_faults
        kinds = {Status, StatusAfter, HangUp, HangUpAfter, Delay, Body, TruncatedBody}
        assert set(map(type, faults)) == kinds

    def test_no_passing_fault_of_census_is_a_refusal(self, sandbox):
        codes = [
            fault.code if isinstance(fault, Status) else fault.status
            for fault in sandbox.census.transient_faults
            if isinstance(fault, Status | Body)
        ]
        assert all(code == 429 or code >= 500 for code in codes)


class TestJournal:
    def ask(self, census, path, times=1):
        environ = EnvironBuilder(path).get_environ()
        for _ in range(times):
            run_wsgi_app(census, environ, buffered=True)

    def test_only_the_newest_requests_are_kept_and_all_are_counted(self, census):
        census.fail_next("", Status(500), times=10 * KEPT_REQUESTS)
        self.ask(census, "/api/v1/syncs")
        self.ask(census, "/api/v1/sync_runs/1", times=KEPT_REQUESTS - 1)
        self.ask(census, "/api/v1/sync_runs/23")
        kept = census.requests
        assert len(kept) == KEPT_REQUESTS
        assert kept[0].path == "/api/v1/sync_runs/1"
        assert kept[-1].path == "/api/v1/sync_runs/23"
        assert census.request_counts == {
            "GET /api/v1/syncs": 1,
            "GET /api/v1/sync_runs/*": KEPT_REQUESTS,
        }
