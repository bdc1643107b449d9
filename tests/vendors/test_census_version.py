"""The API version follows the key: what Census shows, when it is asked, and what a 401 means."""

from datetime import UTC, datetime

import pytest
from clocks import Clock

from relay.errors import NotReadable, Rejected, Unavailable
from relay.sandbox import story
from relay.sandbox.wire import Body, Status
from relay.secret import Secret
from relay.vendors.census import ApiVersion, Census, CensusManagement
from relay.vendors.transport import Transport

ACTIVATIONS = "/api/v2/activations"
FOUND = Body(b'{"status":"success","data":[]}')
DENIED = Body(b'{"status":401}', 401)


@pytest.fixture(name="clock")
def _clock():
    return Clock(datetime(2026, 11, 27, tzinfo=UTC))


@pytest.fixture(name="make")
def _make(sandbox, clock):
    def make(configured="auto"):
        return client(Census, sandbox, clock, configured)

    return make


def client(kind, sandbox, clock, configured="auto", version=None):
    transport = Transport(
        vendor="Census",
        setting="CENSUS_URL",
        base_url=sandbox.census.url,
        token=Secret(story.CENSUS_API_KEY),
        read_seconds=5,
        connections=1,
        stopwatch=clock.stopwatch,
    )
    version = version or ApiVersion(transport, configured, clock.stopwatch)
    return kind(transport, api_version=version)


@pytest.fixture(name="census")
def _census(make):
    return make()


@pytest.fixture(name="management")
def _management(census, sandbox, clock):
    """Of the same workspace, with its version in common."""
    return client(CensusManagement, sandbox, clock, version=census._version)


def paths(sandbox):
    return [each.line for each in sandbox.census.requests]


class TestFindingTheVersion:
    @pytest.mark.parametrize(
        ("answer", "version"),
        [
            (FOUND, "v2"),
            (Body(b'{"status":403,"message":"no"}', 403), "v2"),
            (DENIED, "v1"),
            (Body(b"HTTP Basic: Access denied.", 401, "text/plain"), "v1"),
            (Body(b'{"status":404}', 404), "v1"),
        ],
    )
    def test_goes_by_the_answer_of_v2(self, census, sandbox, answer, version):
        sandbox.census.fail_next(ACTIVATIONS, answer)
        assert census.find_api_version() == version

    @pytest.mark.parametrize(
        "answer",
        [Status(500), Status(400), Status(429), Body(b"<html>Welcome</html>", 200, "text/html")],
    )
    def test_is_asked_again_after_any_other_answer(self, census, sandbox, clock, answer):
        sandbox.census.fail_next(ACTIVATIONS, answer)
        with pytest.raises(Unavailable):
            census.find_api_version()
        clock.tick(1)
        sandbox.census.fail_next(ACTIVATIONS, FOUND)
        assert census.find_api_version() == "v2"

    def test_happens_once(self, census, sandbox):
        sandbox.census.fail_next(ACTIVATIONS, FOUND)
        census.find_api_version()
        census.find_api_version()
        assert paths(sandbox) == [f"GET {ACTIVATIONS}"]

    @pytest.mark.parametrize("configured", ["v1", "v2"])
    def test_asks_nothing_where_it_is_configured(self, make, sandbox, configured):
        assert make(configured).find_api_version() == configured
        assert paths(sandbox) == []


class TestACallBeforeTheVersionIsKnown:
    def test_goes_to_v1_and_asks_nothing_else(self, census, sandbox):
        census.trigger_sync(5123)
        assert paths(sandbox) == ["POST /api/v1/syncs/5123/trigger"]

    @pytest.mark.parametrize("status", [401, 403, 404])
    def test_is_made_again_by_v2_where_v1_refuses_a_key_of_v2(self, census, sandbox, status):
        sandbox.census.fail_next("/trigger", Status(status))
        sandbox.census.fail_next(ACTIVATIONS, FOUND)
        with pytest.raises(Unavailable, match="its key is one for v2"):
            census.trigger_sync(5123)
        census.trigger_sync(5123)
        assert paths(sandbox) == [
            "POST /api/v1/syncs/5123/trigger",
            f"GET {ACTIVATIONS}",
            "POST /api/v2/syncs/5123/trigger",
        ]

    def test_is_refused_for_good_where_the_key_is_one_for_v1(self, census, sandbox):
        sandbox.census.fail_next("/trigger", Status(404))
        sandbox.census.fail_next(ACTIVATIONS, DENIED)
        with pytest.raises(Rejected, match="is sync_id 5123 right"):
            census.trigger_sync(5123)

    def test_is_retried_where_the_version_cannot_be_told(self, census, sandbox):
        sandbox.census.fail_next("/trigger", Status(401))
        sandbox.census.fail_next(ACTIVATIONS, Status(503))
        with pytest.raises(Unavailable):
            census.trigger_sync(5123)

    def test_a_question_is_asked_again_at_once(self, census, sandbox):
        sandbox.census.fail_next("/sync_runs", Status(401))
        sandbox.census.fail_next(ACTIVATIONS, FOUND)
        assert census.list_sync_runs(5123)[0] == ()
        assert paths(sandbox)[-1] == "GET /api/v2/syncs/5123/sync_runs"


class TestAfterA401:
    @pytest.fixture(autouse=True)
    def _of_v1(self, census, sandbox, clock):
        sandbox.census.fail_next(ACTIVATIONS, DENIED)
        census.find_api_version()
        clock.tick(60)

    def test_the_version_is_found_again(self, census, sandbox):
        sandbox.census.fail_next("/trigger", Status(401))
        sandbox.census.fail_next(ACTIVATIONS, FOUND)
        with pytest.raises(Unavailable):
            census.trigger_sync(5123)
        assert census.find_api_version() == "v2"

    def test_a_trigger_is_not_refused_because_the_version_was_asked_a_moment_ago(
        self, census, sandbox
    ):
        """Its refusal would be final, and the trigger lost."""
        sandbox.census.fail_next("/trigger", Status(401), times=2)
        sandbox.census.fail_next(ACTIVATIONS, DENIED)
        with pytest.raises(Rejected):
            census.trigger_sync(5123)
        sandbox.census.fail_next(ACTIVATIONS, FOUND)  # a second later, the key is replaced
        with pytest.raises(Unavailable, match="its key is one for v2"):
            census.trigger_sync(5123)
        assert census.trigger_sync(5123)
        assert paths(sandbox)[-1] == "POST /api/v2/syncs/5123/trigger"

    def test_a_key_that_neither_version_takes_is_refused(self, census, sandbox):
        sandbox.census.fail_next("/sync_runs", Status(401), times=2)
        sandbox.census.fail_next(ACTIVATIONS, DENIED, times=2)
        for _ in range(2):
            with pytest.raises(Rejected, match="is the API key right"):
                census.list_sync_runs(5123)
        asked = [path for path in paths(sandbox) if ACTIVATIONS in path]
        assert len(asked) == 2  # at start, and once in a minute: such a call is repeated

    @pytest.mark.parametrize("ask", [lambda each: each.sync(5123), lambda each: [*each.syncs()]])
    def test_what_a_workspace_holds_is_asked_again_too(self, census, management, sandbox, ask):
        sandbox.census.fail_next("/syncs", Status(401))
        sandbox.census.fail_next(ACTIVATIONS, FOUND)
        with pytest.raises(Unavailable, match="its key is one for v2; ask again"):
            ask(management)
        assert census.find_api_version() == "v2"
        ask(management)

    def test_a_404_is_one(self, census, sandbox):
        sandbox.census.fail_next("/trigger", Status(404))
        with pytest.raises(Rejected):
            census.trigger_sync(5123)
        assert len(paths(sandbox)) == 2


class TestASyncRunThatV2DoesNotFind:
    def test_is_not_taken_for_one_that_is_gone(self, make, sandbox):
        census = make("v2")
        run = census.trigger_sync(5123)
        sandbox.census.fail_next("/sync_runs/", Status(404))
        with pytest.raises(NotReadable, match=f"GET /api/v2/sync_runs/{run}, a path"):
            census.get_sync_run(run)
