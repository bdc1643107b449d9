"""The words of `depends_on`: which nodes each selects. No I/O here.

https://docs.getdbt.com/reference/node-selection/methods. A word means what it means to dbt,
or it is refused by name.
"""

import fnmatch
import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Protocol

from relay.manifest import Lineage, Node

_RESOURCES = r"(?:model|seed|snapshot)"
_UNIQUE_ID = re.compile(rf"{_RESOURCES}\.[^.\s]+\.\S+")
_NAME = re.compile(r"[\w*?\[\]!-]+(\.v[\w*?]+)?")  # with a version at its end, perhaps
_QUALIFIED_NAME = re.compile(r"[\w*?\[\]!.-]+")
_GRAPH_OPERATOR = re.compile(r"^(@|\d*\+)|\+\d*$")
_NOT_YET_METHODS = ("exposure", "fqn", "resource_type", "config", "group")
_GLOB = frozenset("*?[")


class Selector(Protocol):
    """One word of `depends_on`."""

    @property
    def word(self) -> str: ...

    @property
    def needs_manifest(self) -> bool: ...

    def matches(self, unique_id: str, node: Node | None) -> bool:
        """Whether it selects this node; `node` is None where no manifest was read."""


@dataclass(frozen=True, slots=True)
class ByUniqueId:
    """`model.jaffle_shop.orders`"""

    word: str
    needs_manifest: bool = field(default=False, init=False)

    def matches(self, unique_id: str, node: Node | None) -> bool:
        # `model.pkg.customers` is every version of it, as its bare name is.
        return unique_id == self.word or unique_id.startswith(f"{self.word}.v")


@dataclass(frozen=True, slots=True)
class ByName:
    """`customers`, `customers.v2`, `cust*`

    run_results.json has no names. A unique_id ends in its node's name and, where it has one,
    its version, so the name is looked for at that end; it is never cut out of it.
    """

    word: str
    needs_manifest: bool = field(default=False, init=False)

    def matches(self, unique_id: str, node: Node | None) -> bool:
        return _ends_in_name(self.word).fullmatch(unique_id) is not None


@dataclass(frozen=True, slots=True)
class ByTag:
    """`tag:crm`, `tag:crm*`"""

    word: str
    tag: str
    needs_manifest: bool = field(default=True, init=False)

    def matches(self, unique_id: str, node: Node | None) -> bool:
        return node is not None and any(fnmatch.fnmatchcase(tag, self.tag) for tag in node.all_tags)


@dataclass(frozen=True, slots=True)
class ByPackage:
    """`package:jaffle_shop`"""

    word: str
    package: str
    needs_manifest: bool = field(default=True, init=False)

    def matches(self, unique_id: str, node: Node | None) -> bool:
        return node is not None and fnmatch.fnmatchcase(node.package_name, self.package)


@dataclass(frozen=True, slots=True)
class ByPath:
    """`path:models/marts`, `path:models/marts/customers.sql`, `path:models/staging/*`"""

    word: str
    path: str
    needs_manifest: bool = field(default=True, init=False)

    def matches(self, unique_id: str, node: Node | None) -> bool:
        if node is None:
            return False
        path = PurePosixPath(node.path)
        return any(_path_matches(candidate, self.path) for candidate in (path, *path.parents))


def read_selector(word: str) -> Selector:
    """One word of `depends_on`. Raises ValueError, which says what is wrong with it."""
    _refuse_operators(word)
    method, colon, value = word.partition(":")
    if not colon:
        return _read_bare(word)
    if not value:
        raise ValueError(f"{word!r} selects nothing: a value is missing after the colon")
    match method:
        case "tag":
            return ByTag(word, value)
        case "package":
            return ByPackage(word, value)
        case "path":
            return ByPath(word, value.rstrip("/"))
        case _ if method.split(".")[0] in _NOT_YET_METHODS:
            raise ValueError(f"{word!r}: the selector `{method}:` is not supported yet")
        case _:
            raise ValueError(
                f"{word!r}: unknown selector `{method}:`; known are a name, a unique_id, "
                "`tag:`, `path:` and `package:`"
            )


def selected(
    selectors: Iterable[Selector], among: Iterable[str], lineage: Lineage | None
) -> frozenset[str]:
    """Which of these nodes at least one of the words selects.

    Without a lineage only names and unique_ids select.
    """
    nodes = lineage.nodes if lineage is not None else {}
    words = tuple(selectors)
    return frozenset(
        unique_id
        for unique_id in among
        if any(word.matches(unique_id, nodes.get(unique_id)) for word in words)
    )


def _refuse_operators(word: str) -> None:
    # dbt takes these apart before it looks at what they stand around.
    if _GRAPH_OPERATOR.search(word):
        raise ValueError(f"{word!r}: the graph operators `+` and `@` are not supported yet")
    if "," in word:
        raise ValueError(f"{word!r}: an intersection with `,` is not supported yet")


def _read_bare(word: str) -> Selector:
    if _UNIQUE_ID.fullmatch(word) and not _GLOB & set(word):
        return ByUniqueId(word)
    if _NAME.fullmatch(word):
        return ByName(word)
    if _QUALIFIED_NAME.fullmatch(word):
        raise ValueError(f"{word!r}: names with their folders are not supported yet")
    raise ValueError(f"{word!r} is no model's name, unique_id or selector")


@functools.cache
def _ends_in_name(word: str) -> re.Pattern[str]:
    name = fnmatch.translate(word).removesuffix(r"\z").removesuffix(r"\Z")
    return re.compile(rf"{_RESOURCES}\.[^.]+\.{name}(\.v[^.]+)?")


def _path_matches(path: PurePosixPath, pattern: str) -> bool:
    if not _GLOB & set(pattern):
        return path == PurePosixPath(pattern)
    # dbt globs from the project's root as pathlib does: a `*` stays within its folder.
    parts = PurePosixPath(pattern).parts
    return len(parts) == len(path.parts) and all(
        fnmatch.fnmatchcase(part, glob) for part, glob in zip(path.parts, parts, strict=True)
    )
