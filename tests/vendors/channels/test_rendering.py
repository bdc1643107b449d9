"""Each kind of channel gets a message as its vendor wants it, whatever texts and how many."""

import base64
import hashlib
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from channel_messages import KINDS, MESSAGE_ID, alert, message
from itsdangerous import HMACAlgorithm

from relay.channels import Event
from relay.messages.message import AlertLine, Link, Says, Severity
from relay.sandbox import channel_checks
from relay.sandbox.channels import PAGERDUTY_KEY, WEBHOOK_KEY
from relay.secret import Secret
from relay.vendors.channels import pagerduty, slack, teams, webhook

AT = datetime(2026, 11, 27, 5, 13, tzinfo=UTC)
RTL = "\u202egnp.exe"


def rendered(kind, given):
    """The bodies of a kind's requests."""
    match kind:
        case "slack":
            outgoing = (slack.render(given),)
        case "teams":
            outgoing = (teams.render(given),)
        case "pagerduty":
            outgoing = pagerduty.render(given, Secret(PAGERDUTY_KEY))
        case "webhook":
            outgoing = (webhook.render(given, Secret(WEBHOOK_KEY), at=AT),)
    return [each.body for each in outgoing]


def check(kind, body):
    """What the vendor would say to it; `channel_checks` raises."""
    match kind:
        case "slack":
            return channel_checks.slack(body)
        case "teams":
            return channel_checks.teams(body)
        case "pagerduty":
            return channel_checks.pagerduty(body, PAGERDUTY_KEY)
        case "webhook":
            return json.loads(body)


def texts_in(value):
    """Every text of a body, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from texts_in(each)


def said(kind, given):
    """All that a message says to that kind of channel, as one text."""
    return "\n".join(text for body in rendered(kind, given) for text in texts_in(check(kind, body)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_names_what_each_alert_is_about(kind):
    whole = said(kind, message())
    assert "dbt run 155144667 Nightly build failed at customers" in whole
    assert "customers to Salesforce: model_failed" in whole
    assert "orders to HubSpot: model_failed" in whole
    assert "https://ab123.us1.dbt.com/runs/155144667" in whole


@pytest.mark.parametrize("kind", ["slack", "teams", "pagerduty"])
def test_a_line_begins_with_the_syncs_id(kind):
    whole = said(kind, message(alert(), alert(7, "x", workspace="emea"), alert(None, "y")))
    assert "5123: customers to Salesforce" in whole
    assert "emea/7: x" in whole
    assert re.search(r"^(• )?y$", whole, re.MULTILINE)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "text",
    ["x" * 10_000, "&" * 10_000, "<" * 10_000, "😀" * 10_000, '"\\' * 5000, "a\nb" * 5000, ""],
    ids=["long", "ampersands", "angles", "emoji", "quotes", "lines", "empty"],
)
def test_any_number_of_alerts_with_texts_of_any_length_is_within_the_limits(kind, text):
    alerts = [alert(number, text, subject=text) for number in range(1, 201)]
    links = [Link(label=text, url=f"https://relay.example.com/{'x' * 400}")] * 20
    long = message(*alerts, title=text or "t", text=text, links=tuple(links))
    for body in rendered(kind, long):
        check(kind, body)


@pytest.mark.parametrize("kind", ["slack", "teams"])
def test_what_does_not_fit_is_counted(kind):
    alerts = [alert(number, "x" * 500) for number in range(1, 201)]
    whole = said(kind, message(*alerts))
    shown = len(re.findall(r"x{500}", whole))
    assert 10 < shown < 200
    assert f"… and {200 - shown} more" in whole


def test_many_short_alerts_are_all_in_one_message_of_few_blocks():
    body = json.loads(rendered("slack", message(*(alert(n, "stale") for n in range(1, 201))))[0])
    assert len(body["blocks"]) < 10
    assert all(f"{n}: stale" in str(body) for n in range(1, 201))


@pytest.mark.parametrize("kind", KINDS)
def test_no_text_can_hide_in_control_characters_or_turn_around(kind):
    given = alert(5123, f"a\x00b {RTL}\x1b[2J\nnext", subject="s\x00")
    whole = said(kind, message(given, title=f"t\x00 {RTL}", text=f"\x07 {RTL}"))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e]", whole)
    assert r"a\x00b \u202egnp.exe" in whole
    assert "next" in whole


def test_slack_reads_no_markup_in_a_text_from_outside():
    given = message(
        alert(5123, "<!channel> <script> a & b"), title="<@U1>", text="<https://e.vil|x>"
    )
    body = json.loads(rendered("slack", given)[0])
    assert body["text"] == "🔴 &lt;@U1&gt;"
    blocks = [block["text"] for block in body["blocks"]]
    assert all(text["verbatim"] for text in blocks)
    whole = "\n".join(text["text"] for text in blocks)
    assert re.findall(r"<[^>]*>", whole) == ["<https://ab123.us1.dbt.com/runs/155144667|dbt run>"]
    assert "&lt;!channel&gt; &lt;script&gt; a &amp; b" in whole


def test_a_url_cannot_end_slacks_link_early():
    links = (Link(label="l|m>", url="https://ok.example.com/a|b>c"),)
    assert "<https://ok.example.com/a%7Cb&gt;c|l|m&gt;>" in said("slack", message(links=links))


def test_slack_gets_no_half_escape_where_a_text_is_cut():
    body = rendered("slack", message(alert(5123, "&" * 10_000)))[0].decode()
    assert re.sub(r"&amp;", "", body).count("&") == 0


def test_teams_reads_no_markdown():
    card = json.loads(rendered("teams", message(alert(1, "[click](https://e.vil) **b**")))[0])
    body = card["attachments"][0]["content"]["body"]
    assert {each["type"] for each in body} == {"RichTextBlock"}
    assert {run["type"] for each in body for run in each["inlines"]} == {"TextRun"}


@pytest.mark.parametrize("kind", KINDS)
def test_only_links_that_can_be_opened_are_links(kind):
    urls = ["javascript:alert(1)", "https://a b", "https://ok.example.com/a|b", "https://x\u202e"]
    whole = said(kind, message(links=tuple(Link(label="l", url=url) for url in urls)))
    assert "javascript" not in whole
    assert "a b" not in whole
    assert "\u202e" not in whole
    assert "https://ok.example.com/a" in whole


@pytest.mark.parametrize("kind", ["slack", "teams"])
def test_a_sign_shows_at_a_glance_what_is_over(kind):
    assert "✅ dbt run" in said(kind, message(says=Says.RESOLVED))
    assert "🟠 dbt run" in said(kind, message(severity=Severity.WARNING))


class TestPagerDuty:
    def events(self, given):
        return [json.loads(body) for body in rendered("pagerduty", given)]

    def test_each_alert_is_an_event_with_its_own_key(self):
        first, second = self.events(message())
        assert first["event_action"] == "trigger"
        assert first["dedup_key"] == "relay/default/5123/withheld"
        assert second["dedup_key"] == "relay/default/5124/withheld"
        payload = first["payload"]
        assert payload["severity"] == "error"
        assert payload["class"] == "withheld"
        assert payload["component"] == "sync 5123"
        assert payload["group"] == "default"
        assert payload["timestamp"] == "2026-11-27T05:12:30Z"
        assert payload["custom_details"]["message"].startswith("dbt run 155144667")

    def test_the_end_of_an_alert_resolves_what_its_beginning_opened(self):
        opened, resolved = message(alert()), message(alert(), says=Says.RESOLVED)
        (began,), (ended,) = self.events(opened), self.events(resolved)
        assert ended == {
            "routing_key": PAGERDUTY_KEY,
            "event_action": "resolve",
            "dedup_key": began["dedup_key"],
        }

    def test_a_reminder_is_no_second_incident(self):
        (began,), (again,) = (
            self.events(message(alert(), says=says)) for says in (Says.OPENED, Says.REMINDER)
        )
        assert again["dedup_key"] == began["dedup_key"]

    def test_a_test_leaves_no_open_incident(self):
        opened, resolved = self.events(message(says=Says.TEST, alerts=()))
        assert (opened["event_action"], resolved["event_action"]) == ("trigger", "resolve")
        assert opened["dedup_key"] == resolved["dedup_key"]
        assert str(MESSAGE_ID) in opened["dedup_key"]

    def test_keys_that_are_too_long_stay_different(self):
        alerts = [alert(subject="s" * 400 + end) for end in "ab"]
        keys = [event["dedup_key"] for event in self.events(message(*alerts))]
        assert [len(key) for key in keys] == [255, 255]
        assert keys[0] != keys[1]

    def test_alerts_of_the_service_have_no_component(self):
        given = alert(None, "no delivery came", event=Event.UNWELL, workspace=None)
        (event,) = self.events(message(given))
        assert event["dedup_key"] == "relay/unwell"
        assert not {"component", "group"} & event["payload"].keys()


class TestWebhook:
    def test_the_signature_is_that_of_the_published_test_vector(self):
        """standard-webhooks/standard-webhooks, libraries/*: `sign function works`."""
        key = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        signature = webhook.sign(
            b'{"test": 2432232314}',
            key,
            message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
            timestamp="1614265330",
        )
        assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

    def test_a_key_may_be_without_its_prefix(self):
        bare = Secret(WEBHOOK_KEY.removeprefix("whsec_"))
        assert webhook.key_bytes(bare) == webhook.key_bytes(Secret(WEBHOOK_KEY))

    @pytest.mark.parametrize(
        "key", ["whsec_", "whsec_c2hvcnQ=", "no base64 at all!", "A" * 200, "!" + "A" * 43 + "="]
    )
    def test_a_key_that_signs_badly_is_refused_without_being_shown(self, key):
        with pytest.raises(ValueError, match="expected base64") as refused:
            webhook.key_bytes(Secret(key))
        assert key.removeprefix("whsec_") not in str(refused.value) or key == "whsec_"

    def test_the_bytes_that_are_sent_are_signed(self):
        outgoing = webhook.render(message(), Secret(WEBHOOK_KEY), at=AT)
        assert outgoing.headers["webhook-id"] == str(MESSAGE_ID)
        assert outgoing.headers["webhook-timestamp"] == str(int(AT.timestamp()))
        key = base64.b64decode(WEBHOOK_KEY.removeprefix("whsec_"))
        signed = f"{MESSAGE_ID}.{int(AT.timestamp())}.".encode() + outgoing.body
        mac = HMACAlgorithm(hashlib.sha256).get_signature(key, signed)
        assert outgoing.headers["webhook-signature"] == f"v1,{base64.b64encode(mac).decode()}"

    def test_the_body_has_each_alert_with_its_key(self):
        (body,) = map(json.loads, rendered("webhook", message()))
        assert body["type"] == "alerts.opened"
        assert body["timestamp"] == "2026-11-27T05:12:30Z"
        assert body["data"]["message_id"] == str(MESSAGE_ID)
        assert body["data"]["alerts_left_out"] == 0
        assert body["data"]["alerts"][0] == {
            "key": "relay/default/5123/withheld",
            "event": "withheld",
            "workspace": "default",
            "sync_id": 5123,
            "subject": "",
            "text": "customers to Salesforce: model_failed",
        }

    def test_its_alerts_are_limited_and_the_others_counted(self):
        alerts = [alert(number) for number in range(1, 701)]
        (body,) = map(json.loads, rendered("webhook", message(*alerts)))
        assert len(body["data"]["alerts"]) == 500
        assert body["data"]["alerts_left_out"] == 200


def test_a_request_shows_neither_its_body_nor_its_headers():
    for outgoing in pagerduty.render(message(), Secret(PAGERDUTY_KEY)):
        assert PAGERDUTY_KEY not in repr(outgoing)
    assert "v1," not in repr(webhook.render(message(), Secret(WEBHOOK_KEY), at=AT))


class TestTheDocument:
    """docs/notifications.md."""

    TEXT = (Path(__file__).parents[3] / "docs" / "notifications.md").read_text()

    def shown(self):
        (line,) = [line for line in self.TEXT.splitlines() if line.startswith('{"type"')]
        return line

    def test_shows_a_body_as_it_is_sent(self):
        data = json.loads(self.shown())["data"]
        given = message(
            *(AlertLine(**each | {"event": Event(each["event"])}) for each in lines_of(data)),
            title=data["title"],
            links=tuple(Link(**link) for link in data["links"]),
        )
        assert rendered("webhook", given) == [self.shown().encode()]

    def test_explains_each_field(self):
        section = self.TEXT.partition("| field |")[2].partition("\n\n")[0]
        explained = [
            name
            for row in section.splitlines()
            if row.startswith("| `")
            for name in re.findall(r"`([^`]+)`", row.split("|")[1])
        ]
        assert explained == list(paths_in(json.loads(self.shown())))

    def test_lists_each_event(self):
        section = self.TEXT.partition("## When a message is sent")[2]
        assert re.findall(r"^\| `(\w+)`", section, re.MULTILINE) == list(Event)


def lines_of(data):
    """The alerts of a body, without the keys that are derived."""
    return [{name: alert[name] for name in alert if name != "key"} for alert in data["alerts"]]


def paths_in(value, path=""):
    """`data.alerts[].key`: the path of each field of a body."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from paths_in(each, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        yield from paths_in(value[0], f"{path}[]")
    else:
        yield path
