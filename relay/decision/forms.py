"""Forms: files described as msgspec Structs, whose keys and types are read from them. No I/O here.

A key that may be left out has UNSET for its default value.
"""

import functools
import operator
from collections.abc import Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from msgspec import UnsetType

Form = type[msgspec.Struct]


def json_schema(form: Form, *, title: str) -> dict[str, Any]:
    """The JSON Schema of a file of this form, for editors: unknown keys are errors."""
    schema = msgspec.json.schema(form)
    for definition in schema["$defs"].values():
        definition["additionalProperties"] = False
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title} | schema


@functools.cache
def types_of(form: Form) -> Mapping[str, Any]:
    """The type of each key; `dict` for a nested form, which is read separately."""
    return {field.encode_name: _shallow(field.type) for field in msgspec.structs.fields(form)}


@functools.cache
def required_keys(form: Form) -> tuple[str, ...]:
    """The required keys."""
    return tuple(field.encode_name for field in msgspec.structs.fields(form) if field.required)


def item_type(type_: Any) -> Any:
    """The type of a list's items; None if it is not a list, or its items are forms."""
    inner = get_args(type_)[0] if get_origin(type_) is Annotated else type_
    return get_args(inner)[0] if get_origin(inner) is list else None


def _shallow(type_: Any) -> Any:
    """A field's type without UNSET, and without the forms inside it."""
    if get_origin(type_) is Annotated:
        inner, *notes = get_args(type_)
        return Annotated[_shallow(inner), *notes]
    if is_form(type_) or get_origin(type_) is dict:
        return dict
    if get_origin(type_) is list and is_form(get_args(type_)[0]):
        return list
    if get_origin(type_) in (Union, UnionType):
        members = (_shallow(member) for member in get_args(type_) if member is not UnsetType)
        return functools.reduce(operator.or_, members)
    return type_


def is_form(type_: Any) -> bool:
    """Whether a type is a form, and not a list or a union of forms."""
    return isinstance(type_, type) and issubclass(type_, msgspec.Struct)
