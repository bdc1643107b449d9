"""`relay replay`: queue dbt runs for evaluation again, or preview the decisions."""

import uuid
from dataclasses import dataclass
from datetime import timedelta

from relay.clock import utc_now
from relay.errors import NothingToReplay
from relay.operations.plan import Planned, plan_run
from relay.operations.recorded import by_command
from relay.operations.replay_recorded import UNDER_WAY, describe_due
from relay.postgres.connections import single_connection, single_transaction
from relay.postgres.server import Server
from relay.settings import AccountSettings, DbtCloudSettings
from relay.store import (
    ActionKind,
    ActionResult,
    DeliveredRun,
    Part,
    Redo,
    Replayed,
    Store,
    Triggered,
)
from relay.store.replay import MOST_NAMED, LeftAlone
from relay.vendors.connect import dbt_cloud_of


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReplayed:
    """The result of a replay; `left_alone` are syncs that were triggered for the run already."""

    dbt_run_id: int
    replay: Replayed
    left_alone: tuple[Triggered, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Previewed:
    """What a replay of a run would decide now."""

    planned: Planned
    left_alone: tuple[Triggered, ...]


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """The runs to replay: one, that of a delivery, or those reported `since` seconds ago."""

    dbt_run_id: int | None
    delivery_id: uuid.UUID | None
    since: int | None
    until: int = 0


def runs_to_replay(
    server: Server, settings: AccountSettings, asked: ReplayRequest
) -> tuple[int, ...]:
    """The ids, oldest report first. Raises NothingToReplay, DatabaseUnavailable."""
    if asked.dbt_run_id is not None:
        return (asked.dbt_run_id,)
    with single_connection(server) as connections:
        store = Store(connections)
        if asked.delivery_id is not None:
            return (_run_of(store.deliveries.find_run(asked.delivery_id), asked.delivery_id),)
        now = utc_now()
        since = now - timedelta(seconds=asked.since or 0)
        until = now - timedelta(seconds=asked.until)
        return store.replays.recorded_between(settings.dbt_account_id, since=since, until=until)


def _run_of(delivered: DeliveredRun | None, delivery_id: uuid.UUID) -> int:
    if delivered is None:
        raise NothingToReplay(f"there is no delivery {delivery_id}: `relay status` lists them")
    if delivered.dbt_run_id is None:
        raise NothingToReplay(f"delivery {delivery_id} was ignored: {delivered.ignored_because}")
    return delivered.dbt_run_id


def replay_run(
    server: Server, settings: AccountSettings, dbt_run_id: int, redo: Redo, *, by: str
) -> RunReplayed:
    """Put a run into the workers' queue.

    Raises DatabaseUnavailable. A run that relay does not know is looked up in dbt Cloud: this also
    raises BadSettings, and VendorError if dbt Cloud does not know it either.
    """
    account = settings.dbt_account_id
    with single_connection(server) as connections:
        if Store(connections).dbt_runs.get(account, dbt_run_id) is None:
            dbt_cloud_of(settings.extended_to(DbtCloudSettings)).get_run(dbt_run_id)
    with single_transaction(server) as connections:
        store = Store(connections)
        alone = store.replays.left_alone(account, dbt_run_id, redo)
        replayed = store.replays.replay(account, dbt_run_id, redo)
        action = by_command(ActionKind.REPLAY, f"dbt run {dbt_run_id}", by=by, now=utc_now())
        store.actions.record(action, _result(dbt_run_id, replayed, alone))
    return RunReplayed(dbt_run_id=dbt_run_id, replay=replayed, left_alone=alone)


def _result(dbt_run_id: int, replayed: Replayed, alone: tuple[Triggered, ...]) -> ActionResult:
    if replayed is Replayed.RUNNING:
        return ActionResult(left_alone=(Part(dbt_run_id=dbt_run_id, says=UNDER_WAY),))
    first = tuple((sync.workspace, sync.sync_id) for sync in alone[:MOST_NAMED])
    says = describe_due(LeftAlone(len(alone), first) if alone else None)
    return ActionResult(done=(Part(dbt_run_id=dbt_run_id, says=says),))


def preview(server: Server, settings: AccountSettings, dbt_run_id: int, redo: Redo) -> Previewed:
    """What a replay would decide; nothing is changed. Raises as `plan_run` does."""
    with single_connection(server) as connections:
        alone = Store(connections).replays.left_alone(settings.dbt_account_id, dbt_run_id, redo)
    planned = plan_run(server, settings.extended_to(DbtCloudSettings), dbt_run_id)
    return Previewed(planned=planned, left_alone=alone)
