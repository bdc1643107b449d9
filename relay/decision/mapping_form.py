"""The form of the mapping file: its keys, their types, and its JSON Schema. No I/O here.

Default values are those of `Sync` and `Workspace`: here a key is only optional.
"""

import functools
import operator
from collections.abc import Mapping
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import UNSET, UnsetType

from relay.decision.mapping import AnyOrAll, BlockOrIgnore
from relay.notation import LARGEST_ID

PositiveId = Annotated[int, msgspec.Meta(gt=0, le=LARGEST_ID)]
Ids = Annotated[list[PositiveId], msgspec.Meta(min_length=1)]
Words = Annotated[list[str], msgspec.Meta(min_length=1)]
# A name that ends in _FILE is the variable for a file's path.
KEY_VARIABLE = "^(?!.*_FILE$)CENSUS_API_KEY[A-Z0-9_]*$"
VariableName = Annotated[str, msgspec.Meta(pattern=KEY_VARIABLE)]
Duration = Annotated[int | str, msgspec.Meta(description="like 15s, 10m, 6h or 7d")]

Form = type[msgspec.Struct]


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


class FileForm(msgspec.Struct, kw_only=True):
    """The whole file."""

    version: Literal[1]
    defaults: DefaultsForm | UnsetType = UNSET
    syncs: Annotated[list[SyncForm], msgspec.Meta(min_length=1)]
    workspaces: dict[str, WorkspaceForm] | UnsetType = UNSET


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the mapping file, for editors."""
    schema = msgspec.json.schema(FileForm)
    for form in schema["$defs"].values():
        form["additionalProperties"] = False
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "relay"} | schema


@functools.cache
def types_of(form: Form) -> Mapping[str, Any]:
    """The type of each key; `dict` for a nested form, which is read separately."""
    return {field.name: _shallow(field.type) for field in msgspec.structs.fields(form)}


@functools.cache
def required_keys(form: Form) -> tuple[str, ...]:
    """The required keys."""
    return tuple(field.name for field in msgspec.structs.fields(form) if field.required)


def item_type(type_: Any) -> Any:
    """The type of a list's items; None if it is not a list, or its items are forms."""
    inner = get_args(type_)[0] if get_origin(type_) is Annotated else type_
    return get_args(inner)[0] if get_origin(inner) is list else None


def _shallow(type_: Any) -> Any:
    """A field's type without UNSET, and without the forms inside it."""
    if get_origin(type_) is Annotated:
        inner, *notes = get_args(type_)
        return Annotated[_shallow(inner), *notes]
    if _is_form(type_) or get_origin(type_) is dict:
        return dict
    if get_origin(type_) is list and _is_form(get_args(type_)[0]):
        return list
    if get_origin(type_) in (Union, UnionType):
        members = (_shallow(member) for member in get_args(type_) if member is not UnsetType)
        return functools.reduce(operator.or_, members)
    return type_


def _is_form(type_: Any) -> bool:
    return isinstance(type_, type) and issubclass(type_, msgspec.Struct)
