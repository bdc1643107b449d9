"""The simulators and a client of each; the time of day is fixed."""

from datetime import UTC, datetime

import pytest
from clocks import Clock

from sandbox.clients import CensusClient, DbtCloudClient


@pytest.fixture(name="clock")
def _clock():
    return Clock(datetime(2026, 11, 23, 6, 0, tzinfo=UTC))


@pytest.fixture(name="dbt_cloud")
def _dbt_cloud(sandbox):
    return sandbox.dbt_cloud


@pytest.fixture(name="census")
def _census(sandbox):
    return sandbox.census


@pytest.fixture(name="dbt")
def _dbt(dbt_cloud):
    """A client of dbt Cloud's Administrative API."""
    return DbtCloudClient(dbt_cloud)


@pytest.fixture(name="api")
def _api(census):
    """A client of Census's API."""
    return CensusClient(census)
