"""Sending messages, one job for each channel: at most one message a second."""

from dataclasses import dataclass
from datetime import datetime

from relay.channels import Channel
from relay.errors import Rejected, VendorError
from relay.logs import get_logger
from relay.notation import describe_error
from relay.store.messages import UNKNOWN_KIND, ClaimedMessage, StoredMessage
from relay.worker.backoff import next_try, retry_after_of
from relay.worker.services import Services

log = get_logger()


@dataclass(frozen=True, slots=True)
class _Sent:
    """The channel took it."""


@dataclass(frozen=True, slots=True)
class _Failed:
    """It is not sent any more."""

    problem: str


@dataclass(frozen=True, slots=True)
class _Retried:
    """It is sent again later."""

    problem: str
    again_at: datetime


_Result = _Sent | _Failed | _Retried


def scheduled_send(services: Services, *, channel: str) -> None:
    """Queue `send_messages` now. A separate task, because a scheduled job must not hold a lock."""
    services.store.messages.send_now(channel)


def send_messages(services: Services, *, channel: str) -> None:
    """Send the channel's oldest message; a later job sends the next one.

    It is claimed until its end is recorded. If this process dies in between, it is sent again.
    """
    known = services.mapping.current.channels.get(channel)
    with services.store.messages.claim(channel, now=services.clock()) as claimed:
        if claimed is None:
            return
        result = _send(services, claimed, known)
        _record(services, claimed, known, result)
    _log(claimed.stored, known, result)


def sending_failed(services: Services, problem: str, *, channel: str) -> None:
    """Count an unexpected error of `send_messages` as a failure to send the message."""
    known = services.mapping.current.channels.get(channel)
    with services.store.messages.claim(channel, now=services.clock()) as claimed:
        if claimed is None:
            return
        result = _retried(services, claimed.stored, problem, None)
        _record(services, claimed, known, result)
    _log(claimed.stored, known, result)


def _send(services: Services, claimed: ClaimedMessage, channel: Channel | None) -> _Result:
    stored = claimed.stored
    if channel is None:
        return _Failed(f"the mapping file has no channel {stored.channel!r} any more")
    try:
        services.sender.send(channel, stored.message, at=services.clock())
    except Rejected as exc:
        return _Failed(describe_error(exc))
    except VendorError as exc:
        return _retried(services, stored, describe_error(exc), retry_after_of(exc))
    return _Sent()


def _retried(
    services: Services, stored: StoredMessage, problem: str, retry_after: float | None
) -> _Failed | _Retried:
    """A later try, or none if the retries are exhausted."""
    backoff = next_try(
        stored.failures,
        stored.backoff_spent,
        retry_for=services.settings.retry_for,
        retry_after=retry_after,
    )
    return _Failed(problem) if backoff is None else _Retried(problem, services.clock() + backoff)


def _record(
    services: Services, claimed: ClaimedMessage, channel: Channel | None, result: _Result
) -> None:
    kind, now = channel.kind if channel else UNKNOWN_KIND, services.clock()
    match result:
        case _Sent():
            claimed.sent(kind, at=now)
        case _Failed():
            claimed.failed(kind, result.problem, at=now)
        case _Retried():
            claimed.retry(result.problem, result.again_at - now, at=now)


def _log(stored: StoredMessage, channel: Channel | None, result: _Result) -> None:
    message = stored.message
    fields = {
        "channel": stored.channel,
        "kind": channel.kind if channel else UNKNOWN_KIND,
        "message_id": str(message.message_id),
        "says": message.says,
        "alerts": len(message.alerts),
    }
    match result:
        case _Sent():
            log.info("notify.sent", **fields)
        case _Failed():
            log.error("notify.failed", **fields, problem=result.problem)
        case _Retried():
            log.warning(
                "notify.retried", **fields, problem=result.problem, again_at=result.again_at
            )
