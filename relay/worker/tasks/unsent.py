"""Triggers that end without a POST to Census: those of a dry run, and those of a disabled sync."""

from relay.store import Attempt, Causes, Hold, Waiting
from relay.worker.services import Services
from relay.worker.tasks.trigger_lines import log_dropped, log_held, log_would_trigger


def rehearse(services: Services, workspace: str, sync_id: int, waiting: Waiting) -> None:
    """End the triggers of a dry run, and log what they would have triggered."""
    now, mode = services.clock(), services.mode
    causes = services.store.unsent.rehearse(workspace, sync_id, mode, now=now)
    match causes:
        case Causes():
            log_would_trigger(causes)
        case Hold():
            log_held(causes, waiting)


def drop(services: Services, workspace: str, sync_id: int) -> None:
    """End the waiting triggers of a disabled sync, and log that they are lost."""
    causes = services.store.unsent.drop(workspace, sync_id, now=services.clock())
    if causes is not None:
        log_dropped(causes)


def is_disabled(services: Services, workspace: str, sync_id: int) -> bool:
    """Whether the mapping says `enabled: false`, perhaps since the trigger was decided."""
    sync = services.mapping.current.sync(workspace, sync_id)
    return sync is not None and not sync.enabled


def is_lost(services: Services, attempt: Attempt) -> bool:
    """Whether an attempt is for dbt runs, and its sync is disabled. Manual ones are not lost."""
    if not is_disabled(services, attempt.workspace, attempt.sync_id):
        return False
    return bool(services.store.attempts.causes(attempt).dbt_run_ids)
