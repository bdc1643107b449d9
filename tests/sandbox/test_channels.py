"""The sandbox's receivers refuse what the vendors refuse, and keep what they take."""

import json
import time

import pytest
import requests
from mappings import mapping_text, sync_entry

from relay.decision.mapping_reader import read_mapping
from relay.sandbox.channels import MAPPING, PAGERDUTY_KEY
from relay.vendors.channels import problems_of

SLACK = {"text": "t", "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "t"}}]}
CARD = {
    "type": "AdaptiveCard",
    "version": "1.4",
    "body": [{"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": "t"}]}],
    "actions": [],
}
ADAPTIVE = "application/vnd.microsoft.card.adaptive"
TEAMS = {"type": "message", "attachments": [{"contentType": ADAPTIVE, "content": CARD}]}
PAYLOAD = {"summary": "s", "source": "relay", "severity": "error"}
EVENT = {
    "routing_key": PAGERDUTY_KEY,
    "event_action": "trigger",
    "dedup_key": "k",
    "payload": PAYLOAD,
}


def card(**changes):
    return {
        "type": "message",
        "attachments": [{"contentType": ADAPTIVE, "content": CARD | changes}],
    }


@pytest.fixture(name="post")
def _post(sandbox):
    """Post to the receiver of a kind: `post("slack", body) -> response`."""
    given = sandbox.channels.environment

    def post(kind, body, **kwargs):
        url = given["RELAY_NOTIFY_PAGERDUTY_URL"] + "/v2/enqueue"
        url = url if kind == "pagerduty" else given[f"RELAY_NOTIFY_{kind.upper()}"]
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return requests.post(url, content, timeout=10, **kwargs)

    return post


def test_each_takes_what_is_right(post):
    slack = post("slack", SLACK)
    assert (slack.status_code, slack.text) == (200, "ok")
    assert post("teams", TEAMS).status_code == 202
    pagerduty = post("pagerduty", EVENT)
    assert (pagerduty.status_code, pagerduty.json()["dedup_key"]) == (202, "k")


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("slack", b"{", 400),
        ("slack", [], 400),
        ("slack", {}, 400),
        ("slack", SLACK | {"blocks": SLACK["blocks"] * 51}, 400),
        (
            "slack",
            {"text": "t", "blocks": [{"type": "section", "text": {"text": "x" * 3001}}]},
            400,
        ),
        (
            "slack",
            {"text": "t", "blocks": [{"type": "section", "text": {"text": "x" * 2900}}] * 5},
            400,
        ),
        ("slack", {"text": "t", "blocks": [{"type": "section", "text": {"text": ""}}]}, 400),
        ("teams", {"text": "t"}, 400),
        ("teams", card(body=[]), 400),
        ("teams", card(body=[{"type": "TextBlock", "text": "t"}]), 400),
        ("teams", card(type="MessageCard"), 400),
        ("teams", card(fallbackText="x" * 29_000), 413),
        ("pagerduty", b"x", 400),
        ("pagerduty", EVENT | {"routing_key": "1"}, 400),
        ("pagerduty", EVENT | {"event_action": "open"}, 400),
        ("pagerduty", EVENT | {"dedup_key": "k" * 256}, 400),
        ("pagerduty", EVENT | {"payload": PAYLOAD | {"summary": "s" * 1025}}, 400),
        ("pagerduty", EVENT | {"payload": PAYLOAD | {"severity": "bad"}}, 400),
        ("pagerduty", EVENT | {"payload": None}, 400),
        ("webhook", {}, 401),
    ],
)
def test_each_refuses_what_is_wrong(sandbox, post, kind, body, status):
    assert post(kind, body).status_code == status
    assert sandbox.channels.received == []


def test_a_teams_url_without_its_signature_is_refused(sandbox):
    url = sandbox.channels.environment["RELAY_NOTIFY_TEAMS"].partition("&sig=")[0]
    assert requests.post(url, json=TEAMS, timeout=10).status_code == 401


def test_what_was_received_is_listed_on_each_port(sandbox, post):
    post("slack", SLACK)
    for url in (sandbox.channels.url, sandbox.census.url):
        (listed,) = requests.get(f"{url}/sandbox/messages", timeout=10).json()["messages"]
        assert (listed["kind"], listed["body"]) == ("slack", SLACK)


def test_a_receiver_can_be_made_to_refuse_or_to_be_slow(sandbox, post):
    fail = f"{sandbox.channels.url}/sandbox/fail"
    fault = {"simulator": "channels", "path": "/services", "status": 429, "retry_after": 9}
    requests.post(fail, json=fault, timeout=10)
    answer = post("slack", SLACK)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "9")
    slow = {"simulator": "channels", "path": "/services", "slow": 0.3}
    requests.post(fail, json=slow, timeout=10)
    began = time.monotonic()
    assert post("slack", SLACK).text == "ok"
    assert time.monotonic() - began >= 0.3


def test_the_printed_mapping_and_variables_fit_together(sandbox):
    text = mapping_text(sync_entry(5123, "customers")) + MAPPING
    channels = read_mapping(text.encode(), file="m").channels
    assert {str(each.kind) for each in channels.values()} == set(channels)
    for each in channels.values():
        assert problems_of(each, sandbox.channels.environment) == ()
