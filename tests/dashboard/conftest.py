"""The dashboard of the service under test, for somebody who has logged in."""

import dataclasses

import pytest
from dashboard_client import ADMIN_TOKEN, VIEWER_TOKEN, Dashboard
from flask import Flask

from relay.dashboard.application import install
from relay.settings import DashboardSettings


@pytest.fixture(name="dashboard_settings")
def _dashboard_settings(settings):
    """The settings of the service, with both tokens."""
    tokens = {"RELAY_ADMIN_TOKEN": ADMIN_TOKEN, "RELAY_VIEWER_TOKEN": VIEWER_TOKEN}
    changed = dataclasses.replace(settings, environment={**settings.environment, **tokens})
    return changed.extended_to(DashboardSettings)


@pytest.fixture(name="app_with")
def _app_with(relay, database, dashboard_settings):
    """An application with nothing but the dashboard: `app_with(relay_url=…)`."""

    def app_with(**changed):
        app = Flask("relay", static_folder=None)
        settings = dataclasses.replace(dashboard_settings, **changed)
        mapping = lambda: relay.services.mapping.current  # noqa: E731
        install(app, database, settings, mapping, clock=relay.clock)
        return app

    return app_with


@pytest.fixture(name="stranger")
def _stranger(app_with):
    """Somebody who has not logged in."""
    return Dashboard(app_with())


@pytest.fixture(name="dashboard")
def _dashboard(stranger):
    """Ada, who has logged in and may act."""
    stranger.log_in()
    return stranger


@pytest.fixture(name="viewer")
def _viewer(app_with):
    """Vic, who may look only."""
    viewer = Dashboard(app_with())
    viewer.log_in(VIEWER_TOKEN, "Vic")
    return viewer
