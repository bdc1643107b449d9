"""Asks both vendors for a past time, and replays it. It sends nothing and needs no database."""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path

from relay.backtest.real_runs import SHIPPING
from relay.backtest.replay import RealRuns, Replay
from relay.backtest.report import Report, report_of
from relay.dbt.runs import FinishedRun
from relay.decision.mapping import Sync, SyncMapping
from relay.errors import BadArtifact, VendorError
from relay.evidence.collect import LONGEST_WAIT, Collector, Evidence
from relay.evidence.run_cache import LineagesByDay, RunCache
from relay.operations.evaluate import findings_in
from relay.settings import WorkerSettings
from relay.sync_runs import SyncRun
from relay.vendors.census import CensusManagement
from relay.vendors.connect import CensusClients, dbt_cloud_of
from relay.vendors.patience import Patience, PatientDbtCloud
from relay.workspaces import SyncKey, display_id

# dbt Cloud allows an account 5,000 requests a minute, which a running relay needs some of.
DBT_CLOUD_CALLS_A_MINUTE = 4000
CENSUS_SYNCS_A_MINUTE = 600
CENSUS_READERS = 4  # syncs whose runs are read at once
READERS = 8  # dbt runs that are read at once
AHEAD = 32  # dbt runs that are read before their turn to be decided
MOST_EARLIER = 25  # sync runs before the window, until one of them completed

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class BacktestRequest:
    """What a person asks for: so many seconds until now, of these jobs or, with none, of all.

    `cache` is the folder of what was read.
    """

    seconds: int
    dbt_job_ids: Collection[int]
    cache: Path


def backtest(
    settings: WorkerSettings,
    mapping: SyncMapping,
    asked: BacktestRequest,
    *,
    now: datetime,
    tell: Tell,
) -> Report:
    """Replay the dbt runs that ended in this time, beside the sync runs that Census ran.

    `tell` is given a line of progress, again and again. A run or sync that cannot be read is in the
    report. Raises VendorError and BadArtifact if the runs cannot be listed, CannotWrite.
    """
    since = now - timedelta(seconds=asked.seconds)
    account = _Account(settings, asked.cache, now)
    real = read_real_runs(CensusClients(settings, lambda: mapping.workspaces), mapping, since, tell)
    replay = Replay(mapping, real, since=since)
    tell("Listing the dbt runs")
    listed = account.finished_runs(since, asked.dbt_job_ids)
    from_cache = 0
    for number, (run, read) in enumerate(account.read(listed)):
        tell(f"Read {number:,} of {len(listed):,} dbt runs")
        from_cache += read.is_from_cache
        if read.evidence is None:
            replay.add_unread(run, read.problem)
            continue
        evidence, at = read.evidence, run.finished_at
        with findings_in(account.collector, evidence, mapping, now=at) as findings:
            replay.add(findings, run)
    tell("Comparing")
    return report_of(replay, listed=len(listed), from_cache=from_cache, until=now)


def read_real_runs(
    censuses: CensusClients, mapping: SyncMapping, since: datetime, tell: Tell
) -> dict[SyncKey, RealRuns]:
    """Census's runs of each mapped sync; a few syncs are read at once."""
    patience = Patience(most_a_minute=CENSUS_SYNCS_A_MINUTE)
    read = partial(_real_runs, patience, since)
    found: dict[SyncKey, RealRuns] = {}
    clients = (_client_of(censuses, sync) for sync in mapping.syncs)
    with _stopping(patience, CENSUS_READERS) as readers:
        of_each = readers.map(read, mapping.syncs, clients)
        for sync, runs in zip(mapping.syncs, of_each, strict=True):
            found[sync.key] = runs
            tell(f"Read the sync runs of {len(found):,} of {len(mapping.syncs):,} syncs")
    return found


def _client_of(censuses: CensusClients, sync: Sync) -> CensusManagement | VendorError:
    """The client of a sync's workspace, or why there is none."""
    try:
        return censuses.management_of(sync.workspace)
    except VendorError as exc:
        return exc


def _real_runs(
    patience: Patience, since: datetime, sync: Sync, client: CensusManagement | VendorError
) -> RealRuns:
    try:
        if isinstance(client, VendorError):
            raise client
        return RealRuns(patience.ask(lambda: _since(client, sync.sync_id, since)))
    except (VendorError, BadArtifact) as exc:
        return RealRuns(problem=f"sync {display_id(*sync.key)}: {exc}")


def _since(client: CensusManagement, sync_id: int, since: datetime) -> tuple[SyncRun, ...]:
    """The runs from this time on, and before it those back to the last completed one."""
    runs: list[SyncRun] = []
    earlier = 0
    for run in client.sync_runs(sync_id):
        runs.append(run)
        if run.created_at is None or run.created_at >= since:
            continue
        earlier += 1
        if run.outcome in SHIPPING or earlier == MOST_EARLIER:
            break
    return tuple(sorted(runs, key=lambda run: (run.created_at or since, run.sync_run_id)))


@contextmanager
def _stopping(patience: Patience, threads: int) -> Iterator[ThreadPoolExecutor]:
    """So many threads, which end soon if the command is interrupted."""
    readers = ThreadPoolExecutor(threads)
    try:
        yield readers
    except BaseException:
        patience.stop()
        raise
    finally:
        readers.shutdown(cancel_futures=True)


@dataclass(frozen=True, slots=True)
class _Read:
    """What a run did; without evidence, `problem` says why it could not be read."""

    evidence: Evidence | None = None
    problem: str = ""
    is_from_cache: bool = False


class _Account:
    """The dbt Cloud account, with a cache of what was read from it."""

    def __init__(self, settings: WorkerSettings, cache: Path, now: datetime) -> None:
        self._now = now
        self._cache = RunCache(
            cache, url=settings.dbt_cloud_url, dbt_account_id=settings.dbt_account_id
        )
        self._cache.forget_old(now)
        self._patience = Patience(most_a_minute=DBT_CLOUD_CALLS_A_MINUTE)
        self._dbt_cloud = dbt_cloud_of(replace(settings, data_dir=cache))
        self.collector = Collector(
            PatientDbtCloud(self._dbt_cloud, self._patience),
            LineagesByDay(cache / "lineages"),
            waits_for=LONGEST_WAIT,
        )

    def finished_runs(
        self, since: datetime, dbt_job_ids: Collection[int]
    ) -> tuple[FinishedRun, ...]:
        """The runs of these jobs, or of all, that ended since then, in the order of their end."""
        until = self._now
        runs = self._patience.ask(
            lambda: self._dbt_cloud.list_finished_runs(since=since, until=until)
        )
        return tuple(run for run in runs if not dbt_job_ids or run.dbt_job_id in dbt_job_ids)

    def read(self, runs: Iterable[FinishedRun]) -> Iterator[tuple[FinishedRun, _Read]]:
        """What each run did, in this order; a few are read ahead."""
        left = iter(runs)
        with _stopping(self._patience, READERS) as readers:

            def submit(run: FinishedRun) -> tuple[FinishedRun, Future[_Read]]:
                return run, readers.submit(self._read, run)

            ahead = deque(map(submit, islice(left, AHEAD)))
            while ahead:
                run, future = ahead.popleft()
                ahead.extend(map(submit, islice(left, 1)))
                yield run, future.result()

    def _read(self, listed: FinishedRun) -> _Read:
        kept = self._cache.get(listed)
        if kept is not None:
            return _Read(kept, is_from_cache=True)
        try:
            evidence = self.collector.collect(listed.dbt_run_id, now=self._now)
        except (VendorError, BadArtifact) as exc:
            return _Read(problem=str(exc))
        self._cache.put(listed, evidence, now=self._now)
        return _Read(evidence)
