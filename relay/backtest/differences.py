"""Where Census's own sync runs differ from what relay would have done. No I/O here."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from relay.backtest.lags import Lag
from relay.backtest.real_runs import Fault, Finding, JudgedRun
from relay.notation import write_duration

SHORTEST = 60.0  # seconds: a smaller difference of two lags is none
MOST_NAMED = 3  # models in one reason


class Kind(StrEnum):
    """A fault of a sync run, or a rebuild that relay ships sooner, later, or that was not shipped.

    `not_shipped`: Census ran no sync run after it in the window, and relay would have.
    """

    BEFORE_REBUILD = "before_rebuild"
    MODEL_FAILED = "model_failed"
    TEST_FAILED = "test_failed"
    UNCHANGED = "unchanged"
    SOONER = "sooner"
    LATER = "later"
    NOT_SHIPPED = "not_shipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One difference; ids are None where no such run is concerned.

    `at` is when the sync run began, or the models were rebuilt; `seconds` by how much data would
    have been in the tool sooner or later.
    """

    at: datetime
    workspace: str
    sync_id: int
    kind: Kind
    dbt_run_id: int | None
    sync_run_id: int | None
    seconds: float | None
    reason: str


def differences_of(
    workspace: str, sync_id: int, real: Sequence[JudgedRun], lags: Sequence[Lag]
) -> Iterator[Difference]:
    """The differences of one sync: its faulty runs, then its rebuilds."""
    for run in real:
        for finding in run.findings:
            yield Difference(
                at=run.began_at,
                workspace=workspace,
                sync_id=sync_id,
                kind=Kind(finding.fault),
                dbt_run_id=finding.dbt_run_id,
                sync_run_id=run.sync_run_id,
                seconds=None,
                reason=_fault(finding),
            )
    for lag in lags:
        kind = _kind(lag)
        if kind is not None:
            yield Difference(
                at=lag.rebuilt_at,
                workspace=workspace,
                sync_id=sync_id,
                kind=kind,
                dbt_run_id=lag.dbt_run_id,
                sync_run_id=lag.sync_run_id,
                seconds=lag.sooner_seconds,
                reason=_lag(lag),
            )


def _kind(lag: Lag) -> Kind | None:
    if lag.sooner_seconds is None:
        is_missing = lag.real_seconds is None and lag.modelled_seconds is not None
        return Kind.NOT_SHIPPED if is_missing else None
    if abs(lag.sooner_seconds) < SHORTEST:
        return None
    return Kind.SOONER if lag.sooner_seconds > 0 else Kind.LATER


def _fault(finding: Finding) -> str:
    match finding.fault:
        case Fault.BEFORE_REBUILD:
            return "it began while the dbt run had yet to rebuild its models"
        case Fault.MODEL_FAILED:
            return f"its models had failed: {_named(finding.models)}"
        case Fault.TEST_FAILED:
            return f"a test of its models had failed: {_named(finding.models)}"
        case Fault.UNCHANGED:
            previous = finding.previous_sync_run_id
            return f"none of its models was rebuilt since sync run {previous} began"


def _lag(lag: Lag) -> str:
    relay = _duration(lag.modelled_seconds)
    if lag.real_seconds is None:
        return f"Census ran none after the rebuild; with relay in the tool {relay} after it"
    return f"in the tool {_duration(lag.real_seconds)} after the rebuild; with relay {relay}"


def _duration(seconds: float | None) -> str:
    """`2h`, `75m`, `30s`: to the minute from two minutes on; `never` for None."""
    if seconds is None:
        return "never"
    rounded = round(seconds) if seconds < 2 * 60 else round(seconds / 60) * 60
    return write_duration(rounded)


def _named(models: Sequence[str]) -> str:
    more = len(models) - MOST_NAMED
    return ", ".join(models[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
