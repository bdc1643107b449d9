"""The dbt Administrative API, as much of it as relay needs.

https://docs.getdbt.com/dbt-cloud/api-v2; v3 has no run endpoints, and v2 none of webhooks.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from itertools import pairwise
from typing import Generic, TypeVar

import msgspec

from relay.dbt.artifacts import RunResults, read_run_results
from relay.dbt.decoding import Buffer
from relay.dbt.manifest import Lineage, read_manifest
from relay.dbt.runs import DbtRun, FinishedRun, Step
from relay.dbt.webhooks import WebhookSubscription
from relay.errors import BadArtifact, Rejected
from relay.notation import read_time
from relay.transport import LONGEST_MESSAGE, Answer, Download, Transport

Read = TypeVar("Read")
Row = TypeVar("Row")

PAGE = 100  # rows of a list that are asked for at once; the API's own most
MOST_PAGES = 1100  # of an hour in which an account did all that its API limit allows to follow
ROUNDING = timedelta(seconds=1)  # how much a time in an answer may be off the one dbt Cloud keeps


class DbtCloud:
    """One account of dbt Cloud."""

    def __init__(self, transport: Transport, *, dbt_account_id: int) -> None:
        self._transport = transport
        self.dbt_account_id = dbt_account_id
        self._decoding = threading.Lock()

    def get_run(self, dbt_run_id: int) -> DbtRun:
        """A run with its steps. Raises Unavailable, Rejected, BadArtifact."""
        answer = self._transport.ask(
            f"{self._run_path(dbt_run_id)}/", {"include_related": "trigger,job,run_steps"}
        )
        run = _decoded(answer, _run_decoder, f"dbt run {dbt_run_id}").data
        return _as_dbt_run(run, self.dbt_account_id)

    def get_run_results(self, dbt_run_id: int, *, step: int) -> RunResults | None:
        """What the step wrote into run_results.json; None where it has none.

        Raises Unavailable, Rejected, BadArtifact.
        """
        return self._artifact(dbt_run_id, "run_results.json", step, read_run_results)

    def get_manifest(self, dbt_run_id: int, *, step: int) -> Lineage:
        """The project as the step saw it. Raises Unavailable, Rejected, BadArtifact."""
        lineage = self._artifact(dbt_run_id, "manifest.json", step, read_manifest)
        if lineage is None:
            raise BadArtifact(f"step {step} of dbt run {dbt_run_id} has no manifest.json")
        return lineage

    def list_finished_runs(self, *, since: datetime, until: datetime) -> tuple[FinishedRun, ...]:
        """The account's runs that ended from `since` to `until`, failed and cancelled ones too.

        Both times have a zone. Oldest first, each run once, and all of them or an error: a run that
        ends while the list is read moves no other out of it. A run may come into the list a while
        after its end, so let the times asked for overlap. "List Runs" of
        https://docs.getdbt.com/dbt-cloud/api-v2 has the parameters.

        Raises Unavailable, BadArtifact, and Rejected, also for a list of over MOST_PAGES pages.
        """
        found: dict[int, FinishedRun] = {}
        for runs in self._pages_of_runs(_Place(since, until)):
            found |= {run.dbt_run_id: run for run in runs if since <= run.finished_at <= until}
        return tuple(sorted(found.values(), key=lambda run: (run.finished_at, run.dbt_run_id)))

    def _pages_of_runs(self, beginning: "_Place") -> Iterator[list[FinishedRun]]:
        """Newest first, where nothing is missed although some runs may come twice."""
        place = beginning
        for _ in range(MOST_PAGES):
            answer = self._transport.ask(f"{self._account_path('v2')}/runs/", place.params)
            page = _decoded(answer, _runs_decoder, "the list of runs")
            runs = _newest_first(page.data)
            yield runs
            following = place.after(page, runs)
            if following is None:
                return
            place = following
        raise Rejected(
            f"dbt Cloud's list of the runs that ended from {beginning.since} to {beginning.until}"
            f" has over {MOST_PAGES} pages; ask for a shorter time"
        )

    def list_webhook_subscriptions(self) -> tuple[WebhookSubscription, ...]:
        """The account's webhook subscriptions, the inactive ones too, as dbt Cloud orders them.

        https://docs.getdbt.com/docs/deploy/webhooks, "List all webhook subscriptions". Raises
        Unavailable, BadArtifact, and Rejected: a token that reads runs need not read these.
        """
        path = f"{self._account_path('v3')}/webhooks/subscriptions"
        what = "the list of webhook subscriptions"
        found: dict[str, WebhookSubscription] = {}
        offset = 0
        for _ in range(MOST_PAGES):
            # Without `limit`: the most that it may be is written nowhere.
            answer = self._transport.ask(path, {"offset": str(offset)} if offset else None)
            page = _decoded(answer, _subscriptions_decoder, what, of="webhooks")
            found |= {row.id: _as_subscription(row) for row in page.data}
            if page.ends_at(offset):
                return tuple(found.values())
            offset += len(page.data)
        raise Rejected(f"dbt Cloud's list of webhook subscriptions has over {MOST_PAGES} pages")

    def _artifact(
        self, dbt_run_id: int, path: str, step: int, read: Callable[[Buffer], Read]
    ) -> Read | None:
        what = f"{path} of step {step} of dbt run {dbt_run_id}"
        # Without `step` dbt Cloud answers with the last step's, often that of `docs generate`.
        artifact = f"{self._run_path(dbt_run_id)}/artifacts/{path}"
        with self._transport.download(artifact, {"step": str(step)}) as download:
            if download.http_status == HTTPStatus.NOT_FOUND:
                return None
            _must_be_good(download, what)
            try:
                # One at a time: decoding is what takes the memory.
                with self._decoding:
                    return read(download.content)
            except BadArtifact as exc:
                raise BadArtifact(f"{what}: {exc}") from exc

    def _run_path(self, dbt_run_id: int) -> str:
        return f"{self._account_path('v2')}/runs/{dbt_run_id}"

    def _account_path(self, api_version: str) -> str:
        return f"/api/{api_version}/accounts/{self.dbt_account_id}"


def _decoded(
    answer: Answer, decoder: msgspec.json.Decoder[Read], what: str, *, of: str = "runs"
) -> Read:
    _must_be_good(answer, what, of=of)
    try:
        return decoder.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise BadArtifact(f"dbt Cloud's answer for {what} cannot be read: {exc}") from exc


_HINTS: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "; is DBT_CLOUD_TOKEN right?",
    HTTPStatus.FORBIDDEN: "; may the token read this account's {of}?",
    HTTPStatus.NOT_FOUND: "; dbt Cloud also says this where the token may not look",
}


def _must_be_good(answer: Answer | Download, what: str, *, of: str = "runs") -> None:
    if answer.ok:
        return
    said = _own_words(answer.body if isinstance(answer, Answer) else bytes(answer.content))
    hint = _HINTS.get(answer.http_status, "").format(of=of)
    raise Rejected(
        f"dbt Cloud answered HTTP {answer.http_status} for {what}{said}{hint}",
        http_status=answer.http_status,
    )


class _Status(msgspec.Struct):
    user_message: str = ""


class _Error(msgspec.Struct):
    status: _Status = msgspec.field(default_factory=_Status)


_error_decoder = msgspec.json.Decoder(_Error)


def _own_words(body: bytes) -> str:
    """What dbt Cloud says itself, such as that this address is not on the account's list."""
    try:
        said = _error_decoder.decode(body).status.user_message
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return f": {' '.join(said.split())[:LONGEST_MESSAGE]}" if said else ""


class _Trigger(msgspec.Struct):
    cause_category: str | None = None
    schema_override: str | None = None
    target_name_override: str | None = None
    github_pull_request_id: int | str | None = None
    gitlab_merge_request_id: int | str | None = None
    azure_pull_request_id: int | str | None = None
    non_native_pull_request_id: int | str | None = None

    @property
    def pull_request_id(self) -> str | None:
        ids = (
            self.github_pull_request_id,
            self.gitlab_merge_request_id,
            self.azure_pull_request_id,
            self.non_native_pull_request_id,
        )
        return next((str(each) for each in ids if each), None)


class _JobSettings(msgspec.Struct):
    target_name: str | None = None


class _Job(msgspec.Struct):
    job_type: str | None = None
    settings: _JobSettings | None = None

    @property
    def target_name(self) -> str | None:
        return self.settings.target_name if self.settings else None


class _Command(msgspec.Struct):
    dbt_command: str | None = None


class _Step(msgspec.Struct):
    index: int
    status: int
    name: str | None = None
    run_step_command: _Command | None = None


class _Run(msgspec.Struct):
    id: int
    status: int
    job_definition_id: int | None = None
    project_id: int | None = None
    environment_id: int | None = None
    finished_at: str | None = None
    git_sha: str | None = None
    retrying_run_id: int | None = None
    trigger: _Trigger | None = None
    job: _Job | None = None
    run_steps: list[_Step] | None = None


class _RunAnswer(msgspec.Struct):
    data: _Run


_run_decoder = msgspec.json.Decoder(_RunAnswer)


def _as_dbt_run(run: _Run, dbt_account_id: int) -> DbtRun:
    trigger, job = run.trigger or _Trigger(), run.job or _Job()
    return DbtRun(
        dbt_account_id=dbt_account_id,
        dbt_run_id=run.id,
        dbt_job_id=run.job_definition_id,
        project_id=run.project_id,
        environment_id=run.environment_id,
        status=run.status,
        finished_at=read_time(run.finished_at),
        job_type=job.job_type,
        cause_category=trigger.cause_category,
        pull_request_id=trigger.pull_request_id,
        schema_override=trigger.schema_override,
        git_sha=run.git_sha,
        target=trigger.target_name_override or job.target_name,
        retrying_run_id=run.retrying_run_id,
        steps=tuple(_as_step(step) for step in run.run_steps or ()),
    )


def _as_step(step: _Step) -> Step:
    name = step.name or ""
    command = step.run_step_command.dbt_command if step.run_step_command else None
    return Step(index=step.index, name=name, status=step.status, command=command or _named(name))


def _named(name: str) -> str | None:
    """The command in a step's name: ``Invoke dbt with `dbt build` ``."""
    _, tick, rest = name.partition("`")
    return rest.rpartition("`")[0] or None if tick else None


class _Pagination(msgspec.Struct):
    total_count: int | None = None


class _Extra(msgspec.Struct):
    pagination: _Pagination | None = None


class _List(msgspec.Struct, Generic[Row]):
    data: list[Row]
    extra: _Extra | None = None

    def ends_at(self, offset: int) -> bool:
        """Whether nothing comes after this page, which was asked for at `offset`."""
        # A page may be shorter than was asked for: the docs' own sample of a list has 10 a page.
        end = offset + len(self.data)
        pagination = self.extra.pagination if self.extra else None
        total = pagination.total_count if pagination else None
        return not self.data or (len(self.data) < PAGE and end >= (total or 0))


class _ListedRun(msgspec.Struct):
    id: int
    job_definition_id: int | None = None
    environment_id: int | None = None
    finished_at: str | None = None


_runs_decoder = msgspec.json.Decoder(_List[_ListedRun])


@dataclass(frozen=True, slots=True)
class _Place:
    """How far the list of runs has been read: from `until` back, and `offset` runs of that.

    It is read on from a time, so that no run moves while it is read. From an offset only where
    one time has more runs than a page, or where dbt Cloud does not keep to the times: `obeyed`.
    """

    since: datetime
    until: datetime
    offset: int = 0
    obeyed: bool = True

    @property
    def params(self) -> dict[str, str]:
        # A list in the query is JSON: dagster-io/dagster, dagster_dbt/cloud_v2/client.py.
        ends = [at.astimezone(UTC).isoformat() for at in (self.since, self.until)]
        return {
            "finished_at__range": msgspec.json.encode(ends).decode(),
            "order_by": "-finished_at",
            "limit": str(PAGE),
            "offset": str(self.offset),
        }

    def after(self, page: _List[_ListedRun], runs: list[FinishedRun]) -> "_Place | None":
        """Where the runs after this page are; None where it is the last of those in question."""
        if page.ends_at(self.offset) or any(run.finished_at < self.since for run in runs):
            return None
        obeyed = self.obeyed and len(runs) == len(page.data) and runs[0].finished_at <= self.until
        if obeyed and runs[-1].finished_at < self.until - ROUNDING:
            return replace(self, until=runs[-1].finished_at + ROUNDING, offset=0)
        return replace(self, offset=self.offset + len(page.data), obeyed=obeyed)


def _newest_first(rows: list[_ListedRun]) -> list[FinishedRun]:
    """The runs of a page that have ended. Raises BadArtifact where they are in another order."""
    runs = [_as_finished_run(row, row.finished_at) for row in rows if row.finished_at]
    if any(run.finished_at < after.finished_at for run, after in pairwise(runs)):
        raise BadArtifact("dbt Cloud lists runs in another order than it was asked for")
    return runs


def _as_finished_run(row: _ListedRun, finished_at: str) -> FinishedRun:
    at = read_time(finished_at)
    if at is None:
        raise BadArtifact(f"dbt run {row.id} of dbt Cloud's list ended at no time: {finished_at}")
    return FinishedRun(
        dbt_run_id=row.id,
        dbt_job_id=row.job_definition_id,
        environment_id=row.environment_id,
        finished_at=at,
    )


class _Subscription(msgspec.Struct):
    id: str
    client_url: str
    active: bool
    name: str | None = None
    event_types: list[str] | None = None
    job_ids: list[int] | None = None
    deactivate_reason: str | None = None


# Not strict: job_ids are strings in the docs and numbers in dbt-labs/dbt-cloud-openapi-spec.
_subscriptions_decoder = msgspec.json.Decoder(_List[_Subscription], strict=False)


def _as_subscription(row: _Subscription) -> WebhookSubscription:
    return WebhookSubscription(
        subscription_id=row.id,
        name=row.name or "",
        client_url=row.client_url,
        is_active=row.active,
        event_types=tuple(row.event_types or ()),
        dbt_job_ids=frozenset(row.job_ids or ()),
        deactivate_reason=row.deactivate_reason or None,
    )
