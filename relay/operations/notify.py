"""`relay notify`: send a test message to a channel of the mapping file."""

import math
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from relay.channels import Channel
from relay.decision.mapping import SyncMapping
from relay.errors import NotMapped, Unavailable, VendorError
from relay.messages.message import Link, Message, Says, Severity
from relay.notation import printable
from relay.settings import MessageSettings
from relay.spelling import did_you_mean
from relay.vendors.channels import Senders, destination_of


@dataclass(frozen=True, slots=True)
class Tried:
    """A test message: what became of it. `problem` is None if the channel took it."""

    channel: str
    kind: str
    title: str
    sent: bool
    http_status: int | None = None
    answer: str = ""
    problem: str | None = None


def send_test(
    settings: MessageSettings, mapping: SyncMapping, name: str, *, now: datetime
) -> Tried:
    """Send a test message to the channel of this name, once.

    Raises NotMapped for a channel that the file does not have, BadSettings if the channel's
    variables cannot be used.
    """
    channel = _find(mapping, settings.mapping, name)
    destination_of(channel, settings.environment)
    message = _test_message(channel, settings.relay_url, now)
    try:
        accepted = Senders(settings).send(channel, message, at=now)
    except VendorError as exc:
        return Tried(
            name,
            channel.kind,
            message.title,
            sent=False,
            http_status=exc.http_status,
            problem=f"{exc}{_later(exc)}",
        )
    return Tried(
        name,
        channel.kind,
        message.title,
        sent=True,
        http_status=accepted.http_status,
        answer=accepted.answer,
    )


def _find(mapping: SyncMapping, file: Path, name: str) -> Channel:
    found = mapping.channels.get(name)
    if found is not None:
        return found
    if not mapping.channels:
        raise NotMapped(f"{file} has no channels: it describes none in `notify`")
    known = ", ".join(map(printable, mapping.channels))
    hint = did_you_mean(name, mapping.channels)
    raise NotMapped(f"{file} has no channel {printable(name)!r}; {hint}known are {known}")


def _test_message(channel: Channel, relay_url: str | None, now: datetime) -> Message:
    return Message(
        message_id=uuid4(),
        says=Says.TEST,
        severity=Severity.INFO,
        title=f"Test from relay: the channel {printable(channel.name)} works",
        text="A person tries this channel. Nothing is wrong.",
        links=(Link(label="relay", url=relay_url),) if relay_url else (),
        at=now.isoformat(timespec="seconds"),
    )


def _later(exc: VendorError) -> str:
    wait = exc.retry_after if isinstance(exc, Unavailable) else None
    if not isinstance(exc, Unavailable):
        return ""
    return f"; try again in {math.ceil(wait)} s" if wait else "; try again later"
