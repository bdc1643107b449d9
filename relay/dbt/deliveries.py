"""A dbt Cloud webhook delivery: verify its signature, then read it. No I/O here.

https://docs.getdbt.com/docs/deploy/webhooks
"""

import binascii
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec
from itsdangerous import HMACAlgorithm

from relay.dbt.decoding import decode_leniently
from relay.errors import NotForUs, NotGenuine
from relay.notation import LARGEST_ID, read_time

SIGNATURE_BYTES = 32  # SHA-256
LONGEST_EVENT_ID = 200  # dbt's are 31 characters

# The event that is sent for every end of a run, once its artifacts exist.
RUN_COMPLETED = "job.run.completed"

# dbt Cloud sends the start of 1970 for an unknown time
# (release notes of 21 January 2026).
_NO_TIME = datetime(1970, 1, 2, tzinfo=UTC)

_HMAC_SHA256 = HMACAlgorithm(hashlib.sha256)


class Ignored(StrEnum):
    """Why a verified delivery is acknowledged and not acted on."""

    UNREADABLE = "unreadable"
    NOT_AN_EVENT = "not_an_event"
    OTHER_EVENT_TYPE = "other_event_type"
    OTHER_ACCOUNT = "other_account"
    NO_RUN_ID = "no_run_id"
    NO_RUN_STATUS = "no_run_status"  # what the `Test endpoint` button sends
    TOO_OLD = "too_old"


@dataclass(frozen=True, slots=True)
class Event:
    """A verified `job.run.completed` of our account. Only `from_delivery` creates one.

    Only the payload's ids are kept: its fields for how a run ended have changed several times, and
    the decision uses data requested from dbt Cloud itself.
    """

    event_id: str | None  # None if the body has none: the run then identifies a repeat
    dbt_account_id: int
    dbt_run_id: int

    @classmethod
    def from_delivery(
        cls,
        body: bytes,
        signature: str | None,
        *,
        secrets: tuple[bytes, ...],
        dbt_account_id: int,
        not_before: datetime,
    ) -> "Event":
        """Verify the signature of the raw body, and only then read it.

        `signature` is the `Authorization` header, or None. Several secrets are those of several
        subscriptions, or of one whose secret is being replaced. An event that was sent before
        `not_before`, or whose run ended before it, is too old: the records that would show it to
        be a repeat may be deleted.

        Raises NotGenuine, or NotForUs with one of the reasons in `Ignored`.
        """
        verify(body, signature, secrets=secrets)
        payload = _read(body)
        event_id = _event_id(payload)
        if payload.event_type != RUN_COMPLETED:
            # `errored` is sent before the run's artifacts exist, and followed by `completed`.
            raise NotForUs(Ignored.OTHER_EVENT_TYPE, event_id=event_id)
        if _positive_integer(payload.account_id) != dbt_account_id:
            raise NotForUs(Ignored.OTHER_ACCOUNT, event_id=event_id)
        dbt_run_id = _positive_integer(payload.data.run_id)
        if dbt_run_id is None:
            raise NotForUs(Ignored.NO_RUN_ID, event_id=event_id)
        if payload.data.run_status_code is None and payload.data.run_status is None:
            raise NotForUs(Ignored.NO_RUN_STATUS, event_id=event_id)
        if any(time < not_before for time in _times(payload)):
            raise NotForUs(Ignored.TOO_OLD, event_id=event_id)
        return cls(event_id=event_id, dbt_account_id=dbt_account_id, dbt_run_id=dbt_run_id)


def verify(body: bytes, signature: str | None, *, secrets: tuple[bytes, ...]) -> None:
    """Raise NotGenuine unless `signature` is the lower-case hex HMAC-SHA256 of `body`.

    Every secret is tried even after a match, so that timing reveals nothing.
    """
    mac = mac_of(signature)
    matches = [_HMAC_SHA256.verify_signature(secret, body, mac) for secret in secrets]
    if not any(matches):
        raise NotGenuine("wrong_signature")


def mac_of(signature: str | None) -> bytes:
    """The MAC in an `Authorization` header; it can be checked before the body is read.

    Raises NotGenuine if there is no header, or it is not the hex form of a SHA-256.
    """
    if signature is None:
        raise NotGenuine("no_signature")
    try:
        # unhexlify, not bytes.fromhex, which skips whitespace.
        mac = binascii.unhexlify(signature)
    except (ValueError, binascii.Error):
        raise NotGenuine("malformed_signature") from None
    if len(mac) != SIGNATURE_BYTES:
        raise NotGenuine("malformed_signature")
    return mac


def sign(body: bytes, secret: bytes) -> str:
    """The `Authorization` header that dbt Cloud would send with this body."""
    return _HMAC_SHA256.get_signature(secret, body).hex()


class _Data(msgspec.Struct):
    run_id: str | int | None = msgspec.field(name="runId", default=None)
    run_status: str | None = msgspec.field(name="runStatus", default=None)
    run_status_code: int | str | None = msgspec.field(name="runStatusCode", default=None)
    run_finished_at: Any = msgspec.field(name="runFinishedAt", default=None)


class _Payload(msgspec.Struct):
    event_type: str = msgspec.field(name="eventType")
    event_id: str | int | None = msgspec.field(name="eventId", default=None)
    account_id: int | str | None = msgspec.field(name="accountId", default=None)
    timestamp: Any = None
    data: _Data = msgspec.field(default_factory=_Data)


_decoder = msgspec.json.Decoder(_Payload)


def _read(body: bytes) -> _Payload:
    try:
        # msgspec does not check the bytes of fields it skips, and PostgreSQL would refuse a
        # NUL or a bad byte later.
        body.decode("utf-8")
        return decode_leniently(_decoder, body)
    except msgspec.ValidationError:
        raise NotForUs(Ignored.NOT_AN_EVENT) from None
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        raise NotForUs(Ignored.UNREADABLE) from None


def _event_id(payload: _Payload) -> str | None:
    event_id = "" if payload.event_id is None else str(payload.event_id)
    # PostgreSQL cannot store NUL, and dbt Cloud would resend a delivery that cannot be stored.
    fits = 0 < len(event_id) <= LONGEST_EVENT_ID and event_id.isprintable()
    return event_id if fits else None


def _times(payload: _Payload) -> list[datetime]:
    """When the event was sent and when its run ended, as far as known."""
    texts = (payload.timestamp, payload.data.run_finished_at)
    times = [read_time(text) for text in texts if isinstance(text, str)]
    return [time for time in times if time is not None and time > _NO_TIME]


def _positive_integer(value: str | int | None) -> int | None:
    text = str(value)
    if not (text.isascii() and text.isdigit()):
        return None
    number = int(text) if len(text) <= len(str(LARGEST_ID)) else 0
    return number if 0 < number <= LARGEST_ID else None
