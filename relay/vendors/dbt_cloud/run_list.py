"""The list of an account's finished runs: every page of it, although it moves while it is read."""

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
from relay.vendors.transport import Transport

ROUNDING = timedelta(seconds=1)  # how much a time in an answer may be off the one dbt Cloud keeps


def list_finished_runs(
    transport: Transport, path: str, *, since: datetime, until: datetime
) -> tuple[FinishedRun, ...]:
    """The account's runs that ended from `since` to `until`, failed and cancelled ones too.

    Both times have a zone. Oldest first, each run once, and all of them or an error: a run that
    ends while the list is read moves no other out of it. A run may come into the list a while
    after its end, so let the times asked for overlap. "List Runs" of
    https://docs.getdbt.com/dbt-cloud/api-v2 has the parameters.

    Raises Unavailable, BadArtifact, and Rejected, also for a list of over MOST_PAGES pages.
    """
    found: dict[int, FinishedRun] = {}
    for runs in _pages_of_runs(transport, path, _Place(since, until)):
        found |= {run.dbt_run_id: run for run in runs if since <= run.finished_at <= until}
    return tuple(sorted(found.values(), key=lambda run: (run.finished_at, run.dbt_run_id)))


def _pages_of_runs(
    transport: Transport, path: str, beginning: "_Place"
) -> Iterator[list[FinishedRun]]:
    """Newest first, where nothing is missed although some runs may come twice."""
    place = beginning
    for _ in range(MOST_PAGES):
        answer = transport.ask(path, place.params)
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

    def after(self, page: Page[_ListedRun], runs: list[FinishedRun]) -> "_Place | None":
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
        at_no_time = short_message(finished_at)
        raise BadArtifact(f"dbt run {row.id} of dbt Cloud's list ended at no time: {at_no_time}")
    return FinishedRun(
        dbt_run_id=row.id,
        dbt_job_id=row.job_definition_id,
        environment_id=row.environment_id,
        finished_at=at,
    )
