"""Cancelling a sync run: a worker asks Census to."""

import uuid

from relay.dashboard.actions.action import CannotAct, Done, Field, Given, Preview, ask
from relay.dashboard.actions.given import id_given
from relay.dashboard.visit import Visit
from relay.operations.recorded import of_sync
from relay.store import ActionKind, ActionResult
from relay.store.requests import RequestArguments, RequestKind, RunToCancel
from relay.workspaces import display_id


def preview(visit: Visit, given: Given) -> Preview:
    """Of `attempt=ATTEMPT_ID`."""
    attempt_id = id_given(given, "attempt")
    try:
        run = _running(visit, attempt_id)
    except CannotAct as exc:
        return Preview(title="Cancel a sync run", notes=(str(exc),))
    title = f"Cancel sync run {run.sync_run_id}"
    says = f"a worker asks Census to cancel sync run {run.sync_run_id}"
    return Preview(
        title=title,
        would=(of_sync(run.workspace, run.sync_id, says),),
        notes=("What it has sent to the tool already stays there.",),
        fields=(Field(name="attempt", value=str(attempt_id)),),
        button=title,
    )


def perform(visit: Visit, given: Given, nonce: uuid.UUID) -> Done:
    """Ask a worker."""
    run = _running(visit, id_given(given, "attempt"))
    ask(visit, RequestKind.CANCEL, RequestArguments(attempt_id=run.attempt_id), nonce)
    says = f"a worker was asked to cancel sync run {run.sync_run_id}"
    return Done(
        what=ActionKind.CANCEL,
        subject=f"sync run {run.sync_run_id} of sync {display_id(run.workspace, run.sync_id)}",
        result=ActionResult(done=(of_sync(run.workspace, run.sync_id, says),), request_id=nonce),
    )


def _running(visit: Visit, attempt_id: int) -> RunToCancel:
    run = visit.store.requests.run_to_cancel(attempt_id)
    if run is None:
        raise CannotAct("there is no such sync run, or relay does not keep it any more")
    if run.outcome is not None:
        raise CannotAct(f"it has ended already: {run.outcome}")
    if run.sync_run_id is None:
        raise CannotAct("Census has not started it yet: hold the sync to keep it from starting")
    return run
