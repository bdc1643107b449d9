"""Any receiver: relay's own JSON, signed as Standard Webhooks. No I/O here.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
docs/notifications.md describes the body.
"""

import base64
import binascii
import hashlib
from datetime import datetime
from uuid import UUID

import msgspec
from itsdangerous import HMACAlgorithm

from relay.messages.message import AlertLine, Message, Says
from relay.notation import printable
from relay.secret import Secret
from relay.vendors.channels.rendering import Outgoing, links_of, one_line, shortened

LONGEST_TEXT = 3000
MOST_ALERTS = 500
SHORTEST_KEY, LONGEST_KEY = 24, 64  # bytes; the specification's limits
PREFIX = "whsec_"
ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"

_HMAC_SHA256 = HMACAlgorithm(hashlib.sha256)


class _Alert(msgspec.Struct, frozen=True):
    key: str
    event: str
    workspace: str | None
    sync_id: int | None
    subject: str
    text: str


class _Link(msgspec.Struct, frozen=True):
    label: str
    url: str


class _Data(msgspec.Struct, frozen=True):
    message_id: UUID
    says: str
    severity: str
    title: str
    text: str
    alerts: tuple[_Alert, ...]
    alerts_left_out: int
    links: tuple[_Link, ...]


class _Body(msgspec.Struct, frozen=True):
    type: str
    timestamp: str
    data: _Data


def render(message: Message, key: Secret, *, at: datetime) -> Outgoing:
    """The message, signed as sent at `at`; a repeat has the same `webhook-id`."""
    body = msgspec.json.encode(
        _Body(
            type="test" if message.says is Says.TEST else f"alerts.{message.says}",
            timestamp=message.at,
            data=_data(message),
        )
    )
    message_id, timestamp = str(message.message_id), str(int(at.timestamp()))
    signature = sign(body, key, message_id=message_id, timestamp=timestamp)
    return Outgoing(body, {ID: message_id, TIMESTAMP: timestamp, SIGNATURE: signature})


def sign(body: bytes, key: Secret, *, message_id: str, timestamp: str) -> str:
    """The header `webhook-signature`. Raises ValueError for a key that `key_bytes` refuses."""
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    mac = _HMAC_SHA256.get_signature(key_bytes(key), signed)
    return f"v1,{base64.b64encode(mac).decode()}"


def key_bytes(key: Secret) -> bytes:
    """The bytes of a key, `whsec_` and base64, or base64 alone.

    Raises ValueError, which never repeats the key.
    """
    try:
        decoded = base64.b64decode(key.reveal().removeprefix(PREFIX), validate=True)
    except (ValueError, binascii.Error):
        raise ValueError(f"expected base64, with or without {PREFIX} in front") from None
    if not SHORTEST_KEY <= len(decoded) <= LONGEST_KEY:
        raise ValueError(
            f"expected base64 of {SHORTEST_KEY} to {LONGEST_KEY} bytes, got {len(decoded)}; make"
            f" one with: echo {PREFIX}$(openssl rand -base64 32)"
        )
    return decoded


def _data(message: Message) -> _Data:
    return _Data(
        message_id=message.message_id,
        says=str(message.says),
        severity=str(message.severity),
        title=shortened(one_line(message.title), LONGEST_TEXT),
        text=shortened(one_line(message.text), LONGEST_TEXT),
        alerts=tuple(map(_alert, message.alerts[:MOST_ALERTS])),
        alerts_left_out=max(len(message.alerts) - MOST_ALERTS, 0),
        links=tuple(_Link(label, url) for label, url in links_of(message)),
    )


def _alert(alert: AlertLine) -> _Alert:
    return _Alert(
        key=printable(alert.key),  # whole: receivers tell alerts apart by it
        event=str(alert.event),
        workspace=alert.workspace,
        sync_id=alert.sync_id,
        subject=shortened(one_line(alert.subject), LONGEST_TEXT),
        text=shortened(one_line(alert.text), LONGEST_TEXT),
    )
