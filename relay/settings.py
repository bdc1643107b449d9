"""The settings of each process and command, read from environment variables."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import NoneType
from typing import NamedTuple, Self, TypeVar, get_args

from relay.secret import Secret
from relay.variables import VARIABLES, EnvironmentReader, Misspelled, Variable, misspelled_in

AnySettings = TypeVar("AnySettings", bound="Settings")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of every process and command; enough for those that only use the database.

    In this and derived classes, a field that may not be None is required if its variable has no
    default. Times are in seconds. No slots: ServiceSettings has two bases.
    """

    mapping: Path
    census_hosts: frozenset[str]  # allowed for workspaces of the mapping file
    database_url: Secret | None  # None: relay's own PostgreSQL
    data_dir: Path
    dry_run: bool  # decide and record, but start no sync run
    log_format: str
    log_level: str
    secrets: tuple[Secret, ...]  # all that are set, for redaction in logs
    environment: Mapping[str, str] = field(repr=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read os.environ, or another environment.

        Raises BadSettings with every problem at once: any variable that cannot be read, and any
        variable required here that is not set.
        """
        given = dict(os.environ if environment is None else environment)
        reader = EnvironmentReader(given)
        values = reader.read_all()
        reader.require(cls.required_variables(), values)
        reader.raise_problems()
        own = {name: values[name] for name in cls._types() if name in values}
        secrets = (
            secret
            for variable in VARIABLES
            for secret in variable.secrets_in(values[variable.field])
        )
        return cls(**own, secrets=tuple(secrets), environment=given)

    @classmethod
    def required_variables(cls) -> tuple[Variable, ...]:
        """The variables that must be set."""
        types = cls._types()
        return tuple(
            variable
            for variable in VARIABLES
            if variable.field in types
            and variable.default in (None, ())
            and NoneType not in get_args(types[variable.field])
        )

    @classmethod
    def _types(cls) -> dict[str, object]:
        return {known.name: known.type for known in fields(cls)}

    def extended_to(self, needed: "type[AnySettings]") -> "AnySettings":
        """The same environment read as other settings, for what is needed only sometimes.

        Raises BadSettings.
        """
        return needed.from_environment(self.environment)

    @property
    def misspelled(self) -> tuple[Misspelled, ...]:
        """The environment variables that look like misspelled ones of relay's."""
        return misspelled_in(self.environment)

    def secret_named(self, variable: str) -> Secret | None:
        """A secret that the mapping file names, from `variable` or the file of `variable_FILE`.

        None if it is not set. Raises BadSettings if it, or its file, cannot be used.
        """
        return secret_in(self.environment, variable)


@dataclass(frozen=True, kw_only=True)
class StatusSettings(Settings):
    """For `relay status`."""

    census_api_version: str
    catch_up_interval: int | None  # None: never


@dataclass(frozen=True, kw_only=True)
class WebhookSettings(Settings):
    """For signing or verifying a delivery."""

    webhook_secrets: tuple[Secret, ...]


@dataclass(frozen=True, kw_only=True)
class AccountSettings(Settings):
    """For work on one dbt Cloud account."""

    dbt_account_id: int


@dataclass(frozen=True, kw_only=True)
class DbtCloudSettings(AccountSettings):
    """For requests to dbt Cloud."""

    dbt_cloud_url: str
    dbt_cloud_token: Secret
    http_timeout: int
    retry_for: int


@dataclass(frozen=True, kw_only=True)
class WebSettings(WebhookSettings, AccountSettings):
    """For the web process."""

    admin_token: Secret | None  # None: there is no dashboard
    metrics_token: Secret | None  # None: /metrics is open
    port: int
    web_concurrency: int


@dataclass(frozen=True, kw_only=True)
class DashboardSettings(AccountSettings):
    """For the dashboard, in the web process; the vendors' URLs are for links."""

    admin_token: Secret | None
    viewer_token: Secret | None  # None: nobody may only look
    relay_url: str | None  # where people reach relay; None: under any host
    dbt_cloud_url: str | None
    census_url: str
    census_api_version: str


@dataclass(frozen=True, kw_only=True)
class CensusSettings(Settings):
    """For requests to Census."""

    census_api_key: Secret
    census_url: str
    census_api_version: str
    http_timeout: int


@dataclass(frozen=True, kw_only=True)
class MessageSettings(Settings):
    """For sending messages; the channels' secrets are read with `destination_of`."""

    http_timeout: int
    relay_url: str | None  # where people reach relay, for links


@dataclass(frozen=True, kw_only=True)
class WorkerSettings(DbtCloudSettings, CensusSettings, MessageSettings):
    """For a worker."""

    heartbeat_url: Secret | None
    follow_interval: int
    follow_deadline: int
    catch_up_interval: int | None  # None: never
    message_delay: int  # from when an alert is opened until its message is composed
    worker_alive_file: Path | None  # its time is that of the worker's last sign of life


@dataclass(frozen=True, kw_only=True)
class ServiceSettings(WebSettings, WorkerSettings):
    """For `relay up`, which runs both, and for `relay check`."""


def describe(environment: Mapping[str, str] | None = None) -> dict[str, object]:
    """Every variable with its effective value, secrets masked. Raises BadSettings."""
    reader = EnvironmentReader(os.environ if environment is None else environment)
    values = reader.read_all()
    reader.raise_problems()
    return {variable.name: variable.shown(values[variable.field]) for variable in VARIABLES}


def secret_in(environment: Mapping[str, str], variable: str) -> Secret | None:
    """A secret that the mapping file names; see `Settings.secret_named`. Raises BadSettings."""
    reader = EnvironmentReader(environment)
    secret = reader.read_secret(variable)
    reader.raise_problems()
    return secret


def environment_of(names: Collection[str]) -> dict[str, str]:
    """Those of the variables that are set and not blank, for `relay init`."""
    return {name: text for name, text in os.environ.items() if name in names and text.strip()}


class MappingSettings(NamedTuple):
    """The mapping file's path, and the hosts that its workspaces may use.

    `environment` holds the API keys of its workspaces, and every other variable; `census_url` is
    that of the default workspace.
    """

    path: Path
    census_hosts: frozenset[str]
    environment: Mapping[str, str]
    census_url: str


def mapping_settings(environment: Mapping[str, str] | None = None) -> MappingSettings:
    """The settings of the mapping file, also if other settings are invalid."""
    environment = dict(os.environ if environment is None else environment)
    values = EnvironmentReader(environment).read_all()
    return MappingSettings(
        values["mapping"], values["census_hosts"], environment, values["census_url"]
    )
