"""Every line is one JSON object with its ids, whoever wrote it; and no secret is ever in one."""

import io
import json
import logging
import re
import warnings

import pytest
import requests
import structlog
from gunicorn.config import Config

from relay import logs
from relay.secret import Secret
from relay.settings import Settings
from relay.web.gunicorn_logs import GunicornLogger

SECRETS = {
    "DBT_CLOUD_WEBHOOK_SECRETS": "s3cr3t-hook-one,s3cr3t-hook-two",
    "DBT_CLOUD_TOKEN": "s3cr3t-dbt-token",
    "CENSUS_API_KEY": 's3cr3t-"quoted"-key',
    "RELAY_ADMIN_TOKEN": "s3cr3t-admin-token-of-32-characters",
    "RELAY_DATABASE_URL": "postgresql://relay:s3cr3t-password@db/relay",
}


class Terminal(io.TextIOWrapper):
    def __init__(self, *, tty=False):
        super().__init__(io.BytesIO(), write_through=True)
        self._tty = tty

    def isatty(self):
        return self._tty

    @property
    def text(self):
        return self.buffer.getvalue().decode()

    @property
    def lines(self):
        return [json.loads(line) for line in self.text.splitlines()]


def configured(*, tty=False, **environment):
    out = Terminal(tty=tty)
    settings = Settings.from_environment(SECRETS | environment)
    logs.configure(settings, to=out)
    return out


class TestALine:
    @pytest.mark.parametrize("value", ["caf\xe9 \ud83d", ["\udc80"], {"\ud83d": 1}, 2**70])
    @pytest.mark.parametrize("log_format", ["json", "console"])
    def test_is_written_whatever_it_holds(self, value, log_format):
        """A path that is no UTF-8, an id of any size: what happened matters more."""
        out = configured(RELAY_LOG_FORMAT=log_format)
        logs.get_logger().info(
            "sync.triggered", file=value, token="s3cr3t-admin-token-of-32-characters"
        )
        assert "sync.triggered" in out.text
        assert "s3cr3t" not in out.text

    def test_is_one_json_object_with_the_documented_fields(self):
        out = configured()
        logs.get_logger().info("sync.triggered", sync_id=5123, because=["model.a.b"])
        (line,) = out.lines
        assert list(line)[:3] == ["timestamp", "level", "event"]
        assert (line["level"], line["event"], line["sync_id"]) == ("info", "sync.triggered", 5123)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line["timestamp"])

    def test_of_a_dry_run_says_so(self):
        out = configured(RELAY_DRY_RUN="true")
        logs.get_logger().info("sync.would_trigger")
        logging.getLogger("gunicorn.error").warning("as before")
        assert [line["dry_run"] for line in out.lines] == [True, True]
        out = configured()
        logs.get_logger().info("sync.triggered")
        assert "dry_run" not in out.lines[0]

    def test_has_the_ids_that_were_bound_once(self):
        out = configured()
        structlog.contextvars.bind_contextvars(dbt_run_id=9)
        logs.get_logger().info("dbt_run.planned")
        assert out.lines[0]["dbt_run_id"] == 9

    def test_stays_one_line_whatever_is_in_it(self):
        out = configured()
        logs.get_logger().info("a.b", text="two\nlines", odd=object)
        assert len(out.lines) == 1

    def test_tells_a_traceback_in_one_line_too(self):
        out = configured()
        try:
            raise ValueError("broken")  # noqa: TRY301
        except ValueError:
            logs.get_logger().exception("task.failed")
        assert "ValueError: broken" in out.lines[0]["exception"]

    def test_is_not_made_long_by_a_large_project(self):
        out = configured()
        models = [f"model.shop.m{number}" for number in range(10_000)]
        through = dict.fromkeys(models[:101], models[:1])
        logs.get_logger().info("a.b", rebuilt=models, failed=models[:100], through=through)
        (line,) = out.lines
        assert line["rebuilt"] == models[:100]
        assert line["failed"] == models[:100]
        assert list(line["through"]) == models[:100]
        assert line["cut"] == {"rebuilt": 10_000, "through": 101}

    def test_says_nothing_of_cutting_where_all_is_there(self):
        out = configured()
        logs.get_logger().info("a.b", rebuilt=["model.shop.a"])
        assert "cut" not in out.lines[0]

    def test_below_the_level_is_not_written(self):
        out = configured(RELAY_LOG_LEVEL="warning")
        logs.get_logger().info("a.b")
        logs.get_logger().warning("c.d")
        assert [line["event"] for line in out.lines] == ["c.d"]

    def test_is_for_people_on_a_terminal_and_json_elsewhere(self):
        for tty, log_format, is_json in [
            (False, "auto", True),
            (True, "auto", False),
            (True, "json", True),
            (False, "console", False),
        ]:
            out = configured(tty=tty, RELAY_LOG_FORMAT=log_format)
            logs.get_logger().info("a.b", sync_id=1)
            assert out.text.startswith("{") is is_json, (tty, log_format)


class TestALibrary:
    def test_speaks_as_relay_does(self):
        out = configured()
        logging.getLogger("psycopg.pool").warning("error connecting in %r", "pool-1")
        (line,) = out.lines
        assert (line["event"], line["library"], line["level"]) == (
            "library.logged",
            "psycopg.pool",
            "warning",
        )
        assert line["message"] == "error connecting in 'pool-1'"

    def test_gunicorn_does_too(self):
        out = configured()
        gunicorn = GunicornLogger(Config())
        gunicorn.info("Listening at: %s", "http://0.0.0.0:8080")
        assert out.lines[0]["message"] == "Listening at: http://0.0.0.0:8080"

    def test_gunicorns_access_line_is_off_unless_asked_for(self):
        out = configured()
        GunicornLogger(Config()).access_log.info("GET /")
        config = Config()
        config.set("accesslog", "-")
        GunicornLogger(config).access_log.info("POST /")
        assert [line["message"] for line in out.lines] == ["POST /"]

    def test_a_warning_does_too(self):
        out = configured()
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            logging.captureWarnings(capture=True)
            warnings.warn("old", DeprecationWarning, stacklevel=1)
        assert "DeprecationWarning: old" in out.lines[0]["message"]

    def test_an_exception_of_its_is_told(self):
        out = configured()
        try:
            raise OSError("gone")  # noqa: TRY301
        except OSError:
            logging.getLogger("procrastinate.worker").exception("lost")
        assert "OSError: gone" in out.lines[0]["exception"]


class TestASecret:
    @pytest.mark.parametrize(
        "secret",
        [
            "s3cr3t-hook-one",
            "s3cr3t-hook-two",
            "s3cr3t-dbt-token",
            's3cr3t-"quoted"-key',
            "s3cr3t-admin-token-of-32-characters",
            "s3cr3t-password",
            "postgresql://relay:s3cr3t-password@db/relay",
        ],
    )
    @pytest.mark.parametrize("log_format", ["json", "console"])
    def test_is_blacked_out_wherever_it_is(self, secret, log_format):
        out = configured(RELAY_LOG_FORMAT=log_format)
        log = logs.get_logger()
        log.info("a.b", field=secret, listed=[secret], key={secret: secret})
        try:
            raise requests.HTTPError(f"404 for url: https://bearer:{secret}@app.getcensus.com/")  # noqa: TRY301
        except requests.HTTPError:
            log.exception("a.b")
            logging.getLogger("urllib3").exception("with %s", secret)
        config = Config()
        config.set("accesslog", "-")
        access = GunicornLogger(config).access_log
        access.info('"POST /webhooks/dbt?token=%s" Authorization: %s', secret, secret)
        assert out.text.count("***") >= 7
        assert "s3cr3t" not in out.text

    def test_in_the_locals_of_a_traceback_is_not_shown(self):
        out = configured()

        def fail(token):
            raise ValueError(len(token))

        try:
            fail("held-in-a-{}".format("local"))
        except ValueError:
            logs.get_logger().exception("a.b")
        assert "held-in-a-local" not in out.text

    def test_that_is_too_short_to_be_one_does_not_spoil_every_line(self):
        out = configured()
        logs.add_secret(Secret("in"))
        logs.get_logger().info("delivery.ignored")
        assert out.lines[0]["event"] == "delivery.ignored"

    def test_that_only_the_mapping_names_is_hidden_once_it_is_used(self):
        out = configured()
        logs.add_secret(Secret("s3cr3t-of-emea"))
        logs.get_logger().info("a.b", field="s3cr3t-of-emea")
        assert "s3cr3t-of-emea" not in out.text

    @pytest.mark.parametrize(
        ("url", "password"),
        [
            ("postgresql://relay:s3cr3t%40one@db/relay", "s3cr3t@one"),
            ("postgresql://relay:s3cr3t%40one@db/relay", "s3cr3t%40one"),
            ("postgresql://db/relay?user=relay&password=s3cr3t%26two", "s3cr3t&two"),
            ("postgresql://db/relay?sslpassword=s3cr3t-of-the-key", "s3cr3t-of-the-key"),
        ],
    )
    def test_in_the_databases_url_is_hidden_in_every_form(self, url, password):
        out = configured(RELAY_DATABASE_URL=url)
        logs.get_logger().info("a.b", problem=f'password "{password}" is wrong')
        assert "***" in out.text
        assert "s3cr3t" not in out.text

    @pytest.mark.parametrize("log_format", ["json", "console"])
    @pytest.mark.parametrize("secret", ["s3cr3t\\a\"two'kinds", "s3cr3t-end\\", "s3cr3t-'\"q"])
    def test_of_odd_characters_is_hidden_however_it_is_quoted(self, secret, log_format):
        out = configured(RELAY_LOG_FORMAT=log_format, CENSUS_API_KEY=secret)
        log = logs.get_logger()
        log.info("a.b", field=secret, listed=[secret], key={secret: [secret]})
        log.info("a.b", problem=repr(secret), listed=[repr(secret)])
        log.info("a.b", problem=json.dumps({"key": secret}), listed=[json.dumps(secret)])
        assert "s3cr3t" not in out.text


class TestATerminal:
    @pytest.mark.parametrize("log_format", ["json", "console"])
    def test_is_not_controlled_by_what_is_logged(self, log_format):
        out = configured(RELAY_LOG_FORMAT=log_format)
        odd = "\x1b[2J\x9b2J\u202e"
        try:
            raise ValueError(odd)  # noqa: TRY301
        except ValueError:
            logs.get_logger().exception("task.failed", problem=odd, listed=[odd])
            logging.getLogger("urllib3").exception("with %s", odd)
        assert "ValueError" in out.text
        raised = [line for line in out.text.splitlines() if "ValueError" in line]
        assert all(character not in line for character in odd[:1] + odd[4:5] for line in raised)
        assert "\x1b" not in out.text
