"""The clients of a workspace, as the settings and the mapping file describe it."""

import pytest

from relay.errors import Rejected, Unavailable
from relay.sandbox import story
from relay.sandbox.command import environment
from relay.sandbox.wire import Status
from relay.settings import WorkerSettings
from relay.vendors.connect import CensusClients
from relay.workspaces import DEFAULT_WORKSPACE, Workspace


@pytest.fixture(name="censuses")
def _censuses(sandbox):
    texts = environment(sandbox.dbt_cloud.url, sandbox.census.url) | {
        "CENSUS_API_VERSION": "v1",
        "RELAY_MAPPING": "syncs.yml",
        "SALES_KEY": story.CENSUS_API_KEY,
    }
    sales = Workspace("sales", "SALES_KEY", sandbox.census.url, "v2")
    return CensusClients(WorkerSettings.from_environment(texts), lambda: {"sales": sales})


@pytest.mark.parametrize(
    ("workspace", "destination_id"), [(DEFAULT_WORKSPACE, 15), ("sales", "glimmering_donkey")]
)
def test_the_management_api_is_asked_in_the_workspaces_version(censuses, workspace, destination_id):
    census = censuses.management_of(workspace)
    assert next(census.destinations()).destination_id == destination_id


def test_a_workspace_that_the_mapping_does_not_have_is_told(censuses):
    with pytest.raises(Rejected, match="no workspace 'gone' any more"):
        censuses.management_of("gone")


def test_both_clients_of_a_workspace_leave_it_alone_when_it_asks_for_that(censuses, sandbox):
    sandbox.census.fail_next("/syncs", Status(429, retry_after=60))
    with pytest.raises(Unavailable, match="HTTP 429"):
        next(censuses.management_of(DEFAULT_WORKSPACE).syncs())
    with pytest.raises(Unavailable, match="HTTP 429"):
        censuses.of(DEFAULT_WORKSPACE).trigger_sync(5123)
    assert len(sandbox.census.requests) == 1
    assert censuses.of("sales").trigger_sync(5123) == 90001
