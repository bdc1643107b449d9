"""A channel's URL and key are checked before anything is sent, and never shown."""

import pytest
from channel_messages import KINDS, VARIABLES, channel

from relay.errors import BadSettings
from relay.sandbox.channels import PAGERDUTY_KEY, WEBHOOK_KEY, SandboxChannels
from relay.vendors.channels import destination_of, problems_of

ENVIRONMENT = {
    "RELAY_NOTIFY_SLACK": "https://hooks.slack.com/services/T0/B0/s3cr3tOfSlack",
    "RELAY_NOTIFY_TEAMS": "https://x.westeurope.logic.azure.com:443/workflows/1?sp=%2Frun&sig=s3",
    "RELAY_NOTIFY_PAGERDUTY_KEY": PAGERDUTY_KEY,
    "RELAY_NOTIFY_PAGERDUTY_URL": "https://events.eu.pagerduty.com",
    "RELAY_NOTIFY_WEBHOOK": "https://alerts.example.com/relay?team=data",
    "RELAY_NOTIFY_WEBHOOK_KEY": WEBHOOK_KEY,
}


def problems(kind, **variables):
    return [str(each) for each in problems_of(channel(kind), ENVIRONMENT | variables)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_channel_is_its_url_and_its_key(kind):
    assert problems(kind) == []
    found = destination_of(channel(kind), ENVIRONMENT)
    named = VARIABLES[kind]
    if kind != "pagerduty":
        assert found.url.reveal() == ENVIRONMENT[named["url_env"]]
    key = ENVIRONMENT.get(named.get("key_env"))
    assert (found.key.reveal() if found.key else None) == key
    for value in ENVIRONMENT.values():
        assert value not in repr(found)


@pytest.mark.parametrize(
    ("url", "used"),
    [
        (None, "https://events.pagerduty.com/v2/enqueue"),
        ("https://events.eu.pagerduty.com", "https://events.eu.pagerduty.com/v2/enqueue"),
        ("https://events.eu.pagerduty.com/", "https://events.eu.pagerduty.com/v2/enqueue"),
        ("https://proxy.example.com/pd/enqueue", "https://proxy.example.com/pd/enqueue"),
    ],
)
def test_pagerduty_has_a_usual_address_and_may_have_another(url, used):
    given = channel("pagerduty", **({} if url else {"url_env": None}))
    environment = ENVIRONMENT | {"RELAY_NOTIFY_PAGERDUTY_URL": url or ""}
    assert destination_of(given, environment).url.reveal() == used


def test_every_variable_that_is_missing_is_named_with_its_channel():
    found = [str(each) for each in problems_of(channel("webhook"), {})]
    assert found == [
        "RELAY_NOTIFY_WEBHOOK: is not set, and channel my-webhook needs it",
        "RELAY_NOTIFY_WEBHOOK_KEY: is not set, and channel my-webhook needs it",
    ]


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://hooks.slack.com/s3cr3t", "must be https"),
        ("ftp://hooks.slack.com/s3cr3t", "expected an https URL"),
        ("hooks.slack.com/s3cr3t", "expected an https URL"),
        ("https://me:s3cr3t@hooks.slack.com/x", "user or password"),
        ("https://hooks.slack.com/s3cr3t#x", "must not contain #"),
        ("https://hooks.slack.com/../s3cr3t", "must not contain `..`"),
        ("https://hooks.slack.com/s3cr3t\\x", "backslash"),
        ("https://[s3cr3t/x", "expected an https URL"),
        ('"https://hooks.slack.com/s3cr3t"', "quotation marks"),
        ("", "is empty"),
    ],
)
def test_a_url_that_cannot_be_used_is_not_repeated(url, problem):
    (found,) = problems("slack", RELAY_NOTIFY_SLACK=url)
    assert found.startswith("RELAY_NOTIFY_SLACK: ")
    assert problem in found
    assert "s3cr3t" not in found


def test_loopback_may_be_plain_http():
    assert problems("slack", RELAY_NOTIFY_SLACK="http://127.0.0.1:8083/services/x") == []
    assert problems("slack", RELAY_NOTIFY_SLACK="http://localhost:8083/services/x") == []


@pytest.mark.parametrize("key", ["1" * 31, "1" * 33, "-" * 32])
def test_a_key_that_is_none_of_pagerdutys_is_found_before_the_first_alarm(key):
    (found,) = problems("pagerduty", RELAY_NOTIFY_PAGERDUTY_KEY=key)
    assert "32 letters and digits (channel my-pagerduty)" in found
    assert key not in found


def test_a_key_that_signs_badly_is_found_too():
    (found,) = problems("webhook", RELAY_NOTIFY_WEBHOOK_KEY="whsec_c2hvcnQ=")
    assert "openssl rand -base64 32" in found


@pytest.mark.parametrize("host", ["acme.webhook.office.com", "outlook.office.com"])
def test_a_connector_that_microsoft_has_switched_off_is_found(host):
    (found,) = problems("teams", RELAY_NOTIFY_TEAMS=f"https://{host}/webhookb2/s3cr3t")
    assert "make a workflow" in found
    assert "s3cr3t" not in found


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path):
    given = {"RELAY_NOTIFY_SLACK_FILE": str(tmp_path / "none")}
    with pytest.raises(BadSettings, match=r"RELAY_NOTIFY_SLACK_FILE: .* cannot be read"):
        destination_of(channel("slack"), given)


def test_what_the_sandbox_prints_can_be_used():
    receivers = SandboxChannels()
    receivers.url = "http://127.0.0.1:8083"
    for kind in KINDS:
        assert problems_of(channel(kind), receivers.environment) == ()
