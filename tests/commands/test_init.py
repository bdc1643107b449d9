"""`relay init`: asks, tries at both vendors, writes relay.env and a mapping file."""

import contextlib
import os
import pty
import select
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from sandbox_runs import night

from relay.cli import main
from relay.decision.mapping_reader import read_mapping
from relay.sandbox import story
from relay.sandbox.command import environment
from relay.sandbox.dbt_projects import SandboxEnvironment
from relay.sandbox.wire import Status
from relay.settings import ServiceSettings

SECRETS = {story.DBT_TOKEN, story.CENSUS_API_KEY, story.WEBHOOK_SECRET}


def variables(path):
    """What a shell has after it has read the file."""
    done = subprocess.run(
        ["sh", "-c", f"set -a; . {path}; env"],
        env={},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = dict(line.split("=", 1) for line in done.stdout.splitlines())
    return {name: text for name, text in lines.items() if name not in ("PWD", "SHLVL", "_")}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(name="given")
def _given(sandbox):
    """The settings for the sandbox."""
    return environment(sandbox.dbt_cloud.url, sandbox.census.url)


@pytest.fixture(name="init")
def _init(given):
    """Run it; nothing but what a test gives is set: `init("--no-input", typed=…, PORT=…)`."""
    nothing = dict.fromkeys([*given, "CENSUS_API_VERSION", "RELAY_MAPPING"])

    def run(*words, typed=(), **variables):
        return CliRunner().invoke(
            main,
            ["init", *words],
            env=nothing | variables,
            input="".join(f"{line}\n" for line in typed),
            catch_exceptions=False,
        )

    return run


@pytest.fixture(name="answers")
def _answers(given):
    """What a person types."""
    return {
        "url": given["DBT_CLOUD_URL"],
        "account": given["DBT_CLOUD_ACCOUNT_ID"],
        "token": story.DBT_TOKEN,
        "census": given["CENSUS_URL"],
        "version": "",
        "key": story.CENSUS_API_KEY,
        "webhook": story.WEBHOOK_SECRET,
    }


def files():
    return sorted(str(path) for path in Path().rglob("*") if path.is_file())


class TestAnswersOfAPerson:
    def test_become_a_file_of_settings_for_its_owner_alone(self, init, answers, given):
        result = init(typed=answers.values())
        assert result.exit_code == 0
        assert variables("./relay.env") == given | {"CENSUS_API_VERSION": "auto"}
        assert Path("relay.env").stat().st_mode & 0o777 == 0o600
        ServiceSettings.from_environment(variables("./relay.env"))
        assert files() == ["config/syncs.yml", "relay.env"], "no database, no cache"

    def test_are_not_shown_where_they_are_secret(self, init, answers):
        output = init(typed=answers.values()).output
        assert [secret for secret in SECRETS if secret in output] == []

    def test_are_asked_for_again_where_they_cannot_be_read(self, init, answers):
        result = init(typed=["ab123.us1.dbt.com", *answers.values()])
        assert "Error: DBT_CLOUD_URL: expected an https URL, like https://ab123" in result.stderr
        assert result.exit_code == 0

    def test_are_asked_for_again_where_dbt_cloud_refuses_them(self, init, answers):
        typed = list(answers.values())
        wrong = [*typed[:2], "another-token", "n", "", "", *typed[2:]]
        result = init(typed=wrong)
        assert "Error: dbt Cloud answered HTTP 401 for the list of runs" in result.stderr
        assert result.exit_code == 0
        assert variables("./relay.env")["DBT_CLOUD_TOKEN"] == story.DBT_TOKEN

    def test_are_asked_for_again_where_census_refuses_them(self, init, answers):
        typed = list(answers.values())
        result = init(typed=[*typed[:5], "another-key", "n", "", "", *typed[5:]])
        assert "is the API key right?" in result.stderr
        assert variables("./relay.env")["CENSUS_API_KEY"] == story.CENSUS_API_KEY

    def test_may_be_kept_all_the_same(self, init, answers):
        typed = list(answers.values())
        result = init(typed=[*typed[:2], "another-token", "y", *typed[3:]])
        assert result.exit_code == 0
        assert variables("./relay.env")["DBT_CLOUD_TOKEN"] == "another-token"

    def test_may_leave_the_webhook_for_later(self, init, answers):
        result = init(typed=[*list(answers.values())[:-1], ""])
        assert "Make a webhook in dbt Cloud" in result.stdout
        assert "DBT_CLOUD_WEBHOOK_SECRETS=replace-me" in Path("relay.env").read_text()

    def test_are_not_asked_for_where_a_variable_or_an_option_gives_them(self, init, given, answers):
        Path("key").write_text(f"{story.CENSUS_API_KEY}\n")
        result = init(
            "--census-api-key-file",
            "key",
            typed=["", answers["webhook"]],  # Census's version, the webhook's secret
            **{name: given[name] for name in given if name.startswith(("DBT_CLOUD_", "CENSUS_U"))}
            | {"DBT_CLOUD_WEBHOOK_SECRETS": None, "CENSUS_API_KEY": "one-that-is-not-right"},
        )
        assert result.exit_code == 0
        assert "Not asked for, because it is set: DBT_CLOUD_URL" in result.stderr
        assert variables("./relay.env") == given | {"CENSUS_API_VERSION": "auto"}


class TestWithoutInput:
    def test_takes_all_from_variables(self, init, given):
        result = init("--no-input", **given)
        assert result.exit_code == 0
        assert variables("./relay.env") == given

    def test_takes_all_from_options(self, init, given):
        for name in ("DBT_CLOUD_TOKEN", "CENSUS_API_KEY", "DBT_CLOUD_WEBHOOK_SECRETS"):
            Path(name).write_text(f"{given[name]}\n")
        result = init(
            *("--no-input", "--env-file", "other/relay.env"),
            *("--dbt-cloud-url", given["DBT_CLOUD_URL"]),
            *("--dbt-cloud-account-id", given["DBT_CLOUD_ACCOUNT_ID"]),
            *("--dbt-cloud-token-file", "DBT_CLOUD_TOKEN"),
            *("--dbt-cloud-webhook-secrets-file", "DBT_CLOUD_WEBHOOK_SECRETS"),
            *("--census-url", given["CENSUS_URL"]),
            *("--census-api-version", "v2"),
            *("--census-api-key-file", "CENSUS_API_KEY"),
        )
        assert result.exit_code == 0
        assert variables("other/relay.env") == given | {"CENSUS_API_VERSION": "v2"}

    def test_reports_all_that_is_missing_at_once(self, init):
        result = init("--no-input")
        assert result.exit_code == 2
        for name in ("DBT_CLOUD_URL", "DBT_CLOUD_ACCOUNT_ID", "DBT_CLOUD_TOKEN", "CENSUS_API_KEY"):
            assert f"{name}: is not set" in result.stderr
        assert files() == []

    @pytest.mark.parametrize(
        ("changes", "status", "said"),
        [
            ({"DBT_CLOUD_TOKEN": "another-token"}, 1, "dbt Cloud answered HTTP 401"),
            ({"DBT_CLOUD_ACCOUNT_ID": "5"}, 1, "dbt Cloud answered HTTP 404"),
            ({"CENSUS_API_KEY": "another-key"}, 1, "Census answered HTTP 401"),
            ({"CENSUS_URL": "http://127.0.0.1:1"}, 1, "no connection to 127.0.0.1:1"),
            ({"DBT_CLOUD_URL": "replace-me", "CENSUS_API_KEY": "x"}, 2, "DBT_CLOUD_URL: is a plac"),
        ],
    )
    def test_writes_nothing_that_does_not_work(self, init, given, changes, status, said):
        result = init("--no-input", **given | changes)
        assert result.exit_code == status
        assert result.stderr.count("Error:") == 1
        assert said in result.stderr
        assert files() == []

    def test_asks_no_vendor_offline(self, init, given, sandbox):
        result = init("--no-input", "--offline", **given | {"DBT_CLOUD_TOKEN": "another-token"})
        assert result.exit_code == 0
        assert sandbox.dbt_cloud.requests_to("/") == sandbox.census.requests_to("/") == []
        assert "# defaults:\n#   environments: [ID]\n" in Path("config/syncs.yml").read_text()

    @pytest.mark.parametrize(
        "secret", ["a$b`c;d&e(f)", "it's-a-secret", 'say-"please"', "a#b*c~d!"]
    )
    def test_writes_a_secret_that_a_shell_reads_as_it_is(self, init, given, secret):
        init("--no-input", "--offline", **given | {"DBT_CLOUD_TOKEN": secret})
        assert variables("./relay.env")["DBT_CLOUD_TOKEN"] == secret
        assert "holds characters that mean something to a shell" in Path("relay.env").read_text()


class TestTheMappingFile:
    def test_counts_runs_of_production_only_and_triggers_nothing_yet(self, init, given):
        init("--no-input", **given)
        mapping = read_mapping(Path("config/syncs.yml").read_bytes(), file="syncs.yml")
        (sync,) = mapping.syncs
        assert sync.environments == {story.PRODUCTION.environment_id}
        assert not sync.enabled
        assert "#   278164  Nightly build\n" in Path("config/syncs.yml").read_text()
        assert "278165" not in Path("config/syncs.yml").read_text(), "CI never counts"

    def test_passes_the_check_with_the_settings(self, init, given):
        init("--no-input", **given | {"CENSUS_API_VERSION": "v2"})
        tests_own = {"RELAY_TEST_DATABASE_URL": None}  # in CI: nearly a setting of relay's
        environment = tests_own | variables("./relay.env")
        checked = CliRunner().invoke(main, ["check"], env=environment)
        assert (checked.exit_code, checked.stderr) == (0, "")
        assert checked.stdout == "OK: 1 sync in config/syncs.yml\n"

    def test_lists_the_environments_where_none_is_marked_as_production(self, init, given, sandbox):
        plain = SandboxEnvironment(environment_id=7, name="Prod\n- x", project=story.PROJECT)
        for job in story.JOBS:
            sandbox.dbt_cloud.add_job(replace(job, environment=plain))
        init("--no-input", **given)
        text = Path("config/syncs.yml").read_text()
        assert "# defaults:\n#   environments: [ID]\n#   7  Prod - x\n" in text
        assert read_mapping(text.encode(), file="syncs.yml").syncs

    def test_is_written_where_the_token_may_not_list_environments(self, init, given, sandbox):
        sandbox.dbt_cloud.fail_next("/environments/", Status(403))
        result = init("--no-input", **given)
        assert result.exit_code == 0
        assert "warning: dbt Cloud's environments are not known: dbt Cloud answered HTTP 403" in (
            result.stderr
        )
        assert "# defaults:" in Path("config/syncs.yml").read_text()

    def test_is_the_one_of_the_settings(self, init, given):
        init("--no-input", **given, RELAY_MAPPING="my syncs.yml")
        assert files() == ["my syncs.yml", "relay.env"]
        assert variables("./relay.env")["RELAY_MAPPING"] == "my syncs.yml"


class TestNothingIsOverwritten:
    def test_neither_settings(self, init, given, sandbox):
        Path("relay.env").write_text("mine")
        result = init("--no-input", **given)
        assert result.exit_code == 1
        assert result.stderr.startswith("Error: relay.env is there already")
        assert Path("relay.env").read_text() == "mine"
        assert sandbox.dbt_cloud.requests_to("/") == []

    def test_nor_a_mapping_file(self, init, given):
        Path("config").mkdir()
        Path("config/syncs.yml").write_text("mine")
        result = init("--no-input", **given)
        assert result.exit_code == 0
        assert "config/syncs.yml exists already and was not changed" in result.stdout
        assert Path("config/syncs.yml").read_text() == "mine"

    def test_nor_is_a_part_written(self, init, given):
        Path("config").write_text("a file where the folder would be")
        result = init("--no-input", **given)
        assert result.exit_code == 1
        assert "Error: config/syncs.yml cannot be written: " in result.stderr
        assert files() == ["config"]


def test_what_to_do_next_names_a_run_to_plan(init, given, sandbox, clock):
    clock.tick(-24 * 3600)  # the sandbox's is a day ahead
    sandbox.dbt_cloud.add_run(night())
    result = init("--no-input", **given)
    assert f"relay plan --run {story.FIRST_DBT_RUN_ID} " in result.stdout
    assert "set -a; . ./relay.env; set +a" in result.stdout


# Whoever runs the tests may have it ignored, and a child inherits that.
HEEDING_CTRL_C = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "from relay.cli import main; main()"
)


def test_ctrl_c_leaves_nothing(given, tmp_path):
    """On a real terminal, where the token is not echoed."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", HEEDING_CTRL_C, "init"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": ":".join(sys.path), "LANG": "C.UTF-8"},
    )
    os.close(theirs)
    shown = b""
    for asked, answer in (
        ("access URL", given["DBT_CLOUD_URL"]),
        ("account id", given["DBT_CLOUD_ACCOUNT_ID"]),
        ("not shown", story.DBT_TOKEN),
        ("Census's URL", None),
    ):
        shown += shown_until(ours, asked)
        if answer:
            os.write(ours, f"{answer}\n".encode())
    try:
        assert exit_status_after_ctrl_c(process) == 1
    finally:
        process.kill()
        os.close(ours)
    assert story.DBT_TOKEN.encode() not in shown
    assert files() == []


def exit_status_after_ctrl_c(process):
    """Press it until it is heeded: Python misses one between the prompt and the read behind it."""
    for _ in range(20):
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(1)
    raise AssertionError("it goes on after Ctrl-C")


def shown_until(terminal, asked):
    shown, deadline = b"", time.monotonic() + 30
    while asked.encode() not in shown or not shown.rstrip().endswith((b":", b"]:")):
        assert time.monotonic() < deadline, shown
        if select.select([terminal], [], [], 0.2)[0]:
            shown += os.read(terminal, 4096)
    return shown
