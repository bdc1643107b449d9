"""What a preview's URL and an action's form say."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from werkzeug.exceptions import BadRequest

from relay.dashboard.actions.action import CannotAct, Field, FieldKind, Given
from relay.dashboard.visit import Visit
from relay.notation import printable, read_duration, read_id, read_local_time, short_message
from relay.store import HoldScope
from relay.workspaces import DEFAULT_WORKSPACE, SyncKey, display_id

LONGEST_WORKSPACE = 200  # characters
WAYS = "Either for how long, or until when."


def id_given(given: Given, name: str) -> int:
    """An id. Raises BadRequest."""
    return _read_id(given.get(name, "").strip(), name)


def ids_given(given: Given, name: str, *, most: int) -> Sequence[int]:
    """Ids with blanks between them. Raises BadRequest."""
    ids = [_read_id(text, name) for text in given.get(name, "").split()]
    if not 0 < len(ids) <= most:
        raise BadRequest(f"{name}: expected 1 to {most} ids")
    return ids


def _read_id(text: str, name: str) -> int:
    try:
        return read_id(text)
    except ValueError:
        raise BadRequest(f"{name}: expected an id, a number") from None


def sync_given(given: Given) -> SyncKey:
    """The sync of `sync=5123` or `sync=emea/5123`. Raises BadRequest."""
    workspace, _, sync_id = given.get("sync", "").strip().rpartition("/")
    return _read_workspace(workspace or DEFAULT_WORKSPACE), _read_id(sync_id, "sync")


def _read_workspace(text: str) -> str:
    if not text.isprintable() or len(text) > LONGEST_WORKSPACE:
        raise BadRequest("This is no name of a workspace.")
    return text


def scope_given(given: Given) -> HoldScope:
    """What is to be held: `sync`, `workspace`, or `all=yes`. Raises BadRequest."""
    named = [name for name in ("sync", "workspace", "all") if given.get(name, "").strip()]
    match named:
        case ["sync"]:
            return HoldScope(*sync_given(given))
        case ["workspace"]:
            return HoldScope(_read_workspace(given["workspace"].strip()), None)
        case ["all"]:
            return HoldScope(None, None)
        case _:
            raise BadRequest("Say what: sync=5123, sync=emea/5123, workspace=emea, or all=yes.")


def scope_fields(scope: HoldScope) -> tuple[Field, ...]:
    """The fields that say the same in a form."""
    if scope.workspace is None:
        return (Field(name="all", value="yes"),)
    if scope.sync_id is None:
        return (Field(name="workspace", value=scope.workspace),)
    return (sync_field((scope.workspace, scope.sync_id)),)


def sync_field(sync: SyncKey) -> Field:
    """The field of a sync."""
    return Field(name="sync", value="/".join(map(str, sync)))


def require_known(visit: Visit, scope: HoldScope) -> tuple[str, ...]:
    """What to note of a scope. Raises CannotAct if the mapping file does not have it.

    A mapping that cannot be used does not prevent a hold.
    """
    mapping = visit.mapping
    if mapping is None:
        return ("the mapping file cannot be used, so the sync was not looked up in it",)
    workspace, sync_id = scope.workspace, scope.sync_id
    if workspace is not None and workspace not in {DEFAULT_WORKSPACE, *mapping.workspaces}:
        raise CannotAct(f"the mapping file has no workspace {workspace!r}")
    if workspace is not None and sync_id is not None and mapping.sync(workspace, sync_id) is None:
        raise CannotAct(f"the mapping file has no sync {display_id(workspace, sync_id)}")
    return ()


def end_given(given: Given, now: datetime) -> datetime | None:
    """When it ends; None if a person is to end it. Raises CannotAct."""
    seconds, until = given.get("for", "").strip(), given.get("until", "").strip()
    if seconds and until:
        raise CannotAct("say when it ends: either for how long, or until when")
    try:
        if seconds:
            return now + timedelta(seconds=read_duration(seconds[:100]))
        at = read_local_time(until[:100], now, UTC) if until else None
    except ValueError as exc:
        raise CannotAct(short_message(str(exc))) from exc
    if at is not None and at <= now:
        raise CannotAct("this time is over already")
    return at


def why_given(given: Given) -> str | None:
    """The reason, on one line; None if there is none."""
    return short_message(given.get("why", "")) or None


def end_fields(given: Given, without: str) -> tuple[Field, ...]:
    """The fields that ask when it ends and why; `without` says what happens without an end."""
    return (
        _text(given, "for", "For", "How long: 30m, 4h, 2d."),
        _text(given, "until", "Until", f"18:00, 2026-11-28T06:00 (UTC). {WAYS} {without}"),
        _text(given, "why", "Why", "For those who see it."),
    )


def _text(given: Given, name: str, label: str, help_: str) -> Field:
    value = printable(given.get(name, ""))[:300]
    return Field(name=name, value=value, kind=FieldKind.TEXT, label=label, help=help_)
