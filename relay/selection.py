"""Which nodes the words of `depends_on` select. No I/O here.

Held against dbt itself: tests/dbt_project/selections.json has the answers of `dbt ls --select`.
There may be thousands of words and tens of thousands of nodes, so each method looks its value
up; only a wildcard goes through all nodes.
"""

import fnmatch
import functools
import re
from collections import ChainMap
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from relay.dbt_runs import REBUILDABLE
from relay.manifest import Lineage, Node
from relay.selectors import Selector, Term, has_wildcards

_RESOURCES = r"(?:model|seed|snapshot)"


class Selection:
    """The nodes that a run touched, to be selected from.

    `executed` are those it executed, `views` others that it touched through what they read.
    A name means what was executed; only where nothing executed has it does it mean a view. So
    a sync that names what was executed is decided the same with a lineage and without.
    """

    def __init__(
        self,
        executed: Collection[str],
        lineage: Lineage | None = None,
        views: Collection[str] = (),
    ) -> None:
        self._nodes = frozenset(executed) | frozenset(views)
        self._named = ChainMap(_by_name(executed), _by_name(views))
        self._lineage = lineage or Lineage({})
        self._found: dict[Term, frozenset[str]] = {}

    def selected(self, selectors: Iterable[Selector]) -> frozenset[str]:
        """The nodes that at least one of the words selects.

        Without a lineage only names and unique_ids select.
        """
        return frozenset().union(*map(self.selected_by, selectors))

    def selected_by(self, selector: Selector) -> frozenset[str]:
        """The nodes that this word selects: those that all of its terms do."""
        found = [self._find(term) for term in selector.terms]
        return found[0].intersection(*found[1:])

    def _find(self, term: Term) -> frozenset[str]:
        if term not in self._found:
            self._found[term] = self._nodes.intersection(self._look_for(term))
        return self._found[term]

    def _look_for(self, term: Term) -> Iterable[str]:
        if term.is_a_name:
            return self._named.get(term.value, ())
        if term.reaches:
            start = self._of_project.find(term)
            up = _reached(start, term.parents, self._lineage.parents)
            return up | _reached(start, term.children, self._lineage.children)
        if term.method == "exposure":
            return _depended_on_by(self._of_project.find(term), self._lineage)
        return self._of_run.find(term)

    @functools.cached_property
    def _of_run(self) -> "_Index":
        nodes = self._lineage.nodes
        return _Index({each: nodes[each] for each in self._nodes if each in nodes})

    @functools.cached_property
    def _of_project(self) -> "_Index":
        return _Index(self._lineage.nodes)


class _Index:
    """Nodes, by what each method looks at."""

    def __init__(self, nodes: Mapping[str, Node]) -> None:
        self._nodes = nodes
        self._by_method: dict[str, dict[str, list[str]]] = {}

    def find(self, term: Term) -> Iterable[str]:
        """The nodes a term starts from."""
        method, value = _METHODS[term.method], term.value
        if has_wildcards(value):
            return [each for each, node in self._nodes.items() if method.matches(node, value)]
        if term.method not in self._by_method:
            self._by_method[term.method] = self._keyed(method)
        return self._by_method[term.method].get(value, ())

    def _keyed(self, method: "_Method") -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for unique_id, node in self._nodes.items():
            for key in method.keys(node):
                found.setdefault(key, []).append(unique_id)
        return found


# The graph


def _reached(
    start: Iterable[str], levels: int, neighbours: Callable[[str], Iterable[str]]
) -> set[str]:
    """The nodes within so many levels of the start; a cycle ends where it closes."""
    seen, edge = set(start), set(start)
    while edge and levels:
        edge = {each for node in edge for each in neighbours(node)} - seen
        seen |= edge
        levels -= 1
    return seen


def _depended_on_by(exposures: Iterable[str], lineage: Lineage) -> set[str]:
    """What these exposures stand for: the nodes they read, through metrics and the like."""
    left, seen = list(exposures), set[str]()
    while left:
        for parent in lineage.parents(left.pop()):
            if parent not in seen:
                seen.add(parent)
                if not parent.startswith(REBUILDABLE):
                    left.append(parent)
    return seen


# What each method looks at


@dataclass(frozen=True, slots=True)
class _Method:
    """`keys` are the values that select a node; `matches` tells whether one with wildcards does."""

    keys: Callable[[Node], Iterable[str]]
    matches: Callable[[Node, str], bool]


def _by_name(unique_ids: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for unique_id in unique_ids:
        for name in _names(unique_id):
            found.setdefault(name, []).append(unique_id)
    return found


def _names(unique_id: str) -> Iterator[str]:
    """What may be written for a node: its unique_id or its name, with its version or without.

    run_results.json has no names. A unique_id ends in its node's, so every end that may be the
    name is taken for it; which one it is, the word that asks decides.
    """
    if not unique_id.startswith(REBUILDABLE):
        return
    name = unique_id.split(".", 2)[-1]
    yield unique_id
    yield name
    without, version, number = name.rpartition(".v")
    if version and number and "." not in number:
        yield unique_id.removesuffix(f".v{number}")
        yield without
        yield f"{without}_v{number}"  # dbt takes `customers_v2` for `customers.v2`


def _names_of(node: Node) -> Iterator[str]:
    return _names(node.unique_id)


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


def _file_and_folders(node: Node) -> Iterator[str]:
    path = node.path
    while path:
        yield path
        path = path.rpartition("/")[0]
    yield "."


def _is_below(node: Node, pattern: str) -> bool:
    # dbt globs from the project's root as pathlib does: a `*` stays within its folder.
    glob = _path_glob(pattern)
    return any(glob.fullmatch(each) for each in _file_and_folders(node))


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
        yield from (f"{node.name}.v{node.version}", f"{node.name}_v{node.version}")
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


def _any_of(keys: Callable[[Node], Iterable[str]]) -> _Method:
    """A method whose wildcards match any of the keys."""

    def matches(node: Node, pattern: str) -> bool:
        return any(fnmatch.fnmatchcase(key, pattern) for key in keys(node))

    return _Method(keys, matches)


_METHODS = {
    "config.materialized": _any_of(_materialization),
    "exposure": _Method(_exposure, _is_exposure),
    "fqn": _Method(_qualified_names, _has_qualified_name),
    "group": _any_of(_group),
    "name": _Method(_names_of, _is_named),
    "package": _any_of(_package),
    "path": _Method(_file_and_folders, _is_below),
    "resource_type": _any_of(_kind),
    "tag": _any_of(_tags),
    "unique_id": _Method(_names_of, _is_named),
}
