"""Both simulators over real HTTP, each on a port of its own."""

import threading
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime

import pytest
import requests

from relay.sandbox import Sandbox, open_sandbox


class TestServer:
    def test_the_date_header_is_the_simulators_time(self, api, clock):
        assert parsedate_to_datetime(api.get("/syncs").headers["Date"]) == clock.now

    def test_many_threads_start_one_run_and_skip_the_others(self, api, census):
        with ThreadPoolExecutor(16) as threads:
            ids = list(threads.map(lambda _: api.trigger(), range(64)))
        assert len(set(ids)) == 64
        going = [run for run in census.sync_runs if run.end is None]
        assert len(going) == 1

    def test_stopping_closes_the_ports_and_leaves_no_thread(self):
        before = threading.active_count()
        with open_sandbox() as sandbox:
            url = sandbox.census.url
            assert url != sandbox.dbt_cloud.url
            assert threading.active_count() == before + 3
        assert threading.active_count() == before
        with pytest.raises(requests.ConnectionError):
            requests.get(url, timeout=10)

    def test_it_prints_nothing(self, api, capfd):
        api.get("/syncs")
        api.get("/nonesuch")
        assert capfd.readouterr() == ("", "")

    def test_it_listens_on_a_given_port(self):
        with open_sandbox() as first:
            port = int(first.census.url.rpartition(":")[2])
        with Sandbox(first.dbt_cloud, first.census, census_port=port) as again:
            assert again.census.url.endswith(f":{port}")
