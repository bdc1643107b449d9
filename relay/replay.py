"""`relay replay`: have dbt runs examined and decided again, or show what that would come to."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from relay.clock import utc_now
from relay.database import Server, asking
from relay.decision.mapping import told_id
from relay.errors import BadSettings, NothingToReplay, Problem
from relay.explain import Planned, describe_plan, plan_run
from relay.services import dbt_cloud_of
from relay.settings import Settings
from relay.store import (
    Redo,
    Replayed,
    Told,
    Triggered,
    is_recorded,
    left_alone,
    replay,
    run_of_delivery,
    runs_recorded,
)

_WORDS = {
    Replayed.DUE: "a worker will examine it",
    Replayed.UNDER_WAY: "it is being examined already",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReplayed:
    """What became of asking for a run; `left_alone` are syncs that were triggered for it."""

    dbt_run_id: int
    replay: Replayed
    left_alone: tuple[Triggered, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Previewed:
    """What a replay of a run would come to, if it were decided now."""

    planned: Planned
    left_alone: tuple[Triggered, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which runs a person means: one, that of a delivery, or all told of so many seconds ago."""

    dbt_run_id: int | None
    delivery_id: uuid.UUID | None
    since: int | None
    until: int = 0


def runs_asked_for(server: Server, settings: Settings, asked: Asked) -> tuple[int, ...]:
    """Their ids, the first told of first. Raises NothingToReplay, DatabaseUnavailable."""
    if asked.dbt_run_id is not None:
        return (asked.dbt_run_id,)
    with asking(server) as connection:
        if asked.delivery_id is not None:
            return (_run_of(run_of_delivery(connection, asked.delivery_id), asked.delivery_id),)
        now = utc_now()
        since = now - timedelta(seconds=asked.since or 0)
        until = now - timedelta(seconds=asked.until)
        return runs_recorded(connection, _account(settings), since=since, until=until)


def _run_of(told: Told | None, delivery_id: uuid.UUID) -> int:
    if told is None:
        raise NothingToReplay(f"there is no delivery {delivery_id}: `relay status` lists them")
    if told.dbt_run_id is None:
        raise NothingToReplay(f"delivery {delivery_id} was ignored: {told.ignored_because}")
    return told.dbt_run_id


def replay_run(server: Server, settings: Settings, dbt_run_id: int, redo: Redo) -> RunReplayed:
    """Put a run into the workers' queue.

    Raises BadSettings, DatabaseUnavailable; VendorError for a run that neither relay nor dbt Cloud
    knows.
    """
    account = _account(settings)
    with asking(server) as connection:
        if not is_recorded(connection, account, dbt_run_id):
            dbt_cloud_of(settings).get_run(dbt_run_id)
        alone = left_alone(connection, account, dbt_run_id, redo)
        came_to = replay(connection, account, dbt_run_id, redo)
    return RunReplayed(dbt_run_id=dbt_run_id, replay=came_to, left_alone=alone)


def preview(server: Server, settings: Settings, dbt_run_id: int, redo: Redo) -> Previewed:
    """What a replay would come to; nothing is done. Raises as `plan_run` does."""
    with asking(server) as connection:
        alone = left_alone(connection, _account(settings), dbt_run_id, redo)
    return Previewed(planned=plan_run(server, settings, dbt_run_id), left_alone=alone)


def describe(result: RunReplayed | Previewed) -> str:
    """What becomes of the run, and a line for each sync that is left alone."""
    match result:
        case RunReplayed():
            first = f"dbt run {result.dbt_run_id}: {_WORDS[result.replay]}"
        case Previewed():
            alone = {(each.workspace, each.sync_id) for each in result.left_alone}
            first = describe_plan(result.planned.without(alone))
    return "\n".join((first, *_alone(result.left_alone)))


def _alone(triggered: Sequence[Triggered]) -> Iterator[str]:
    for each in triggered:
        run = f"sync run {each.sync_run_id}" if each.sync_run_id else "its sync run is yet to start"
        sync = told_id(each.workspace, each.sync_id)
        yield f"  sync {sync} was triggered for it already ({run}): only --again does so once more"


def _account(settings: Settings) -> int:
    if settings.dbt_account_id is None:
        raise BadSettings((Problem("DBT_CLOUD_ACCOUNT_ID", "is not set"),))
    return settings.dbt_account_id
