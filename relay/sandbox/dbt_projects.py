"""The simulated dbt Cloud's projects and environments."""

from dataclasses import dataclass

DBT_VERSION = "1.12.6"  # of the recordings


@dataclass(frozen=True, slots=True)
class SandboxProject:
    """A dbt project."""

    project_id: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxEnvironment:
    """A deployment environment; `deployment_type` is production, staging, or None."""

    environment_id: int
    name: str
    project: SandboxProject
    deployment_type: str | None = None
    dbt_version: str = DBT_VERSION
