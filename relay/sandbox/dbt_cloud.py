"""A simulator of dbt Cloud's Administrative API: runs, jobs, and webhook subscriptions.

Routes and parameters: github.com/dbt-labs/dbt-cloud-openapi-spec, openapi-v2.yaml, shown at
https://docs.getdbt.com/dbt-cloud/api-v2, and for the webhooks openapi-v3.yaml. `dbt_job_routes` has
those of the account, its projects, environments and jobs.
"""

import gzip

from flask import abort, request
from werkzeug.wrappers import Response

from relay.clock import Clock, utc_now
from relay.sandbox.dbt_account import DbtAccount, NotRetryable
from relay.sandbox.dbt_answers import enveloped, error, not_served, run_json
from relay.sandbox.dbt_job_routes import JobRoutes
from relay.sandbox.dbt_related import related_in
from relay.sandbox.dbt_run_query import RUNS
from relay.sandbox.dbt_runs import ARTIFACTS, ERROR, SandboxRun
from relay.sandbox.dbt_subscriptions import page_of
from relay.sandbox.wire import TRANSIENT, Body

_RUNS = "/api/v2/accounts/<int:account_id>/runs/"
_RUN = f"{_RUNS}<int:dbt_run_id>/"
_SUBSCRIPTIONS = "/api/v3/accounts/<int:account_id>/webhooks/subscriptions"


class SandboxDbtCloud(DbtAccount):
    """One account of dbt Cloud, served over HTTP."""

    transient_faults = (*TRANSIENT, Body(b"<html>Log in</html>", content_type="text/html"))

    def __init__(self, account_id: int, token: str, *, clock: Clock = utc_now) -> None:
        super().__init__(account_id, clock)
        self._token = token
        self._app.before_request(self._must_be_ours)
        self._app.register_blueprint(JobRoutes(self).blueprint())
        add = self._app.add_url_rule
        add(_RUNS, view_func=self._list_runs)
        add(_RUN, view_func=self._get_run)
        add(f"{_RUN}cancel/", view_func=self._cancel_run, methods=["POST"])
        add(f"{_RUN}retry/", view_func=self._get_failure)
        add(f"{_RUN}retry/", view_func=self._retry_run, methods=["POST"])
        add(f"{_RUN}artifacts/", view_func=self._list_artifacts)
        add(f"{_RUN}artifacts/<path:name>", view_func=self._get_artifact)
        for path in (_SUBSCRIPTIONS, f"{_SUBSCRIPTIONS}/"):
            add(path, view_func=self._list_subscriptions)

    def _list_runs(self) -> Response:
        try:
            query = RUNS.read(request.args)
        except ValueError as exc:
            abort(400, str(exc))
        page, extra = query.answered(self.runs, self.account_id)
        related = related_in(request.args) - {"run_steps"}  # only a single run has these
        return enveloped([self._json(run, related) for run in page], extra=extra)

    def _get_run(self, dbt_run_id: int) -> Response:
        return enveloped(self._json(self._find(dbt_run_id), related_in(request.args)))

    def _cancel_run(self, dbt_run_id: int) -> Response:
        # "A run can be 'cancelled' irregardless of its previous status … nothing happens
        # practically": data-mie/dbt-cloud-cli, README.md, which has a recorded answer.
        self._find(dbt_run_id)
        return enveloped(self._json(self.cancel_run(dbt_run_id), related_in(request.args)))

    def _get_failure(self, dbt_run_id: int) -> Response:
        """RunFailureDetailsResponse; whether `failed_step` is a command is a guess."""
        run = self._find(dbt_run_id)
        failed = [step.command for step in run.invocations if step.status == ERROR]
        if not failed:
            abort(400, "RETRY_NOT_FAILED_RUN")
        return enveloped({"failed_step": failed[0], "skipped_steps": self.skipped_commands(run)})

    def _retry_run(self, dbt_run_id: int) -> Response:
        self._find(dbt_run_id)
        try:
            return enveloped(self._json(self.retry_run(dbt_run_id), frozenset()))
        except NotRetryable:
            # RetryNotSupportedReasonEnum; that it is a 400 is a guess.
            abort(400, "RETRY_NOT_FAILED_RUN")

    def _list_artifacts(self, dbt_run_id: int) -> Response:
        """The paths; null if there are none: dbt-labs/dbt-mcp, dbt_admin/client.py.

        openapi-v2.yaml has no `step` here; dbtc, prefect-dbt and apache/airflow send it.
        """
        run, step = self._find(dbt_run_id), _step()
        left = [
            name
            for name in ARTIFACTS
            if (run.has_artifact(name) if step is None else run.artifact(name, step) is not None)
        ]
        return enveloped(left or None)

    def _get_artifact(self, dbt_run_id: int, name: str) -> Response:
        # "If the `step` parameter is omitted, then this endpoint will return the artifacts
        # compiled for the last step in the run."
        artifact = self._find(dbt_run_id).artifact(name, _step())
        if artifact is None:
            abort(404)
        return _file(artifact)

    def _list_subscriptions(self) -> Response:
        try:
            return page_of(self.subscriptions, request.args, account_id=self.account_id)
        except ValueError as exc:
            abort(400, str(exc))

    def _find(self, dbt_run_id: int) -> SandboxRun:
        try:
            return self.run(dbt_run_id)
        except LookupError:
            abort(404)

    def _json(self, run: SandboxRun, related: frozenset[str]) -> dict[str, object]:
        return run_json(
            run,
            dbt_account_id=self.account_id,
            related=related,
            host_url=request.host_url,
            now=self.now(),
        )

    def _check_credentials(self) -> Response | None:
        # "Both syntaxes are equivalent": the introduction of openapi-v2.yaml.
        said = request.headers.get("Authorization", "")
        right = said in (f"Token {self._token}", f"Bearer {self._token}")
        return None if right else error(401)

    def _must_be_ours(self) -> None:
        # Every route but the list of accounts is below one of them.
        account_id = (request.view_args or {}).pop("account_id", self.account_id)
        if account_id != self.account_id:
            abort(404)

    def _error(self, code: int, path: str, detail: str | None = None) -> Response:
        return error(code, detail)

    def _not_served(self, code: int, said: str) -> Response:
        return not_served(code, said)


def _step() -> int | None:
    """The `step` of the request. Aborts with 400 if it is not a number."""
    step = request.args.get("step")
    if step is not None and not step.isdecimal():
        abort(400, f"{step!r} is not of type 'integer'")
    return None if step is None else int(step)


def _file(artifact: bytes) -> Response:
    answer = Response(artifact, content_type="application/json")
    answer.vary.add("Accept-Encoding")
    if request.accept_encodings["gzip"]:
        answer.set_data(gzip.compress(artifact, compresslevel=1))
        answer.content_encoding = "gzip"
    return answer
