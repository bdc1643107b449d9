"""The environment variables: how each is read, its default, and how it is shown."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from relay.errors import BadSettings, Problem
from relay.notation import (
    LARGEST_ID,
    read_duration,
    read_hosts,
    read_message_url,
    read_page_url,
    read_vendor_url,
    write_duration,
)
from relay.secret import (
    Secret,
    read_long_secret,
    read_token,
    read_vendor_secret,
    read_webhook_secrets,
    refuse_unescaped,
    refuse_unfilled,
    viewer_token_problem,
    without_padding,
)
from relay.spelling import nearest
from relay.workspaces import AUTO, CENSUS_API_VERSION, CENSUS_HOSTS, CENSUS_URL

_FLAGS = dict.fromkeys(("true", "yes", "1"), True) | dict.fromkeys(("false", "no", "0"), False)


def _unchanged(value: object) -> object:
    return value


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable, and the settings field for its value.

    A secret may be in a file instead, whose path is in `NAME_FILE`. `aliases` are read if the
    variable is not set. `show` converts a value that is no secret to JSON for `relay config`.
    """

    name: str
    field: str
    read: Callable[[str], Any]
    default: Any = None
    show: Callable[[Any], object] = _unchanged
    is_secret: bool = False
    aliases: tuple[str, ...] = ()

    def shown(self, value: Any) -> object:
        """The value as `relay config` prints it."""
        return _masked(value) if self.is_secret else self.show(value)

    def secrets_in(self, value: Any) -> tuple[Secret, ...]:
        """The secrets in the value: none, one or several."""
        if not (self.is_secret and value):
            return ()
        return value if isinstance(value, tuple) else (value,)


class EnvironmentReader:
    """Reads variables and collects every problem in them."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._problems: list[Problem] = []

    def read_all(self) -> dict[str, Any]:
        """The value of every field, or its default."""
        values = {variable.field: self._read(variable) for variable in VARIABLES}
        if problem := viewer_token_problem(values["admin_token"], values["viewer_token"]):
            self._problems.append(Problem("RELAY_VIEWER_TOKEN", problem))
        return values

    def require(self, variables: Iterable[Variable], values: Mapping[str, Any]) -> None:
        """Add a problem for each variable that is not set and has no other problem."""
        for variable in variables:
            if not values[variable.field] and not self._has_problem(variable.name):
                self._problems.append(Problem(variable.name, "is not set"))

    def _has_problem(self, name: str) -> bool:
        return any(problem.where.removesuffix("_FILE") == name for problem in self._problems)

    def raise_problems(self) -> None:
        """Raise BadSettings if there is any problem."""
        if self._problems:
            raise BadSettings(tuple(self._problems))

    def secret_text(self, name: str) -> str | None:
        """The text of a secret, from the variable or the file of `NAME_FILE`."""
        file = self._environment.get(f"{name}_FILE")
        if file is None:
            return self._environment.get(name)
        if name in self._environment:
            self._problems.append(
                Problem(name, f"is set, and so is {name}_FILE: unset one of them")
            )
        try:
            return Path(file.strip()).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as exc:
            why = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8 text"
            self._problems.append(Problem(f"{name}_FILE", f"{file} cannot be read: {why}"))
            return None

    def read_secret(self, name: str) -> Secret | None:
        """A secret of the mapping file; None if it is not set."""
        return self._read(Variable(name, "", read_token, is_secret=True))  # type: ignore[no-any-return]

    def _read(self, variable: Variable) -> Any:
        for name in (variable.name, *variable.aliases):
            text = self.secret_text(name) if variable.is_secret else self._plain_text(name)
            if text is not None:
                try:
                    refuse_unfilled(text)
                    return variable.read(text)
                except ValueError as exc:
                    self._problems.append(Problem(name, str(exc)))
        return variable.default

    def _plain_text(self, name: str) -> str | None:
        """The text of a variable; a blank one counts as not set (a blank secret is an error)."""
        text = self._environment.get(name, "")
        return text if text.strip() else None


def _masked(value: Secret | tuple[Secret, ...] | None) -> object:
    if isinstance(value, tuple):
        return [str(secret) for secret in value]
    return None if value is None else str(value)


def _read_census_hosts(text: str) -> frozenset[str]:
    return CENSUS_HOSTS | read_hosts(text)


def _show_census_hosts(hosts: frozenset[str]) -> list[str]:
    return sorted(hosts - CENSUS_HOSTS)


def _url_like(example: str) -> Callable[[str], str]:
    return partial(read_vendor_url, example=example)


def _read_secret_url(text: str) -> Secret:
    secret = read_vendor_secret(text)
    return Secret(read_message_url(secret.reveal(), example="https://hc-ping.com/…"))


def _read_path(text: str) -> Path:
    return Path(text.strip())


def _read_database_url(text: str) -> Secret:
    url = without_padding(text)
    if url.startswith("postgres://"):
        url = "postgresql://" + url.removeprefix("postgres://")
    if not url.startswith("postgresql://"):
        raise ValueError("expected a postgresql:// URL")
    refuse_unescaped(url)
    return Secret(url)


def _read_positive(text: str) -> int:
    digits = text.strip()
    is_number = digits.isascii() and digits.isdigit() and len(digits) <= len(str(LARGEST_ID))
    if not is_number or not 1 <= int(digits) <= LARGEST_ID:
        raise ValueError(f"expected a positive number, got {text!r}")
    return int(digits)


def _read_flag(text: str) -> bool:
    if text.strip().lower() not in _FLAGS:
        raise ValueError(f"expected true or false, got {text!r}")
    return _FLAGS[text.strip().lower()]


def _write_flag(flag: object) -> str:
    return str(flag).lower()


def _read_port(text: str) -> int:
    port = _read_positive(text)
    if port > 65535:  # noqa: PLR2004
        raise ValueError(f"expected a port up to 65535, got {text!r}")
    return port


def _read_interval(text: str) -> int | None:
    """Seconds; None for `0`, which means never."""
    return None if text.strip() == "0" else read_duration(text)


def _path_or_none(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _write_interval(seconds: int | None) -> str:
    return "0" if seconds is None else write_duration(seconds)


def _one_of(*words: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text.strip().lower() not in words:
            raise ValueError(f"expected one of {', '.join(words)}, got {text!r}")
        return text.strip().lower()

    return read


def _duration(name: str, field: str, default: int) -> Variable:
    return Variable(name, field, read_duration, default, show=write_duration)


VARIABLES = (
    Variable(
        "DBT_CLOUD_WEBHOOK_SECRETS", "webhook_secrets", read_webhook_secrets, (), is_secret=True
    ),
    Variable("DBT_CLOUD_URL", "dbt_cloud_url", _url_like("https://ab123.us1.dbt.com")),
    Variable("DBT_CLOUD_TOKEN", "dbt_cloud_token", read_token, is_secret=True),
    Variable("DBT_CLOUD_ACCOUNT_ID", "dbt_account_id", _read_positive),
    Variable("CENSUS_API_KEY", "census_api_key", read_token, is_secret=True),
    Variable("CENSUS_URL", "census_url", _url_like(CENSUS_URL), CENSUS_URL),
    Variable(
        "CENSUS_API_VERSION", "census_api_version", _one_of(AUTO, "v1", "v2"), CENSUS_API_VERSION
    ),
    Variable("RELAY_MAPPING", "mapping", _read_path, Path("config/syncs.yml"), show=str),
    Variable(
        *("RELAY_DATABASE_URL", "database_url", _read_database_url),
        is_secret=True,
        aliases=("DATABASE_URL",),
    ),
    Variable("RELAY_DATA_DIR", "data_dir", _read_path, Path("var"), show=str),
    Variable("RELAY_WORKER_ALIVE_FILE", "worker_alive_file", _read_path, show=_path_or_none),
    _duration("RELAY_FOLLOW_INTERVAL", "follow_interval", 15),
    _duration("RELAY_FOLLOW_DEADLINE", "follow_deadline", 6 * 3600),
    Variable(
        "RELAY_CATCH_UP_INTERVAL", "catch_up_interval", _read_interval, 600, show=_write_interval
    ),
    _duration("RELAY_HTTP_TIMEOUT", "http_timeout", 30),
    _duration("RELAY_RETRY_FOR", "retry_for", 1800),
    _duration("RELAY_MESSAGE_DELAY", "message_delay", 30),
    Variable("RELAY_ADMIN_TOKEN", "admin_token", read_long_secret, is_secret=True),
    Variable("RELAY_VIEWER_TOKEN", "viewer_token", read_long_secret, is_secret=True),
    Variable("RELAY_URL", "relay_url", partial(read_page_url, example="https://relay.example.com")),
    Variable("RELAY_HEARTBEAT_URL", "heartbeat_url", _read_secret_url, is_secret=True),
    Variable("RELAY_METRICS_TOKEN", "metrics_token", read_token, is_secret=True),
    Variable(
        *("RELAY_CENSUS_HOSTS", "census_hosts", _read_census_hosts, CENSUS_HOSTS),
        show=_show_census_hosts,
    ),
    Variable("RELAY_DRY_RUN", "dry_run", _read_flag, False, show=_write_flag),
    Variable("RELAY_LOG_FORMAT", "log_format", _one_of("auto", "json", "console"), "auto"),
    Variable("RELAY_LOG_LEVEL", "log_level", _one_of("debug", "info", "warning", "error"), "info"),
    Variable("PORT", "port", _read_port, 8080),
    Variable("WEB_CONCURRENCY", "web_concurrency", _read_positive, 1),
)

_OURS = re.compile(r"(?:RELAY|CENSUS|DBT_CLOUD)_\w+", re.ASCII)
# Workspaces and channels of the mapping file name their own variables.
_NAMED_BY_THE_MAPPING = re.compile(r"CENSUS_API_KEY[A-Z0-9_]*|RELAY_NOTIFY_[A-Z0-9_]+")
# dbt Cloud sets these in its own jobs.
_OF_DBT_CLOUD = frozenset({"DBT_CLOUD_JOB_ID", "DBT_CLOUD_PROJECT_ID", "DBT_CLOUD_RUN_ID"})
# Higher than usual: names share long prefixes.
_NEAR = 0.8


class Misspelled(NamedTuple):
    """A variable that relay does not read, and the one that was probably meant."""

    name: str
    meant: str

    def __str__(self) -> str:
        return f"{self.name}: relay reads no such variable; did you mean `{self.meant}`?"


def misspelled_in(environment: Iterable[str]) -> tuple[Misspelled, ...]:
    """The names that are unknown to relay but similar to a known one, sorted."""
    known = {name for variable in VARIABLES for name in (variable.name, *variable.aliases)}
    files = {f"{variable.name}_FILE" for variable in VARIABLES if variable.is_secret}
    unknown = (
        name
        for name in sorted(environment)
        if _OURS.fullmatch(name)
        and name not in known | files | _OF_DBT_CLOUD
        and not _NAMED_BY_THE_MAPPING.fullmatch(name)
    )
    found = ((name, nearest(name, known, cutoff=_NEAR)) for name in unknown)
    return tuple(Misspelled(name, meant) for name, meant in found if meant)
