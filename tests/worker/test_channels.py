"""A channel that cannot be used is named once for each mapping; syncs run all the same."""

import pytest
from mappings import mapping_text, sync_entry

from relay.worker.channels import ChannelCheck

SLACK = {"kind": "slack", "url_env": "RELAY_NOTIFY_SLACK"}
OPS = {"kind": "webhook", "url_env": "RELAY_NOTIFY_OPS", "key_env": "RELAY_NOTIFY_OPS_KEY"}


def mapping(**channels):
    return mapping_text(sync_entry(5123, "customers"), notify=channels)


@pytest.fixture(name="check")
def _check(relay):
    return ChannelCheck(relay.services)


def test_each_channel_and_each_of_its_variables_is_named(relay, check, events):
    relay.map(mapping(alerts=SLACK, ops=OPS))
    check.check()
    slack, ops = events("notify.not_usable")
    assert (slack["log_level"], slack["channel"], slack["kind"]) == ("error", "alerts", "slack")
    assert slack["problems"] == ["RELAY_NOTIFY_SLACK: is not set, and channel alerts needs it"]
    assert [each.partition(":")[0] for each in ops["problems"]] == [
        "RELAY_NOTIFY_OPS",
        "RELAY_NOTIFY_OPS_KEY",
    ]


def test_it_is_said_once_for_each_mapping(relay, check, events):
    relay.map(mapping(alerts=SLACK))
    for _ in range(3):
        check.check()
    assert len(events("notify.not_usable")) == 1
    relay.map(mapping(alerts=SLACK, ops=OPS))
    check.check()
    assert len(events("notify.not_usable")) == 3


def test_a_mapping_without_channels_needs_nothing(check, events):
    check.check()
    assert events("notify.not_usable") == []
