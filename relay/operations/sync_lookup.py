"""Finds a sync of the mapping file by its id."""

from pathlib import Path

from relay.decision.mapping import Sync, SyncMapping
from relay.errors import BadSettings, NotMapped, Problem
from relay.notation import printable
from relay.spelling import nearest
from relay.workspaces import DEFAULT_WORKSPACE, display_id


def require_workspace(mapping: SyncMapping, workspace: str) -> None:
    """Raise BadSettings for a workspace that is not in the mapping."""
    if workspace != DEFAULT_WORKSPACE and workspace not in mapping.workspaces:
        known = ", ".join([DEFAULT_WORKSPACE, *mapping.workspaces])
        raise BadSettings((Problem("--workspace", f"{workspace!r} is not one of {known}"),))


def find_mapped(mapping: SyncMapping, file: Path, workspace: str, sync_id: int) -> Sync:
    """The sync with this id. Raises NotMapped, with a suggestion, and BadSettings."""
    require_workspace(mapping, workspace)
    sync = mapping.sync(workspace, sync_id)
    if sync is None:
        named = f"{file} has no sync {display_id(workspace, sync_id)}"
        meant = _meant_by(mapping, workspace, sync_id)
        raise NotMapped(f"{named}; did you mean {meant}?" if meant else named)
    return sync


def _meant_by(mapping: SyncMapping, workspace: str, sync_id: int) -> str | None:
    """The same id in another workspace, else a similar id."""
    elsewhere = [sync.workspace for sync in mapping.syncs if sync.sync_id == sync_id]
    if elsewhere:
        return f"`--workspace {elsewhere[0]}`"
    names = {str(sync.sync_id): sync.name for sync in mapping.syncs if sync.workspace == workspace}
    digits = sorted(str(sync_id))
    # The usual mistake in a number: two digits are swapped.
    swapped = next((known for known in names if sorted(known) == digits), None)
    near = swapped or nearest(str(sync_id), names)
    if near is None:
        return None
    name = names[near]
    return f"{near} ({printable(name)})" if name else near
