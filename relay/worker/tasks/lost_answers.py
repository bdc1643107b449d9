"""Finding the sync run that a POST without a response has started."""

from datetime import timedelta

from relay.errors import BadArtifact
from relay.store import ClaimedAttempt
from relay.sync_runs import SyncRun
from relay.worker.services import Services

CLOCK_SLACK = timedelta(seconds=2)  # Census's Date header counts in whole seconds


def run_started_by(services: Services, claimed: ClaimedAttempt) -> SyncRun | None:
    """The run that the attempt's POST started without a response; None if it started none.

    It is the first unknown run since then. If someone else started that run, it reads the rebuilt
    models just as well. Times are compared on Census's clock.

    Raises BadArtifact if it may be a run without a time.
    """
    attempt = claimed.attempt
    runs, vendor_now = services.census_clients.of(attempt.workspace).list_sync_runs(attempt.sync_id)
    known = claimed.known_sync_run_ids()
    skew = vendor_now - services.clock() if vendor_now else timedelta()
    begun_at = attempt.begun_at + skew - CLOCK_SLACK
    unknown = [run for run in runs if run.sync_run_id not in known]
    since = [run for run in unknown if run.created_at and run.created_at >= begun_at]
    undated = [run.sync_run_id for run in unknown if run.created_at is None]
    if undated and not since:
        raise BadArtifact(f"Census does not report when sync run {min(undated)} began")
    return min(since, key=lambda run: run.sync_run_id, default=None)
