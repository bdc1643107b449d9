"""What a message says: the line of an alert, opened or over. No I/O here."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from relay.channels import Event
from relay.decision.mapping import Sync
from relay.messages.alerts import (
    CENSUS_V1,
    MAPPING,
    SYNC_RUN,
    TRIGGER,
    WEBHOOK_SILENT,
    WEBHOOK_SUBSCRIPTION,
    Alert,
)
from relay.notation import short_message, write_duration
from relay.workspaces import display_id

MOST_NAMED = 5  # models in one text

_REASONS = {
    "model_failed": "failed",
    "partial_rebuild": "rebuilt partly",
    "test_failed": "failed a test",
    "stale_parent": "older than a parent",
    "run_cancelled": "in the cancelled run",
}
_OVER = {
    Event.GIVEN_UP: "completed again",
    Event.FAILING: "completed again",
    Event.REJECTS: "has few rejected records again",
    Event.WITHHELD: "is triggered again",
    Event.STALE: "is fresh again",
}


# What is so, and that it is over.
_OF_RELAY = {
    WEBHOOK_SILENT: ("no webhook arrives from dbt Cloud", "webhooks arrive again from dbt Cloud"),
    WEBHOOK_SUBSCRIPTION: (
        "the webhook subscription in dbt Cloud",
        "the webhook subscription in dbt Cloud is well again",
    ),
    MAPPING: (
        "the mapping file is refused, and the last valid one is in use",
        "the mapping file is valid again",
    ),
    CENSUS_V1: ("Census's API v1", "Census's API v1 is not in use any more"),
}
_SYNCS_THAT = {
    Event.GIVEN_UP: "given up",
    Event.FAILING: "failing",
    Event.REJECTS: "with rejected records",
    Event.WITHHELD: "withheld",
    Event.STALE: "stale",
    Event.DRIFTED: "drifted",
}


def opened_line(alert: Alert, sync: Sync | None) -> str:
    """What is wrong, for a list of alerts: `customers to Salesforce: withheld, model_failed`."""
    if alert.sync is None:
        return _of_the_service(alert)
    parts = [f"{_name(sync)}: {_what(alert)}" if _name(sync) else _what(alert)]
    if alert.event is not Event.STALE and alert.behind_since is not None:
        parts.append(f"behind since {written_time(alert.behind_since)}")
    if sync is not None and sync.owner:
        parts.append(f"owner {short_message(sync.owner)}")
    return "; ".join(parts)


def resolved_line(alert: Alert, sync: Sync | None) -> str:
    """That it is over, and how long it took: `customers to Salesforce is fresh again after 3 h`."""
    after = f"after {lasted(_since(alert), alert.resolved_at or alert.opened_at)}"
    if alert.sync is None:
        return f"{_over_for_the_service(alert)} {after}"
    name = _name(sync) or "the sync"
    if alert.is_withdrawn:
        return f"{name} is not watched any more"
    if alert.event is Event.DRIFTED:
        return f"{name}: {_words(alert.detail.what)} is resolved {after}"
    return f"{name} {_OVER[alert.event]} {after}"


def resolved_title(alert: Alert, sync: Sync | None) -> str:
    """The same with the sync's id, as the title of a message about one alert."""
    line = resolved_line(alert, sync)
    if alert.sync is None:
        return line
    shown = f"{_name(sync)} ({display_id(*alert.sync)})" if _name(sync) else _shown(alert)
    name = _name(sync) or "the sync"
    return shown + line.removeprefix(name)


def opened_title(alert: Alert, sync: Sync | None) -> str:
    """The title of a message about one alert."""
    if alert.sync is None:
        return _of_the_service(alert)
    name = f"{_name(sync)} ({display_id(*alert.sync)})" if _name(sync) else _shown(alert)
    return f"{name}: {_headline(alert)}"


def cause_text(alerts: Sequence[Alert]) -> str:
    """The models that the decisions name, each once: `failed at model.shop.customers`.

    Empty if no decision is among the alerts.
    """
    by_reason: dict[str, dict[str, None]] = {}
    for alert in alerts:
        if alert.event is Event.WITHHELD:
            by_reason.setdefault(alert.detail.reason, {}).update(dict.fromkeys(alert.detail.models))
    named: set[str] = set()
    parts = []
    for reason in sorted(by_reason, key=list(_REASONS).index):
        models = [model for model in by_reason[reason] if model not in named]
        named.update(models)
        if models:
            parts.append(f"{listed(models)} {_REASONS[reason]}")
    return "; ".join(parts)


def listed(names: Sequence[str]) -> str:
    """`a, b and 3 more`."""
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def counted(number: int, noun: str) -> str:
    """`1 sync`, `3 syncs`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def summary(alerts: Iterable[Alert]) -> str:
    """How many syncs each event is about: `3 syncs withheld, 1 sync failing`."""
    syncs = dict.fromkeys((alert.event, alert.sync) for alert in alerts if alert.sync is not None)
    of_event = Counter(event for event, _ in syncs)
    return ", ".join(
        f"{counted(number, 'sync')} {_SYNCS_THAT[event]}" for event, number in of_event.items()
    )


def lasted(since: datetime, until: datetime) -> str:
    """About how long: `45 min`, `3 h`, `2 days`."""
    seconds = max(round((until - since).total_seconds()), 0)
    for name, least, length in (("days", 172800, 86400), ("h", 3600, 3600), ("min", 60, 60)):
        if seconds >= least:
            return f"{seconds // length} {name}"
    return f"{seconds} s"


def written_time(at: datetime) -> str:
    """A time in UTC, for people everywhere."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _what(alert: Alert) -> str:
    detail = alert.detail
    match alert.event:
        case Event.WITHHELD:
            return f"withheld, {detail.reason}"
        case Event.STALE:
            since = f" since {written_time(detail.behind_since)}" if detail.behind_since else ""
            limit = f", limit {write_duration(detail.fresh_within)}" if detail.fresh_within else ""
            return f"stale, behind{since} ({detail.because}){limit}"
        case Event.DRIFTED:
            return f"{_words(detail.what)}: {detail.problem}"
        case Event.FAILING:
            code = f", {detail.error_code}" if detail.error_code else ""
            return f"{_sync_run(alert)} {detail.what}{code}"
        case Event.REJECTS:
            return (
                f"{_percent(detail.share)} of the records of {_sync_run(alert)} were rejected or"
                f" invalid, limit {_percent(detail.over)}"
            )
        case _:
            return _given_up(alert)


def _given_up(alert: Alert) -> str:
    if alert.detail.what == SYNC_RUN:
        return f"{_sync_run(alert)} is not followed any more: look in Census whether it runs"
    status = alert.detail.http_status
    if status is None:
        return "not triggered, and not tried again"
    return f"not triggered, Census refused it (HTTP {status})"


def _headline(alert: Alert) -> str:
    match alert.event:
        case Event.WITHHELD | Event.STALE | Event.DRIFTED:
            return str(alert.event)
        case Event.FAILING:
            return f"sync run {alert.detail.what}"
        case Event.REJECTS:
            return "rejected records"
        case _:
            return "not triggered" if alert.detail.what == TRIGGER else "sync run abandoned"


def _of_the_service(alert: Alert) -> str:
    problem = f": {alert.detail.problem}" if alert.detail.problem else ""
    if alert.event is Event.GIVEN_UP:
        return f"{_run(alert)} could not be evaluated{problem}"
    if alert.detail.what == CENSUS_V1:
        return alert.detail.problem
    is_so, _ = _OF_RELAY[alert.detail.what]
    return is_so + problem


def _over_for_the_service(alert: Alert) -> str:
    if alert.event is Event.GIVEN_UP:
        return f"{_run(alert)} is evaluated"
    _, is_over = _OF_RELAY[alert.detail.what]
    return is_over


def _run(alert: Alert) -> str:
    return alert.run.name if alert.run else "a dbt run"


def _sync_run(alert: Alert) -> str:
    run_id = alert.detail.sync_run_id
    return "its sync run" if run_id is None else f"sync run {run_id}"


def _since(alert: Alert) -> datetime:
    return alert.detail.behind_since or alert.opened_at


def _name(sync: Sync | None) -> str:
    return short_message(sync.name) if sync is not None and sync.name else ""


def _shown(alert: Alert) -> str:
    return f"sync {display_id(*alert.sync)}" if alert.sync else "relay"


def _words(text: str) -> str:
    return text.replace("_", " ")


def _percent(share: float | None) -> str:
    percent = (share or 0.0) * 100
    return f"{percent:.0f} %" if percent >= 1 else f"{percent:.2g} %"
