"""A message as composed, in a form that is stored; `vendors/channels/` renders and sends it.

No part of it holds a record's value or a secret; texts from outside are printable and short.
"""

from enum import StrEnum
from uuid import UUID

import msgspec

from relay.channels import Event
from relay.workspaces import display_id


class Says(StrEnum):
    """What a message says of its alerts."""

    OPENED = "opened"
    REMINDER = "reminder"  # a day later it is still so
    RESOLVED = "resolved"
    TEST = "test"  # nothing: a person tries the channel


class Severity(StrEnum):
    """How much it matters, in PagerDuty's words."""

    CRITICAL = "critical"
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A link of a message, like that to a dbt run."""

    label: str
    url: str


class AlertLine(msgspec.Struct, frozen=True, kw_only=True):
    """An alert in a message: its event, what it is about, and one line of text.

    `workspace` and `sync_id` are None if it is about no sync. `subject` tells it from other alerts
    of the same event and sync. A channel shows the sync's id before the text, which is without.
    """

    event: Event
    text: str
    workspace: str | None = None
    sync_id: int | None = None
    subject: str = ""

    @property
    def key(self) -> str:
        """What identifies it as long as it is open: `relay/default/5123/stale`."""
        sync = None if self.sync_id is None else f"{self.workspace}/{self.sync_id}"
        return "/".join(filter(None, ("relay", sync, str(self.event), self.subject)))

    @property
    def about(self) -> int | str | None:
        """The sync's display id; None if it is about no sync."""
        if self.workspace is None or self.sync_id is None:
            return None
        return display_id(self.workspace, self.sync_id)


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message: a title, a line for each alert, links, and an optional paragraph before the lines.

    `at` is when it was composed, in ISO 8601.
    """

    message_id: UUID
    says: Says
    severity: Severity
    title: str
    text: str = ""
    alerts: tuple[AlertLine, ...] = ()
    links: tuple[Link, ...] = ()
    at: str
