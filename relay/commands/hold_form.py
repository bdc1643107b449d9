"""Holds as text."""

from relay.operations.hold import describe_scope
from relay.store import Hold


def describe_hold(hold: Hold) -> str:
    """What is held, until when, by whom and why: `all syncs, until …, by ana@ops: audit`."""
    return f"{describe_scope(hold)}, {hold_text(hold)}"


def hold_text(hold: Hold) -> str:
    """Until when, by whom and why: `until it is released, by ana@ops: audit`."""
    return f"{until_text(hold)}, by {hold.by}" + (f": {hold.why}" if hold.why else "")


def until_text(hold: Hold) -> str:
    """Until when, in this machine's time."""
    if hold.until is None:
        return "until it is released"
    return f"until {hold.until.astimezone():%Y-%m-%d %H:%M:%S}"
