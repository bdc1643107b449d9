"""A stand-in for dbt Cloud's Administrative API: what runs rebuilt, and where webhooks lead.

Routes and parameters: github.com/dbt-labs/dbt-cloud-openapi-spec, openapi-v2.yaml, shown at
https://docs.getdbt.com/dbt-cloud/api-v2, and for the webhooks openapi-v3.yaml.
"""

import gzip
from dataclasses import replace

from flask import abort, request
from werkzeug.wrappers import Response

from relay.clock import Clock, utc_now
from relay.sandbox import webhooks
from relay.sandbox.dbt_answers import enveloped, error, run_json
from relay.sandbox.dbt_run_query import RunQuery
from relay.sandbox.dbt_runs import ARTIFACTS, SandboxRun
from relay.sandbox.dbt_subscriptions import SandboxSubscription, page_of
from relay.sandbox.wire import PASSING, Body, StandIn

_RUNS = "/api/v2/accounts/<int:account_id>/runs/"
_SUBSCRIPTIONS = "/api/v3/accounts/<int:account_id>/webhooks/subscriptions"


class SandboxDbtCloud(StandIn):
    """One account of dbt Cloud, its runs and their artifacts, its webhook subscriptions."""

    passing_faults = (*PASSING, Body(b"<html>Log in</html>", content_type="text/html"))

    def __init__(self, account_id: int, token: str, *, clock: Clock = utc_now) -> None:
        super().__init__(clock)
        self.account_id = account_id
        self._token = token
        self._runs: dict[int, SandboxRun] = {}
        self._subscriptions: dict[str, SandboxSubscription] = {}
        add = self._app.add_url_rule
        add(_RUNS, view_func=self._list_runs)
        add(f"{_RUNS}<int:dbt_run_id>/", view_func=self._get_run)
        add(f"{_RUNS}<int:dbt_run_id>/artifacts/", view_func=self._list_artifacts)
        add(f"{_RUNS}<int:dbt_run_id>/artifacts/<path:name>", view_func=self._get_artifact)
        add(_SUBSCRIPTIONS, view_func=self._list_subscriptions)

    def add_run(self, run: SandboxRun) -> SandboxRun:
        """Let there be this run, in place of an earlier one of the same id; returns it with times.

        A run that goes on is one that is added again, with another status.
        """
        placed = run.placed(self.now())
        with self._lock:
            self._runs[run.dbt_run_id] = placed
        return placed

    def run(self, dbt_run_id: int) -> SandboxRun:
        """A run that was added. Raises LookupError."""
        with self._lock:
            return self._runs[dbt_run_id]

    @property
    def runs(self) -> list[SandboxRun]:
        """All runs, by id."""
        with self._lock:
            return [run for _, run in sorted(self._runs.items())]

    def add_subscription(self, subscription: SandboxSubscription) -> None:
        """Let there be this webhook subscription, in place of an earlier one of the same id.

        Nothing is sent to its URL: tests and `relay send` deliver what `completed_event` gives.
        """
        created_at = subscription.created_at or self.now()
        with self._lock:
            self._subscriptions[subscription.webhook_id] = replace(
                subscription, created_at=created_at
            )

    @property
    def subscriptions(self) -> list[SandboxSubscription]:
        """All webhook subscriptions, in the order they were added."""
        with self._lock:
            return list(self._subscriptions.values())

    def completed_event(self, dbt_run_id: int, *, event_id: str | None = None) -> bytes:
        """The body of the webhook that tells of this run's end; `webhooks` has the other events.

        Without an `event_id` each is an event of its own. Raises LookupError.
        """
        return webhooks.completed_event(
            self.run(dbt_run_id),
            dbt_account_id=self.account_id,
            at=self.now(),
            event_id=event_id,
        )

    def _list_runs(self, account_id: int) -> Response:
        self._must_be_ours(account_id)
        try:
            query = RunQuery.from_args(request.args)
        except ValueError as exc:
            abort(400, str(exc))
        found = query.found_in(self.runs)
        page = found[query.offset : query.offset + query.limit]
        related = _include_related() - {"run_steps"}  # only a single run has these
        return enveloped(
            [self._json(run, related) for run in page],
            extra=query.described(self.account_id, count=len(page), total_count=len(found)),
        )

    def _get_run(self, account_id: int, dbt_run_id: int) -> Response:
        return enveloped(self._json(self._find(account_id, dbt_run_id), _include_related()))

    def _list_artifacts(self, account_id: int, dbt_run_id: int) -> Response:
        run = self._find(account_id, dbt_run_id)
        return enveloped([name for name in ARTIFACTS if run.has_left(name)])

    def _get_artifact(self, account_id: int, dbt_run_id: int, name: str) -> Response:
        run = self._find(account_id, dbt_run_id)
        step = request.args.get("step")
        if step is not None and not step.isdecimal():
            abort(400, f"{step!r} is not of type 'integer'")
        # "If the `step` parameter is omitted, then this endpoint will return the artifacts
        # compiled for the last step in the run."
        artifact = run.artifact(name, None if step is None else int(step))
        if artifact is None:
            abort(404)
        return _file(artifact)

    def _list_subscriptions(self, account_id: int) -> Response:
        self._must_be_ours(account_id)
        try:
            return page_of(self.subscriptions, request.args, account_id=account_id)
        except ValueError as exc:
            abort(400, str(exc))

    def _find(self, account_id: int, dbt_run_id: int) -> SandboxRun:
        self._must_be_ours(account_id)
        try:
            return self.run(dbt_run_id)
        except LookupError:
            abort(404)

    def _must_be_ours(self, account_id: int) -> None:
        if account_id != self.account_id:
            abort(404)

    def _json(self, run: SandboxRun, related: frozenset[str]) -> dict[str, object]:
        return run_json(
            run, dbt_account_id=self.account_id, related=related, host_url=request.host_url
        )

    def _let_in(self) -> Response | None:
        # "Both syntaxes are equivalent": the introduction of openapi-v2.yaml.
        said = request.headers.get("Authorization", "")
        right = said in (f"Token {self._token}", f"Bearer {self._token}")
        return None if right else error(401)

    def _error(self, code: int, detail: str | None = None) -> Response:
        return error(code, detail)


def _include_related() -> frozenset[str]:
    # openapi-v2.yaml says "a list" and no more: apache/airflow sends run_steps,job and dbt's own
    # guides ["run_steps"].
    words = request.args.get("include_related", "").strip("[]").split(",")
    return frozenset(word.strip(' "') for word in words)


def _file(artifact: bytes) -> Response:
    answer = Response(artifact, content_type="application/json")
    answer.vary.add("Accept-Encoding")
    if request.accept_encodings["gzip"]:
        answer.set_data(gzip.compress(artifact, compresslevel=1))
        answer.content_encoding = "gzip"
    return answer
