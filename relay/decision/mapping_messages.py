"""Messages about invalid values in the mapping file. No I/O here."""

from collections.abc import Iterable
from typing import Any, Literal, get_args, get_origin

from relay.notation import printable
from relay.spelling import did_you_mean

_MSGSPEC_TERMS = (
    ("`array` of length >= 1", "at least one item"),
    ("`str | object`", "text, or keys and values"),
    ("`int | str`", "a number or text"),
    ("`str` of length >= 1", "text that is not empty"),
    ("`int`", "a number"),
    ("`float`", "a number"),
    ("`str`", "text"),
    ("`bool`", "true or false"),
    ("`date`", "a date"),
    ("`datetime`", "a time"),
    ("`array`", "a list"),
    ("`object`", "keys and values"),
    ("`null`", "nothing"),
)
_KINDS: tuple[tuple[type, str], ...] = (
    (bool, "true or false"),
    (str, "text"),
    (int, "a number"),
    (float, "a number"),
    (list, "a list"),
    (dict, "keys and values"),
    (type(None), "nothing"),
)


def in_plain_words(what: str) -> str:
    """A message of msgspec, in YAML terms."""
    for theirs, ours in _MSGSPEC_TERMS:
        what = what.replace(theirs, ours)
    return what[:1].lower() + what[1:]


def kind_of(value: object) -> str:
    """The kind of a YAML value, for messages."""
    return next((kind for type_, kind in _KINDS if isinstance(value, type_)), "a date")


def known_words(written: str, type_: Any) -> str:
    """For a key with a fixed set of values: the values, and which was probably meant."""
    if get_origin(type_) is not Literal:
        return ""
    words = [str(word) for word in get_args(type_)]
    return f"; {did_you_mean(written, words)}known are {quoted(words)}"


def no_workspace(name: str, known: Iterable[str]) -> str:
    """The message for a sync whose workspace is not in the file."""
    hint = did_you_mean(name, known)
    return f"no workspace {name!r} in `workspaces`; {hint}known are {quoted(known)}"


def no_channel(name: str, known: Iterable[str]) -> str:
    """The message for a name in a sync's `notify` that the file's own `notify` lacks."""
    known = list(known)
    if not known:
        return f"no channel {name!r}: the file has no `notify` that describes it"
    return f"no channel {name!r} in `notify`; {did_you_mean(name, known)}known are {quoted(known)}"


def quoted(words: Iterable[str]) -> str:
    """The words as code, comma-separated."""
    return ", ".join(f"`{word}`" for word in words)


def one_item_for(item: object) -> str:
    """A hint for an item of a list of texts: `- tag: crm` is keys and values to YAML."""
    if isinstance(item, dict) and len(item) == 1:
        ((key, value),) = item.items()
        if isinstance(value, str | int):
            return f"; write `{printable(f'{key}:{value}')}`, without a blank behind the colon"
    return ""
