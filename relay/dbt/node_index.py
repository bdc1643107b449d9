"""Nodes by name, tag, path and the rest, for lookup. No I/O here.

One entry for each of dbt's selection methods: https://docs.getdbt.com/reference/node-selection/methods
There may be thousands of selectors and tens of thousands of nodes, so a value is looked up in an
index; only one with wildcards is matched against every node.
"""

import fnmatch
import functools
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from relay.dbt.nodes import Node
from relay.dbt.selectors import has_wildcards

_Keys = Callable[[Node], Iterable[str]]
_By = Mapping[str, Collection[str]]
_Index = Callable[[Mapping[str, Node]], _By]

_RESOURCES = r"(?:model|seed|snapshot)"


class NodeIndex:
    """Finds nodes by a method and its value. An index is built when it is first needed."""

    def __init__(self, nodes: Mapping[str, Node]) -> None:
        self._nodes = nodes
        self._made: dict[_Index, _By] = {}  # a name's is a unique_id's too

    def find(self, method: str, value: str) -> Collection[str]:
        """The unique_ids of the nodes that a method selects with this value."""
        looks_at = _METHODS[method]
        if has_wildcards(value):
            return [each for each, node in self._nodes.items() if looks_at.matches(node, value)]
        if looks_at.index not in self._made:
            self._made[looks_at.index] = looks_at.index(self._nodes)
        return self._made[looks_at.index].get(value, ())


@dataclass(frozen=True, slots=True)
class _Method:
    """`index` has nodes by the values that select them; `matches` is for values with wildcards."""

    index: _Index
    matches: Callable[[Node, str], bool]


def _keyed(keys: _Keys) -> _Index:
    """An index by all of a node's keys."""

    def index(nodes: Mapping[str, Node]) -> _By:
        found: dict[str, list[str]] = {}
        for unique_id, node in nodes.items():
            for key in keys(node):
                found.setdefault(key, []).append(unique_id)
        return found

    return index


def _by_name(nodes: Mapping[str, Node]) -> _By:
    """By unique_id and by name, with the version or without."""
    found: dict[str, list[str]] = {}
    for unique_id, node in nodes.items():
        found[unique_id] = [unique_id]
        found.setdefault(node.name, []).append(unique_id)
        if node.version is not None:
            for word in _versioned(node):
                found.setdefault(word, []).append(unique_id)
    return found


def _versioned(node: Node) -> tuple[str, ...]:
    before = node.unique_id.removesuffix(f".v{node.version}")
    return before, f"{node.name}.v{node.version}", f"{node.name}_v{node.version}"


def _is_named(node: Node, pattern: str) -> bool:
    return _ending_in(pattern).fullmatch(node.unique_id) is not None


@functools.cache
def _ending_in(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"{_RESOURCES}\.[^.]+\.{_glob(pattern, within='.')}(\.v[^.]+)?")


def _tags(node: Node) -> Iterable[str]:
    return node.all_tags


def _package(node: Node) -> Iterable[str]:
    return (node.package_name,)


def _group(node: Node) -> Iterable[str]:
    group = node.config.group or node.group
    return (group,) if group is not None else ()


def _materialization(node: Node) -> Iterable[str]:
    return (node.config.materialized,) if node.config.materialized is not None else ()


def _kind(node: Node) -> Iterable[str]:
    return (node.unique_id.partition(".")[0],)


def _exposure(node: Node) -> Iterable[str]:
    if node.unique_id.startswith("exposure."):
        return (node.name, f"{node.package_name}.{node.name}")
    return ()


def _is_exposure(node: Node, pattern: str) -> bool:
    package, _, name = pattern.rpartition(".")
    return (
        node.unique_id.startswith("exposure.")
        and fnmatch.fnmatchcase(node.name, name)
        and fnmatch.fnmatchcase(node.package_name, package or "*")
    )


def _by_path(nodes: Mapping[str, Node]) -> _By:
    """Nodes by their file, and by every folder it is in."""
    found: dict[str, list[str]] = {}
    folders: dict[str, list[str]] = {}
    for unique_id, node in nodes.items():
        found.setdefault(node.path, []).append(unique_id)
        folders.setdefault(node.path.rpartition("/")[0], []).append(unique_id)
    for folder, unique_ids in folders.items():
        for each in _with_those_above(folder):
            found.setdefault(each, []).extend(unique_ids)
    return found


def _with_those_above(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition("/")[0]
    yield "."


def _is_below(node: Node, pattern: str) -> bool:
    # dbt globs from the project's root as pathlib does: a `*` stays within its folder.
    glob = _path_glob(pattern)
    return any(glob.fullmatch(each) for each in _with_those_above(node.path))


@functools.cache
def _path_glob(pattern: str) -> re.Pattern[str]:
    parts = (
        r"(?:[^/]+/)*" if part == "**" else f"{_glob(part, within='/')}/"
        for part in PurePosixPath(pattern).parts
    )
    return re.compile("".join(parts).removesuffix("/"))


def _qualified_names(node: Node) -> Iterator[str]:
    """The folders that lead to it and its name, up to any of them, with the package or without."""
    segments = [part for segment in node.fqn for part in segment.split(".")]
    for parts in (segments, segments[1:]):
        yield from (".".join(parts[:end]) for end in range(1, len(parts) + 1))
    if node.version is not None:
        yield from _versioned(node)
    if "." not in node.name:
        yield node.name


def _has_qualified_name(node: Node, pattern: str) -> bool:
    """From its first wildcard on a pattern must match all the rest of the qualified name."""
    fqn = [part for segment in node.fqn for part in segment.split(".")]
    return any(_leads(pattern.split("."), names) for names in (fqn, fqn[1:])) or (
        "." not in pattern and fnmatch.fnmatchcase(node.name, pattern)
    )


def _leads(pattern: list[str], fqn: list[str]) -> bool:
    for number, part in enumerate(pattern):
        if has_wildcards(part):
            return fnmatch.fnmatchcase(".".join(fqn[number:]), ".".join(pattern[number:]))
        if fqn[number : number + 1] != [part]:
            return False
    return True


def _glob(pattern: str, *, within: str) -> str:
    """A regular expression for a wildcard pattern whose `*` stops at this character."""
    translated = fnmatch.translate(pattern).removesuffix(r"\z").removesuffix(r"\Z")
    return translated.replace(".*", f"[^{within}]*")


def _any_of(keys: _Keys) -> _Method:
    """A method whose wildcards match any of the keys."""

    def matches(node: Node, pattern: str) -> bool:
        return any(fnmatch.fnmatchcase(key, pattern) for key in keys(node))

    return _Method(_keyed(keys), matches)


_METHODS = {
    "config.materialized": _any_of(_materialization),
    "exposure": _Method(_keyed(_exposure), _is_exposure),
    "fqn": _Method(_keyed(_qualified_names), _has_qualified_name),
    "group": _any_of(_group),
    "name": _Method(_by_name, _is_named),
    "package": _any_of(_package),
    "path": _Method(_by_path, _is_below),
    "resource_type": _any_of(_kind),
    "tag": _any_of(_tags),
    "unique_id": _Method(_by_name, _is_named),
}
