"""Channels that relay sends messages to, and the events they are about. No I/O here."""

from dataclasses import dataclass, field
from enum import StrEnum


class Event(StrEnum):
    """What a message can be about, as `events` of the mapping file names it."""

    GIVEN_UP = "given_up"  # a dbt run, a trigger or a sync run: relay retries it no more
    FAILING = "failing"  # a sync run failed, or was canceled
    REJECTS = "rejects"  # more records were rejected or invalid than `rejects_over`
    WITHHELD = "withheld"  # a sync that was triggered before is withheld
    STALE = "stale"  # behind for longer than `fresh_within`
    DRIFTED = "drifted"  # the mapping differs from Census or dbt
    UNWELL = "unwell"  # the webhook, the mapping file, the Census API version


ALL_EVENTS = frozenset(Event)


class ChannelKind(StrEnum):
    """Where a channel's messages go, and so their form."""

    SLACK = "slack"  # an incoming webhook
    TEAMS = "teams"  # a Workflows URL
    PAGERDUTY = "pagerduty"  # Events API v2
    WEBHOOK = "webhook"  # any receiver, signed as Standard Webhooks


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A channel of the mapping file; what is secret about it is in the environment.

    `url_env` is the variable for its URL, `key_env` that for its key: PagerDuty's routing key, or
    the key that signs a webhook. Each is None if the kind has none, `url_env` also for PagerDuty
    at its usual address.
    """

    name: str
    kind: ChannelKind
    url_env: str | None = None
    key_env: str | None = None
    events: frozenset[Event] = field(default=ALL_EVENTS)

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables that must be set for it."""
        return tuple(name for name in (self.url_env, self.key_env) if name is not None)


# The keys of a channel that each kind requires, and those that it takes beside them.
KEYS_OF: dict[ChannelKind, tuple[str, ...]] = {
    ChannelKind.SLACK: ("url_env",),
    ChannelKind.TEAMS: ("url_env",),
    ChannelKind.PAGERDUTY: ("key_env",),
    ChannelKind.WEBHOOK: ("url_env", "key_env"),
}
OPTIONAL_KEYS_OF: dict[ChannelKind, tuple[str, ...]] = {
    ChannelKind.PAGERDUTY: ("url_env",),  # of another region
}
