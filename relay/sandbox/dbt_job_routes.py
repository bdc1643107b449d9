"""The routes of an account, its projects, environments and jobs.

github.com/dbt-labs/dbt-cloud-openapi-spec, openapi-v2.yaml and openapi-v3.yaml. Clients differ in
the version they use: dagster-dbt and tap-dbt v2 alone, apache/airflow v3 for projects and
environments, dbtc v3 for projects. A project is served in both, with the same fields.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
from flask import Blueprint, abort, request
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from relay.sandbox.dbt_account import DbtAccount
from relay.sandbox.dbt_answers import enveloped, run_json
from relay.sandbox.dbt_job_query import ENVIRONMENTS, JOBS, PROJECTS
from relay.sandbox.dbt_jobs import SandboxJob
from relay.sandbox.dbt_list_query import ListForm
from relay.sandbox.dbt_project_answers import (
    account_json,
    environment_json,
    job_json,
    project_json,
)
from relay.sandbox.dbt_projects import SandboxEnvironment, SandboxProject
from relay.sandbox.dbt_related import related_in
from relay.sandbox.dbt_run_request import RunRequest
from relay.sandbox.dbt_runs import SandboxRun

T = TypeVar("T")

_ACCOUNTS = "/api/<any(v2, v3):version>/accounts/"
_V2 = "/api/v2/accounts/<int:account_id>/"
_V3 = "/api/v3/accounts/<int:account_id>/"
_EITHER = f"{_ACCOUNTS}<int:account_id>/"


class JobRoutes:
    """The views of one account, without those of its runs."""

    def __init__(self, account: DbtAccount) -> None:
        self._account = account

    def blueprint(self) -> Blueprint:
        """The routes and their views."""
        routes = Blueprint("jobs", __name__)
        add = routes.add_url_rule
        add(_ACCOUNTS, view_func=self._list_accounts)
        add(_EITHER, view_func=self._get_account)
        add(f"{_EITHER}projects/", view_func=self._list_projects)
        add(f"{_EITHER}projects/<int:project_id>/", view_func=self._get_project)
        add(f"{_EITHER}environments/", view_func=self._list_environments)
        add(f"{_EITHER}environments/<int:environment_id>/", view_func=self._get_environment)
        of_project = f"{_V3}projects/<int:project_id>/environments/"
        add(of_project, view_func=self._list_environments)
        add(f"{of_project}<int:environment_id>/", view_func=self._get_environment)
        add(f"{_V2}jobs/", view_func=self._list_jobs)
        add(f"{_V2}jobs/<int:dbt_job_id>/", view_func=self._get_job)
        add(f"{_V2}jobs/<int:dbt_job_id>/run/", view_func=self._run_job, methods=["POST"])
        add(f"{_V2}jobs/<int:dbt_job_id>/rerun/", view_func=self._rerun_job, methods=["POST"])
        return routes

    def _list_accounts(self, version: str) -> Response:
        return enveloped([account_json(self._account.account_id)])

    def _get_account(self, version: str) -> Response:
        return enveloped(account_json(self._account.account_id))

    def _list_projects(self, version: str) -> Response:
        return self._listed(PROJECTS, self._projects, self._project_json)

    def _get_project(self, version: str, project_id: int) -> Response:
        return enveloped(self._project_json(self._project(project_id)))

    def _list_environments(self, version: str = "v3", project_id: int | None = None) -> Response:
        environments = self._environments
        if project_id is not None:
            project = self._project(project_id)
            environments = [found for found in environments if found.project == project]
        return self._listed(ENVIRONMENTS, environments, self._environment_json)

    def _get_environment(
        self, environment_id: int, version: str = "v3", project_id: int | None = None
    ) -> Response:
        for environment in self._environments:
            is_of_project = project_id in (None, environment.project.project_id)
            if environment.environment_id == environment_id and is_of_project:
                return enveloped(self._environment_json(environment))
        raise NotFound

    def _list_jobs(self) -> Response:
        return self._listed(JOBS, self._account.jobs, self._job_json)

    def _get_job(self, dbt_job_id: int) -> Response:
        return enveloped(self._job_json(self._job(dbt_job_id)))

    def _run_job(self, dbt_job_id: int) -> Response:
        self._job(dbt_job_id)
        try:
            asked = msgspec.json.decode(request.get_data(), type=RunRequest)
        except msgspec.DecodeError as exc:
            abort(400, str(exc))
        return enveloped(self._run_json(self._account.start_run(dbt_job_id, asked)))

    def _rerun_job(self, dbt_job_id: int) -> Response:
        self._job(dbt_job_id)
        return enveloped(self._run_json(self._account.rerun_job(dbt_job_id)))

    @property
    def _environments(self) -> list[SandboxEnvironment]:
        return list(dict.fromkeys(job.environment for job in self._account.jobs))

    @property
    def _projects(self) -> list[SandboxProject]:
        return list(dict.fromkeys(environment.project for environment in self._environments))

    def _project(self, project_id: int) -> SandboxProject:
        for project in self._projects:
            if project.project_id == project_id:
                return project
        raise NotFound

    def _job(self, dbt_job_id: int) -> SandboxJob:
        try:
            return self._account.job(dbt_job_id)
        except LookupError:
            abort(404)

    def _listed(
        self, form: ListForm[T], rows: Sequence[T], as_json: Callable[[T], dict[str, Any]]
    ) -> Response:
        try:
            query = form.read(request.args)
        except ValueError as exc:
            abort(400, str(exc))
        page, extra = query.answered(rows, self._account.account_id)
        return enveloped([as_json(row) for row in page], extra=extra)

    def _project_json(self, project: SandboxProject) -> dict[str, Any]:
        answer = project_json(project, self._account.account_id)
        if "environments" in related_in(request.args):
            environments = [found for found in self._environments if found.project == project]
            answer["environments"] = [self._environment_json(found) for found in environments]
        return answer

    def _environment_json(self, environment: SandboxEnvironment) -> dict[str, Any]:
        return environment_json(environment, self._account.account_id)

    def _job_json(self, job: SandboxJob) -> dict[str, Any]:
        runs = [run for run in self._account.runs if run.dbt_job_id == job.dbt_job_id]
        completed = [run for run in runs if run.has_ended]
        newest = {"most_recent_run": runs, "most_recent_completed_run": completed}
        related = related_in(request.args)
        answer = job_json(job, self._account.account_id)
        answer["environment"] = (
            self._environment_json(job.environment) if "environment" in related else None
        )
        for name, of_job in newest.items():
            answer[name] = self._run_json(of_job[-1]) if of_job and name in related else None
        return answer

    def _run_json(self, run: SandboxRun) -> dict[str, Any]:
        return run_json(
            run,
            dbt_account_id=self._account.account_id,
            related=frozenset(),
            host_url=request.host_url,
            now=self._account.now(),
        )
