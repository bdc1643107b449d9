"""What a person may do: one module each, with a preview that is the confirmation, and a result."""

from relay.dashboard.actions import cancel, hold, mute, questions, replay, trigger
from relay.dashboard.actions.action import Acting, Deed, Question
from relay.store.requests import RequestKind

ACTIONS: tuple[Acting, ...] = (
    Deed(name="replay", preview=replay.preview, perform=replay.perform),
    Deed(name="trigger", preview=trigger.preview, perform=trigger.perform),
    Deed(name="hold", preview=hold.preview_hold, perform=hold.perform_hold),
    Deed(name="release", preview=hold.preview_release, perform=hold.perform_release),
    Deed(name="mute", preview=mute.preview_mute, perform=mute.perform_mute),
    Deed(name="unmute", preview=mute.preview_unmute, perform=mute.perform_unmute),
    Deed(name="cancel", preview=cancel.preview, perform=cancel.perform),
    Question(
        what=RequestKind.PLAN, preview=questions.preview_plan, arguments=questions.plan_arguments
    ),
    Question(
        what=RequestKind.CHECK, preview=questions.preview_check, arguments=questions.check_arguments
    ),
)
