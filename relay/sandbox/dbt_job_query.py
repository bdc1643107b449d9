"""The query parameters of the lists of projects, environments and jobs.

github.com/dbt-labs/dbt-cloud-openapi-spec, openapi-v2.yaml and openapi-v3.yaml. It does
not say what jobs can be ordered by, nor, for the others, what besides `id`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from relay.sandbox.dbt_jobs import SandboxJob
from relay.sandbox.dbt_list_query import Filter, ListForm, flag, number, numbers, words
from relay.sandbox.dbt_projects import SandboxEnvironment, SandboxProject


class _Named(Protocol):
    @property
    def name(self) -> str: ...


Row = TypeVar("Row", bound=_Named)


def _form(id_of: Callable[[Row], int], filters: Mapping[str, Filter[Row]]) -> ListForm[Row]:
    """A list of objects with an id and a name."""
    common: dict[str, Filter[Row]] = {
        "pk": Filter(number, lambda row, value: id_of(row) == value),
        "pk__in": Filter(numbers, lambda row, values: id_of(row) in values),
        "pk__gt": Filter(number, lambda row, value: id_of(row) > value),
        "name__icontains": Filter(str, lambda row, text: text.casefold() in row.name.casefold()),
    }
    orders: dict[str, Callable[[Row], Any]] = {"id": id_of, "name": lambda row: row.name}
    return ListForm(filters={**common, **filters}, orders=orders)


PROJECTS: ListForm[SandboxProject] = _form(lambda project: project.project_id, {})

ENVIRONMENTS: ListForm[SandboxEnvironment] = _form(
    lambda environment: environment.environment_id,
    {
        "project_id": Filter(number, lambda row, value: row.project.project_id == value),
        "project_id__in": Filter(numbers, lambda row, values: row.project.project_id in values),
        "dbt_version": Filter(str, lambda row, value: row.dbt_version == value),
        "dbt_version__in": Filter(words, lambda row, values: row.dbt_version in values),
        "deployment_type": Filter(str, lambda row, value: row.deployment_type == value),
        "type": Filter(str, lambda _, value: value == "deployment"),
    },
)

JOBS: ListForm[SandboxJob] = _form(
    lambda job: job.dbt_job_id,
    {
        "project_id": Filter(number, lambda job, value: job.project_id == value),
        "project_id__in": Filter(numbers, lambda job, values: job.project_id in values),
        "environment_id": Filter(number, lambda job, value: job.environment_id == value),
        # A job without its own version has that of its environment.
        "dbt_version__in": Filter(words, lambda job, values: job.dbt_version in values),
        "triggers_schedule": Filter(flag, lambda job, value: (job.cron is not None) == value),
        "is_system": Filter(flag, lambda _, value: not value),
    },
)
