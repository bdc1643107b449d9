"""One action: what was done, what was left alone, and why."""

import msgspec
from werkzeug.exceptions import NotFound

from relay.dashboard.visit import Visit
from relay.store.actions import RecordedAction


class ActionPage(msgspec.Struct, frozen=True, kw_only=True):
    """The action with its result."""

    action: RecordedAction


def view(visit: Visit, action_id: int) -> ActionPage:
    """Raises NotFound."""
    action = visit.store.actions.get(action_id)
    if action is None:
        raise NotFound("There is no such action, or relay does not keep it any more.")
    return ActionPage(action=action)
