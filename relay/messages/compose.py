"""Composing: which messages say what about the alerts, to which channels. No I/O here.

Each alert is told once to a channel, again after a day while it is open, and when it is over. What
one dbt run caused is one message.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from relay.channels import Channel, ChannelKind, Event
from relay.decision.mapping import Sync, SyncMapping
from relay.messages.alerts import Alert, CausingRun, Said
from relay.messages.links import Sites, links
from relay.messages.message import AlertLine, Message, Says, Severity
from relay.messages.texts import (
    cause_text,
    counted,
    lasted,
    opened_line,
    opened_title,
    resolved_line,
    resolved_title,
    summary,
)
from relay.workspaces import SyncKey

BETWEEN_REMINDERS = timedelta(days=1)
AFTER_A_FAILURE = timedelta(hours=1)
MOST_INCIDENTS = 50  # in one message to PagerDuty: each is a request of its own

_NAMESPACE = UUID("c8f5b1de-5d0f-4f6e-9a57-1d2a4c3b6e70")
# What a dbt run, or a sync run for it, has opened.
_OF_A_DBT_RUN = frozenset({Event.GIVEN_UP, Event.WITHHELD, Event.FAILING, Event.REJECTS})
_MUTED_BY_A_HOLD = frozenset({Event.STALE, Event.WITHHELD})
_SEVERITIES = {
    Event.GIVEN_UP: Severity.ERROR,
    Event.FAILING: Severity.ERROR,
    Event.STALE: Severity.ERROR,
    Event.UNWELL: Severity.ERROR,
    Event.REJECTS: Severity.WARNING,
    Event.WITHHELD: Severity.WARNING,
    Event.DRIFTED: Severity.WARNING,
}


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to a channel, and the alerts that it tells of."""

    channel: str
    message: Message
    alert_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Composed:
    """The messages to send, and the alerts about which nothing is left to be said."""

    messages: tuple[Outgoing, ...]
    settled: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a message may depend on.

    `alerts` are the open ones, and those that are over and not settled; `said` is what was said of
    them. `is_muted` and `is_held` tell it of a sync. `sites` begin links. `delay` is how
    old an alert is when it is told, so that one message tells of all syncs that a dbt run concerns,
    and none of what is over at once.
    """

    alerts: Sequence[Alert]
    said: Sequence[Said]
    mapping: SyncMapping
    is_muted: Callable[[SyncKey], bool]
    is_held: Callable[[SyncKey], bool]
    sites: Sites
    delay: timedelta


def compose(known: Known, *, now: datetime) -> Composed:
    """The messages that are due now, in the order in which each channel gets them."""
    messages = [
        message
        for channel in known.mapping.channels.values()
        for message in _Composer(known, channel, now).messages()
    ]
    settled = [alert.alert_id for alert in known.alerts if alert.resolved_at is not None]
    return Composed(tuple(messages), tuple(settled))


class _Composer:
    """The messages to one channel."""

    def __init__(self, known: Known, channel: Channel, now: datetime) -> None:
        self._known = known
        self._channel = channel
        self._now = now
        self._syncs = {sync.key: sync for sync in known.mapping.syncs}
        said = [each for each in known.said if each.channel == channel.name]
        self._said = {(each.alert_id, each.says): each.at for each in said if each.at is not None}
        self._failed = {each.alert_id: each for each in said if _is_untold(each)}

    def messages(self) -> Iterator[Outgoing]:
        resolved = [alert for alert in self._known.alerts if self._is_to_be_resolved(alert)]
        yield from map(self._over, self._batches(resolved))
        for group in _grouped(filter(self._is_to_be_opened, self._known.alerts)):
            # What was opened a moment later goes along.
            if any(alert.opened_at + self._known.delay <= self._now for alert in group):
                yield from map(self._opened, self._batches(group))
        reminders = [alert for alert in self._known.alerts if self._is_to_be_repeated(alert)]
        yield from map(self._reminder, self._batches(reminders))

    def _batches(self, alerts: Sequence[Alert]) -> Iterator[Sequence[Alert]]:
        """The alerts of each message: all, but for PagerDuty, where each must get its event."""
        is_pagerduty = self._channel.kind is ChannelKind.PAGERDUTY
        size = MOST_INCIDENTS if is_pagerduty else max(len(alerts), 1)
        return (alerts[start : start + size] for start in range(0, len(alerts), size))

    def _is_to_be_opened(self, alert: Alert) -> bool:
        return (
            alert.resolved_at is None
            and self._hears_of(alert)
            and not self._is_quiet(alert)
            and (alert.alert_id, Says.OPENED) not in self._said
            and not self._has_failed_lately(alert)
        )

    def _has_failed_lately(self, alert: Alert) -> bool:
        """Whether its message has just failed: somebody has to correct the channel first."""
        failed = self._failed.get(alert.alert_id)
        at = failed.failed_at if failed is not None else None
        return at is not None and self._now < at + AFTER_A_FAILURE

    def _is_to_be_repeated(self, alert: Alert) -> bool:
        told = self._said.get((alert.alert_id, Says.OPENED))
        if alert.resolved_at is not None or told is None:
            return False
        last = self._said.get((alert.alert_id, Says.REMINDER), told)
        is_due, sync = last + BETWEEN_REMINDERS <= self._now, self._sync(alert)
        is_disabled = sync is not None and not sync.enabled
        return is_due and not is_disabled and self._hears_of(alert) and not self._is_quiet(alert)

    def _is_to_be_resolved(self, alert: Alert) -> bool:
        """Only if the channel was told. PagerDuty always: otherwise its incident stays open."""
        was_told = (alert.alert_id, Says.OPENED) in self._said
        if alert.resolved_at is None or not was_told:
            return False
        closes_incident = self._channel.kind is ChannelKind.PAGERDUTY
        return closes_incident or not (alert.is_withdrawn or self._is_quiet(alert))

    def _hears_of(self, alert: Alert) -> bool:
        if alert.event not in self._channel.events:
            return False
        sync = self._sync(alert)
        return alert.sync is None or (sync is not None and self._channel.name in sync.notify)

    def _is_quiet(self, alert: Alert) -> bool:
        if alert.sync is None:
            return False
        is_held = alert.event in _MUTED_BY_A_HOLD and self._known.is_held(alert.sync)
        return is_held or self._known.is_muted(alert.sync)

    def _sync(self, alert: Alert) -> Sync | None:
        return None if alert.sync is None else self._syncs.get(alert.sync)

    def _opened(self, alerts: Sequence[Alert]) -> Outgoing:
        title, text = self._opened_texts(alerts)
        return self._message(Says.OPENED, alerts, title, text)

    def _opened_texts(self, alerts: Sequence[Alert]) -> tuple[str, str]:
        run, (first, *others) = alerts[0].run, alerts
        if not others and first.sync is None:
            return opened_title(first, None), ""
        if run is not None and _caused_by_a_decision(alerts):
            cause, concerned = cause_text(alerts), _concerned(alerts)
            if cause and len(_models(alerts)) == 1:
                return f"{run.name}: {cause}; {concerned}", ""
            return f"{run.name}: {concerned}", cause
        if not others:
            return opened_title(first, self._sync(first)), ""
        return _concerned(alerts), ""

    def _reminder(self, alerts: Sequence[Alert]) -> Outgoing:
        oldest = min(alert.opened_at for alert in alerts)
        title = f"still open, for up to {lasted(oldest, self._now)}: {_concerned(alerts)}"
        return self._message(Says.REMINDER, alerts, title, cause_text(alerts))

    def _over(self, alerts: Sequence[Alert]) -> Outgoing:
        first, *others = alerts
        title = f"{counted(len(alerts), 'alert')} over"
        if not others:
            title = resolved_title(first, self._sync(first))
        return self._message(Says.RESOLVED, alerts, title, "")

    def _message(self, says: Says, alerts: Sequence[Alert], title: str, text: str) -> Outgoing:
        alert_ids = tuple(alert.alert_id for alert in alerts)
        is_over = says is Says.RESOLVED
        message = Message(
            message_id=self._id(says, alert_ids),
            says=says,
            severity=Severity.INFO if is_over else _worst(alerts),
            title=title,
            text=text,
            alerts=tuple(self._line(alert) for alert in alerts),
            links=tuple(links(alerts, self._known.sites)),
            at=self._now.isoformat(),
        )
        return Outgoing(self._channel.name, message, alert_ids)

    def _id(self, says: Says, alert_ids: tuple[int, ...]) -> UUID:
        """The same for the same: a message is stored once, and again only after it failed."""
        day = self._now.isoformat() if says is Says.REMINDER else ""
        failed = [self._failed[each].failures for each in alert_ids if each in self._failed]
        again = [max(failed)] if says is Says.OPENED and failed else []
        parts = (self._channel.name, says, day, *alert_ids, *again)
        return uuid5(_NAMESPACE, "/".join(map(str, parts)))

    def _line(self, alert: Alert) -> AlertLine:
        is_over, sync = alert.resolved_at is not None, self._sync(alert)
        return AlertLine(
            event=alert.event,
            text=resolved_line(alert, sync) if is_over else opened_line(alert, sync),
            workspace=alert.sync and alert.sync[0],
            sync_id=alert.sync and alert.sync[1],
            subject=alert.subject,
        )


def _is_untold(said: Said) -> bool:
    return said.says is Says.OPENED and said.at is None


def _grouped(alerts: Iterable[Alert]) -> Iterator[tuple[Alert, ...]]:
    """The alerts of each message: those of one dbt run together, and all others together.

    dbt runs that only could not be evaluated are among the others: when dbt Cloud is down, these
    are many.
    """
    groups: dict[CausingRun | None, list[Alert]] = {}
    for alert in alerts:
        run = alert.run if alert.event in _OF_A_DBT_RUN else None
        groups.setdefault(run, []).append(alert)
    others = groups.pop(None, [])
    for group in groups.values():
        if all(alert.sync is None for alert in group):
            others.extend(group)
        else:
            yield tuple(group)
    if others:
        yield tuple(others)


def _caused_by_a_decision(alerts: Sequence[Alert]) -> bool:
    """Whether one dbt run, not what became of its triggers, has opened one of them."""
    run = alerts[0].run
    is_of_one = all(a.run == run and a.event in _OF_A_DBT_RUN for a in alerts)
    return is_of_one and any(a.event is Event.WITHHELD or a.sync is None for a in alerts)


def _models(alerts: Sequence[Alert]) -> set[str]:
    return {model for alert in alerts for model in alert.detail.models}


def _concerned(alerts: Sequence[Alert]) -> str:
    """`could not be evaluated`, `3 syncs withheld`; what is about no sync is counted."""
    parts = []
    of_no_sync = [alert for alert in alerts if alert.sync is None]
    runs = sum(alert.event is Event.GIVEN_UP for alert in of_no_sync)
    unwell = len(of_no_sync) - runs
    if runs:
        parts.append(f"{counted(runs, 'dbt run')} not evaluated completely")
    if unwell:
        parts.append(f"{counted(unwell, 'problem')} of relay itself")
    if syncs := summary(alerts):
        parts.append(syncs)
    return ", ".join(parts)


def _worst(alerts: Iterable[Alert]) -> Severity:
    severities = {_SEVERITIES[alert.event] for alert in alerts}
    return Severity.ERROR if Severity.ERROR in severities else Severity.WARNING
