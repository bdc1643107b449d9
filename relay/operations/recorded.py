"""How what a person does is recorded: common to the commands and the dashboard."""

from datetime import UTC, datetime

from relay.store import Action, ActionKind, Part, Through


def by_command(what: ActionKind, subject: str, *, by: str, now: datetime) -> Action:
    """An action of somebody who gives a command."""
    return Action(at=now, who=by, through=Through.COMMAND, what=what, subject=subject)


def of_sync(workspace: str | None, sync_id: int | None, says: str) -> Part:
    """What was done to one sync, or to all of a workspace, or to all."""
    return Part(workspace=workspace, sync_id=sync_id, says=says)


def describe_until(until: datetime | None) -> str:
    """Until when, in UTC; None for until a person ends it."""
    if until is None:
        return "until it is released"
    return f"until {until.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
