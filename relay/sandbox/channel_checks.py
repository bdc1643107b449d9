"""What each vendor checks in a message that it receives.

The vendors' pages are named in `relay/vendors/channels/`. This shares no code with it, so that a
mistake there shows.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from itsdangerous import HMACAlgorithm
from werkzeug.datastructures import Headers
from werkzeug.wrappers import Response

from relay.sandbox.wire import as_json

SLACK_BLOCKS, SLACK_SECTION, SLACK_ALL = 50, 3000, 13_200
TEAMS_BYTES = 28 * 1024
PAGERDUTY_BYTES, PAGERDUTY_SUMMARY, PAGERDUTY_DEDUP_KEY = 512 * 1024, 1024, 255
SEVERITIES = ("critical", "error", "warning", "info")
ACTIONS = ("trigger", "acknowledge", "resolve")
TOLERANCE = 300  # seconds, of a webhook's timestamp


class Refused(Exception):
    """The vendor refuses the message with this response."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


def slack(body: bytes) -> dict[str, Any]:
    """An incoming webhook's body. Raises Refused."""
    message = _json(body, Response("invalid_payload", 400))
    blocks = message.get("blocks", [])
    if not message.get("text") and not blocks:
        raise Refused(Response("no_text", 400))
    texts = [_slack_text(block) for block in blocks]
    if len(blocks) > SLACK_BLOCKS or not all(map(_is_a_section, blocks)):
        raise Refused(Response("invalid_blocks", 400))
    if sum(map(len, texts)) > SLACK_ALL:
        raise Refused(Response("msg_blocks_too_long", 400))
    return message


def _slack_text(block: Any) -> str:
    text = block.get("text") if isinstance(block, dict) else None
    said = text.get("text") if isinstance(text, dict) else None
    return said if isinstance(said, str) else ""


def _is_a_section(block: Any) -> bool:
    """Whether it is one of the blocks that relay sends."""
    is_one = isinstance(block, dict) and block.get("type") == "section"
    return is_one and 0 < len(_slack_text(block)) <= SLACK_SECTION


def teams(body: bytes) -> dict[str, Any]:
    """A body of the trigger `When a Teams webhook request is received`. Raises Refused."""
    if len(body) > TEAMS_BYTES:
        raise Refused(Response(status=413))
    message = _json(body, Response(status=400))
    cards = [_card(each) for each in message.get("attachments", ())]
    if message.get("type") != "message" or not cards or not all(map(_is_a_card, cards)):
        raise Refused(Response(status=400))
    return message


def _card(attachment: Any) -> Any:
    is_one = attachment.get("contentType") == "application/vnd.microsoft.card.adaptive"
    return attachment.get("content") if is_one else None


def _is_a_card(card: Any) -> bool:
    return (
        isinstance(card, dict)
        and card.get("type") == "AdaptiveCard"
        and card.get("version") in ("1.0", "1.1", "1.2", "1.3", "1.4", "1.5")
        and bool(card.get("body"))
        and all(map(_wraps, card["body"]))
        and all(each["type"] == "Action.OpenUrl" and each["url"] for each in card["actions"])
    )


def _wraps(element: Mapping[str, Any]) -> bool:
    """A text that does not is cut at the end of its first line."""
    if element["type"] == "RichTextBlock":
        return all(each["type"] == "TextRun" and each["text"] for each in element["inlines"])
    return element["type"] == "TextBlock" and element.get("wrap") is True


def pagerduty(body: bytes, key: str) -> dict[str, Any]:
    """An event. Raises Refused, with every problem."""
    event = _json(body, _invalid_event(["Event object is invalid"]))
    payload = event.get("payload") or {}
    problems = []
    if len(body) > PAGERDUTY_BYTES:
        raise Refused(Response(status=413))
    if len(event.get("routing_key", "")) != len(key):
        problems.append(f"Length of 'routing_key' is incorrect (should be {len(key)} characters)")
    elif event["routing_key"] != key:
        problems.append("'routing_key' is not valid")
    if event.get("event_action") not in ACTIONS:
        problems.append("'event_action' is missing or invalid")
    if len(event.get("dedup_key", "")) > PAGERDUTY_DEDUP_KEY:
        problems.append("'dedup_key' is too long")
    if event.get("event_action") == "trigger":
        problems += [f"'payload.{name}' is missing" for name in _missing_in(payload)]
        problems += _wrong_values(payload)
    elif not event.get("dedup_key"):
        problems.append("'dedup_key' is missing")
    if problems:
        raise Refused(_invalid_event(problems))
    return event


def _missing_in(payload: Mapping[str, Any]) -> list[str]:
    return [name for name in ("summary", "source", "severity") if not payload.get(name)]


def _wrong_values(payload: Mapping[str, Any]) -> list[str]:
    problems = []
    if len(payload.get("summary", "")) > PAGERDUTY_SUMMARY:
        problems.append("'payload.summary' is too long")
    if payload.get("severity") not in SEVERITIES:
        problems.append("'payload.severity' is invalid")
    return problems


def _invalid_event(problems: list[str]) -> Response:
    said = {"status": "invalid event", "message": "Event object is invalid", "errors": problems}
    return as_json(said, 400)


@dataclass(frozen=True, slots=True)
class Signed:
    """The headers of a request as Standard Webhooks wants them."""

    webhook_id: str
    timestamp: str
    signatures: tuple[str, ...]

    @classmethod
    def of(cls, headers: Headers) -> "Signed":
        names = ("webhook-id", "webhook-timestamp", "webhook-signature")
        webhook_id, timestamp, signatures = (headers.get(name, "") for name in names)
        return cls(webhook_id, timestamp, tuple(signatures.split()))

    def check(self, body: bytes, key: str, now: datetime) -> Any:
        """The body. Raises Refused unless one of the signatures is right, and new."""
        signed = f"{self.webhook_id}.{self.timestamp}.".encode() + body
        secret = base64.b64decode(key.removeprefix("whsec_"))
        mac = HMACAlgorithm(hashlib.sha256).get_signature(secret, signed)
        if f"v1,{base64.b64encode(mac).decode()}" not in self.signatures:
            raise Refused(Response("No matching signature found", 401))
        if abs(now.timestamp() - int(self.timestamp)) > TOLERANCE:
            raise Refused(Response("Message timestamp too old or too new", 400))
        return _json(body, Response(status=400))


def _json(body: bytes, otherwise: Response) -> dict[str, Any]:
    try:
        content = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Refused(otherwise) from None
    if not isinstance(content, dict):
        raise Refused(otherwise)
    return content
