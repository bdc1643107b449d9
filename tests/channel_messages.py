"""Messages, as relay composes them."""

from uuid import UUID

from relay.channels import Channel, ChannelKind, Event
from relay.messages.message import AlertLine, Link, Message, Says, Severity

MESSAGE_ID = UUID("6f1a2b3c-0d4e-4f5a-8b6c-7d8e9f0a1b2c")
VARIABLES = {
    "slack": {"url_env": "RELAY_NOTIFY_SLACK"},
    "teams": {"url_env": "RELAY_NOTIFY_TEAMS"},
    "pagerduty": {
        "key_env": "RELAY_NOTIFY_PAGERDUTY_KEY",
        "url_env": "RELAY_NOTIFY_PAGERDUTY_URL",
    },
    "webhook": {"url_env": "RELAY_NOTIFY_WEBHOOK", "key_env": "RELAY_NOTIFY_WEBHOOK_KEY"},
}
KINDS = tuple(VARIABLES)


def channel(kind, **fields):
    """A channel of the sandbox's receiver of that kind."""
    given = {"name": f"my-{kind}", "kind": ChannelKind(kind), **VARIABLES[kind]}
    return Channel(**given | fields)


def alert(sync_id=5123, text="customers to Salesforce: model_failed", **fields):
    given = {"event": Event.WITHHELD, "workspace": "default", "sync_id": sync_id, "text": text}
    return AlertLine(**given | fields)


def message(*alerts, **fields):
    given = {
        "message_id": MESSAGE_ID,
        "says": Says.OPENED,
        "severity": Severity.ERROR,
        "title": "dbt run 155144667 Nightly build failed at customers: 2 syncs withheld",
        "alerts": alerts or (alert(), alert(5124, "orders to HubSpot: model_failed")),
        "links": (Link(label="dbt run", url="https://ab123.us1.dbt.com/runs/155144667"),),
        "at": "2026-11-27T05:12:30Z",
    }
    return Message(**given | fields)
