"""All pages of an account's finished runs, although the list changes while it is read."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import msgspec

from relay.dbt.runs import FinishedRun
from relay.errors import BadArtifact, Rejected
from relay.notation import read_time, short_message
from relay.vendors.dbt_cloud.answers import MOST_PAGES, PAGE, Page, decoded
from relay.vendors.ids import VendorId
from relay.vendors.observer import Operation
from relay.vendors.transport import Transport

ROUNDING = timedelta(seconds=1)  # of times in a response, compared with those that dbt Cloud stores


def list_finished_runs(
    transport: Transport, path: str, *, since: datetime, until: datetime
) -> tuple[FinishedRun, ...]:
    """The account's runs that ended from `since` to `until`, failed and cancelled ones too.

    Both times have a time zone. Oldest first, each run once, and all of them or an error: a run
    that ends while the list is read does not hide another. A run may appear in the list a while
    after its end, so let the requested times overlap. The parameters: "List Runs" of
    https://docs.getdbt.com/dbt-cloud/api-v2.

    Raises Unavailable, BadArtifact, and Rejected, also if the list has over MOST_PAGES pages.
    """
    found: dict[int, FinishedRun] = {}
    for runs in _pages_of_runs(transport, path, _Place(since, until)):
        found |= {run.dbt_run_id: run for run in runs if since <= run.finished_at <= until}
    return tuple(sorted(found.values(), key=lambda run: (run.finished_at, run.dbt_run_id)))


def _pages_of_runs(
    transport: Transport, path: str, beginning: "_Place"
) -> Iterator[list[FinishedRun]]:
    """Pages, newest run first. No run is missed; some may appear twice."""
    place = beginning
    for _ in range(MOST_PAGES):
        answer = transport.get(path, place.params, operation=Operation.LIST_RUNS)
        page = decoded(answer, _runs_decoder, "the list of runs")
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


class _ListedRun(msgspec.Struct):
    id: VendorId
    job_definition_id: VendorId | None = None
    environment_id: VendorId | None = None
    finished_at: str | None = None


_runs_decoder = msgspec.json.Decoder(Page[_ListedRun])


@dataclass(frozen=True, slots=True)
class _Place:
    """How far the list of runs has been read: backwards from `until`, then `offset` runs.

    The next page is requested by time, which new runs do not change. By offset only if more runs
    than a page ended at one time, or if dbt Cloud ignores the times (`obeyed` is False).
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

    def after(self, page: Page[_ListedRun], runs: list[FinishedRun]) -> "_Place | None":
        """Where the next page begins; None after the last one."""
        if page.ends_at(self.offset) or any(run.finished_at < self.since for run in runs):
            return None
        obeyed = self.obeyed and len(runs) == len(page.data) and runs[0].finished_at <= self.until
        if obeyed and runs[-1].finished_at < self.until - ROUNDING:
            return replace(self, until=runs[-1].finished_at + ROUNDING, offset=0)
        return replace(self, offset=self.offset + len(page.data), obeyed=obeyed)


def _newest_first(rows: list[_ListedRun]) -> list[FinishedRun]:
    """The runs of a page that have ended. Raises BadArtifact if they are not newest first."""
    runs = [_as_finished_run(row, row.finished_at) for row in rows if row.finished_at]
    if any(run.finished_at < after.finished_at for run, after in pairwise(runs)):
        raise BadArtifact("dbt Cloud lists runs in another order than requested")
    return runs


def _as_finished_run(row: _ListedRun, finished_at: str) -> FinishedRun:
    at = read_time(finished_at)
    if at is None:
        text = short_message(finished_at)
        raise BadArtifact(f"dbt run {row.id} in dbt Cloud's list: invalid finished_at: {text}")
    return FinishedRun(
        dbt_run_id=row.id,
        dbt_job_id=row.job_definition_id,
        environment_id=row.environment_id,
        finished_at=at,
    )
