"""What each process and command needs to know of the environment, in types without holes."""

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
    """What every process and command knows; enough for what asks the database only.

    A field of this or a derived class that may not be None is required, where its variable has no
    default. Times are in seconds. No slots: ServiceSettings has two bases.
    """

    mapping: Path
    census_hosts: frozenset[str]  # that a workspace of the mapping file may be at
    database_url: Secret | None  # None: relay's own PostgreSQL
    data_dir: Path
    log_format: str
    log_level: str
    secrets: tuple[Secret, ...]  # every one that is set, whoever needs it: for logs to redact
    environment: Mapping[str, str] = field(repr=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read os.environ, or another environment.

        Raises BadSettings with every problem at once: what cannot be read, whoever needs it, and
        what is required here and not set.
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
            and not variable.default
            and NoneType not in get_args(types[variable.field])
        )

    @classmethod
    def _types(cls) -> dict[str, object]:
        return {known.name: known.type for known in fields(cls)}

    def extended_to(self, needed: "type[AnySettings]") -> "AnySettings":
        """The same environment, read for more: for what needs it only sometimes.

        Raises BadSettings.
        """
        return needed.from_environment(self.environment)

    @property
    def misspelled(self) -> tuple[Misspelled, ...]:
        """The variables of the environment that are nearly one of relay's."""
        return misspelled_in(self.environment)

    def secret_named(self, variable: str) -> Secret | None:
        """A secret that the mapping file names, from `variable` or the file of `variable_FILE`.

        None if it is not set. Raises BadSettings if it, or its file, cannot be used.
        """
        return secret_in(self.environment, variable)


@dataclass(frozen=True, kw_only=True)
class StatusSettings(Settings):
    """To say how the service is set up."""

    census_api_version: str
    catch_up_interval: int | None  # None: never


@dataclass(frozen=True, kw_only=True)
class WebhookSettings(Settings):
    """To sign a delivery, or to verify one."""

    webhook_secrets: tuple[Secret, ...]


@dataclass(frozen=True, kw_only=True)
class AccountSettings(Settings):
    """To know which dbt Cloud account is meant."""

    dbt_account_id: int


@dataclass(frozen=True, kw_only=True)
class DbtCloudSettings(AccountSettings):
    """To ask dbt Cloud."""

    dbt_cloud_url: str
    dbt_cloud_token: Secret
    http_timeout: int
    retry_for: int


@dataclass(frozen=True, kw_only=True)
class WebSettings(WebhookSettings, AccountSettings):
    """For the web process."""

    admin_token: Secret | None
    port: int
    web_concurrency: int


@dataclass(frozen=True, kw_only=True)
class WorkerSettings(DbtCloudSettings):
    """For a worker."""

    census_api_key: Secret
    census_url: str
    census_api_version: str
    follow_interval: int
    follow_deadline: int
    catch_up_interval: int | None  # None: never


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
    """Which mapping file is meant, and the hosts that a workspace of it may be at.

    `environment` has the keys of its workspaces, and all else that is set; `census_url` is that of
    the default workspace.
    """

    path: Path
    census_hosts: frozenset[str]
    environment: Mapping[str, str]
    census_url: str


def mapping_settings() -> MappingSettings:
    """What the environment says of the mapping file, also where other settings are wrong."""
    environment = dict(os.environ)
    values = EnvironmentReader(environment).read_all()
    return MappingSettings(
        values["mapping"], values["census_hosts"], environment, values["census_url"]
    )
