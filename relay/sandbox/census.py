"""A simulator of the parts of the Census API that start syncs and report their runs.

https://developers.getcensus.com/api-reference/sync-runs/fetch-sync-run and related pages, now
https://fivetran.com/docs/activations; before that docs.getcensus.com, "Sync Runs" (April 2023) and
"API" (October 2021). A response here has both the old and the new names, as the newest page does.
"""

from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

from flask import abort, request
from werkzeug.wrappers import Response

from relay.clock import Clock, utc_now
from relay.sandbox.census_answers import sync_run_json, time_text
from relay.sandbox.census_management import ManagementRoutes
from relay.sandbox.census_objects import CensusObjects
from relay.sandbox.census_runs import RECORDS, End, SandboxSync, SandboxSyncRun
from relay.sandbox.census_sync_answers import sync_json
from relay.sandbox.census_wire import API, CensusWire
from relay.sandbox.wire import as_json

_FIRST_SYNC_RUN_ID = 90001


class Refused(Exception):
    """Census refuses to start this sync, with this message."""


class SandboxCensus(CensusWire):
    """One workspace of Census, its syncs and their runs.

    A run is queued for a second, or a quarter of `runs_take` if that is less, and completes
    `runs_take` after its start. With None it runs until `finish` is called.
    """

    def __init__(
        self, api_key: str, *, runs_take: timedelta | None = None, clock: Clock = utc_now
    ) -> None:
        super().__init__(api_key, clock=clock)
        self.objects = CensusObjects()
        self._runs_take = runs_take
        self._syncs: dict[int, SandboxSync] = {}
        self._sync_runs: dict[int, SandboxSyncRun] = {}
        self._of_sync: dict[int, list[int]] = {}
        self._last_active: dict[int, int] = {}  # by sync id: the last run that was not skipped
        self._ids = count(_FIRST_SYNC_RUN_ID)
        self._add_routes()

    def add_sync(self, sync: SandboxSync) -> None:
        """Add a sync, or replace the one with the same id."""
        with self._lock:
            self._keep(sync)

    def create_sync(self, sync: SandboxSync) -> SandboxSync:
        """Let there be this sync under the next id, made now, as POST /syncs does."""
        with self._lock:
            sync_id = max(self._syncs, default=0) + 1
            made_at = time_text(self.now())
            made = replace(sync, sync_id=sync_id, created_at=made_at, updated_at=made_at)
            self._keep(made)
            return made

    def _keep(self, sync: SandboxSync) -> None:
        self._syncs[sync.sync_id] = sync
        self.objects.add(sync.reads)
        self.objects.add_destination(sync.destination, sync.destination_object)

    def change_sync(self, sync_id: int, **fields: Any) -> SandboxSync:
        """Change a sync, for example whether it is paused. Raises LookupError."""
        with self._lock:
            changed = replace(
                self._syncs[sync_id], **{"updated_at": time_text(self.now())} | fields
            )
            self._keep(changed)
            return changed

    @property
    def syncs(self) -> list[SandboxSync]:
        """All syncs, by id."""
        with self._lock:
            return [sync for _, sync in sorted(self._syncs.items())]

    def trigger(self, sync_id: int, *, full_sync: bool = False) -> SandboxSyncRun:
        """Start a run, as by POST trigger, a schedule, or a user.

        While an earlier run of the sync is running, the new one is skipped at once.
        Raises LookupError, Refused.
        """
        with self._lock:
            sync = self._syncs[sync_id]
            if sync.refusal is not None:
                raise Refused(sync.refusal)
            now = self.now()
            busy = self._is_running(sync_id)
            run = SandboxSyncRun(
                sync_run_id=next(self._ids),
                sync_id=sync_id,
                created_at=now,
                full_sync=full_sync,
                end=End("skipped", now) if busy else None,
            )
            self._sync_runs[run.sync_run_id] = run
            self._of_sync.setdefault(sync_id, []).append(run.sync_run_id)
            if not busy:
                self._last_active[sync_id] = run.sync_run_id
            return run

    def _is_running(self, sync_id: int) -> bool:
        last = self._last_active.get(sync_id)
        return last is not None and self.sync_run(last).end is None

    def finish(
        self,
        sync_run_id: int,
        *,
        status: str = "completed",
        canceled: bool = False,
        records_processed: int = RECORDS,
        records_failed: int = 0,
        records_invalid: int = 0,
        error_code: str | None = None,
        error_message: str | None = None,
    ) -> None:
        """End a running run. Counts are of records.

        A cancelled run has `canceled` and a status, possibly `completed`. Raises LookupError for
        an unknown run, ValueError for one that has ended.
        """
        with self._lock:
            run = self.sync_run(sync_run_id)
            if run.end is not None:
                raise ValueError(f"sync run {sync_run_id} has ended: {run.end.status}")
            end = End(
                status,
                self.now(),
                canceled=canceled,
                records_processed=records_processed,
                records_failed=records_failed,
                records_invalid=records_invalid,
                error_code=error_code,
                error_message=error_message,
            )
            self._sync_runs[sync_run_id] = replace(run, end=end)

    def set_status(self, sync_run_id: int, status: str) -> None:
        """Set the status of a running run, possibly to one unknown to Census."""
        with self._lock:
            self._sync_runs[sync_run_id] = replace(self.sync_run(sync_run_id), forced_status=status)

    def sync_run(self, sync_run_id: int) -> SandboxSyncRun:
        """The current state of a run. Raises LookupError."""
        with self._lock:
            run = self._sync_runs[sync_run_id].at_time(self.now(), takes=self._runs_take)
            self._sync_runs[sync_run_id] = run
            return run

    def sync_runs_of(self, sync_id: int) -> list[SandboxSyncRun]:
        """The current state of a sync's runs, oldest first."""
        with self._lock:
            return [self.sync_run(sync_run_id) for sync_run_id in self._of_sync.get(sync_id, ())]

    @property
    def sync_runs(self) -> list[SandboxSyncRun]:
        """The current state of all runs, oldest first."""
        with self._lock:
            return [self.sync_run(sync_run_id) for sync_run_id in list(self._sync_runs)]

    def status(self, run: SandboxSyncRun) -> str:
        """A run's status, as Census names it."""
        return run.status_at(self.now(), takes=self._runs_take)

    def _add_routes(self) -> None:
        add = self._app.add_url_rule
        add(f"{API}/syncs", view_func=self._list_syncs)
        add(f"{API}/syncs/<int:sync_id>", view_func=self._get_sync)
        add(f"{API}/syncs/<int:sync_id>/trigger", view_func=self._trigger, methods=["POST"])
        add(f"{API}/syncs/<int:sync_id>/sync_runs", view_func=self._list_sync_runs)
        add(f"{API}/sync_runs/<int:sync_run_id>", view_func=self._get_sync_run)
        cancel = f"{API}/sync_runs/<int:sync_run_id>/cancel"
        add(cancel, view_func=self._cancel, methods=["POST"])
        ManagementRoutes(self, self.objects, self.create_sync).add_to(self._app)

    def _trigger(self, version: str, sync_id: int) -> Response:
        try:
            run = self.trigger(sync_id, full_sync=_full_sync_is_forced())
        except LookupError:
            abort(404)
        except Refused as exc:
            # "status: success or error indicating whether the sync was triggered. message:
            # Present if error." The HTTP status is not documented.
            return as_json({"status": "error", "message": str(exc)})
        return self.success({"sync_run_id": run.sync_run_id})

    def _get_sync_run(self, version: str, sync_run_id: int) -> Response:
        try:
            run = self.sync_run(sync_run_id)
        except LookupError:
            abort(404)
        return self.success(self._run_json(run))

    def _cancel(self, version: str, sync_run_id: int) -> Response:
        """As in the OpenAPI file; for a run that has ended it is not documented: the same."""
        with self._lock:
            try:
                run = self.sync_run(sync_run_id)
            except LookupError:
                abort(404)
            if run.end is None:
                self.finish(sync_run_id, canceled=True)
        return as_json({"status": "cancelled", "data": {}})

    def _list_sync_runs(self, version: str, sync_id: int) -> Response:
        self._must_exist(sync_id)
        # Only the runs of the page are looked at: a sync can have thousands.
        sync_run_ids = list(self._of_sync.get(sync_id, ()))
        return self.page(sync_run_ids, lambda each: self._run_json(self.sync_run(each)))

    def _list_syncs(self, version: str) -> Response:
        return self.page(self.syncs, lambda sync: self._sync_json(sync, version))

    def _get_sync(self, version: str, sync_id: int) -> Response:
        self._must_exist(sync_id)
        return self.success(self._sync_json(self._syncs[sync_id], version))

    def _must_exist(self, sync_id: int) -> None:
        if sync_id not in self._syncs:
            abort(404)

    def _run_json(self, run: SandboxSyncRun) -> dict[str, Any]:
        return sync_run_json(run, status=self.status(run), now=self.now())

    def _sync_json(self, sync: SandboxSync, version: str) -> dict[str, Any]:
        newest_first = map(self.sync_run, reversed(self._of_sync.get(sync.sync_id, [])))
        last_status = next((run.end.status for run in newest_first if run.end), None)
        return sync_json(sync, version=version, last_status=last_status)


def _full_sync_is_forced() -> bool:
    """In the query, as documented, or in a JSON body: dagster-census, dagster_census/resources.py.

    dagster-census calls its body `application/json;version=2`, paradime-io application/json. Rails
    responds with 400 to invalid JSON, and reads a form like the query.
    """
    if request.values.get("force_full_sync") == "true":  # before the body is taken for JSON
        return True
    if request.is_json and request.get_data():
        request.get_json()  # aborts with 400
    body = request.get_json(force=True, silent=True)
    return isinstance(body, dict) and body.get("force_full_sync") is True
