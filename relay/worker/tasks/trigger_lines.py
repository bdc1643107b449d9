"""What is logged of a sync's triggers: sent, held, dropped, or of a dry run."""

from typing import Any

from relay.decision.gates import Reason
from relay.logs import get_logger
from relay.store import Causes, Hold, Waiting

log = get_logger()


def log_would_trigger(causes: Causes) -> None:
    """Log what a dry run did not send."""
    log.info("sync.would_trigger", **_described(causes), **_through(causes))


def log_dropped(causes: Causes) -> None:
    """Log the triggers that are lost, because the mapping has disabled their sync."""
    log.warning(
        "sync.withheld",
        reason=Reason.SYNC_DISABLED,
        models=causes.models,
        dbt_run_id=causes.newest_dbt_run_id,
        dbt_run_ids=causes.dbt_run_ids,
    )


def log_held(hold: Hold, waiting: Waiting) -> None:
    """Log that triggers wait because of a hold."""
    log.info(
        "sync.held",
        scope=hold.scope.kind,
        until=hold.until,
        why=hold.why,
        by=hold.by,
        dbt_run_id=max(waiting.dbt_run_ids, default=None),
        dbt_run_ids=waiting.dbt_run_ids,
    )


def log_triggered(sync_run_id: int, causes: Causes) -> None:
    """Log that Census has started a sync run."""
    log.info("sync.triggered", sync_run_id=sync_run_id, **_described(causes), **_through(causes))


def _described(causes: Causes) -> dict[str, Any]:
    """The fields of a log line about these triggers."""
    return {
        "because": causes.models,
        "dbt_run_id": causes.newest_dbt_run_id,
        "dbt_run_ids": causes.dbt_run_ids,
    }


def _through(causes: Causes) -> dict[str, Any]:
    """A field only where views are among the models."""
    if not causes.through:
        return {}
    return {"through": causes.through}
