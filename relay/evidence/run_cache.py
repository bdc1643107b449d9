"""What finished dbt runs did, on disk: a second look at the same runs asks dbt Cloud nothing."""

import contextlib
import hashlib
import os
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import msgspec

from relay.dbt.artifacts import (
    AdapterResponse,
    Args,
    Batches,
    Metadata,
    Result,
    RunResults,
    Timing,
)
from relay.dbt.invocations import Invocation
from relay.dbt.manifest import Lineage
from relay.dbt.outcome import outcome_of
from relay.dbt.runs import DbtRun, FinishedRun, Step
from relay.errors import CannotWrite
from relay.evidence.atomic_file import write_atomically
from relay.evidence.collect import LONGEST_WAIT, Evidence
from relay.evidence.lineage_cache import LineageCache, ProjectState

SUFFIX = ".run"
KEPT_FOR = timedelta(days=30)  # without being read
LINEAGES_MAX_BYTES = 64 * 2**20  # of one day

# Raise it when the same answer of dbt Cloud is read as another value.
_READING = 1
_FORMS = (RunResults, Result, Metadata, Args, AdapterResponse, Timing, Batches)
_SHAPE = tuple(
    (form.__name__, *(one.name for one in fields(form))) for form in (DbtRun, Step)
) + tuple((form.__name__, *form.__struct_fields__) for form in _FORMS)

Written = TypeVar("Written")


class _KeptInvocation(msgspec.Struct):
    dbt_run_id: int  # the run's, or that of a run that it retries
    step: Step
    run_results: RunResults | None


class _Kept(msgspec.Struct):
    run: DbtRun
    invocations: list[_KeptInvocation]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Kept)


class RunCache:
    """A folder of finished runs of one account, created if absent, for its user only.

    A file's name is made of the account's address and id, the run and its end, and the form in
    which relay keeps what it reads: if one of these differs, the run is read again. So is one whose
    file is damaged.
    """

    def __init__(self, folder: Path, *, url: str, dbt_account_id: int) -> None:
        """Raises CannotWrite if the folder cannot be used."""
        self._folder = folder
        self._account = (url, dbt_account_id)
        _require_writable(folder)

    def get(self, listed: FinishedRun) -> Evidence | None:
        """What a run did; None if it is not kept, or cannot be read."""
        file = self._file(listed)
        try:
            kept = _decoder.decode(zlib.decompress(file.read_bytes()))
            if kept.run.dbt_run_id != listed.dbt_run_id:
                return None
            evidence = _as_evidence(kept)
            os.utime(file)
        except (OSError, zlib.error, msgspec.DecodeError, LookupError):
            return None
        return evidence

    def put(self, listed: FinishedRun, evidence: Evidence, *, now: datetime) -> None:
        """Keep what a run did, unless one of its files may still become available.

        Raises CannotWrite.
        """
        if not evidence.run.has_ended or now - listed.finished_at < LONGEST_WAIT:
            return
        content = zlib.compress(_encoder.encode(_as_kept(evidence)), level=1)
        _or_cannot_write(self._folder, lambda: write_atomically(self._file(listed), content))

    def forget_old(self, now: datetime) -> None:
        """Delete the runs that were not read for KEPT_FOR."""
        for file in self._folder.glob(f"*{SUFFIX}"):
            with contextlib.suppress(OSError):
                if file.stat().st_mtime < (now - KEPT_FOR).timestamp():
                    file.unlink()

    def _file(self, listed: FinishedRun) -> Path:
        key = (_READING, _SHAPE, self._account, listed.dbt_run_id, listed.finished_at)
        return self._folder / f"{hashlib.sha256(msgspec.json.encode(key)).hexdigest()}{SUFFIX}"


class LineagesByDay:
    """Lineages of the days of past runs, each in a folder of its own.

    The service keeps a lineage for a day; of past runs each day has to have its own.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._current: tuple[str, LineageCache] | None = None

    def get(self, state: ProjectState, *, now: datetime) -> Lineage | None:
        """The lineage of this state on the day of `now`; None if it is not kept."""
        return self._of(now).get(state, now=now)

    def put(self, state: ProjectState, lineage: Lineage, *, now: datetime) -> None:
        """Keep a lineage for the day of `now`."""
        self._of(now).put(state, lineage, now=now)

    def _of(self, now: datetime) -> LineageCache:
        day = now.date().isoformat()
        if self._current is None or self._current[0] != day:
            cache = LineageCache(self._folder / day, most_bytes=LINEAGES_MAX_BYTES)
            self._current = day, cache
        return self._current[1]


def _as_kept(evidence: Evidence) -> _Kept:
    return _Kept(
        evidence.run,
        [
            _KeptInvocation(one.run.dbt_run_id, one.step, one.run_results)
            for one in evidence.invocations
        ],
    )


def _as_evidence(kept: _Kept) -> Evidence:
    """Raises LookupError for an invocation of another run."""
    runs = {run.dbt_run_id: run for run in (kept.run, *kept.run.retried_runs)}
    invocations = tuple(
        Invocation(runs[one.dbt_run_id], one.step, one.run_results) for one in kept.invocations
    )
    return Evidence(kept.run, invocations, outcome_of(invocations))


def _require_writable(folder: Path) -> None:
    def make() -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass

    _or_cannot_write(folder, make)


def _or_cannot_write(folder: Path, write: Callable[[], None]) -> None:
    try:
        write()
    except OSError as exc:
        raise CannotWrite(
            f"{folder} cannot be written: {exc.strerror}; name another folder by --cache"
        ) from exc
