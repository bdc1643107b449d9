"""Sends a message to a channel."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from relay.channels import Channel, ChannelKind
from relay.errors import BadSettings, Rejected, Unavailable
from relay.logs import redact
from relay.messages.message import Message
from relay.notation import printable, short_message
from relay.settings import MessageSettings
from relay.vendors.channels import pagerduty, slack, teams, webhook
from relay.vendors.channels.destination import Destination, destination_of
from relay.vendors.channels.rendering import Outgoing
from relay.vendors.secret_url import Reply, Request, raise_for

LONGEST_READ = 10.0  # seconds
MOST_REMEMBERED = 1000  # messages that were sent in part

_NAMES = {
    ChannelKind.SLACK: "Slack",
    ChannelKind.TEAMS: "Teams",
    ChannelKind.PAGERDUTY: "PagerDuty",
    ChannelKind.WEBHOOK: "webhook",
}
_HINTS = {
    ChannelKind.SLACK: "does the incoming webhook of {} still exist?",
    ChannelKind.TEAMS: "does the workflow of {} still exist, and is it switched on?",
    ChannelKind.PAGERDUTY: "is {} the integration key of a service, for its Events API v2?",
    ChannelKind.WEBHOOK: "are {} right, and does the receiver verify Standard Webhooks?",
}
_REASONS: Mapping[ChannelKind, Callable[[bytes], str | None]] = {
    ChannelKind.SLACK: slack.reason_of,
    ChannelKind.PAGERDUTY: pagerduty.reason_of,
}


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message that the channel took: in how many requests, and the last one's answer.

    `http_status` is None if there was nothing to send: to PagerDuty, a message without alerts.
    """

    requests: int
    http_status: int | None
    answer: str


class Senders:
    """Sends messages to the channels of the mapping file. Thread-safe.

    The variables are read for each message: a key in a file may be replaced while relay runs.
    """

    def __init__(self, settings: MessageSettings) -> None:
        self._environment = settings.environment
        self._read_seconds = min(float(settings.http_timeout), LONGEST_READ)
        # PagerDuty's limit is lower than the alerts that a message may have: a repeat goes on
        # behind those that it took. Another worker begins anew, which its dedup_key permits.
        self._taken: dict[tuple[str, UUID], int] = {}

    def send(self, channel: Channel, message: Message, *, at: datetime) -> Accepted:
        """Send a message once; `at` is now.

        Raises Unavailable if it may be sent again, not before its `retry_after`: the channel may
        have taken it all the same, and a webhook and PagerDuty then know it by its id. Also if
        the channel's variables cannot be used now. Raises Rejected if the channel refuses.
        """
        try:
            destination = destination_of(channel, self._environment)
        except BadSettings as exc:
            raise Unavailable("; ".join(map(str, exc.problems))) from None
        requests = _rendered(destination, message, at)
        known = (channel.name, message.message_id)
        accepted = Accepted(0, None, "")
        for number, outgoing in enumerate(requests, 1):
            if number > self._taken.get(known, 0):
                reply = self._post(destination, outgoing)
                self._remember(known, number)
                accepted = Accepted(number, reply.http_status, _answer(reply))
        self._taken.pop(known, None)
        return accepted

    def _post(self, destination: Destination, outgoing: Outgoing) -> Reply:
        channel = destination.channel
        what = f"{_NAMES[channel.kind]}, channel {printable(channel.name)}"
        reply = Request(
            "POST",
            destination.url,
            what,
            self._read_seconds,
            outgoing.body,
            {"Content-Type": "application/json", **outgoing.headers},
        ).send()
        hint = _HINTS[channel.kind].format(" and ".join(channel.variables))
        raise_for(reply, what, hint=hint, reason=_reason(channel.kind, reply))
        if channel.kind is ChannelKind.SLACK and reply.beginning not in (None, b"ok"):
            said = f"HTTP {reply.http_status}, and not `ok`, so that this is not Slack"
            raise Rejected(f"{what}: {said}; {hint}", http_status=reply.http_status)
        return reply

    def _remember(self, known: tuple[str, UUID], taken: int) -> None:
        if len(self._taken) >= MOST_REMEMBERED:
            self._taken.clear()
        self._taken[known] = taken


def _rendered(destination: Destination, message: Message, at: datetime) -> tuple[Outgoing, ...]:
    match destination.channel.kind, destination.key:
        case ChannelKind.SLACK, _:
            return (slack.render(message),)
        case ChannelKind.TEAMS, _:
            return (teams.render(message),)
        case ChannelKind.PAGERDUTY, key if key is not None:
            return pagerduty.render(message, key)
        case ChannelKind.WEBHOOK, key if key is not None:
            return (webhook.render(message, key, at=at),)
    raise AssertionError("destination_of reads a key for each kind that has one")


def _reason(kind: ChannelKind, reply: Reply) -> str | None:
    reason = _REASONS[kind](reply.beginning or b"") if kind in _REASONS else None
    return redact(reason) if reason else None


def _answer(reply: Reply) -> str:
    return redact(short_message((reply.beginning or b"").decode(errors="replace")))
