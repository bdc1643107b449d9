"""Replays of dbt runs that relay has recorded; no vendor is asked."""

from collections.abc import Sequence

from relay.store import ActionResult, Part, Redo, Replayed, Store
from relay.store.replay import LeftAlone
from relay.workspaces import display_id

MOST_RUNS = 500  # of one action of a person
DUE = "a worker evaluates it"
UNDER_WAY = "it is being evaluated already"
UNKNOWN = "relay has not recorded it, or does not keep it any more"


def replay_recorded(
    store: Store, dbt_account_id: int, dbt_run_ids: Sequence[int], redo: Redo
) -> ActionResult:
    """Put these runs into the workers' queue, and say what is left alone."""
    asked = sorted(set(dbt_run_ids))  # in one order, so that two replays do not block each other
    alone = store.replays.left_alone_of_each(dbt_account_id, asked, redo)
    known = store.replays.recorded(dbt_account_id, asked)
    done, left_alone = [], []
    for dbt_run_id in asked:
        if dbt_run_id not in known:
            left_alone.append(Part(dbt_run_id=dbt_run_id, says=UNKNOWN))
        elif store.replays.replay(dbt_account_id, dbt_run_id, redo) is Replayed.RUNNING:
            left_alone.append(Part(dbt_run_id=dbt_run_id, says=UNDER_WAY))
        else:
            done.append(Part(dbt_run_id=dbt_run_id, says=describe_due(alone.get(dbt_run_id))))
    return ActionResult(done=tuple(done), left_alone=tuple(left_alone))


def describe_due(alone: LeftAlone | None) -> str:
    """What happens to a run that is replayed."""
    return DUE if alone is None else f"{DUE}; {describe_left_alone(alone)}"


def describe_left_alone(alone: LeftAlone) -> str:
    """The syncs that stay as they are: `2 syncs are triggered for it already: 5123, emea/7`."""
    shown = ", ".join(str(display_id(*sync)) for sync in alone.first)
    more = alone.syncs - len(alone.first)
    named = f"{shown} and {more} more" if more > 0 else shown
    syncs = "1 sync is" if alone.syncs == 1 else f"{alone.syncs} syncs are"
    return f"{syncs} triggered for it already: {named}"
