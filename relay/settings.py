"""The environment, read once, typed; every problem reported together; secrets never in a repr."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from relay.errors import BadSettings, Problem
from relay.notation import read_duration, read_vendor_url, write_duration
from relay.secret import Secret
from relay.workspaces import CENSUS_URL


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment says. What its reader did not ask for may be None. Times in seconds."""

    webhook_secrets: tuple[Secret, ...]
    dbt_cloud_url: str | None
    dbt_cloud_token: Secret | None
    dbt_account_id: int | None
    census_api_key: Secret | None
    census_url: str
    census_api_version: str
    mapping: Path
    database_url: Secret | None  # None: relay's own PostgreSQL
    data_dir: Path
    follow_interval: int
    follow_deadline: int
    catch_up_interval: int | None  # None: never
    http_timeout: int
    retry_for: int
    admin_token: Secret | None
    log_format: str
    log_level: str
    port: int
    web_concurrency: int
    environment: Mapping[str, str] = field(repr=False)

    @classmethod
    def from_environment(
        cls, role: "Role", environment: Mapping[str, str] | None = None
    ) -> "Settings":
        """Read what the environment says, os.environ unless another is given.

        Raises BadSettings with every problem at once, also what the role needs and is not set.
        """
        reader = _Reader(os.environ if environment is None else environment)
        values: dict[str, Any] = {each.field: reader.read(each) for each in VARIABLES}
        reader.require(role)
        if reader.problems:
            raise BadSettings(tuple(reader.problems))
        return cls(**values, environment=reader.environment)

    @staticmethod
    def mapping_path() -> Path:
        """The mapping file the environment names, also where other settings are wrong."""
        return Path(os.environ.get("RELAY_MAPPING") or "config/syncs.yml")

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """Every secret there is, for those who keep them out of sight."""
        one = (self.dbt_cloud_token, self.census_api_key, self.admin_token, self.database_url)
        return (*self.webhook_secrets, *(secret for secret in one if secret is not None))

    def secret_named(self, variable: str) -> Secret | None:
        """A secret that the mapping file names, from `variable` or the file of `variable_FILE`.

        None if it is not set. Raises BadSettings if its file cannot be read.
        """
        reader = _Reader(self.environment)
        text = reader.text(variable)
        if reader.problems:
            raise BadSettings(tuple(reader.problems))
        return Secret(text) if text else None

    def describe(self) -> dict[str, object]:
        """Every variable with its effective value, secrets masked, as `relay config` shows them."""
        return {each.name: each.show(getattr(self, each.field)) for each in VARIABLES}


@dataclass(frozen=True, slots=True)
class Variable:
    """One setting: the variable, the field it fills, how it is read, what it is when unset."""

    name: str
    field: str
    read: Callable[[str], object]
    default: object = None

    @property
    def may_be_a_file(self) -> bool:
        return self.read in (_secret, _secrets, _database_url)

    def show(self, value: object) -> object:
        if isinstance(value, tuple):
            return [str(secret) for secret in value]
        if isinstance(value, Secret | Path):
            return str(value)
        if self.read in (read_duration, _duration_or_never):
            return write_duration(value) if isinstance(value, int) else "0"
        return value


_WEB = frozenset({"DBT_CLOUD_WEBHOOK_SECRETS", "DBT_CLOUD_ACCOUNT_ID"})
_WORKER = frozenset({"DBT_CLOUD_URL", "DBT_CLOUD_TOKEN", "DBT_CLOUD_ACCOUNT_ID", "CENSUS_API_KEY"})


class Role(Enum):
    """Who reads the settings, and the variables that it needs and others do not."""

    WEB = _WEB
    WORKER = _WORKER
    SERVICE = _WEB | _WORKER
    COMMAND = frozenset[str]()


class _Reader:
    """Reads variables and keeps every problem it meets."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = dict(environment)
        self.problems: list[Problem] = []

    def read(self, variable: Variable) -> object:
        if variable.read is _database_url:
            names: tuple[str, ...] = (variable.name, "DATABASE_URL")
        else:
            names = (variable.name,)
        for name in names:
            text = self.text(name) if variable.may_be_a_file else self.environment.get(name)
            if text is None:
                continue
            if not text.strip() and not variable.may_be_a_file:
                continue
            try:
                return variable.read(text)
            except ValueError as exc:
                self.problems.append(Problem(name, str(exc)))
        return variable.default

    def text(self, name: str) -> str | None:
        """The text of a secret, from the variable or from the file its `_FILE` names."""
        file = self.environment.get(f"{name}_FILE")
        if file is None:
            return self.environment.get(name)
        if name in self.environment:
            self.problems.append(Problem(name, f"is set, and so is {name}_FILE: unset one of them"))
        try:
            return Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as exc:
            why = exc.strerror if isinstance(exc, OSError) else "it is no text"
            self.problems.append(Problem(f"{name}_FILE", f"{file} cannot be read: {why}"))
            return None

    def require(self, role: Role) -> None:
        wrong = {problem.where.removesuffix("_FILE") for problem in self.problems}
        for name in (each.name for each in VARIABLES if each.name in role.value):
            if name not in wrong and self.text(name) is None:
                self.problems.append(Problem(name, "is not set"))


def _secret(text: str) -> Secret:
    token = text.strip()
    if not token:
        raise ValueError("is empty")
    if not (token.isascii() and token.isprintable()):
        raise ValueError("holds characters that no HTTP header can carry")
    return Secret(token)


def _secrets(text: str) -> tuple[Secret, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        # An empty secret would make a signature that anyone can write.
        raise ValueError("holds an empty secret")
    return tuple(Secret(part) for part in parts)


def _database_url(text: str) -> Secret:
    url = text.strip()
    if url.startswith("postgres://"):
        url = "postgresql://" + url.removeprefix("postgres://")
    if not url.startswith("postgresql://"):
        raise ValueError("expected a postgresql:// URL")
    return Secret(url)


def _positive(text: str) -> int:
    if not (text.strip().isascii() and text.strip().isdigit()) or int(text) < 1:
        raise ValueError(f"expected a positive number, got {text!r}")
    return int(text)


def _port(text: str) -> int:
    port = _positive(text)
    if port > 65535:  # noqa: PLR2004
        raise ValueError(f"expected a port up to 65535, got {text!r}")
    return port


def _duration_or_never(text: str) -> int | None:
    return None if text.strip() == "0" else read_duration(text)


def _one_of(*words: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text.strip().lower() not in words:
            raise ValueError(f"expected one of {', '.join(words)}, got {text!r}")
        return text.strip().lower()

    return read


VARIABLES = (
    Variable("DBT_CLOUD_WEBHOOK_SECRETS", "webhook_secrets", _secrets, default=()),
    Variable("DBT_CLOUD_URL", "dbt_cloud_url", read_vendor_url),
    Variable("DBT_CLOUD_TOKEN", "dbt_cloud_token", _secret),
    Variable("DBT_CLOUD_ACCOUNT_ID", "dbt_account_id", _positive),
    Variable("CENSUS_API_KEY", "census_api_key", _secret),
    Variable("CENSUS_URL", "census_url", read_vendor_url, default=CENSUS_URL),
    Variable("CENSUS_API_VERSION", "census_api_version", _one_of("v1", "v2"), default="v1"),
    Variable("RELAY_MAPPING", "mapping", Path, default=Path("config/syncs.yml")),
    Variable("RELAY_DATABASE_URL", "database_url", _database_url),
    Variable("RELAY_DATA_DIR", "data_dir", Path, default=Path("var")),
    Variable("RELAY_FOLLOW_INTERVAL", "follow_interval", read_duration, default=15),
    Variable("RELAY_FOLLOW_DEADLINE", "follow_deadline", read_duration, default=6 * 3600),
    Variable("RELAY_CATCH_UP_INTERVAL", "catch_up_interval", _duration_or_never, default=600),
    Variable("RELAY_HTTP_TIMEOUT", "http_timeout", read_duration, default=30),
    Variable("RELAY_RETRY_FOR", "retry_for", read_duration, default=1800),
    Variable("RELAY_ADMIN_TOKEN", "admin_token", _secret),
    Variable("RELAY_LOG_FORMAT", "log_format", _one_of("auto", "json", "console"), default="auto"),
    Variable(
        "RELAY_LOG_LEVEL", "log_level", _one_of("debug", "info", "warning", "error"), default="info"
    ),
    Variable("PORT", "port", _port, default=8080),
    Variable("WEB_CONCURRENCY", "web_concurrency", _positive, default=1),
)
