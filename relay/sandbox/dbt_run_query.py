"""The query parameters of `GET /runs/`.

github.com/dbt-labs/dbt-cloud-openapi-spec, openapi-v2.yaml, "List Runs", has all of these.
"""

from datetime import UTC, datetime

from relay.sandbox.dbt_list_query import Filter, ListForm, flag, number, numbers, times, words
from relay.sandbox.dbt_runs import SandboxRun

_BEGINNING = datetime.fromtimestamp(0, UTC)


def _within(at: datetime | None, ends: tuple[datetime, datetime]) -> bool:
    return at is not None and ends[0] <= at <= ends[1]


RUNS: ListForm[SandboxRun] = ListForm(
    filters={
        "job_definition_id": Filter(number, lambda run, value: run.dbt_job_id == value),
        "environment_id": Filter(number, lambda run, value: run.environment_id == value),
        "project_id": Filter(number, lambda run, value: run.project_id == value),
        "project_id__in": Filter(numbers, lambda run, values: run.project_id in values),
        "status": Filter(number, lambda run, value: run.status == value),
        "status__in": Filter(numbers, lambda run, values: run.status in values),
        "pk": Filter(number, lambda run, value: run.dbt_run_id == value),
        "pk__in": Filter(numbers, lambda run, values: run.dbt_run_id in values),
        "id__gt": Filter(number, lambda run, value: run.dbt_run_id > value),
        "deferring_run_id": Filter(number, lambda run, value: run.deferring_run_id == value),
        "has_docs_generated": Filter(flag, lambda run, value: run.has_docs == value),
        "has_sources_generated": Filter(
            flag, lambda run, value: run.has_artifact("sources.json") == value
        ),
        "dbt_version": Filter(str, lambda run, value: run.dbt_version == value),
        "dbt_version__in": Filter(words, lambda run, values: run.dbt_version in values),
        "created_at__range": Filter(times, lambda run, ends: _within(run.created_at, ends)),
        "finished_at__range": Filter(times, lambda run, ends: _within(run.finished_at, ends)),
    },
    orders={
        "id": lambda run: run.dbt_run_id,
        "created_at": lambda run: run.created_at or _BEGINNING,
        "finished_at": lambda run: run.finished_at or _BEGINNING,
    },
    default_state="all",
)
