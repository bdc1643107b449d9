"""Commands in a folder, or on a server, without a database of relay's: they make none."""

import re
import tempfile
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict
from sandbox_runs import night
from terminals import Terminal

from relay.postgres.embedded import EmbeddedServer
from relay.postgres.migrate import migrate
from relay.sandbox import story

RUN = str(story.FIRST_DBT_RUN_ID)
ASKING = [
    ("status",),
    ("status", "--json"),
    ("explain", "--sync", "5123", "--run", RUN),
    ("explain", "--sync", "5123", "--last"),
    ("replay", "--run", RUN, "--dry-run"),
    ("replay", "--since", "6h"),
    ("trigger", "5123"),
]


@pytest.fixture(name="elsewhere")
def _elsewhere(settings, tmp_path, monkeypatch):
    """The settings of the sandbox without a database, in an empty folder."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    without = ("RELAY_DATABASE_URL", "RELAY_DATA_DIR")
    monkeypatch.delenv("RELAY_DATA_DIR", raising=False)
    return {name: value for name, value in settings.environment.items() if name not in without}


class TestInAFolderWithoutADatabase:
    @pytest.mark.parametrize("words", ASKING, ids=" ".join)
    def test_a_command_says_so_and_makes_none(self, command, elsewhere, words, tmp_path):
        result = command(*words, **elsewhere)
        assert result.exit_code == 1
        assert result.stderr == "No relay database in ./var. Is RELAY_DATA_DIR right?\n"
        assert result.stdout == ""
        assert list((tmp_path / "elsewhere").iterdir()) == []

    @pytest.mark.parametrize("given", ["/no/such/folder", "../x", "./data/relay"])
    def test_the_folder_is_named_as_it_was_given(self, command, elsewhere, given):
        result = command("status", **elsewhere, RELAY_DATA_DIR=given)
        assert f"No relay database in {given}." in result.stderr

    def test_plan_answers_and_makes_nothing(self, command, elsewhere, sandbox, tmp_path):
        """The first thing to try on an account: three variables, and nothing is triggered."""
        sandbox.dbt_cloud.add_run(night(recording="build_model_error"))
        only = ("DBT_CLOUD_URL", "DBT_CLOUD_TOKEN", "DBT_CLOUD_ACCOUNT_ID", "RELAY_MAPPING")
        result = command("plan", "--run", RUN, **{name: elsewhere[name] for name in only})
        assert result.exit_code == 0
        assert result.stderr == "No relay database in ./var: evaluated without history.\n"
        assert "5126  trigger" in result.stdout
        assert list((tmp_path / "elsewhere").iterdir()) == []


class TestOnAServerWithoutADatabase:
    @pytest.fixture(name="empty")
    def _empty(self, empty_database, settings):
        named = conninfo_to_dict(empty_database.conninfo)
        before = settings.environment["RELAY_DATABASE_URL"]
        test_database = conninfo_to_dict(before)["dbname"]
        return settings.environment | {
            "RELAY_DATABASE_URL": before.replace(test_database, named["dbname"])
        }

    @pytest.mark.parametrize("words", ASKING, ids=" ".join)
    def test_a_command_says_so_and_makes_none(self, command, empty, words):
        for _ in range(2):  # the first has made nothing that the second would find
            result = command(*words, **empty)
            assert result.exit_code == 1
            assert result.stderr.startswith("No relay database at RELAY_DATABASE_URL.")

    def test_plan_answers(self, command, empty, sandbox):
        sandbox.dbt_cloud.add_run(night())
        result = command("plan", "--run", RUN, **empty)
        assert (result.exit_code, result.stderr) == (
            0,
            "No relay database at RELAY_DATABASE_URL: evaluated without history.\n",
        )


@pytest.fixture(name="data_dir")
def _data_dir():
    """A folder with relay's own database, whose server does not run."""
    with tempfile.TemporaryDirectory(prefix="relay-quiet-") as folder:
        Path(folder).chmod(0o711)
        server = EmbeddedServer(Path(folder) / "data")
        server.join()
        migrate(server)
        server.leave()
        yield Path(folder) / "data"


@pytest.mark.parametrize("words", [("status",), ("migrate",)], ids=" ".join)
def test_an_answer_has_no_log_lines_around_it(command, data_dir, words):
    """Also where the server has to be started and stopped for it."""
    result = command(*words, RELAY_DATA_DIR=str(data_dir))
    assert (result.exit_code, result.stderr) == (0, "")
    assert "database." not in result.stdout


def test_who_asks_for_debug_lines_gets_all(command, data_dir):
    result = command("status", RELAY_DATA_DIR=str(data_dir), RELAY_LOG_LEVEL="debug")
    assert "database.started" in result.stderr


def test_log_lines_have_no_colours_if_no_color_is_set(data_dir):
    plain = {"RELAY_DATA_DIR": str(data_dir), "RELAY_LOG_LEVEL": "debug", "NO_COLOR": "1"}
    terminal = Terminal("status", **plain)
    assert terminal.end() == 0
    assert "database.started" in terminal.text
    assert not re.search(r"\x1b\[[0-9;]*m", terminal.shown)
