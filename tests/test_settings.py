"""The environment is read once; every problem is told together; no secret shows itself."""

from pathlib import Path

import pytest

from relay.errors import BadSettings
from relay.secret import Secret
from relay.settings import (
    AccountSettings,
    DashboardSettings,
    DbtCloudSettings,
    ServiceSettings,
    Settings,
    WebhookSettings,
    WebSettings,
    WorkerSettings,
    describe,
)
from relay.variables import VARIABLES, misspelled_in

WHOLE = {
    "DBT_CLOUD_WEBHOOK_SECRETS": "hook-one, hook-two",
    "DBT_CLOUD_URL": "https://ab123.us1.dbt.com",
    "DBT_CLOUD_TOKEN": "dbtc_token",
    "DBT_CLOUD_ACCOUNT_ID": "66847",
    "CENSUS_API_KEY": "secret-token:key",
}

WITH_A_PATH = "must end with its host: relay itself adds the API's path; write"


def with_changes(changes):
    return {name: value for name, value in (WHOLE | changes).items() if value is not None}


def read(**changes):
    return ServiceSettings.from_environment(with_changes(changes))


def problems(**changes):
    with pytest.raises(BadSettings) as refused:
        read(**changes)
    return [str(problem) for problem in refused.value.problems]


def told_by(role, environment):
    """The problems that a role reports, none if there are none."""
    try:
        role.from_environment(environment)
    except BadSettings as exc:
        return {str(problem) for problem in exc.problems}
    return set()


def test_the_defaults_are_the_documented_ones():
    settings = read()
    assert settings.census_url == "https://app.getcensus.com"
    assert settings.census_api_version == "auto"
    assert (settings.follow_interval, settings.follow_deadline) == (15, 6 * 3600)
    assert (settings.http_timeout, settings.retry_for) == (30, 1800)
    assert (settings.catch_up_interval, settings.port, settings.web_concurrency) == (600, 8080, 1)
    assert (settings.mapping, settings.data_dir) == (Path("config/syncs.yml"), Path("var"))
    assert settings.database_url is None
    assert settings.admin_token is None


def test_several_webhook_secrets_are_separated_by_commas():
    assert read().webhook_secrets == (Secret("hook-one"), Secret("hook-two"))


@pytest.mark.parametrize(
    "text", ["hook-one\nhook-two", "\ufeffhook-one\r\nhook-two\n", " hook-one , hook-two "]
)
def test_they_may_be_a_line_each_as_a_file_has_them(text):
    """A secret is never accepted that then answers every delivery with 401."""
    assert read(DBT_CLOUD_WEBHOOK_SECRETS=text).webhook_secrets == read().webhook_secrets


@pytest.mark.parametrize("around", [" {}", "{}\n", "\ufeff{}", "\ufeff {} \r\n"])
def test_what_files_have_around_a_secret_is_no_part_of_it(around):
    written = around.format("secret-token:abcdefgh")
    settings = read(CENSUS_API_KEY=written, CENSUS_API_KEY_EMEA=written)
    assert settings.census_api_key.reveal() == "secret-token:abcdefgh"
    assert settings.secret_named("CENSUS_API_KEY_EMEA").reveal() == "secret-token:abcdefgh"


@pytest.mark.parametrize("secret", ["a+b/c==d", "a.b_c-d~e", "a:b|c{d}!"])
def test_a_webhook_secret_may_hold_any_other_character(secret):
    assert read(DBT_CLOUD_WEBHOOK_SECRETS=secret).webhook_secrets == (Secret(secret),)


def test_hosts_of_workspaces_may_be_added_to_those_of_census():
    own = {"app.getcensus.com", "app-eu.getcensus.com"}
    assert read().census_hosts == own
    given = {"RELAY_CENSUS_HOSTS": "Census.example.com, 10.0.0.5"}
    assert read(**given).census_hosts == own | {"census.example.com", "10.0.0.5"}
    assert describe({})["RELAY_CENSUS_HOSTS"] == []
    assert describe(given)["RELAY_CENSUS_HOSTS"] == ["10.0.0.5", "census.example.com"]


def test_paths_lose_the_white_space_around_them_too():
    settings = read(RELAY_MAPPING=" syncs.yml\n", RELAY_DATA_DIR="var ")
    assert (settings.mapping, settings.data_dir) == (Path("syncs.yml"), Path("var"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"DBT_CLOUD_WEBHOOK_SECRETS": ""}, "DBT_CLOUD_WEBHOOK_SECRETS: is empty"),
        (
            {"DBT_CLOUD_WEBHOOK_SECRETS": "hook-one,,hook-two"},
            "DBT_CLOUD_WEBHOOK_SECRETS: is empty",
        ),
        *(
            (
                {"DBT_CLOUD_WEBHOOK_SECRETS": f"hook-one{separator}hook-two"},
                "DBT_CLOUD_WEBHOOK_SECRETS: has a semicolon or a blank: write a comma between",
            )
            for separator in (";", "; ", " ", "\t", ",hook-three;")
        ),
        (
            {"DBT_CLOUD_WEBHOOK_SECRETS": "replace-me"},
            "DBT_CLOUD_WEBHOOK_SECRETS: is a placeholder",
        ),
        (
            {"DBT_CLOUD_URL": "https://replace-me.us1.dbt.com"},
            "DBT_CLOUD_URL: is a placeholder: write your own value in place of 'replace-me'",
        ),
        ({"DBT_CLOUD_ACCOUNT_ID": "replace-me"}, "DBT_CLOUD_ACCOUNT_ID: is a placeholder"),
        ({"RELAY_DATABASE_URL": "postgresql://r:REPLACE-ME@h/d"}, "RELAY_DATABASE_URL: is a place"),
        (
            {"DBT_CLOUD_URL": "ab123.us1.dbt.com"},
            "DBT_CLOUD_URL: expected an https URL, like https://ab123.us1.dbt.com",
        ),
        (
            {"CENSUS_URL": "app.getcensus.com"},
            "CENSUS_URL: expected an https URL, like https://app.getcensus.com",
        ),
        ({"DBT_CLOUD_TOKEN": "seven77"}, "DBT_CLOUD_TOKEN: is a placeholder, or shorter than 8"),
        (
            {"DBT_CLOUD_TOKEN": "Token dbtc_abcdef"},
            "DBT_CLOUD_TOKEN: begins with 'Token': write the token alone",
        ),
        (
            {"CENSUS_API_KEY": "Bearer abcdefgh"},
            "CENSUS_API_KEY: begins with 'Bearer': write the token alone",
        ),
        (
            {"DBT_CLOUD_URL": "https://ab123.us1.dbt.com/api/v2/"},
            f"DBT_CLOUD_URL: {WITH_A_PATH} https://ab123.us1.dbt.com",
        ),
        (
            {"CENSUS_URL": "https://app.getcensus.com/api/v1"},
            "CENSUS_URL: must end with its host: relay itself adds",
        ),
        *(
            (
                {"CENSUS_URL": f"https://app.getcensus.com/{path}"},
                f"CENSUS_URL: {WITH_A_PATH} https://app.getcensus.com",
            )
            for path in ("API/v2", "v2", "v1/", "V2/syncs", "api", "API/", "api/v1/syncs/5123")
        ),
        *(
            (
                {"RELAY_CENSUS_HOSTS": hosts},
                "RELAY_CENSUS_HOSTS: expected comma-separated host names",
            )
            for hosts in ("https://a.example", "a.example/x", "a.example:1", "a;b", "a b", "a,,b")
        ),
        ({"DBT_CLOUD_ACCOUNT_ID": "9" * 20}, "DBT_CLOUD_ACCOUNT_ID: expected a positive number"),
        ({"RELAY_RETRY_FOR": "999999d"}, "RELAY_RETRY_FOR: expected a duration of at most 365d"),
        ({"DBT_CLOUD_WEBHOOK_SECRETS": None}, "DBT_CLOUD_WEBHOOK_SECRETS: is not set"),
        ({"DBT_CLOUD_TOKEN": " "}, "DBT_CLOUD_TOKEN: is empty"),
        ({"DBT_CLOUD_TOKEN": "a\nb"}, "DBT_CLOUD_TOKEN: has characters"),
        ({"DBT_CLOUD_ACCOUNT_ID": "act_5"}, "DBT_CLOUD_ACCOUNT_ID: expected a positive number"),
        ({"DBT_CLOUD_ACCOUNT_ID": "0"}, "DBT_CLOUD_ACCOUNT_ID: expected a positive number"),
        ({"DBT_CLOUD_URL": "ab123.us1.dbt.com"}, "DBT_CLOUD_URL: expected an https URL"),
        ({"DBT_CLOUD_URL": "http://ab123.us1.dbt.com"}, "DBT_CLOUD_URL: must be https"),
        ({"CENSUS_URL": "https://bearer:k@app.getcensus.com"}, "CENSUS_URL: must not contain"),
        ({"CENSUS_API_VERSION": "v3"}, "CENSUS_API_VERSION: expected one of auto, v1, v2"),
        ({"RELAY_FOLLOW_INTERVAL": "0"}, "RELAY_FOLLOW_INTERVAL: expected a duration"),
        ({"RELAY_HTTP_TIMEOUT": "fast"}, "RELAY_HTTP_TIMEOUT: expected a duration"),
        ({"RELAY_DRY_RUN": "maybe"}, "RELAY_DRY_RUN: expected true or false, got 'maybe'"),
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


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        *((text, True) for text in ("true", "True", "1", "yes", " TRUE ")),
        *((text, False) for text in ("false", "0", "no", "", " ", None)),
    ],
)
def test_a_dry_run_is_asked_for_in_the_usual_words(text, is_one):
    environment = {} if text is None else {"RELAY_DRY_RUN": text}
    assert Settings.from_environment(environment).dry_run is is_one


@pytest.mark.parametrize(
    "name",
    ["DBT_CLOUD_WEBHOOK_SECRETS", "DBT_CLOUD_TOKEN", "CENSUS_API_KEY", "CENSUS_API_KEY_EMEA"],
)
class TestAVendorsSecret:
    """relay would take it, and fail at everything that it is for."""

    @pytest.mark.parametrize("text", ['"hook-one"', "'hook-one'", ' "hook-one"\n', '"a b c d e"'])
    def test_has_no_quotation_marks_around_it(self, name, text):
        """`docker --env-file` does not take them off."""
        (told,) = self.told(name, text)
        assert told == f"{name}: has quotation marks around it: write it without them"

    @pytest.mark.parametrize(
        "text",
        [
            "${CENSUS_API_KEY}",
            "<your-key>",
            "<API_KEY>",
            "replace_me",
            "CHANGE_ME",
            "xxxxxxxx",
            "XXXXXXXXXXXX",
            "your-api-key",
            "YOUR_API_KEY",
        ],
    )
    def test_is_not_what_stands_in_for_it(self, name, text):
        (told,) = self.told(name, text)
        assert told.startswith(f"{name}: is a placeholder")

    @pytest.mark.parametrize(
        "text", ["xxxxxxxxy", "$ecret{key}", "a<b>c<d>", "'hook-one", 'hook"one"', "your-api-key-1"]
    )
    def test_may_hold_any_other_character(self, name, text):
        settings = read(**{name: text})
        told = settings.secret_named(name)
        assert told.reveal() == text

    def told(self, name, text):
        with pytest.raises(BadSettings) as refused:
            read(**{name: text}).secret_named(name)
        return [str(problem) for problem in refused.value.problems]


def test_several_secrets_have_no_quotation_marks_around_them_all():
    told = problems(DBT_CLOUD_WEBHOOK_SECRETS='"hook-one,hook-two"')
    assert told == [
        "DBT_CLOUD_WEBHOOK_SECRETS: has quotation marks around it: write it without them"
    ]


ADMIN = "admin-token-of-thirty-two-characters"


def test_the_admin_token_may_look_like_anything():
    """Who calls relay may well send the same quotation marks."""
    assert read(RELAY_ADMIN_TOKEN=f'"{ADMIN}"').admin_token.reveal() == f'"{ADMIN}"'


@pytest.mark.parametrize(
    ("tokens", "problem"),
    [
        ({"ADMIN": "x" * 31}, "ADMIN_TOKEN: is shorter than 32 characters: `openssl rand -hex 32`"),
        ({"ADMIN": ADMIN, "VIEWER": "x" * 31}, "VIEWER_TOKEN: is shorter than 32 characters"),
        ({"VIEWER": "x" * 32}, "VIEWER_TOKEN: needs RELAY_ADMIN_TOKEN, too"),
        ({"ADMIN": ADMIN, "VIEWER": ADMIN}, "VIEWER_TOKEN: is the same as RELAY_ADMIN_TOKEN"),
    ],
)
def test_tokens_of_the_dashboard_are_long_and_two(tokens, problem):
    (only,) = problems(**{f"RELAY_{name}_TOKEN": token for name, token in tokens.items()})
    assert only.startswith(f"RELAY_{problem}")


def test_all_problems_are_told_at_once():
    told = problems(PORT="x", CENSUS_URL="ftp://x", DBT_CLOUD_TOKEN=None, DBT_CLOUD_ACCOUNT_ID="x")
    assert [problem.split(":")[0] for problem in told] == [
        "DBT_CLOUD_ACCOUNT_ID",
        "CENSUS_URL",
        "PORT",
        "DBT_CLOUD_TOKEN",
    ]


@pytest.mark.parametrize(
    ("role", "required"),
    [
        (Settings, set()),
        (WebhookSettings, {"DBT_CLOUD_WEBHOOK_SECRETS"}),
        (AccountSettings, {"DBT_CLOUD_ACCOUNT_ID"}),
        (DbtCloudSettings, {"DBT_CLOUD_URL", "DBT_CLOUD_TOKEN", "DBT_CLOUD_ACCOUNT_ID"}),
        (WebSettings, {"DBT_CLOUD_WEBHOOK_SECRETS", "DBT_CLOUD_ACCOUNT_ID"}),
        (WorkerSettings, WHOLE.keys() - {"DBT_CLOUD_WEBHOOK_SECRETS"}),
        (ServiceSettings, WHOLE.keys()),
        (DashboardSettings, {"DBT_CLOUD_ACCOUNT_ID"}),
    ],
    ids=lambda role: getattr(role, "__name__", ""),
)
class TestARole:
    def test_asks_for_what_it_needs_and_no_more(self, role, required):
        role.from_environment({name: WHOLE[name] for name in required})
        assert told_by(role, {}) == {f"{name}: is not set" for name in required}

    def test_has_none_only_where_its_types_say_so(self, role, required):
        settings = role.from_environment({name: WHOLE[name] for name in required})
        optional = {"database_url", "admin_token", "metrics_token", "catch_up_interval"}
        optional |= {"relay_url", "heartbeat_url", "viewer_token", "dbt_cloud_url"}
        optional |= {"worker_alive_file"}
        unset = {field for field, value in vars(settings).items() if value is None}
        assert unset <= optional

    def test_refuses_what_is_wrong_for_another(self, role, required):
        wrong = {"PORT": "none", "RELAY_RETRY_FOR": "soon"}
        told = told_by(role, WHOLE | wrong)
        assert {problem.partition(":")[0] for problem in told} == wrong.keys()

    def test_knows_every_secret_that_is_set(self, role, required):
        """Its logs must redact those of the others too."""
        secrets = role.from_environment(WHOLE | {"RELAY_ADMIN_TOKEN": ADMIN}).secrets
        assert set(secrets) == set(
            map(Secret, ("hook-one", "hook-two", "dbtc_token", "secret-token:key", ADMIN))
        )


def test_what_is_blank_is_not_set():
    """As docker compose writes `${DBT_CLOUD_ACCOUNT_ID}` where nobody has set it."""
    assert problems(DBT_CLOUD_ACCOUNT_ID="", PORT=" ") == ["DBT_CLOUD_ACCOUNT_ID: is not set"]


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
        variable.name: f"postgresql://u:s3cr3t@h/d{number:10}".replace(" ", "0")
        for number, variable in enumerate(VARIABLES)
        if variable.is_secret
    } | {"RELAY_HEARTBEAT_URL": "https://hc-ping.com/s3cr3t"}
    assert {"DBT_CLOUD_WEBHOOK_SECRETS", "CENSUS_API_KEY", "RELAY_DATABASE_URL"} <= secrets.keys()
    settings = read(**secrets, CENSUS_API_KEY_EMEA="s3cr3t-emea")
    assert len(settings.secrets) == len(secrets)
    described = describe(with_changes(secrets))
    assert "s3cr3t" not in f"{settings!r} {settings} {described} {settings.secrets}"
    assert described["DBT_CLOUD_TOKEN"] == "***"
    assert described["DBT_CLOUD_WEBHOOK_SECRETS"] == ["***"]


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("RELAY_URL", "http://relay.example.com", "must be https: people sign in there"),
        ("RELAY_URL", "relay.example.com", "expected an https URL"),
        ("RELAY_URL", "https://relay.example.com/?x", "without ? or #"),
        ("RELAY_HEARTBEAT_URL", "http://hc-ping.com/s3cr3t", "the URL itself is a secret"),
        ("RELAY_HEARTBEAT_URL", "https://u:s3cr3t@hc-ping.com/", "user or password"),
        ("RELAY_HEARTBEAT_URL", "https://replace-me", "is a placeholder"),
    ],
)
def test_a_url_that_people_or_heartbeats_cannot_use_is_refused(name, text, problem):
    (told,) = problems(**{name: text})
    assert told.startswith(f"{name}: ")
    assert problem in told
    assert "s3cr3t" not in told


def test_a_url_of_ones_own_may_have_a_path_and_be_on_loopback():
    assert read(RELAY_URL="https://ops.example.com/relay/").relay_url == (
        "https://ops.example.com/relay"
    )
    assert read(RELAY_URL="http://localhost:8080").relay_url == "http://localhost:8080"
    beat = "https://hc-ping.com/a-b-c?create=1"
    assert read(RELAY_HEARTBEAT_URL=beat).heartbeat_url.reveal() == beat


def test_a_channels_variable_is_no_misspelling():
    assert misspelled_in(["RELAY_NOTIFY_URL", "RELAY_NOTIFY_ADMIN_TOKEN"]) == ()


def test_a_problem_never_repeats_a_secret():
    told = problems(
        RELAY_DATABASE_URL="mysql://u:s3cr3t@h/d",
        CENSUS_URL="https://s3cr3t@h",
        RELAY_CENSUS_HOSTS="https://u:s3cr3t@h",
        DBT_CLOUD_WEBHOOK_SECRETS="s3cr3t-one;s3cr3t-two",
        DBT_CLOUD_TOKEN="s3cr3t\n2",
    )
    assert "s3cr3t" not in "".join(told)


def test_a_secret_is_equal_to_its_like_and_to_no_text():
    assert Secret("s3cr3t-value") == Secret("s3cr3t-value")
    assert Secret("s3cr3t-value") != "s3cr3t-value"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2


def test_every_setting_is_described_set_or_not():
    assert list(describe({})) == [variable.name for variable in VARIABLES]
    assert describe({})["DBT_CLOUD_WEBHOOK_SECRETS"] == []
    assert describe({})["DBT_CLOUD_TOKEN"] is None
    assert describe({})["RELAY_FOLLOW_DEADLINE"] == "6h"
    assert describe({"RELAY_CATCH_UP_INTERVAL": "0"})["RELAY_CATCH_UP_INTERVAL"] == "0"


class TestAVariableThatRelayDoesNotRead:
    @pytest.mark.parametrize(
        ("name", "meant"),
        [
            ("RELAY_MAPING", "RELAY_MAPPING"),
            ("RELAY_LOGLEVEL", "RELAY_LOG_LEVEL"),
            ("RELAY_MAPPING_FILE", "RELAY_MAPPING"),
            ("DBT_CLOUD_WEBHOOK_SECRET", "DBT_CLOUD_WEBHOOK_SECRETS"),
            ("DBT_CLOUD_API_TOKEN", "DBT_CLOUD_TOKEN"),
            ("CENSUS_API_VERSON", "CENSUS_API_VERSION"),
            ("CENSUS_KEY", "CENSUS_API_KEY"),
        ],
    )
    def test_is_asked_about_where_it_is_nearly_one_of_relays(self, name, meant):
        (found,) = read(**{name: "x"}).misspelled
        assert found == (name, meant)
        assert str(found) == f"{name}: relay reads no such variable; did you mean `{meant}`?"

    @pytest.mark.parametrize(
        "name",
        [
            "CENSUS_API_KEY_EMEA",
            "CENSUS_API_KEY_EMEA_FILE",
            "CENSUS_API_KEYS",
            "RELAY_ADMIN_TOKEN_FILE",
            "DATABASE_URL_FILE",
            "RELAY_VIEWER_TOKEN",
            "RELAY_STORM_SEED",
            "DBT_CLOUD_RUN_ID",
            "DBT_CLOUD_INVOCATION_CONTEXT",
            "CENSUS_WORKSPACE",
            "PORTS",
            "MY_RELAY_MAPING",
        ],
    )
    def test_is_left_alone_where_it_is_not(self, name):
        environment = WHOLE | {name: "x"}
        assert misspelled_in(environment) == ()

    def test_is_never_one_that_is_read(self):
        assert misspelled_in(variable.name for variable in VARIABLES) == ()
        assert misspelled_in(f"{each.name}_FILE" for each in VARIABLES if each.is_secret) == ()


class TestAPasswordInTheDatabaseUrl:
    @pytest.mark.parametrize(
        ("password", "escape"),
        [
            ("hush@secret", "%40"),
            ("hush@secret?word", "%40"),
            ("hush/secret", "%2F"),
            ("hush?a/secret", "%3F"),
            ("hush%secret", "%25"),
        ],
    )
    def test_that_is_not_escaped_is_refused_and_never_repeated(self, password, escape):
        (problem,) = problems(RELAY_DATABASE_URL=f"postgresql://relay:{password}@db/relay")
        assert problem.startswith("RELAY_DATABASE_URL: ")
        assert escape in problem
        assert "hush" not in problem
        assert "secret" not in problem

    @pytest.mark.parametrize(
        "url",
        [
            "postgresql://relay:h%40sh@db/relay",
            "postgresql://relay:h:s#h[@db:5432,other/relay",
            "postgresql://relay@[::1]:5432/relay?sslmode=disable",
            "postgresql://db/relay?user=a@b&password=h@sh",
            "postgresql:///relay?host=/var/run/x@y",
        ],
    )
    def test_is_read_as_libpq_reads_it(self, url):
        assert read(RELAY_DATABASE_URL=url).database_url.reveal() == url
