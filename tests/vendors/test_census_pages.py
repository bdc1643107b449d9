"""Census's lists, page by page: all rows, each once, and never more than a page in memory."""

import json
import subprocess
import sys
from itertools import islice
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from census_workspace import management_of

import relay
from relay.errors import BadArtifact, Unavailable
from relay.sandbox.census_runs import SandboxSync
from relay.sandbox.census_wire import CensusOptions, Paging
from relay.sandbox.wire import Body, Status


@pytest.fixture(name="census", params=["v1", "v2"])
def _census(request, sandbox):
    return management_of(sandbox, version=request.param)


@pytest.fixture(name="hundred")
def _hundred(sandbox):
    """A hundred syncs, 5123 to 5222."""
    add_syncs(sandbox, range(5127, 5223))
    return list(range(5123, 5223))


def add_syncs(sandbox, sync_ids):
    for sync_id in sync_ids:
        sandbox.census.add_sync(
            SandboxSync(sync_id=sync_id, label=None, source="x", destination_object="Contact")
        )


def listed(census):
    return [sync.sync_id for sync in census.syncs()]


def asked(sandbox):
    """The pages that were asked for: number and size."""
    queries = [parse_qs(seen.query) for seen in sandbox.census.requests_to("/syncs")]
    return [(int(query["page"][0]), int(query["per_page"][0])) for query in queries]


def answer(rows, **said):
    return Body(
        json.dumps({"status": "success", "data": [{"id": row} for row in rows]} | said).encode()
    )


class TestPages:
    def test_are_asked_for_one_after_the_other_in_ascending_order(self, census, sandbox, hundred):
        assert listed(census) == hundred
        assert asked(sandbox) == [(1, 25), (2, 25), (3, 25), (4, 25)]
        assert {"asc"} == {
            parse_qs(seen.query)["order"][0] for seen in sandbox.census.requests_to("/syncs")
        }

    def test_are_asked_for_only_when_they_are_needed(self, census, sandbox, hundred):
        assert [sync.sync_id for sync in islice(census.syncs(), 26)] == hundred[:26]
        assert asked(sandbox) == [(1, 25), (2, 25)]

    @pytest.mark.parametrize("paging", [Paging.BOTH, Paging.NEXT_URL, Paging.NOTHING])
    def test_follow_each_other_however_census_says_so(self, census, sandbox, hundred, paging):
        sandbox.census.options = CensusOptions(paging=paging)
        assert listed(census) == hundred

    @pytest.mark.parametrize(
        "url",
        [
            "https://elsewhere.example/api/v1/syncs?page=2&per_page=9",
            "/syncs?order=asc&page=2",
            "https://app.getcensus.com/api/v1/syncs?order=asc",
            "http://[broken",
        ],
    )
    def test_are_never_asked_for_at_a_url_that_an_answer_names(self, census, sandbox, url):
        sandbox.census.fail_next("/syncs", answer([1, 2], next=url))
        sandbox.census.fail_next("/syncs", answer([3], next=None))
        assert listed(census) == [1, 2, 3]
        assert asked(sandbox) == [(1, 25), (2, 25)]

    def test_end_with_a_short_one_where_census_does_not_say(self, census, sandbox):
        sandbox.census.fail_next("/syncs", answer(range(1, 26)))
        sandbox.census.fail_next("/syncs", answer(range(26, 30)))
        assert listed(census) == list(range(1, 30))

    @pytest.mark.parametrize("rows", [25, 40])
    def test_may_be_one_of_the_api_of_2021_that_has_no_pages(self, census, sandbox, rows):
        """It ignores the number: that the same rows come again is all that it says."""
        for _ in range(2):
            sandbox.census.fail_next("/syncs", answer(range(1, rows + 1)))
        assert listed(census) == list(range(1, rows + 1))

    def test_may_be_of_a_size_of_census_own(self, census, sandbox):
        page = {"page": 1, "per_page": 2, "next_page": 2}
        sandbox.census.fail_next("/syncs", answer([1, 2], pagination=page))
        page = {"page": 2, "per_page": 2, "next_page": None}
        sandbox.census.fail_next("/syncs", answer([3], pagination=page))
        assert listed(census) == [1, 2, 3]

    def test_an_empty_list_is_one_page(self, census, sandbox):
        assert list(census.sync_runs(5123)) == []

    def test_a_row_that_a_new_one_moved_on_comes_once(self, census, sandbox):
        for _ in range(30):
            sandbox.census.finish(sandbox.census.trigger(5123).sync_run_id)
        runs = census.sync_runs(5123)
        first = [next(runs).sync_run_id for _ in range(25)]
        sandbox.census.trigger(5123)
        assert first + [run.sync_run_id for run in runs] == list(range(90030, 90000, -1))


class TestTooLargePages:
    @pytest.mark.parametrize("largest", [1, 2, 3, 5, 7, 11, 12, 24, 25])
    @pytest.mark.parametrize("rows", [4, 25, 26, 100])
    def test_are_halved_until_census_answers(self, census, sandbox, largest, rows):
        add_syncs(sandbox, range(5127, 5123 + rows))
        sandbox.census.options = CensusOptions(largest_page=largest)
        assert listed(census) == list(range(5123, 5123 + rows))

    @pytest.mark.parametrize("status", [502, 504])
    @pytest.mark.parametrize("good", range(5))
    @pytest.mark.parametrize("largest", [1, 4, 10])
    def test_are_halved_in_the_middle_of_a_list(
        self, census, sandbox, hundred, status, good, largest
    ):
        """No row is missed or comes twice, whichever page is the first that is too large."""
        found = []
        for number, sync in enumerate(census.syncs()):
            found.append(sync.sync_id)
            if number == 25 * good:
                sandbox.census.fail_next("/syncs", Status(status))
                sandbox.census.options = CensusOptions(largest_page=largest)
        assert found == hundred

    def test_of_one_row_are_not_halved_again(self, census, sandbox):
        sandbox.census.options = CensusOptions(largest_page=0)
        with pytest.raises(Unavailable, match="per_page=1 at Census: HTTP 502"):
            listed(census)
        assert asked(sandbox) == [(1, 25), (1, 12), (1, 6), (1, 3), (1, 1)]

    @pytest.mark.parametrize("status", [500, 503, 429])
    def test_are_not_the_reason_of_other_failures(self, census, sandbox, status):
        sandbox.census.fail_next("/syncs", Status(status))
        with pytest.raises(Unavailable, match=f"HTTP {status}"):
            listed(census)
        assert len(asked(sandbox)) == 1


class TestPagesThatLeadNowhere:
    def test_a_repeated_page_is_an_error(self, census, sandbox, hundred):
        sandbox.census.options = CensusOptions(paging=Paging.REPEATING)
        with pytest.raises(BadArtifact, match="page 1 of its syncs where page 2 was asked"):
            listed(census)
        assert len(asked(sandbox)) == 2

    @pytest.mark.parametrize(
        ("second", "said"),
        [
            ({"pagination": {"next_page": 3}}, "Census's list of syncs repeats a page"),
            ({"next": "/syncs?page=3"}, "Census's list of syncs repeats a page"),
            ({"pagination": {"next_page": 2}}, "does not advance: page 2 of 2 rows names page 2"),
            ({"pagination": {"next_page": 1}}, "names page 1 as the next"),
            ({"pagination": {"next_page": 4}}, "names page 4 as the next"),
            ({"pagination": {"next_page": 0}}, "names page 0 as the next"),
            ({"pagination": {"next_page": "x"}}, "a next page that is no number"),
            ({"pagination": {"next_page": 3, "page": 1}}, "page 1 of its syncs where page 2"),
            ({"pagination": {"next_page": 3, "per_page": 2}}, "2 rows a page .* where 25 were"),
        ],
        ids=str,
    )
    def test_are_an_error(self, census, sandbox, second, said):
        sandbox.census.fail_next("/syncs", answer([1, 2], pagination={"next_page": 2}))
        sandbox.census.fail_next("/syncs", answer([1, 2], **second))
        with pytest.raises(BadArtifact, match=said):
            listed(census)
        assert len(asked(sandbox)) == 2

    def test_an_empty_one_that_says_there_is_more_is_an_error(self, census, sandbox):
        sandbox.census.fail_next("/syncs", answer([], pagination={"next_page": 2}))
        with pytest.raises(BadArtifact, match="page 1 of 0 rows names page 2"):
            listed(census)


READ_ALL = """
import sys
from pathlib import Path
from relay.secret import Secret
from relay.vendors.census import ApiVersion, CensusManagement
from relay.vendors.transport import Transport
transport = Transport(vendor="Census", setting="CENSUS_URL", base_url=sys.argv[1],
    token=Secret("secret-token:sandbox"), read_seconds=30, connections=1)
census = CensusManagement(transport, api_version=ApiVersion(transport, "v1"))
count = sum(1 for _ in census.syncs())
status = Path("/proc/self/status").read_text()
print(count, status.partition("VmHWM:")[2].split()[0])
"""


class TestMemory:
    @pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells the peak there")
    def test_of_2000_syncs_as_large_as_census_own_stays_under_60_mb(self, sandbox):
        """A sync is 48 kB there: 2,000 of them are 96 MB."""
        many = tuple(
            {"from": {"type": "column", "data": f"column_{number}"}, "to": "x" * 900}
            for number in range(50)
        )
        for sync_id in range(5127, 7123):
            sandbox.census.add_sync(
                SandboxSync(
                    sync_id=sync_id,
                    label=None,
                    source="x",
                    destination_object="Contact",
                    mappings=many,
                )
            )
        done = subprocess.run(
            [sys.executable, "-P", "-c", READ_ALL, sandbox.census.url],
            capture_output=True,
            text=True,
            check=False,
            env={"PYTHONPATH": str(Path(relay.__file__).parents[1])},
        )
        assert done.stderr == ""
        count, peak = map(int, done.stdout.split())
        assert count == 2000
        assert peak < 60 * 1024  # kB
