"""The environments and jobs of a dbt Cloud account. Values only, no I/O here."""

from dataclasses import dataclass

from relay.dbt.runs import NEVER_COUNTING_KINDS

PRODUCTION = "production"


@dataclass(frozen=True, slots=True, kw_only=True)
class DbtEnvironment:
    """An environment; `deployment_type` is `production`, `staging` or None."""

    environment_id: int
    name: str
    deployment_type: str | None

    @property
    def is_production(self) -> bool:
        """Whether dbt Cloud marks it as production. An unmarked one may still be production."""
        return self.deployment_type == PRODUCTION


@dataclass(frozen=True, slots=True, kw_only=True)
class DbtJob:
    """A job; `environment_id` is None if dbt Cloud reports none."""

    dbt_job_id: int
    name: str
    environment_id: int | None
    job_type: str | None

    @property
    def may_count(self) -> bool:
        """Whether its runs may trigger syncs: those of CI and merge jobs never do."""
        return self.job_type not in NEVER_COUNTING_KINDS
