"""One delivery, its body, and what followed from it."""

import json
import uuid
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise

import msgspec
from werkzeug.exceptions import NotFound

from relay.dashboard.visit import Visit
from relay.notation import printable
from relay.store.pages.delivery import LONGEST_BODY, DeliveryDetails, Effects


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery's body as text: its JSON indented, or as it is; `is_cut` if there is more of it.

    Control characters are escaped.
    """

    text: str
    is_json: bool
    is_cut: bool
    size: int  # bytes


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """What happened when; `after` is the seconds since the moment before, None for the first."""

    what: str
    at: datetime
    after: float | None


class DeliveryPage(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery; `became` as in the list of deliveries.

    `dbt_run_id` is None if the body has none; `is_known_run` is whether its run has a page.
    """

    delivery_id: uuid.UUID
    received_at: datetime
    event_id: str | None
    became: str
    why: str | None
    dbt_account_id: int | None
    dbt_run_id: int | None
    is_known_run: bool
    first_delivery_id: uuid.UUID | None
    dbt_job_id: int | None
    job_name: str | None
    run_status: str | None
    body: Body
    followed: tuple[Moment, ...]
    effects: Effects | None


def view(visit: Visit, delivery_id: uuid.UUID) -> DeliveryPage:
    """Raises NotFound."""
    found = visit.pages.delivery.find(delivery_id)
    if found is None:
        raise NotFound("There is no such delivery, or it is older than what relay keeps.")
    is_known = found.is_recorded and found.dbt_account_id == visit.account_id
    effects = None
    if is_known and found.dbt_run_id is not None:
        effects = visit.pages.delivery.effects(visit.account_id, found.dbt_run_id)
    return DeliveryPage(
        delivery_id=found.delivery_id,
        received_at=found.received_at,
        event_id=found.event_id,
        became=_became(found),
        why=found.ignored_because or found.problem,
        dbt_account_id=found.dbt_account_id,
        dbt_run_id=found.dbt_run_id,
        is_known_run=is_known,
        first_delivery_id=found.first_delivery_id,
        dbt_job_id=found.dbt_job_id,
        job_name=found.job_name,
        run_status=found.run_status,
        body=body_of(found.body, found.body_bytes),
        followed=_in_order(_moments(found, effects)) if is_known else (),
        effects=effects,
    )


def _became(found: DeliveryDetails) -> str:
    if found.ignored_because is not None:
        return "ignored"
    if found.first_delivery_id != found.delivery_id:
        return "repeated"
    if found.planned_at is not None:
        return "planned"
    return "recorded" if found.given_up_at is None else "given up"


def _moments(found: DeliveryDetails, effects: Effects | None) -> Iterator[tuple[str, datetime]]:
    times = {
        "dbt run ended": found.finished_at,
        "delivery received": found.received_at,
        "run examined, syncs decided": found.planned_at,
        "given up": found.given_up_at,
    }
    if effects is not None:
        is_over = effects.triggers > 0 and effects.ended == effects.triggers
        times["first sync triggered"] = effects.first_sent_at
        times["last sync run ended"] = effects.last_ended_at if is_over else None
    for what, at in times.items():
        if at is not None:
            yield what, at


def _in_order(moments: Iterator[tuple[str, datetime]]) -> tuple[Moment, ...]:
    ordered = sorted(moments, key=lambda moment: moment[1])
    later = (
        Moment(what=what, at=at, after=(at - before).total_seconds())
        for (_, before), (what, at) in pairwise(ordered)
    )
    first = (Moment(what=what, at=at, after=None) for what, at in ordered[:1])
    return (*first, *later)


def body_of(body: bytes, size: int) -> Body:
    """The body as a page shows it; `size` is that of the whole body, in bytes."""
    indented = _indented(body) if size == len(body) else None
    written = body.decode(errors="replace") if indented is None else indented
    lines = written[:LONGEST_BODY].replace("\r\n", "\n").split("\n")
    return Body(
        text="\n".join(map(_shown, lines)),
        is_json=indented is not None,
        is_cut=size > len(body) or len(written) > LONGEST_BODY,
        size=size,
    )


def _indented(body: bytes) -> str | None:
    """Its JSON with indentation, a little more than what is shown of it; None if it is not JSON."""
    parts: list[str] = []
    length = 0
    try:
        for part in json.JSONEncoder(indent=2, ensure_ascii=False).iterencode(json.loads(body)):
            parts.append(part)
            length += len(part)
            if length > LONGEST_BODY:  # deep nesting makes the indentation longer than the body
                break
    except (ValueError, RecursionError):
        return None
    return "".join(parts)


def _shown(line: str) -> str:
    indentation = line[: len(line) - len(line.lstrip(" "))]
    return indentation + printable(line[len(indentation) :])
