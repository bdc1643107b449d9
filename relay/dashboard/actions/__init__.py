"""What a person may do: one module each, with a preview that is the confirmation, and a result."""

from relay.dashboard.actions.action import Action

ACTIONS: tuple[Action, ...] = ()
