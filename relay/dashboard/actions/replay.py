"""Replaying dbt runs: one, or all that a filter of the list of runs matches."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from werkzeug.exceptions import BadRequest

from relay.dashboard.actions.action import SEEN, Done, Field, FieldKind, Given, Preview
from relay.dashboard.actions.given import id_given, ids_given
from relay.dashboard.listing import choice_in, id_in, since_in
from relay.dashboard.visit import Visit
from relay.decision.gates import Reason
from relay.notation import printable
from relay.operations.replay_recorded import (
    MOST_RUNS,
    UNDER_WAY,
    UNKNOWN,
    describe_due,
    replay_recorded,
)
from relay.store import ActionKind, Part, Redo
from relay.store.pages.dbt_runs import BECAME, STATUSES
from relay.store.pages.listing import SCANNED
from relay.store.pages.previews import RunFilter, RunToReplay

UNSEEN = "it was evaluated again meanwhile: this would trigger its syncs once more"
RUNS = "runs"  # the field with the ids that are replayed: what came later is not done unseen


def preview(visit: Visit, given: Given) -> Preview:
    """Of `run=ID`, of `runs=ID ID …`, or of the list's filters and `reason`."""
    redo = _redo(given)
    found, notes = _find(visit, given)
    due = [run for run in found if run.became != "recorded"]
    alone = visit.store.replays.left_alone_of_each(
        visit.account_id, [run.dbt_run_id for run in due], redo
    )
    under_way = (run for run in found if run.became == "recorded")
    again = "yes" if redo is Redo.EVERYTHING else ""
    return Preview(
        title=f"Replay {_count(len(due))}" if due else "Replay dbt runs",
        would=tuple(_part(run, describe_due(alone.get(run.dbt_run_id))) for run in due),
        left_alone=tuple(_part(run, UNDER_WAY) for run in under_way),
        notes=tuple(notes),
        fields=(
            Field(name=RUNS, value=" ".join(str(run.dbt_run_id) for run in due)),
            Field(name=SEEN, value=_newest_examination(due)),
            Field(
                name="again",
                value=again,
                kind=FieldKind.TICK,
                label="Again",
                help="Also trigger the syncs that are triggered for a run already.",
            ),
        ),
        button=f"Replay {_count(len(due))}" if due else None,
    )


def perform(visit: Visit, given: Given, nonce: uuid.UUID) -> Done:
    """Replay the runs that the preview has shown."""
    dbt_run_ids = ids_given(given, RUNS, most=MOST_RUNS)
    redo = _redo(given)
    new = frozenset[int]() if redo is Redo.NOTHING else _examined_since(visit, dbt_run_ids, given)
    asked = [dbt_run_id for dbt_run_id in dbt_run_ids if dbt_run_id not in new]
    result = replay_recorded(visit.store, visit.account_id, asked, redo)
    unseen = tuple(Part(dbt_run_id=dbt_run_id, says=UNSEEN) for dbt_run_id in sorted(new))
    result = replace(result, left_alone=(*result.left_alone, *unseen))
    again = " again" if redo is Redo.EVERYTHING else ""
    alone = dbt_run_ids[0] if len(set(dbt_run_ids)) == 1 else None
    subject = f"{len(set(dbt_run_ids))} dbt runs" if alone is None else f"dbt run {alone}"
    return Done(what=ActionKind.REPLAY, subject=f"{subject}{again}", result=result)


def _redo(given: Given) -> Redo:
    return Redo.EVERYTHING if given.get("again") == "yes" else Redo.NOTHING


def _newest_examination(runs: Sequence[RunToReplay]) -> str:
    times = [run.examined_at for run in runs if run.examined_at is not None]
    return max(times).isoformat() if times else ""


def _examined_since(visit: Visit, dbt_run_ids: Sequence[int], given: Given) -> frozenset[int]:
    """Those of the runs that somebody may have replayed since the preview. Raises BadRequest."""
    try:
        seen = datetime.fromisoformat(given.get(SEEN, ""))
    except ValueError:
        raise BadRequest("The form is not complete: open its page again.") from None
    return frozenset(
        run.dbt_run_id
        for run in visit.pages.previews.runs(visit.account_id, dbt_run_ids)
        if run.examined_at is not None and run.examined_at > seen.astimezone(UTC)
    )


def _find(visit: Visit, given: Given) -> tuple[list[RunToReplay], list[str]]:
    """The runs, and what to note of the search."""
    previews, account = visit.pages.previews, visit.account_id
    if given.get("run"):
        dbt_run_id = id_given(given, "run")
        one = previews.runs(account, [dbt_run_id])
        hint = f"`relay replay --run {dbt_run_id}` takes it from dbt Cloud."
        return one, [] if one else [f"dbt run {dbt_run_id}: {UNKNOWN}. {hint}"]
    if given.get(RUNS):
        return previews.runs(account, ids_given(given, RUNS, most=MOST_RUNS)), []
    wanted = _filter(visit, given)
    found = previews.runs_matching(account, wanted, most=MOST_RUNS)
    return found, list(_notes(found))


def _filter(visit: Visit, given: Given) -> RunFilter:
    return RunFilter(
        became=choice_in(given, "became", BECAME),
        dbt_job_id=id_in(given, "job"),
        environment_id=id_in(given, "environment"),
        status=choice_in(given, "status", STATUSES),
        reason=choice_in(given, "reason", [reason.value for reason in Reason]),
        since=since_in(given, visit.now),
    )


def _notes(found: Sequence[RunToReplay]) -> Iterator[str]:
    if not found:
        yield f"No dbt run matches, of the newest {SCANNED:,}."
    elif found[0].matched > len(found):
        yield (
            f"{found[0].matched:,} dbt runs match: these are the newest {len(found)}."
            " Replay the others afterwards."
        )


def _part(run: RunToReplay, says: str) -> Part:
    job = f"{printable(run.job_name)[:100]}: " if run.job_name else ""
    return Part(dbt_run_id=run.dbt_run_id, says=f"{job}{says}")


def _count(runs: int) -> str:
    return "1 dbt run" if runs == 1 else f"{runs} dbt runs"
