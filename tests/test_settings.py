"""The environment is read once; every problem is told together; no secret shows itself."""

from pathlib import Path

import pytest

from relay.errors import BadSettings
from relay.secret import Secret
from relay.settings import VARIABLES, Role, Settings

WHOLE = {
    "DBT_CLOUD_WEBHOOK_SECRETS": "hook-one, hook-two",
    "DBT_CLOUD_URL": "https://ab123.us1.dbt.com",
    "DBT_CLOUD_TOKEN": "dbtc_token",
    "DBT_CLOUD_ACCOUNT_ID": "66847",
    "CENSUS_API_KEY": "secret-token:key",
}


def read(role=Role.SERVICE, **changes):
    environment = {name: value for name, value in (WHOLE | changes).items() if value is not None}
    return Settings.from_environment(role, environment)


def problems(role=Role.SERVICE, **changes):
    with pytest.raises(BadSettings) as refused:
        read(role, **changes)
    return [str(problem) for problem in refused.value.problems]


def test_the_defaults_are_the_documented_ones():
    settings = read()
    assert settings.census_url == "https://app.getcensus.com"
    assert settings.census_api_version == "v1"
    assert (settings.follow_interval, settings.follow_deadline) == (15, 6 * 3600)
    assert (settings.http_timeout, settings.retry_for) == (30, 1800)
    assert (settings.catch_up_interval, settings.port, settings.web_concurrency) == (600, 8080, 1)
    assert (settings.mapping, settings.data_dir) == (Path("config/syncs.yml"), Path("var"))
    assert settings.database_url is None
    assert settings.admin_token is None


def test_several_webhook_secrets_are_separated_by_commas():
    assert read().webhook_secrets == (Secret("hook-one"), Secret("hook-two"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"DBT_CLOUD_WEBHOOK_SECRETS": ""}, "DBT_CLOUD_WEBHOOK_SECRETS: holds an empty secret"),
        ({"DBT_CLOUD_WEBHOOK_SECRETS": "a,,b"}, "DBT_CLOUD_WEBHOOK_SECRETS: holds an empty"),
        ({"DBT_CLOUD_WEBHOOK_SECRETS": None}, "DBT_CLOUD_WEBHOOK_SECRETS: is not set"),
        ({"DBT_CLOUD_TOKEN": " "}, "DBT_CLOUD_TOKEN: is empty"),
        ({"DBT_CLOUD_TOKEN": "a\nb"}, "DBT_CLOUD_TOKEN: holds characters"),
        ({"DBT_CLOUD_ACCOUNT_ID": "act_5"}, "DBT_CLOUD_ACCOUNT_ID: expected a positive number"),
        ({"DBT_CLOUD_ACCOUNT_ID": "0"}, "DBT_CLOUD_ACCOUNT_ID: expected a positive number"),
        ({"DBT_CLOUD_URL": "ab123.us1.dbt.com"}, "DBT_CLOUD_URL: expected an https URL"),
        ({"DBT_CLOUD_URL": "http://ab123.us1.dbt.com"}, "DBT_CLOUD_URL: must be https"),
        ({"CENSUS_URL": "https://bearer:k@app.getcensus.com"}, "CENSUS_URL: must not hold"),
        ({"CENSUS_API_VERSION": "v3"}, "CENSUS_API_VERSION: expected one of v1, v2"),
        ({"RELAY_FOLLOW_INTERVAL": "0"}, "RELAY_FOLLOW_INTERVAL: expected a duration"),
        ({"RELAY_HTTP_TIMEOUT": "fast"}, "RELAY_HTTP_TIMEOUT: expected a duration"),
        ({"RELAY_LOG_FORMAT": "xml"}, "RELAY_LOG_FORMAT: expected one of"),
        ({"RELAY_LOG_LEVEL": "loud"}, "RELAY_LOG_LEVEL: expected one of"),
        ({"PORT": "70000"}, "PORT: expected a port"),
        ({"WEB_CONCURRENCY": "none"}, "WEB_CONCURRENCY: expected a positive number"),
        ({"RELAY_DATABASE_URL": "mysql://u:pw@h/d"}, "RELAY_DATABASE_URL: expected a postgresql"),
        ({"CENSUS_API_KEY": None, "CENSUS_API_KEY_FILE": "/no/such"}, "CENSUS_API_KEY_FILE: /no"),
        ({"CENSUS_API_KEY_FILE": "/no/such"}, "CENSUS_API_KEY: is set, and so is"),
    ],
)
def test_what_is_wrong_is_told_with_its_name(changes, said):
    assert any(problem.startswith(said) for problem in problems(**changes))


def test_all_problems_are_told_at_once():
    told = problems(PORT="x", CENSUS_URL="ftp://x", DBT_CLOUD_TOKEN=None, DBT_CLOUD_ACCOUNT_ID="x")
    assert [problem.split(":")[0] for problem in told] == [
        "DBT_CLOUD_ACCOUNT_ID",
        "CENSUS_URL",
        "PORT",
        "DBT_CLOUD_TOKEN",
    ]


@pytest.mark.parametrize(
    ("role", "missing"),
    [
        (Role.WEB, ["DBT_CLOUD_ACCOUNT_ID", "DBT_CLOUD_WEBHOOK_SECRETS"]),
        (
            Role.WORKER,
            ["CENSUS_API_KEY", "DBT_CLOUD_ACCOUNT_ID", "DBT_CLOUD_TOKEN", "DBT_CLOUD_URL"],
        ),
        (Role.SERVICE, sorted(WHOLE)),
    ],
)
def test_a_role_asks_only_for_what_it_needs(role, missing):
    with pytest.raises(BadSettings) as refused:
        Settings.from_environment(role, {})
    assert sorted(problem.where for problem in refused.value.problems) == missing
    assert Settings.from_environment(Role.COMMAND, {})


def test_a_secret_may_come_from_a_file(tmp_path):
    file = tmp_path / "key"
    file.write_text("from-a-file\n")
    settings = read(CENSUS_API_KEY=None, CENSUS_API_KEY_FILE=str(file))
    assert settings.census_api_key.reveal() == "from-a-file"


def test_a_workspaces_key_is_read_by_its_own_name(tmp_path):
    file = tmp_path / "key"
    file.write_text("emea-key")
    settings = read(CENSUS_API_KEY_EMEA_FILE=str(file), CENSUS_API_KEY_APAC="apac-key")
    assert settings.secret_named("CENSUS_API_KEY_EMEA").reveal() == "emea-key"
    assert settings.secret_named("CENSUS_API_KEY_APAC").reveal() == "apac-key"
    assert settings.secret_named("CENSUS_API_KEY_MARS") is None


def test_the_database_is_the_one_named_for_relay_or_else_the_platforms():
    both = {"RELAY_DATABASE_URL": "postgresql://h/one", "DATABASE_URL": "postgres://h/two"}
    assert read(**both).database_url.reveal() == "postgresql://h/one"
    only = read(DATABASE_URL="postgres://h/two")
    assert only.database_url.reveal() == "postgresql://h/two"


def test_catch_up_may_be_turned_off():
    assert read(RELAY_CATCH_UP_INTERVAL="0").catch_up_interval is None


def test_no_secret_shows_in_a_repr_a_text_or_the_description():
    secrets = {
        "DBT_CLOUD_WEBHOOK_SECRETS": "s3cr3t-hook",
        "DBT_CLOUD_TOKEN": "s3cr3t-token",
        "CENSUS_API_KEY": "s3cr3t-key",
        "RELAY_ADMIN_TOKEN": "s3cr3t-admin",
        "RELAY_DATABASE_URL": "postgresql://u:s3cr3t-pw@h/d",
        "CENSUS_API_KEY_EMEA": "s3cr3t-emea",
    }
    settings = read(**secrets)
    assert len(settings.secrets) == 5
    shown = f"{settings!r} {settings} {settings.describe()} {settings.secrets}"
    assert "s3cr3t" not in shown
    assert settings.describe()["DBT_CLOUD_TOKEN"] == "***"


def test_a_problem_never_repeats_a_secret():
    told = problems(
        RELAY_DATABASE_URL="mysql://u:s3cr3t@h/d",
        CENSUS_URL="https://s3cr3t@h",
        DBT_CLOUD_TOKEN="s3cr3t\n2",
    )
    assert "s3cr3t" not in "".join(told)


def test_a_secret_is_equal_to_its_like_and_to_no_text():
    assert Secret("s3cr3t-value") == Secret("s3cr3t-value")
    assert Secret("s3cr3t-value") != "s3cr3t-value"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2


def test_every_setting_is_described():
    assert list(read().describe()) == [variable.name for variable in VARIABLES]
