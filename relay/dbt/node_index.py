"""Lookup of nodes by name, tag, path and so on. No I/O here.

One entry for each of dbt's selection methods: https://docs.getdbt.com/reference/node-selection/methods
There may be thousands of selectors and tens of thousands of nodes, so a value is looked up in an
index; only one with wildcards is matched against every node.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from relay.dbt.nodes import Node
from relay.dbt.selectors import has_wildcards

_Keys = Callable[[Node], Iterable[str]]
_By = Mapping[str, Collection[str]]
_Index = Callable[[Mapping[str, Node]], _By]


class NodeIndex:
    """Finds nodes by a method and its value. Indexes are built lazily.

    `project_name` is the package that `package:this` means.
    """

    def __init__(self, nodes: Mapping[str, Node], project_name: str | None = None) -> None:
        self._nodes = nodes
        self._made: dict[_Index, _By] = {}  # names and unique_ids share one
        self._stands_for = {("package", "this"): project_name} if project_name else {}

    def find(self, method: str, value: str) -> Collection[str]:
        """The unique_ids of the nodes that a method selects with this value."""
        matches = _METHODS[method].matches
        if matches is not None and has_wildcards(value):
            return [unique_id for unique_id, node in self._nodes.items() if matches(node, value)]
        if method == "fqn":
            return [*self._look_up(_METHODS[method].index, value), *self._versions(value)]
        found = self._look_up(_METHODS[method].index, self._stands_for.get((method, value), value))
        if not found and method in ("name", "unique_id") and "." in value:
            return self.find("fqn", value)  # `marts.v2` may be a folder
        return found

    def _versions(self, value: str) -> Collection[str]:
        """The nodes of that version: dbt compares only the last two parts."""
        return self._look_up(_by_version, "_".join(value.split(".")[-2:]))

    def _look_up(self, index: _Index, key: str) -> Collection[str]:
        if index not in self._made:
            self._made[index] = index(self._nodes)
        return self._made[index].get(key, ())


@dataclass(frozen=True, slots=True)
class _Method:
    """`index` maps values to the nodes that they select; `matches` is for values with wildcards.

    `matches` is None if dbt supports no wildcards in the method.
    """

    index: _Index
    matches: Callable[[Node, str], bool] | None = None


def _keyed(keys: _Keys) -> _Index:
    """An index by all of a node's keys."""

    def index(nodes: Mapping[str, Node]) -> _By:
        found: dict[str, list[str]] = {}
        for unique_id, node in nodes.items():
            for key in keys(node):
                found.setdefault(key, []).append(unique_id)
        return found

    return index


def _names(node: Node) -> Iterable[str]:
    return () if _is_source(node) else node.names


def _is_named(node: Node, pattern: str) -> bool:
    return not _is_source(node) and fnmatchcase(node.name, pattern)


def _is_source(node: Node) -> bool:
    """Whether it is a source, which dbt selects only by `source:`."""
    return node.unique_id.startswith("source.")


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


def _file(node: Node) -> Iterable[str]:
    """The file's name, with its extension and without."""
    name = node.path.rpartition("/")[2]
    stem = name.rpartition(".")[0]
    return (name, stem) if stem else (name,)


def _exposure(node: Node) -> Iterable[str]:
    if node.unique_id.startswith("exposure."):
        return (node.name, f"{node.package_name}.{node.name}")
    return ()


def _is_exposure(node: Node, pattern: str) -> bool:
    package, _, name = pattern.rpartition(".")
    return (
        node.unique_id.startswith("exposure.")
        and fnmatchcase(node.name, name)
        and fnmatchcase(node.package_name, package or "*")
    )


def _by_path(nodes: Mapping[str, Node]) -> _By:
    """Nodes by their file, by every folder it is in, and by the file that describes them."""
    found: dict[str, list[str]] = {}
    folders: dict[str, list[str]] = {}
    for unique_id, node in nodes.items():
        found.setdefault(node.path, []).append(unique_id)
        folders.setdefault(node.path.rpartition("/")[0], []).append(unique_id)
        if node.properties_file is not None:
            found.setdefault(node.properties_file, []).append(unique_id)
    for folder, unique_ids in folders.items():
        for above in _with_those_above(folder):
            found.setdefault(above, []).extend(unique_ids)
            found[f"{above}/"] = found[above]
    return found


def _with_those_above(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition("/")[0]
    yield "."


def _is_below(node: Node, pattern: str) -> bool:
    """Whether pathlib, which dbt globs with, finds its file, a folder of it or its properties."""
    glob = PurePosixPath(pattern).parts
    only_folders = pattern.endswith("/")
    file = node.path.split("/")
    if any(end < len(file) or not only_folders for end in _ends(file, glob)):
        return True
    described_in = (node.properties_file or "").split("/")
    return not only_folders and any(end == len(described_in) for end in _ends(described_in, glob))


def _ends(path: Sequence[str], glob: Sequence[str], begin: int = 0) -> Iterator[int]:
    """The numbers of leading path parts that a glob matches; `**` matches folders only."""
    if not glob:
        yield begin
    elif glob[0] == "**":
        for end in range(begin, len(path)):
            yield from _ends(path, glob[1:], end)
    elif begin < len(path) and fnmatchcase(path[begin], glob[0]):
        yield from _ends(path, glob[1:], begin + 1)


def _qualified_names(node: Node) -> Iterator[str]:
    """Every prefix of its fqn, with the package and without."""
    if _is_source(node):
        return
    segments = _segments(node)
    for parts in (segments, segments[1:]):
        yield from (".".join(parts[:end]) for end in range(1, len(parts) + 1))
    yield from node.names[1:] if node.version is None else node.names[2:]  # no unique_id


def _has_qualified_name(node: Node, pattern: str) -> bool:
    """From its first wildcard on, a pattern must match the whole rest of the fqn."""
    if _is_source(node):
        return False
    fqn, parts = _segments(node), pattern.split(".")
    return any(_leads(parts, names) for names in (fqn, fqn[1:])) or (
        "." not in pattern and fnmatchcase(node.name, pattern)
    )


def _segments(node: Node) -> list[str]:
    return [part for segment in node.fqn for part in segment.split(".")]


def _leads(pattern: list[str], fqn: list[str]) -> bool:
    for number, part in enumerate(pattern):
        if has_wildcards(part):
            return fnmatchcase(".".join(fqn[number:]), ".".join(pattern[number:]))
        if fqn[number : number + 1] != [part]:
            return False
    return True


def _name_and_version(node: Node) -> Iterable[str]:
    return () if node.version is None else (f"{node.name}_v{node.version}",)


_by_version = _keyed(_name_and_version)
_by_name = _keyed(_names)


def _any_of(keys: _Keys) -> _Method:
    """A method whose wildcards match any of the keys."""

    def matches(node: Node, pattern: str) -> bool:
        return any(fnmatchcase(key, pattern) for key in keys(node))

    return _Method(_keyed(keys), matches)


_METHODS = {
    "config.materialized": _Method(_keyed(_materialization)),
    "exposure": _Method(_keyed(_exposure), _is_exposure),
    "file": _any_of(_file),
    "fqn": _Method(_keyed(_qualified_names), _has_qualified_name),
    "group": _any_of(_group),
    "name": _Method(_by_name, _is_named),
    "package": _any_of(_package),
    "path": _Method(_by_path, _is_below),
    "resource_type": _Method(_keyed(_kind)),
    "tag": _any_of(_tags),
    "unique_id": _Method(_by_name, _is_named),
}
