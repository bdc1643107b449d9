"""Running commands in this process, with nothing in their environment but what a test gives."""

import pytest
from click.testing import CliRunner

from relay.cli import main
from relay.sandbox import story
from relay.sandbox.command import environment

REQUIRED = environment("https://ab123.us1.dbt.com", "https://app.getcensus.com")


@pytest.fixture(name="command")
def _command(monkeypatch):
    """Run a command: `command("check", "--json", PORT="8080") -> result`."""
    for name in [*REQUIRED, "RELAY_DATABASE_URL", "DATABASE_URL", "RELAY_MAPPING"]:
        monkeypatch.delenv(name, raising=False)

    def run(*words, **variables):
        clean = {"RELAY_TEST_DATABASE_URL": None}  # the tests' own, and no setting
        return CliRunner().invoke(main, words, env=clean | variables, catch_exceptions=False)

    return run


@pytest.fixture(name="required")
def _required():
    """The settings that relay cannot do without."""
    return dict(REQUIRED)


@pytest.fixture(name="mapping")
def _mapping(tmp_path):
    path = tmp_path / "syncs.yml"
    path.write_text(story.MAPPING)
    return path


@pytest.fixture(name="here")
def _here(relay, settings):
    """The settings of a relay on the sandbox, whose database is up to date."""
    return dict(settings.environment)
