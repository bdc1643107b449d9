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

_Keys = Callable[[Node], Iterable[str]]
_IndexOf = Callable[[Mapping[str, Node]], Mapping[str, list[str]]]

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
        self._found: dict[str, frozenset[str]] = {}  # by word

    def selected(self, selectors: Iterable[Selector]) -> frozenset[str]:
        """The nodes that at least one of the words selects.

        Without a lineage only names and unique_ids select.
        """
        if not self._nodes:
            return frozenset()
        first, *others = map(self.selected_by, selectors)
        return first.union(*others) if others else first

    def selected_by(self, selector: Selector) -> frozenset[str]:
        """The nodes that this word selects: those that all of its terms do."""
        found = self._found.get(selector.word)
        if found is None:
            found = self._nodes.intersection(*map(self._look_for, selector.terms))
            self._found[selector.word] = found
        return found

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
        self._by_method: dict[str, Mapping[str, list[str]]] = {}

    def find(self, term: Term) -> Iterable[str]:
        """The nodes a term starts from."""
        method, value = _METHODS[term.method], term.value
        if has_wildcards(value):
            return [each for each, node in self._nodes.items() if method.matches(node, value)]
        if term.method not in self._by_method:
            self._by_method[term.method] = method.index(self._nodes)
        return self._by_method[term.method].get(value, ())


# The graph


def _reached(
    start: Iterable[str], levels: int, neighbours: Callable[[str], Iterable[str]]
) -> set[str]:
    """The nodes within so many levels of the start; a cycle ends where it closes."""
    seen = set(start)
    edge = list(seen)
    while edge and levels:
        beyond = []
        for node in edge:
            for each in neighbours(node):
                if each not in seen:
                    seen.add(each)
                    beyond.append(each)
        edge, levels = beyond, levels - 1
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
    """`index` has nodes by the values that select them; `matches` is for values with wildcards."""

    index: _IndexOf
    matches: Callable[[Node, str], bool]


def _keyed(
    keys: Callable[[Node], Iterable[str]],
) -> Callable[[Mapping[str, Node]], Mapping[str, list[str]]]:
    """An index by all of a node's keys."""

    def index(nodes: Mapping[str, Node]) -> Mapping[str, list[str]]:
        found: dict[str, list[str]] = {}
        for unique_id, node in nodes.items():
            for key in keys(node):
                found.setdefault(key, []).append(unique_id)
        return found

    return index


def _by_name(unique_ids: Iterable[str]) -> dict[str, list[str]]:
    """Nodes by what may be written for them: unique_id or name, with the version or without.

    run_results.json has no names. A unique_id ends in its node's, so every end that may be the
    name is taken for it; which one it is, the word that asks decides.
    """
    found: dict[str, list[str]] = {}
    for unique_id in unique_ids:
        if unique_id.startswith(REBUILDABLE):
            name = unique_id.split(".", 2)[-1]
            found[unique_id] = [unique_id]
            found.setdefault(name, []).append(unique_id)
            for word in _without_version(unique_id, name) if ".v" in name else ():
                found.setdefault(word, []).append(unique_id)
    return found


def _without_version(unique_id: str, name: str) -> tuple[str, ...]:
    before, _, version = name.rpartition(".v")
    if not version or "." in version:
        return ()
    # dbt takes `customers_v2` for `customers.v2`.
    return unique_id.removesuffix(f".v{version}"), before, f"{before}_v{version}"


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


def _by_path(nodes: Mapping[str, Node]) -> Mapping[str, list[str]]:
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
