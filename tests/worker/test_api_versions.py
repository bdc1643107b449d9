"""A worker finds out which API version each workspace's key is for, logs it and stores it."""

from dataclasses import replace
from datetime import date

import pytest

from relay.sandbox.wire import Body, Status
from relay.worker.api_versions import ApiVersions

ACTIVATIONS = "/api/v2/activations"


@pytest.fixture(name="settings")
def _settings(settings):
    return replace(settings, census_api_version="auto")


@pytest.fixture(name="versions")
def _versions(one):
    return ApiVersions(one.services)


def stored(one):
    return one.services.store.census_versions.by_workspace()


def test_v2_is_logged_once_and_stored(one, versions, sandbox, events):
    sandbox.census.fail_next(ACTIVATIONS, Body(b'{"status":403}', 403))
    versions.find()
    versions.find()
    (line,) = events("census.version")
    assert (line["log_level"], line["workspace"], line["api_version"]) == ("info", "default", "v2")
    assert stored(one) == {"default": "v2"}


def test_v1_is_a_warning_with_the_days_that_are_left(one, versions, sandbox, clock, events):
    sandbox.census.fail_next(ACTIVATIONS, Status(401))
    versions.find()
    (line,) = events("census.version")
    assert line["log_level"] == "warning"
    assert line["ends_on"] == date(2027, 1, 15)
    assert line["days_left"] == max((date(2027, 1, 15) - clock().date()).days, 0)
    assert stored(one) == {"default": "v1"}


def test_what_cannot_be_told_is_logged_once_and_found_later(one, versions, sandbox, events):
    sandbox.census.fail_next(ACTIVATIONS, Status(500), times=2)
    sandbox.census.fail_next(ACTIVATIONS, Status(403))
    for _ in range(3):
        versions.find()
    unknown, known = events("census.version")
    assert (unknown["api_version"], unknown["log_level"]) == ("v1", "warning")
    assert "HTTP 500" in unknown["problem"]
    assert known["api_version"] == "v2"
    assert stored(one) == {"default": "v2"}
