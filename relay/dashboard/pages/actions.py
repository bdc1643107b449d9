"""Who did what, the newest first."""

import msgspec

from relay.dashboard.listing import ROWS, Listed, choice_in, listed, position_in, since_in, text_in
from relay.dashboard.visit import Visit
from relay.notation import printable
from relay.store import ActionKind
from relay.store.actions import RecordedAction
from relay.store.pages.actions import ActionFilter

WHAT = tuple(kind.value for kind in ActionKind)


class ActionsPage(msgspec.Struct, frozen=True, kw_only=True):
    """The list; `kinds` are the choices of its filter."""

    actions: Listed[RecordedAction]
    kinds: tuple[str, ...] = WHAT


def view(visit: Visit) -> ActionsPage:
    """Filters: `who`, `what`, `since`."""
    wanted = ActionFilter(
        who=printable(text_in(visit.query, "who") or "") or None,
        what=choice_in(visit.query, "what", WHAT),
        since=since_in(visit.query, visit.now),
    )
    found = visit.pages.actions.newest(wanted, before=position_in(visit.query), rows=ROWS)
    return ActionsPage(actions=listed(found, visit.query))
