"""Where a channel's messages go: its URL and key, which are in the environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from relay.channels import Channel, ChannelKind
from relay.errors import BadSettings, Problem
from relay.logs import add_secret
from relay.notation import host_of, printable, read_message_url
from relay.secret import Secret, parts_of
from relay.settings import secret_in
from relay.vendors.channels import pagerduty, webhook

_EXAMPLES = {
    ChannelKind.SLACK: "https://hooks.slack.com/services/…",
    ChannelKind.TEAMS: "https://….environment.api.powerplatform.com/…&sig=…",
    ChannelKind.PAGERDUTY: "https://events.eu.pagerduty.com",
    ChannelKind.WEBHOOK: "https://alerts.example.com/relay",
}
_FORMER_TEAMS = (".webhook.office.com", "outlook.office.com", "outlook.office365.com")


@dataclass(frozen=True, slots=True)
class Destination:
    """A channel with its secrets; `key` is None if the kind has none."""

    channel: Channel
    url: Secret
    key: Secret | None


def destination_of(channel: Channel, environment: Mapping[str, str]) -> Destination:
    """Read the channel's variables, or the files of `NAME_FILE`.

    Raises BadSettings with every problem; no problem repeats a URL or a key.
    """
    problems: list[Problem] = []
    found: dict[str, Secret] = {}
    for name in channel.variables:
        try:
            found[name] = _read(channel, name, environment)
        except BadSettings as exc:
            problems.extend(exc.problems)
        except ValueError as exc:
            where = f"channel {printable(channel.name)}"
            problems.append(Problem(name, f"{exc} ({where})"))
    if problems:
        raise BadSettings(tuple(problems))
    url = found[channel.url_env] if channel.url_env else Secret(pagerduty.URL)
    return Destination(channel, url, found[channel.key_env] if channel.key_env else None)


def problems_of(channel: Channel, environment: Mapping[str, str]) -> tuple[Problem, ...]:
    """What is wrong with the channel's variables; empty if it can be used."""
    try:
        destination_of(channel, environment)
    except BadSettings as exc:
        return exc.problems
    return ()


def _read(channel: Channel, name: str, environment: Mapping[str, str]) -> Secret:
    secret = secret_in(environment, name)
    if secret is None:
        needs = f"is not set, and channel {printable(channel.name)} needs it"
        raise BadSettings((Problem(name, needs),))
    for part in parts_of(secret) if name == channel.url_env else (secret,):
        add_secret(part)
    return _url(channel, secret) if name == channel.url_env else _key(channel, secret)


def _url(channel: Channel, secret: Secret) -> Secret:
    url = read_message_url(secret.reveal(), example=_EXAMPLES[channel.kind])
    if channel.kind is ChannelKind.TEAMS and host_of(url).endswith(_FORMER_TEAMS):
        raise ValueError(
            "is the URL of an Office 365 connector, which Microsoft has switched off: make a"
            " workflow in Teams, and write its URL"
        )
    if channel.kind is ChannelKind.PAGERDUTY and urlsplit(url).path in ("", "/"):
        return Secret(url.rstrip("/") + pagerduty.PATH)
    return Secret(url)


def _key(channel: Channel, key: Secret) -> Secret:
    if channel.kind is ChannelKind.WEBHOOK:
        webhook.key_bytes(key)
    elif len(key.reveal()) != pagerduty.KEY_LENGTH or not key.reveal().isalnum():
        raise ValueError(
            f"expected an integration key of PagerDuty's Events API v2: {pagerduty.KEY_LENGTH}"
            " letters and digits"
        )
    return key
