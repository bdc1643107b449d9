"""Forms: files described as msgspec Structs, whose keys and types are read from them. No I/O here.

A key that may be left out has UNSET for its default value.
"""

import functools
import operator
from collections.abc import Mapping
from inspect import cleandoc
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from msgspec import UnsetType

from relay.notation import LARGEST_ID

Form = type[msgspec.Struct]
_INSTEAD = "instead"

PositiveId = Annotated[int, msgspec.Meta(gt=0, le=LARGEST_ID)]
Text = Annotated[str, msgspec.Meta(min_length=1)]


def json_schema(form: Form, *, title: str) -> dict[str, Any]:
    """The JSON Schema of a file of this form, for editors: unknown keys are errors."""
    schema = msgspec.json.schema(form)
    for definition in schema["$defs"].values():
        definition["additionalProperties"] = False
        # Before Python 3.13 a docstring keeps the indentation of its lines.
        if "description" in definition:
            definition["description"] = cleandoc(definition["description"])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title} | schema


def deprecated(instead: str) -> msgspec.Meta:
    """A note on a key that is still accepted; `instead` says what to write."""
    return msgspec.Meta(
        description=f"Deprecated: {instead}.",
        extra_json_schema={"deprecated": True},
        extra={_INSTEAD: instead},
    )


@functools.cache
def deprecated_keys(form: Form) -> Mapping[str, str]:
    """The deprecated keys, each with what to write instead."""
    return {
        field.encode_name: note.extra[_INSTEAD]
        for field in msgspec.structs.fields(form)
        for note in getattr(field.type, "__metadata__", ())
        if note.extra is not None
    }


@functools.cache
def nested_forms(form: Form) -> Mapping[str, tuple[Form, ...]]:
    """The keys whose values, or whose lists' items, are forms: one of these."""
    nested = {field.encode_name: _forms_in(field.type) for field in msgspec.structs.fields(form)}
    return {key: found for key, found in nested.items() if found}


def tag_of(form: Form) -> str | None:
    """The word that its tag's key has; None for a form without a tag."""
    tag = form.__struct_config__.tag
    return None if tag is None else str(tag)


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
    if is_form(type_) or _is_dict_of_forms(type_):
        return dict
    if get_origin(type_) is list and is_form(get_args(type_)[0]):
        return list
    if get_origin(type_) in (Union, UnionType):
        members = (_shallow(member) for member in get_args(type_) if member is not UnsetType)
        return functools.reduce(operator.or_, members)
    return type_


def _forms_in(type_: Any) -> tuple[Form, ...]:
    if is_form(type_):
        return (type_,)
    return tuple(form for member in get_args(type_) for form in _forms_in(member))


def _is_dict_of_forms(type_: Any) -> bool:
    return get_origin(type_) is dict and is_form(get_args(type_)[1])


def is_form(type_: Any) -> bool:
    """Whether a type is a form, and not a list or a union of forms."""
    return isinstance(type_, type) and issubclass(type_, msgspec.Struct)
