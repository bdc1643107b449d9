"""`relay notify CHANNEL --test`: one message, now, and what became of it."""

import json

import pytest
import yaml

from relay.clock import utc_now
from relay.sandbox import story
from relay.sandbox.channels import MAPPING
from relay.sandbox.wire import Body, Delay, HangUp, Status

KINDS = ("slack", "teams", "pagerduty", "webhook")


@pytest.fixture(name="receivers")
def _receivers(sandbox):
    return sandbox.channels


@pytest.fixture(name="clock")
def _clock():
    """The real time, which the command has too: a webhook's timestamp is checked."""
    return utc_now


@pytest.fixture(name="notify")
def _notify(command, receivers, mapping):
    """Run the command with the sandbox's channels: `notify("slack") -> result`."""
    mapping.write_text(story.MAPPING + MAPPING)

    def notify(*words, **variables):
        here = receivers.environment | {"RELAY_MAPPING": str(mapping), "RELAY_HTTP_TIMEOUT": "1"}
        return command("notify", *words, **here | variables)

    return notify


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_is_sent_and_the_answer_shown(notify, receivers, kind):
    result = notify(kind, "--test")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(
        f'{kind} ({kind}): sent "Test from relay: the channel {kind} works"; HTTP 2'
    )
    assert {each.kind for each in receivers.received} == {kind}
    assert f"the channel {kind} works" in str(receivers.received)


def test_a_link_leads_to_relay_where_people_can_reach_it(notify, receivers):
    notify("webhook", "--test", RELAY_URL="https://relay.example.com/")
    (received,) = receivers.received
    links = [{"label": "relay", "url": "https://relay.example.com"}]
    assert received.body["data"]["links"] == links


def test_json(notify):
    said = json.loads(notify("slack", "--test", "--json").stdout)
    assert said == {
        "channel": "slack",
        "kind": "slack",
        "title": "Test from relay: the channel slack works",
        "sent": True,
        "http_status": 200,
        "answer": "ok",
        "problem": None,
    }


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Body(b"no_service", 404), "HTTP 404 (no_service); does the incoming webhook of RELAY_NOT"),
        (Status(429, retry_after=7), "HTTP 429; try again in 7 s"),
        (Status(500), "HTTP 500; try again later"),
        (HangUp(), "closed without a response; try again later"),
        (Delay(3), "no response from"),
    ],
    ids=str,
)
def test_a_failure_says_what_to_do_and_exits_with_1(notify, receivers, fault, said):
    receivers.fail_next("POST", fault)
    result = notify("slack", "--test")
    assert result.exit_code == 1
    assert result.stderr.startswith("slack (slack): not sent: Slack, channel slack: ")
    assert said in result.stderr
    assert "slackSandboxToken4relays" not in result.output


def test_a_failure_as_json(notify, receivers):
    receivers.fail_next("POST", Status(403))
    result = notify("slack", "--test", "--json")
    assert result.exit_code == 1
    said = json.loads(result.stdout)
    assert (said["sent"], said["http_status"]) == (False, 403)
    assert "HTTP 403" in said["problem"]


def test_a_missing_variable_is_a_wrong_setting(notify, receivers):
    result = notify("webhook", "--test", RELAY_NOTIFY_WEBHOOK=None, RELAY_NOTIFY_WEBHOOK_KEY="x")
    assert result.exit_code == 2
    assert "RELAY_NOTIFY_WEBHOOK: is not set, and channel webhook needs it" in result.stderr
    assert "RELAY_NOTIFY_WEBHOOK_KEY: " in result.stderr
    assert receivers.received == []


def test_a_channel_that_is_not_there_is_suggested(notify):
    result = notify("slak", "--test")
    assert result.exit_code == 1
    assert "has no channel 'slak'; did you mean `slack`?" in result.stderr


def test_a_mapping_without_channels_says_so(notify, mapping):
    mapping.write_text(story.MAPPING)
    result = notify("slack", "--test")
    assert result.exit_code == 1
    assert "describes none in `notify`" in result.stderr


def test_a_broken_mapping_is_reported(notify, mapping):
    mapping.write_text("version: 2")
    assert notify("slack", "--test").exit_code == 1


def test_without_test_nothing_is_sent(notify, receivers):
    result = notify("slack")
    assert result.exit_code == 2
    assert "say what to send: --test" in result.stderr
    assert receivers.received == []


class TestCheck:
    """`relay check` finds what is wrong with the channels before the first alarm."""

    def test_reports_every_variable_of_every_channel(self, command, mapping, required):
        mapping.write_text(story.MAPPING + MAPPING)
        result = command("check", RELAY_MAPPING=str(mapping), **required)
        assert result.exit_code == 1
        named = yaml.safe_load(MAPPING)["notify"]
        for channel, keys in named.items():
            for key in ("url_env", "key_env"):
                if key in keys:
                    assert f"{keys[key]}: is not set, and channel {channel} needs" in result.stderr

    def test_reports_nothing_where_they_can_be_used(self, command, mapping, required, receivers):
        mapping.write_text(story.MAPPING + MAPPING)
        here = required | receivers.environment | {"RELAY_MAPPING": str(mapping)}
        assert command("check", **here).exit_code == 0

    def test_does_not_repeat_a_url(self, command, mapping, required, receivers):
        mapping.write_text(story.MAPPING + MAPPING)
        wrong = {"RELAY_NOTIFY_SLACK": "http://hooks.slack.com/s3cr3tOfSlack"}
        here = required | receivers.environment | {"RELAY_MAPPING": str(mapping)} | wrong
        result = command("check", **here)
        assert result.exit_code == 1
        assert "RELAY_NOTIFY_SLACK: must be https" in result.stderr
        assert "s3cr3t" not in result.output
