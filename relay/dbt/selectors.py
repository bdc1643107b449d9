"""The selectors of `depends_on`, parsed. What they select is in `selection.py`. No I/O here.

https://docs.getdbt.com/reference/node-selection/syntax, .../methods and .../graph-operators.
A selector has the same meaning as in dbt, or it is refused. Two differ, as users expect: a bare
name without a dot is a name, never a folder or package; and an exposure selects the nodes that it
depends on.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from relay.dbt.unsupported_selectors import (
    instead_of_at,
    instead_of_blanks,
    instead_of_call,
    instead_of_method,
)
from relay.spelling import did_you_mean

METHODS = frozenset(
    {"config.materialized", "exposure", "file", "fqn", "group", "package", "path"}
    | {"resource_type", "tag"}
)
# https://docs.getdbt.com/reference/node-selection/methods#resource_type
RESOURCE_TYPES = frozenset(
    {"analysis", "exposure", "function", "metric", "model", "saved_query", "seed"}
    | {"semantic_model", "snapshot", "source", "test", "unit_test"}
)
EVERY_LEVEL = 10**9

_UNIQUE_ID = re.compile(r"(?:model|seed|snapshot)\.[^.\s*?\[]+\.[^\s*?\[]+")
_BARE = re.compile(r"[\w*?\[\]!.-]+")
_VERSIONED = re.compile(r"[^.*?\[]+\.v\d\w*")
_FILES = (".sql", ".py", ".csv")
_TERM = re.compile(
    r"(?P<at>@)?(?:(?P<parents>\d*)\+)?"
    r"(?:(?P<method>[\w.]+):)?(?P<value>.*?)"
    r"(?:\+(?P<children>\d*))?"
)
_WILDCARDS = frozenset("*?[")


@dataclass(frozen=True)
class Term:
    """One of the comma-separated parts of a selector: a method, its value, and graph operators.

    `parents` and `children` are the number of levels up and down, 0 for none.
    """

    method: str
    value: str
    parents: int = 0
    children: int = 0

    @property
    def reaches(self) -> bool:
        """Whether it has a graph operator."""
        return bool(self.parents or self.children)

    @property
    def is_named(self) -> bool:
        """Whether its value is a name or unique_id."""
        return self.method in ("name", "unique_id")

    @cached_property
    def is_a_name(self) -> bool:
        """Whether it is a name or unique_id without operators and wildcards."""
        return self.is_named and not (self.reaches or has_wildcards(self.value))


@dataclass(frozen=True)
class Selector:
    """One selector of `depends_on`: the nodes that all of its terms select."""

    text: str
    terms: tuple[Term, ...]

    @cached_property
    def needs_manifest(self) -> bool:
        """Whether executed unique_ids are not enough to know what it selects."""
        return not all(term.is_a_name for term in self.terms)


def has_wildcards(value: str) -> bool:
    """Whether a value has wildcards: `*`, `?` and `[…]`, as in a shell."""
    return not _WILDCARDS.isdisjoint(value)


def read_selector(text: str) -> Selector:
    """Parse one item of `depends_on`. Raises ValueError with what is wrong."""
    if instead := instead_of_call(text):
        raise ValueError(f"{text!r} is no selector: {instead}")
    if text.split() != [text]:
        raise ValueError(f"{text!r} is no selector: {instead_of_blanks(text)}")
    return Selector(text, tuple(_read_term(term, text) for term in text.split(",")))


def _read_term(text: str, selector: str) -> Term:
    match = _TERM.fullmatch(text)
    if match is None or not match["value"]:
        raise ValueError(
            f"{selector!r} selects nothing: a name or value is missing; write for instance "
            "`customers` or `tag:crm`"
        )
    method, value = match["method"], match["value"]
    try:
        method, value = _read_value(method, value) if method else _read_bare(value)
        _refuse_at(match["at"], text)
    except ValueError as exc:
        raise ValueError(f"{selector!r}{exc}") from None
    return Term(
        method, value, parents=_levels(match["parents"]), children=_levels(match["children"])
    )


def _refuse_at(at: str | None, text: str) -> None:
    if at:
        raise ValueError(instead_of_at(text.strip("@+")))


def _read_value(method: str, value: str) -> tuple[str, str]:
    """The method and its normalized value. Raises ValueError."""
    if method not in METHODS:
        raise ValueError(instead_of_method(method, value) or _unknown(method))
    if method == "path":
        return method, _read_path(value)
    if method == "config.materialized" and has_wildcards(value):
        raise ValueError(
            f": dbt supports no wildcards in `{method}:`; write each materialization as an item of "
            f"its own, such as `{method}:table`"
        )
    if method == "resource_type" and value not in RESOURCE_TYPES:
        types = sorted(RESOURCE_TYPES)
        known = ", ".join(f"`{one}`" for one in types)
        raise ValueError(f": unknown resource type; {did_you_mean(value, types)}known are {known}")
    if method == "exposure" and value.count(".") > 1:
        raise ValueError(": write `exposure:NAME` or `exposure:PACKAGE.NAME`")
    return method, value


def _read_path(value: str) -> str:
    """The normalized path; a trailing `/` stays, because it means a folder."""
    if "\\" in value:
        slashes = value.replace("\\", "/")
        raise ValueError(f": write it with slashes, `path:{slashes}`")
    path = str(PurePosixPath(value))
    if path.startswith("/"):
        raise ValueError(
            f": write it from the project's root, such as `path:{path.lstrip('/') or 'models'}`"
        )
    return f"{path}/" if value.endswith("/") else path


def _unknown(method: str) -> str:
    methods = sorted(f"{one}:" for one in METHODS)
    known = ", ".join(f"`{one}`" for one in methods)
    return (
        f": unknown selector `{method}:`; {did_you_mean(f'{method}:', methods)}"
        f"known are a name, a unique_id, {known}"
    )


def _read_bare(value: str) -> tuple[str, str]:
    """A value without a method: a path, a file or a name, as dbt distinguishes them."""
    if "/" in value or "\\" in value:
        return _read_value("path", value)
    if value.lower().endswith(_FILES):
        return "file", value
    if _UNIQUE_ID.fullmatch(value):
        return "unique_id", value
    if not _BARE.fullmatch(value):
        raise ValueError(
            " is no selector: write a model's name, such as `customers`, or one of dbt's selectors,"
            " such as `tag:crm`"
        )
    if "." not in value or _VERSIONED.fullmatch(value):
        return "name", value
    return "fqn", value


def _levels(written: str | None) -> int:
    if written is None:
        return 0
    return int(written) if written else EVERY_LEVEL
