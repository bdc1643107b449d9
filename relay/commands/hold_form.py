"""Holds as text."""

from relay.store import Hold, HoldScope
from relay.store.status import HoldRow
from relay.workspaces import display_id


def describe_hold(hold: Hold) -> str:
    """What is held, until when, by whom and why: `all syncs, until …, by ana@ops: audit`."""
    return f"{describe_scope(hold)}, {hold_text(hold)}"


def describe_scope(scope: Hold | HoldScope | HoldRow) -> str:
    """What is held: a sync, or all."""
    if scope.sync_id is not None:
        return f"sync {display_id(scope.workspace or '', scope.sync_id)}"
    return "all syncs" if scope.workspace is None else f"all syncs of {scope.workspace}"


def hold_text(hold: Hold) -> str:
    """Until when, by whom and why: `until it is released, by ana@ops: audit`."""
    return f"{until_text(hold)}, by {hold.by}" + (f": {hold.why}" if hold.why else "")


def until_text(hold: Hold) -> str:
    """Until when, in this machine's time."""
    if hold.until is None:
        return "until it is released"
    return f"until {hold.until.astimezone():%Y-%m-%d %H:%M:%S}"
