"""Triggering a sync without a dbt run: what has changed, or all of its records."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from relay.dashboard.actions.action import (
    SEEN,
    CannotAct,
    Done,
    Field,
    FieldKind,
    Given,
    Preview,
)
from relay.dashboard.actions.given import sync_field, sync_given
from relay.dashboard.visit import Visit
from relay.decision.mapping import Sync, SyncMapping
from relay.operations.recorded import describe_until, of_sync
from relay.operations.trigger import Records, kind_of, result_of_trigger, trigger_in
from relay.store import Hold, Mode
from relay.store.pages.previews import SyncNow
from relay.workspaces import SyncKey, display_id

ALL = "Census syncs all of its records"
CHANGED = "Census syncs what has changed"
TYPED = "typed"  # the field in which a full sync is confirmed


def preview(visit: Visit, given: Given) -> Preview:
    """Of `sync=WORKSPACE/ID`, with `full=yes` of a full sync."""
    key, records = sync_given(given), _records(given)
    shown = str(display_id(*key))
    full = records is Records.ALL
    title = f"Trigger a full sync of sync {shown}" if full else f"Trigger sync {shown}"
    try:
        _, sync = _mapped(visit, key)
    except CannotAct as exc:
        return Preview(title=title, notes=(str(exc),))
    seen = _Seen.now_of(visit, sync)
    return Preview(
        title=title,
        would=(of_sync(*key, ALL if full or sync.full_sync else CHANGED),),
        notes=tuple(_notes(visit, seen)),
        fields=(
            sync_field(key),
            Field(name=SEEN, value=seen.mark),
            *(_full_fields(shown) if full else ()),
        ),
        button=title,
        danger=(
            "A full sync sends every record again: it may take hours, and cost quota of the tool."
            if full
            else None
        ),
    )


def perform(visit: Visit, given: Given, nonce: uuid.UUID) -> Done:
    """Queue the trigger."""
    key, records = sync_given(given), _records(given)
    mapping, sync = _mapped(visit, key)
    shown = str(display_id(*key))
    if records is Records.ALL and given.get(TYPED, "").strip() != shown:
        raise CannotAct(f"to confirm a full sync, type {shown}")
    if given.get(SEEN) != _Seen.now_of(visit, sync).mark:
        raise CannotAct("it was triggered, or held or released, or its entry has changed meanwhile")
    mode = Mode.DRY_RUN if visit.settings.dry_run else Mode.LIVE
    requested = trigger_in(visit.store, mapping, key, records, now=visit.now, mode=mode)
    result = result_of_trigger(key, requested, mode)
    return Done(what=kind_of(records), subject=f"sync {shown}", result=result)


def _records(given: Given) -> Records:
    return Records.ALL if given.get("full") == "yes" else Records.AS_MAPPED


def _mapped(visit: Visit, key: SyncKey) -> tuple[SyncMapping, Sync]:
    if visit.mapping is None:
        raise CannotAct("the mapping file cannot be used: `relay check` says what to mend")
    sync = visit.mapping.sync(*key)
    if sync is None:
        raise CannotAct(
            f"the mapping file has no sync {display_id(*key)}; `relay trigger --unmapped` triggers"
            " one that is not in it"
        )
    return visit.mapping, sync


@dataclass(frozen=True, slots=True)
class _Seen:
    """What decides what a trigger does: two of them may be two sync runs, which cost."""

    sync: Sync
    hold: Hold | None
    now: SyncNow

    @classmethod
    def now_of(cls, visit: Visit, sync: Sync) -> Self:
        hold = visit.store.holds.open_on(*sync.key, now=visit.now)
        return cls(sync, hold, visit.pages.previews.sync_now(sync.key))

    @property
    def mark(self) -> str:
        """It in one word: another one if anything of it is new."""
        hold = None if self.hold is None else self.hold.hold_id
        parts = (self.now.newest_attempt, self.now.newest_trigger, hold, self.sync.full_sync)
        return "-".join(map(str, parts))


def _notes(visit: Visit, seen: _Seen) -> Iterator[str]:
    if visit.settings.dry_run:
        yield "RELAY_DRY_RUN is set: it is recorded, and nothing is sent to Census."
    hold, now = seen.hold, seen.now
    if hold is not None:
        yield f"It is held {describe_until(hold.until)}: the trigger waits for the end of the hold."
    if now.is_under_way:
        yield "A sync run of it is under way: this one starts when that has ended."
    if now.waiting:
        yield f"Triggers that wait already, and become one sync run with this one: {now.waiting}."


def _full_fields(shown: str) -> tuple[Field, Field]:
    return (
        Field(name="full", value="yes"),
        Field(
            name=TYPED,
            kind=FieldKind.TEXT,
            label=f"Type {shown} to confirm",
            help="The id of the sync.",
        ),
    )
