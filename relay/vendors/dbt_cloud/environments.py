"""The account's environments and jobs."""

from typing import TypeVar

import msgspec

from relay.dbt.environments import DbtEnvironment, DbtJob
from relay.errors import Rejected
from relay.notation import short_message
from relay.vendors.dbt_cloud.answers import MOST_PAGES, PAGE, Page, decoded, normalized
from relay.vendors.ids import VendorId
from relay.vendors.observer import Operation
from relay.vendors.transport import Transport

Row = TypeVar("Row")


def get_environment(transport: Transport, path: str, environment_id: int) -> DbtEnvironment:
    """One environment. Raises Unavailable, Rejected, BadArtifact."""
    answer = transport.get(f"{path}{environment_id}/", operation=Operation.READ_PROJECT)
    what = f"environment {environment_id}"
    return _as_environment(decoded(answer, _environment_decoder, what, of="environments").data)


def list_environments(transport: Transport, path: str) -> tuple[DbtEnvironment, ...]:
    """The account's environments. Raises Unavailable, Rejected, BadArtifact."""
    rows = _listed(transport, path, _environments_decoder, "environments")
    return tuple(map(_as_environment, rows))


def list_jobs(transport: Transport, path: str) -> tuple[DbtJob, ...]:
    """The account's jobs, CI jobs too. Raises Unavailable, Rejected, BadArtifact."""
    return tuple(map(_as_job, _listed(transport, path, _jobs_decoder, "jobs")))


def _listed(
    transport: Transport, path: str, decoder: msgspec.json.Decoder[Page[Row]], of: str
) -> list[Row]:
    rows: list[Row] = []
    for _ in range(MOST_PAGES):
        params = {"limit": str(PAGE), "offset": str(len(rows))}
        answer = transport.get(path, params, operation=Operation.READ_PROJECT)
        page = decoded(answer, decoder, f"the list of {of}", of=of)
        ends = page.ends_at(len(rows))
        rows += page.data
        if ends:
            return rows
    raise Rejected(f"dbt Cloud's list of {of} has over {MOST_PAGES} pages")


class _Environment(msgspec.Struct):
    id: VendorId
    name: str | None = None
    deployment_type: str | None = None


class _AnsweredEnvironment(msgspec.Struct):
    data: _Environment


class _Job(msgspec.Struct):
    id: VendorId
    name: str | None = None
    environment_id: VendorId | None = None
    job_type: str | None = None


_environment_decoder = msgspec.json.Decoder(_AnsweredEnvironment)
_environments_decoder = msgspec.json.Decoder(Page[_Environment])
_jobs_decoder = msgspec.json.Decoder(Page[_Job])


def _as_environment(row: _Environment) -> DbtEnvironment:
    return DbtEnvironment(
        environment_id=row.id,
        name=short_message(row.name or ""),
        deployment_type=normalized(row.deployment_type),
    )


def _as_job(row: _Job) -> DbtJob:
    return DbtJob(
        dbt_job_id=row.id,
        name=short_message(row.name or ""),
        environment_id=row.environment_id,
        job_type=normalized(row.job_type),
    )
