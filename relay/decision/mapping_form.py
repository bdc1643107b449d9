"""The form of the mapping file: its keys, their types, and its JSON Schema. No I/O here.

Default values are those of `Sync` and `Workspace`: here a key is only optional.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from relay.decision import forms
from relay.decision.forms import PositiveId, Text
from relay.decision.mapping import AnyOrAll, BlockOrIgnore

Ids = Annotated[list[PositiveId], msgspec.Meta(min_length=1)]
Words = Annotated[list[str], msgspec.Meta(min_length=1)]
# A name that ends in _FILE is the variable for a file's path.
KEY_VARIABLE = "^(?!.*_FILE$)CENSUS_API_KEY[A-Z0-9_]*$"
VariableName = Annotated[str, msgspec.Meta(pattern=KEY_VARIABLE)]
CHANNEL_VARIABLE = "^(?!.*_FILE$)RELAY_NOTIFY_[A-Z0-9_]+$"
ChannelVariableName = Annotated[str, msgspec.Meta(pattern=CHANNEL_VARIABLE)]
Duration = Annotated[int | str, msgspec.Meta(description="like 15s, 10m, 6h or 7d")]
Percentage = Annotated[str, msgspec.Meta(pattern=r"^(100(\.0+)?|[0-9]{1,2}(\.[0-9]+)?)%$")]
Names = Annotated[list[Text], msgspec.Meta(min_length=1)]
EventName = Literal["given_up", "failing", "rejects", "withheld", "stale", "drifted", "unwell"]
EventNames = Annotated[list[EventName], msgspec.Meta(min_length=1)]


class DefaultsForm(msgspec.Struct, kw_only=True):
    """`defaults:`, and the keys of a sync that it may set."""

    require: AnyOrAll | UnsetType = UNSET
    within: Duration | UnsetType = UNSET
    tests: BlockOrIgnore | UnsetType = UNSET
    at_most_every: Duration | UnsetType = UNSET
    jobs: Ids | UnsetType = UNSET
    environments: Ids | UnsetType = UNSET
    consistency: BlockOrIgnore | UnsetType = UNSET
    full_sync: bool | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    owner: Text | UnsetType = UNSET
    fresh_within: Duration | UnsetType = UNSET
    rejects_over: Percentage | UnsetType = UNSET
    notify: Names | UnsetType = UNSET
    workspace: str | UnsetType = UNSET


class SyncForm(DefaultsForm, kw_only=True):
    """One of `syncs:`."""

    sync_id: PositiveId
    name: str | UnsetType = UNSET
    depends_on: Words


class WorkspaceForm(msgspec.Struct, kw_only=True):
    """One of `workspaces:`."""

    url: str | UnsetType = UNSET
    api_key_env: VariableName
    api_version: Literal["auto", "v1", "v2"] | UnsetType = UNSET


class ChannelForm(msgspec.Struct, kw_only=True):
    """One of `notify:` at the top."""

    kind: Literal["slack", "teams", "pagerduty", "webhook"]
    url_env: ChannelVariableName | UnsetType = UNSET
    key_env: ChannelVariableName | UnsetType = UNSET
    events: EventNames | UnsetType = UNSET


class FileForm(msgspec.Struct, kw_only=True):
    """The whole file."""

    version: Literal[1]
    defaults: DefaultsForm | UnsetType = UNSET
    syncs: Annotated[list[SyncForm], msgspec.Meta(min_length=1)]
    workspaces: dict[str, WorkspaceForm] | UnsetType = UNSET
    notify: dict[str, ChannelForm] | UnsetType = UNSET


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the mapping file, for editors."""
    return forms.json_schema(FileForm, title="relay")
