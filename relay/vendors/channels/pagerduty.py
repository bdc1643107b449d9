"""PagerDuty: Events API v2, one event for each alert. No I/O here.

https://developer.pagerduty.com/docs/events-api-v2/trigger-events/ and, with the limits,
https://raw.githubusercontent.com/PagerDuty/api-schema/main/reference/events-v2/openapiv3.json
"""

import hashlib
from collections.abc import Iterable, Iterator

import msgspec

from relay.channels import Event
from relay.messages.message import AlertLine, Message, Says
from relay.notation import printable, short_message
from relay.secret import Secret
from relay.vendors.channels.rendering import (
    LONGEST_LINE,
    Outgoing,
    line_of,
    links_of,
    one_line,
    shortened,
)

URL = "https://events.pagerduty.com/v2/enqueue"
PATH = "/v2/enqueue"
KEY_LENGTH = 32
LONGEST_SUMMARY = 1024
LONGEST_DEDUP_KEY = 255
LONGEST_DETAIL = 3000
LONGEST_FIELD = 255  # of component, group and class; not documented
_DIGEST = 64  # hexadecimal digits of a SHA-256


class _Details(msgspec.Struct, frozen=True, omit_defaults=True):
    message: str
    text: str = ""
    sync: int | str | None = None
    about: str = ""


class _Payload(msgspec.Struct, frozen=True, omit_defaults=True, rename={"kind": "class"}):
    summary: str
    source: str
    severity: str
    timestamp: str
    custom_details: _Details
    kind: str = ""
    component: str = ""
    group: str = ""


class _Link(msgspec.Struct, frozen=True):
    href: str
    text: str


class _Event(msgspec.Struct, frozen=True, omit_defaults=True):
    routing_key: str
    event_action: str
    dedup_key: str
    payload: _Payload | None = None
    links: tuple[_Link, ...] = ()
    client: str = ""


def render(message: Message, key: Secret) -> tuple[Outgoing, ...]:
    """One event for each alert; a test opens an incident and resolves it at once."""
    return tuple(Outgoing(msgspec.json.encode(event)) for event in _events(message, key.reveal()))


def dedup_key_of(alert: AlertLine) -> str:
    """The alert's key; one that is too long is cut, and ends with a digest of all of it."""
    key = printable(alert.key)
    if len(key) <= LONGEST_DEDUP_KEY:
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()
    return f"{key[: LONGEST_DEDUP_KEY - _DIGEST - 1]}/{digest}"


class _Refusal(msgspec.Struct, frozen=True):
    message: str = ""
    errors: tuple[str, ...] = ()


def reason_of(answer: bytes) -> str | None:
    """Why PagerDuty refused; None if the answer does not say."""
    try:
        refusal = msgspec.json.decode(answer, type=_Refusal)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return short_message("; ".join(refusal.errors) or refusal.message) or None


def _events(message: Message, key: str) -> Iterator[_Event]:
    if message.says is Says.TEST:
        test = AlertLine(event=Event.UNWELL, text=message.title, subject=str(message.message_id))
        yield _trigger(message, test, key)
        yield _resolve(test, key)
        return
    for alert in _each_once(message.alerts):
        is_over = message.says is Says.RESOLVED
        yield _resolve(alert, key) if is_over else _trigger(message, alert, key)


def _each_once(alerts: Iterable[AlertLine]) -> Iterable[AlertLine]:
    return {dedup_key_of(alert): alert for alert in alerts}.values()


def _trigger(message: Message, alert: AlertLine, key: str) -> _Event:
    return _Event(
        routing_key=key,
        event_action="trigger",
        dedup_key=dedup_key_of(alert),
        payload=_payload(message, alert),
        links=tuple(_Link(href=url, text=label) for label, url in links_of(message)),
        client="relay",
    )


def _payload(message: Message, alert: AlertLine) -> _Payload:
    component = "" if alert.sync_id is None else f"sync {alert.about}"
    return _Payload(
        summary=shortened(line_of(alert), LONGEST_SUMMARY) or str(alert.event),
        source="relay",
        severity=str(message.severity),
        timestamp=message.at,
        custom_details=_Details(
            message=shortened(one_line(message.title), LONGEST_DETAIL),
            text=shortened(one_line(message.text), LONGEST_DETAIL),
            sync=alert.about,
            about=shortened(one_line(alert.subject), LONGEST_LINE),
        ),
        kind=str(alert.event),
        component=shortened(one_line(component), LONGEST_FIELD),
        group=shortened(one_line(alert.workspace or ""), LONGEST_FIELD),
    )


def _resolve(alert: AlertLine, key: str) -> _Event:
    return _Event(routing_key=key, event_action="resolve", dedup_key=dedup_key_of(alert))
