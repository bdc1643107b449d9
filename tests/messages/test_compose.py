"""Which messages say what about the alerts: each case from open alerts to the texts."""

import dataclasses
import itertools
from datetime import UTC, datetime, timedelta

import pytest

from relay.channels import ALL_EVENTS, Channel, ChannelKind, Event
from relay.decision.mapping import Sync, SyncMapping
from relay.messages.alerts import Alert, CausingRun, Detail, Said
from relay.messages.compose import Known, compose
from relay.messages.links import Sites
from relay.messages.message import Says, Severity
from relay.workspaces import DEFAULT_WORKSPACE

NOW = datetime(2026, 11, 27, 6, 0, tzinfo=UTC)
RUN = CausingRun(
    dbt_account_id=66847,
    dbt_run_id=155144667,
    project_id=241251,
    job_name="Nightly build",
    environment_name="Production",
)
CUSTOMERS, ORDERS = "model.jaffle_crm.customers", "model.jaffle_crm.orders"
NAME = "customers to Salesforce"
NUMBERS = itertools.count(1)


def ago(**how):
    return NOW - timedelta(**how)


def sync(sync_id=5123, name="customers to Salesforce", *, notify=("data",), **fields):
    given = {"sync_id": sync_id, "name": name, "notify": notify, "depends_on": ()}
    return Sync(**given | fields)


def channel(name="data", kind=ChannelKind.SLACK, events=ALL_EVENTS):
    return Channel(name=name, kind=kind, events=frozenset(events))


def alert(event=Event.WITHHELD, sync_id=5123, *, detail=None, **fields):
    """An alert that was opened a minute ago; its number is a new one."""
    key = None if sync_id is None else (DEFAULT_WORKSPACE, sync_id)
    details = {
        Event.WITHHELD: Detail(reason="model_failed", models=(CUSTOMERS,)),
        Event.FAILING: Detail(what="failed", sync_run_id=90001, error_code="TIMED_OUT"),
        Event.STALE: Detail(behind_since=ago(hours=3), because="failing", fresh_within=7200),
    }
    given = {"opened_at": ago(minutes=1), "run": RUN if event is Event.WITHHELD else None}
    detail = detail or details.get(event, Detail())
    number = next(NUMBERS)
    return Alert(alert_id=number, event=event, sync=key, detail=detail, **given | fields)


def told(alert, at=None, *, channel="data", says=Says.OPENED):
    return Said(alert.alert_id, channel, says, at or alert.opened_at)


SYNCS, CHANNELS = (sync(),), (channel(),)


def composed(
    *alerts, said=(), syncs=SYNCS, channels=CHANNELS, muted=(), held=(), relay_url=None, now=NOW
):
    mapping = SyncMapping(
        syncs=tuple(syncs), workspaces={}, digest="", channels={c.name: c for c in channels}
    )
    known = Known(
        alerts=alerts,
        said=said,
        mapping=mapping,
        is_muted=lambda key: key[1] in muted,
        is_held=lambda key: key[1] in held,
        sites=Sites(dbt_cloud_url="https://ab123.us1.dbt.com", relay_url=relay_url),
        delay=timedelta(seconds=30),
    )
    return compose(known, now=now)


def messages(*alerts, **how):
    return [outgoing.message for outgoing in composed(*alerts, **how).messages]


def lines(message):
    return [f"{line.about}: {line.text}" for line in message.alerts]


class TestWhatADbtRunCaused:
    def test_is_one_message_that_names_the_failed_model_once_and_each_sync(self):
        syncs = (
            sync(owner="ops"),
            sync(5124, "orders to HubSpot"),
            sync(5125, None),
        )
        (message,) = messages(
            alert(behind_since=datetime(2026, 11, 26, 5, 12, tzinfo=UTC)),
            alert(sync_id=5124),
            alert(sync_id=5125),
            syncs=syncs,
        )
        assert message.title == (
            "dbt run 155144667 Nightly build (Production):"
            " model.jaffle_crm.customers failed; 3 syncs withheld"
        )
        assert message.text == ""
        assert lines(message) == [
            f"5123: {NAME}: withheld, model_failed; behind since 2026-11-26 05:12 UTC; owner ops",
            "5124: orders to HubSpot: withheld, model_failed",
            "5125: withheld, model_failed",
        ]
        assert [(link.label, link.url) for link in message.links] == [
            (
                "dbt run 155144667",
                "https://ab123.us1.dbt.com/deploy/66847/projects/241251/runs/155144667",
            )
        ]
        assert (message.says, message.severity) == (Says.OPENED, Severity.WARNING)

    def test_links_to_relays_own_pages_too_where_they_are_reached(self):
        (message,) = messages(
            alert(),
            alert(sync_id=5124),
            syncs=(sync(), sync(5124)),
            relay_url="https://relay.test/in",
        )
        assert [(link.label, link.url) for link in message.links[1:]] == [
            ("dbt run 155144667 in relay", "https://relay.test/in/runs/155144667"),
            ("sync 5123 in relay", "https://relay.test/in/syncs/default/5123"),
            ("sync 5124 in relay", "https://relay.test/in/syncs/default/5124"),
        ]

    def test_links_to_a_sync_of_a_workspace_with_any_name(self):
        stale = dataclasses.replace(alert(Event.STALE), sync=("emea & apac", 7))
        syncs = (dataclasses.replace(sync(), workspace="emea & apac", sync_id=7),)
        (message,) = messages(stale, syncs=syncs, relay_url="https://relay.test")
        (link,) = message.links
        assert link.url == "https://relay.test/syncs/emea%20%26%20apac/7"

    def test_links_to_relay_where_the_project_is_not_known(self):
        run = dataclasses.replace(RUN, project_id=None)
        (message,) = messages(alert(run=run), relay_url="https://relay.test")
        assert message.links[0].url == "https://relay.test/runs/155144667"

    def test_names_several_causes_once_each_by_reason(self):
        tested = Detail(reason="test_failed", models=(ORDERS, CUSTOMERS))
        (message,) = messages(
            alert(),
            alert(sync_id=5124, detail=tested),
            syncs=(sync(), sync(5124)),
        )
        title = "dbt run 155144667 Nightly build (Production): 2 syncs withheld"
        assert message.title == title
        assert message.text == f"{CUSTOMERS} failed; {ORDERS} failed a test"

    def test_names_five_of_many_models(self):
        detail = Detail(reason="model_failed", models=tuple(f"model.a.m{n}" for n in range(8)))
        (message,) = messages(alert(detail=detail))
        assert message.text.endswith("model.a.m4 and 3 more failed")

    def test_takes_along_what_was_just_opened_when_the_first_is_due(self):
        late = alert(Event.GIVEN_UP, 5124, run=RUN, opened_at=ago(seconds=1))
        (message,) = messages(alert(), late, syncs=(sync(), sync(5124)))
        assert message.title.endswith("; 1 sync withheld, 1 sync given up")

    def test_is_not_told_before_the_whole_plan_is_in(self):
        assert messages(alert(opened_at=ago(seconds=29))) == []
        assert len(messages(alert(opened_at=ago(seconds=30)))) == 1

    def test_is_another_message_for_another_dbt_run(self):
        other = dataclasses.replace(RUN, dbt_run_id=155144668)
        two = messages(alert(), alert(sync_id=5124, run=other), syncs=(sync(), sync(5124)))
        assert ["155144667" in message.title for message in two] == [True, False]

    def test_is_one_message_for_all_that_could_not_be_evaluated(self):
        """dbt Cloud does not answer: every run of the night."""
        runs = [dataclasses.replace(RUN, dbt_run_id=number) for number in range(1, 4)]
        given_up = Detail(what="dbt_run", problem="503")
        (message,) = messages(
            *(alert(Event.GIVEN_UP, None, detail=given_up, run=run) for run in runs)
        )
        assert message.title == "3 dbt runs not evaluated completely"
        expected = "None: dbt run 1 Nightly build (Production) could not be evaluated: 503"
        assert lines(message)[0] == expected
        assert len(message.links) == 3

    def test_is_with_the_syncs_if_only_some_could_not_be_decided(self):
        undecided = alert(Event.GIVEN_UP, None, detail=Detail(what="dbt_run"), run=RUN)
        (message,) = messages(undecided, alert())
        assert message.title.endswith("1 dbt run not evaluated completely, 1 sync withheld")


@pytest.mark.parametrize(
    ("one", "title", "line"),
    [
        (
            alert(Event.STALE),
            "customers to Salesforce (5123): stale",
            "customers to Salesforce: stale, behind since 2026-11-27 03:00 UTC (failing), limit 2h",
        ),
        (
            alert(Event.FAILING),
            "customers to Salesforce (5123): sync run failed",
            "customers to Salesforce: sync run 90001 failed, TIMED_OUT",
        ),
        (
            alert(Event.REJECTS, detail=Detail(share=0.254, over=0.005, sync_run_id=90001)),
            "customers to Salesforce (5123): rejected records",
            f"{NAME}: 25 % of the records of sync run 90001 were rejected or invalid, limit 0.5 %",
        ),
        (
            alert(Event.GIVEN_UP, detail=Detail(what="trigger", http_status=404)),
            "customers to Salesforce (5123): not triggered",
            "customers to Salesforce: not triggered, Census refused it (HTTP 404)",
        ),
        (
            alert(Event.GIVEN_UP, detail=Detail(what="trigger")),
            "customers to Salesforce (5123): not triggered",
            "customers to Salesforce: not triggered, and not tried again",
        ),
        (
            alert(Event.GIVEN_UP, detail=Detail(what="sync_run", sync_run_id=90001)),
            "customers to Salesforce (5123): sync run abandoned",
            f"{NAME}: sync run 90001 is not followed any more: look in Census whether it runs",
        ),
        (
            alert(Event.DRIFTED, detail=Detail(what="sync_paused", problem="it is paused")),
            "customers to Salesforce (5123): drifted",
            "customers to Salesforce: sync paused: it is paused",
        ),
        (
            alert(Event.UNWELL, None, detail=Detail(what="mapping", problem="syncs[0]: bad")),
            "the mapping file is refused, and the last valid one is in use: syncs[0]: bad",
            "the mapping file is refused, and the last valid one is in use: syncs[0]: bad",
        ),
        (
            alert(Event.UNWELL, None, detail=Detail(what="webhook_silent")),
            "no webhook arrives from dbt Cloud",
            "no webhook arrives from dbt Cloud",
        ),
    ],
    ids=lambda given: getattr(given, "event", None),
)
def test_one_alert_has_a_title_and_a_line(one, title, line):
    (message,) = messages(one)
    assert (message.title, message.alerts[0].text) == (title, line)


class TestWhoHears:
    ONCALL = channel("oncall", events={Event.GIVEN_UP, Event.STALE})
    BOTH = (channel(), ONCALL)

    def of_channels(self, *alerts, **how):
        return [outgoing.channel for outgoing in composed(*alerts, **how).messages]

    def test_the_channels_of_the_sync_that_take_the_event(self):
        syncs = (sync(notify=("data", "oncall")),)
        assert self.of_channels(alert(), syncs=syncs, channels=self.BOTH) == ["data"]
        stale = alert(Event.STALE)
        assert self.of_channels(stale, syncs=syncs, channels=self.BOTH) == ["data", "oncall"]

    def test_not_a_channel_that_the_sync_does_not_name(self):
        assert self.of_channels(alert(Event.STALE), channels=self.BOTH) == ["data"]
        assert self.of_channels(alert(), syncs=(sync(notify=()),)) == []

    def test_every_channel_that_takes_the_event_if_it_is_about_no_sync(self):
        given_up = alert(Event.GIVEN_UP, None, detail=Detail(what="dbt_run"), run=RUN)
        assert self.of_channels(given_up, channels=self.BOTH) == ["data", "oncall"]
        unwell = alert(Event.UNWELL, None, detail=Detail(what="mapping"))
        assert self.of_channels(unwell, channels=self.BOTH) == ["data"]

    def test_nobody_of_a_sync_that_is_not_mapped(self):
        assert messages(alert(sync_id=1)) == []


class TestRepetition:
    def test_an_alert_is_told_once(self):
        known = alert()
        assert messages(known, said=[told(known)]) == []

    def test_a_channel_that_was_added_is_told_what_is_open(self):
        known = alert()
        syncs = (sync(notify=("data", "more")),)
        found = composed(
            known, said=[told(known)], channels=(channel(), channel("more")), syncs=syncs
        )
        assert [outgoing.channel for outgoing in found.messages] == ["more"]

    @pytest.mark.parametrize(
        ("said", "reminders"),
        [
            ([ago(hours=23, minutes=59)], 0),
            ([ago(hours=24)], 1),
            ([ago(days=3), ago(hours=23)], 0),
            ([ago(days=3), ago(hours=24)], 1),
        ],
    )
    def test_a_reminder_comes_a_day_after_it_was_last_told(self, said, reminders):
        known = alert(Event.STALE, opened_at=ago(days=3))
        first, *others = said
        given = [told(known, first), *(told(known, at, says=Says.REMINDER) for at in others)]
        found = messages(known, said=given)
        assert [message.says for message in found] == [Says.REMINDER] * reminders

    def test_no_reminder_is_sent_of_a_sync_that_the_mapping_has_disabled(self):
        known = alert(Event.FAILING, opened_at=ago(days=3))
        assert messages(known, said=[told(known)], syncs=(sync(enabled=False),)) == []

    def test_a_reminder_names_all_that_is_still_open(self):
        both = [alert(opened_at=ago(days=2)), alert(Event.STALE, opened_at=ago(days=1, hours=1))]
        (message,) = messages(*both, said=[told(each) for each in both])
        assert message.title == "still open, for up to 2 days: 1 sync withheld, 1 sync stale"


class TestTheEnd:
    def test_is_one_line_with_how_long_it_took(self):
        over = alert(Event.STALE, resolved_at=NOW)
        (message,) = messages(over, said=[told(over)])
        assert message.title == "customers to Salesforce (5123) is fresh again after 3 h"
        assert lines(message) == ["5123: customers to Salesforce is fresh again after 3 h"]
        assert (message.says, message.severity) == (Says.RESOLVED, Severity.INFO)

    def test_is_one_message_for_several(self):
        over = [alert(resolved_at=NOW), alert(Event.FAILING, 5124, resolved_at=NOW)]
        said = [told(each) for each in over]
        (message,) = messages(*over, said=said, syncs=(sync(), sync(5124, "orders to HubSpot")))
        assert message.title == "2 alerts over"
        assert lines(message) == [
            "5123: customers to Salesforce is triggered again after 1 min",
            "5124: orders to HubSpot completed again after 1 min",
        ]

    def test_is_told_only_where_the_beginning_was(self):
        over = alert(resolved_at=NOW)
        syncs = (sync(notify=("data", "more")),)
        found = composed(
            over,
            said=[told(over, channel="more")],
            channels=(channel(), channel("more")),
            syncs=syncs,
        )
        assert [outgoing.channel for outgoing in found.messages] == ["more"]

    def test_is_told_also_where_the_sync_names_the_channel_no_more(self):
        over = alert(resolved_at=NOW)
        assert len(messages(over, said=[told(over)], syncs=(sync(notify=()),))) == 1

    def test_settles_the_alert_whether_it_is_told_or_not(self):
        told_of, not_told_of, open_one = alert(resolved_at=NOW), alert(resolved_at=NOW), alert()
        found = composed(told_of, not_told_of, open_one, said=[told(told_of)])
        assert found.settled == (told_of.alert_id, not_told_of.alert_id)

    def test_of_what_is_withdrawn_is_not_told(self):
        over = alert(resolved_at=NOW, is_withdrawn=True)
        assert messages(over, said=[told(over)], syncs=()) == []

    @pytest.mark.parametrize("how", [{"is_withdrawn": True}, {}])
    def test_closes_an_incident_of_pagerduty_also_if_nobody_is_to_hear_of_it(self, how):
        """Otherwise it stays open there, and the next one of that key pages nobody."""
        over = alert(resolved_at=NOW, **how)
        pagerduty = channel(kind=ChannelKind.PAGERDUTY)
        (message,) = messages(over, said=[told(over)], channels=(pagerduty,), muted={5123})
        assert message.says is Says.RESOLVED


class TestMuted:
    def test_a_muted_sync_is_not_told_of(self):
        assert messages(alert(), muted={5123}) == []
        (message,) = messages(
            alert(), alert(sync_id=5124), syncs=(sync(), sync(5124)), muted={5124}
        )
        assert [line.sync_id for line in message.alerts] == [5123]

    def test_what_is_still_open_when_the_mute_ends_is_told(self):
        assert len(messages(alert(opened_at=ago(hours=4)))) == 1

    def test_no_reminder_and_no_end_is_told(self):
        known = alert(opened_at=ago(days=2))
        over = alert(resolved_at=NOW)
        assert messages(known, over, said=[told(known), told(over)], muted={5123}) == []

    @pytest.mark.parametrize(
        ("event", "is_told"),
        [
            (Event.STALE, False),
            (Event.WITHHELD, False),
            (Event.FAILING, True),
            (Event.GIVEN_UP, True),
        ],
    )
    def test_a_held_sync_is_muted_for_what_a_hold_causes(self, event, is_told):
        assert bool(messages(alert(event), held={5123})) is is_told


class TestLimits:
    def test_a_message_lists_any_number_of_alerts_because_each_kind_of_channel_has_its_limit(self):
        many = [alert(sync_id=number) for number in range(1, 1001)]
        (outgoing,) = composed(*many, syncs=[sync(number) for number in range(1, 1001)]).messages
        assert len(outgoing.message.alerts) == len(outgoing.alert_ids) == 1000
        assert "1000 syncs withheld" in outgoing.message.title

    @pytest.mark.parametrize("is_over", [False, True])
    def test_pagerduty_hears_of_every_alert_in_messages_of_fifty(self, is_over):
        """An alert that no message lists would page nobody, or its incident would stay open."""
        over = {"resolved_at": NOW} if is_over else {}
        many = [alert(sync_id=number, **over) for number in range(1, 121)]
        found = composed(
            *many,
            said=[told(each) for each in many] if is_over else (),
            syncs=[sync(number) for number in range(1, 121)],
            channels=(channel(kind=ChannelKind.PAGERDUTY),),
        )
        assert [len(outgoing.message.alerts) for outgoing in found.messages] == [50, 50, 20]
        assert {line.sync_id for each in found.messages for line in each.message.alerts} == set(
            range(1, 121)
        )
        assert sum((outgoing.alert_ids for outgoing in found.messages), ()) == tuple(
            each.alert_id for each in many
        )

    def test_texts_from_outside_are_one_printable_line(self):
        run = dataclasses.replace(RUN, job_name="Nightly\nbuild\x1b[31m")
        named = (sync(name="customers\x00 to\nCRM", owner="a\tb"),)
        (message,) = messages(alert(run=run), syncs=named)
        text = message.title + message.alerts[0].text
        assert text.isprintable()

    def test_the_same_is_the_same_message(self):
        """It is stored once, also if it is composed again."""
        one = alert()
        assert messages(one) == messages(one)
        (first,), (second,) = messages(one), messages(alert())
        assert first.message_id != second.message_id
