"""Open alerts and mutes, as `relay status` shows them."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRow:
    """An open alert; `subject` tells it from others of its event and sync.

    Both ids are None for one about no sync; `muted_until` is None if no message is held back.
    """

    opened_at: datetime
    event: str
    workspace: str | None
    sync_id: int | None
    subject: str
    dbt_run_id: int | None
    muted_until: datetime | None
    sync_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MuteRow:
    """A sync about which no message is sent."""

    workspace: str
    sync_id: int
    since: datetime
    until: datetime
    by: str
    why: str | None
    sync_name: str | None = None


ALERT_ROWS = """
SELECT opened_at, event, workspace, sync_id, subject, dbt_run_id, (
    SELECT until FROM relay.mutes
    WHERE (mutes.workspace, mutes.sync_id) = (alerts.workspace, alerts.sync_id) AND until > now()
) AS muted_until
FROM relay.alerts WHERE resolved_at IS NULL ORDER BY opened_at DESC, alert_id DESC LIMIT %s
"""
MUTE_ROWS = """
SELECT workspace, sync_id, since, until, muted_by AS by, why
FROM relay.mutes WHERE until > now() ORDER BY until DESC
"""
