"""The words of `depends_on`: which nodes each selects. No I/O here.

https://docs.getdbt.com/reference/node-selection/syntax, .../methods and .../graph-operators.
A word means what it means to dbt, or it is refused by name. Two differ, as users expect:
a bare word without a dot is a name, never a folder or package; and an exposure stands for
what it depends on.
"""

import fnmatch
import functools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from relay.manifest import Lineage, Node

REBUILDABLE = ("model.", "seed.", "snapshot.")

_RESOURCES = r"(?:model|seed|snapshot)"
_UNIQUE_ID = re.compile(rf"{_RESOURCES}\.[^.\s*?\[]+\.[^\s*?\[]+")
_BARE = re.compile(r"[\w*?\[\]!.-]+")
_VERSIONED = re.compile(r"(?P<name>[^*?\[]+?)[._]v(?P<version>\w+)")
_TERM = re.compile(
    r"(?P<at>@)?(?:(?P<parents>\d*)\+)?"
    r"(?:(?P<method>[\w.]+):)?(?P<value>.*?)"
    r"(?:\+(?P<children>\d*))?"
)
_GLOB = frozenset("*?[")
_EVERY_LEVEL = 10**9


@dataclass(frozen=True, slots=True)
class Term:
    """One of the comma-separated parts of a word: what it starts from, and how far it reaches.

    `parents` and `children` are how many levels up and down, 0 for none.
    """

    method: str
    value: str
    parents: int = 0
    children: int = 0

    @property
    def needs_manifest(self) -> bool:
        """Whether names and unique_ids alone do not tell what it selects."""
        return self.method not in ("unique_id", "name") or bool(self.parents or self.children)

    def matches_id(self, unique_id: str) -> bool:
        """Whether a name or unique_id selects this node, by its unique_id alone."""
        if self.method == "name":
            return _ends_in_name(self.value).fullmatch(unique_id) is not None
        # `model.pkg.customers` is every version of it, as its bare name is.
        return unique_id == self.value or unique_id.startswith(f"{self.value}.v")

    def select(self, lineage: Lineage) -> frozenset[str]:
        """The nodes it selects, of every kind."""
        start = frozenset(self._start(lineage))
        return (
            start
            | _reached(start, self.parents, lineage.parents)
            | _reached(start, self.children, lineage.children)
        )

    def _start(self, lineage: Lineage) -> Iterator[str]:
        if self.method in ("unique_id", "name"):
            yield from (each for each in lineage.nodes if self.matches_id(each))
            return
        matches = _METHODS[self.method]
        for unique_id, node in lineage.nodes.items():
            if matches(node, self.value):
                yield from _stands_for(unique_id, lineage, self)


@dataclass(frozen=True, slots=True)
class Selector:
    """One word of `depends_on`: the nodes that all of its terms select."""

    word: str
    terms: tuple[Term, ...]

    @property
    def needs_manifest(self) -> bool:
        return any(term.needs_manifest for term in self.terms)

    def select(self, among: Iterable[str], lineage: Lineage | None) -> frozenset[str]:
        """Which of these nodes it selects; without a lineage only names and unique_ids do."""
        if not self.needs_manifest:
            return frozenset(
                each for each in among if all(term.matches_id(each) for term in self.terms)
            )
        if lineage is None:
            return frozenset()
        wanted = frozenset.intersection(*(term.select(lineage) for term in self.terms))
        return wanted & frozenset(among)


def read_selector(word: str) -> Selector:
    """One word of `depends_on`. Raises ValueError, which says what is wrong with it."""
    if not word.strip() or any(each.isspace() for each in word):
        raise ValueError(f"{word!r} is no selector: write each word as an item of its own")
    return Selector(word, tuple(_read_term(term, word) for term in word.split(",")))


def selected(
    selectors: Iterable[Selector], among: Iterable[str], lineage: Lineage | None
) -> frozenset[str]:
    """Which of these nodes at least one of the words selects.

    Without a lineage only names and unique_ids select.
    """
    nodes = frozenset(among)
    return frozenset().union(*(selector.select(nodes, lineage) for selector in selectors))


def _read_term(text: str, word: str) -> Term:
    match = _TERM.fullmatch(text)
    if match is None or not match["value"]:
        raise ValueError(f"{word!r} selects nothing: a name or value is missing")
    if match["at"]:
        raise ValueError(f"{word!r}: the operator `@` is not supported")
    method, value = _method_of(match["method"], match["value"], word)
    return Term(
        method, value, parents=_levels(match["parents"]), children=_levels(match["children"])
    )


def _method_of(method: str | None, value: str, word: str) -> tuple[str, str]:
    if method is None:
        return _bare_method(value, word), value
    if method == "path":
        return method, value.rstrip("/")
    if method in _METHODS and method != "qualified_name":
        return method, value
    known = ", ".join(f"`{each}:`" for each in sorted(_METHODS) if each != "qualified_name")
    raise ValueError(
        f"{word!r}: unknown selector `{method}:`; known are a name, a unique_id, {known}"
    )


def _bare_method(value: str, word: str) -> str:
    if _UNIQUE_ID.fullmatch(value):
        return "unique_id"
    if not _BARE.fullmatch(value):
        raise ValueError(f"{word!r} is no model's name, unique_id or selector")
    if "." not in value or _VERSIONED.fullmatch(value):
        return "name"
    return "fqn"


def _levels(written: str | None) -> int:
    if written is None:
        return 0
    return int(written) if written else _EVERY_LEVEL


# What a name selects, by unique_id alone


@functools.cache
def _ends_in_name(word: str) -> re.Pattern[str]:
    """A unique_id that ends in this name and, where it has one, a version.

    run_results.json has no names. A unique_id ends in its node's, and the name is looked for at
    that end; it is never cut out of it.
    """
    ends = [f"{_glob(word)}(\\.v[^.]+)?"]
    versioned = _VERSIONED.fullmatch(word)
    if versioned:  # dbt takes `customers_v2` for `customers.v2`
        ends.append(re.escape(f"{versioned['name']}.v{versioned['version']}"))
    return re.compile(rf"{_RESOURCES}\.[^.]+\.(?:{'|'.join(ends)})")


def _glob(word: str) -> str:
    translated = fnmatch.translate(word).removesuffix(r"\z").removesuffix(r"\Z")
    # A name has no dots: a wildcard must not run on into the version.
    return translated.replace(".*", "[^.]*")


# What each method selects, by the node


def _has_tag(node: Node, value: str) -> bool:
    return any(fnmatch.fnmatchcase(tag, value) for tag in node.all_tags)


def _is_in_package(node: Node, value: str) -> bool:
    return fnmatch.fnmatchcase(node.package_name, value)


def _is_in_group(node: Node, value: str) -> bool:
    group = node.config.group or node.group
    return group is not None and fnmatch.fnmatchcase(group, value)


def _is_materialized(node: Node, value: str) -> bool:
    return node.config.materialized == value


def _is_of_type(node: Node, value: str) -> bool:
    return node.unique_id.startswith(f"{value}.")


def _is_exposure(node: Node, value: str) -> bool:
    if not _is_of_type(node, "exposure"):
        return False
    package, _, name = value.rpartition(".")
    return fnmatch.fnmatchcase(node.name, name) and fnmatch.fnmatchcase(
        node.package_name, package or "*"
    )


def _is_below_path(node: Node, value: str) -> bool:
    path = PurePosixPath(node.path)
    return any(_path_matches(each, value) for each in (path, *path.parents))


def _path_matches(path: PurePosixPath, pattern: str) -> bool:
    if not _GLOB & set(pattern):
        return path == PurePosixPath(pattern)
    # dbt globs from the project's root as pathlib does: a `*` stays within its folder.
    return _path_glob(pattern).fullmatch(path.as_posix()) is not None


@functools.cache
def _path_glob(pattern: str) -> re.Pattern[str]:
    parts = []
    for part in PurePosixPath(pattern).parts:
        if part == "**":
            parts.append(r"(?:[^/]+/)*")
        else:
            glob = fnmatch.translate(part).removesuffix(r"\z").removesuffix(r"\Z")
            parts.append(glob.replace(".*", "[^/]*") + "/")
    return re.compile("".join(parts).removesuffix("/"))


def _has_qualified_name(node: Node, value: str) -> bool:
    """The fully qualified name, with or without its package: its folders, then its name.

    A selector may stop at any folder; from its first wildcard on it must match all the rest.
    """
    fqn = [part for segment in node.fqn for part in segment.split(".")]
    return any(_leads(value.split("."), names) for names in (fqn, fqn[1:])) or _is_its_name(
        node, value
    )


def _leads(selector: list[str], fqn: list[str]) -> bool:
    for number, part in enumerate(selector):
        if _GLOB & set(part):
            rest = ".".join(selector[number:])
            return fnmatch.fnmatchcase(".".join(fqn[number:]), rest)
        if fqn[number : number + 1] != [part]:
            return False
    return True


def _is_its_name(node: Node, value: str) -> bool:
    if node.version is not None and value in _versioned_names(node):
        return True
    return "." not in value and fnmatch.fnmatchcase(node.name, value)


def _versioned_names(node: Node) -> tuple[str, str]:
    return f"{node.name}.v{node.version}", f"{node.name}_v{node.version}"


_METHODS: dict[str, Callable[[Node, str], bool]] = {
    "config.materialized": _is_materialized,
    "exposure": _is_exposure,
    "fqn": _has_qualified_name,
    "group": _is_in_group,
    "package": _is_in_package,
    "path": _is_below_path,
    "resource_type": _is_of_type,
    "tag": _has_tag,
}


# The graph


def _reached(
    start: frozenset[str], levels: int, neighbours: Callable[[str], Iterable[str]]
) -> frozenset[str]:
    """The nodes within so many levels of the start; a cycle ends where it closes."""
    seen, edge = set(start), set(start)
    while edge and levels:
        edge = {each for node in edge for each in neighbours(node)} - seen
        seen |= edge
        levels -= 1
    return frozenset(seen)


def _stands_for(unique_id: str, lineage: Lineage, term: Term) -> Iterator[str]:
    """The node itself; for an exposure also what it depends on, through metrics and the like."""
    yield unique_id
    if term.method == "exposure" and not (term.parents or term.children):
        left, seen = [unique_id], set()
        while left:
            for parent in lineage.parents(left.pop()):
                if parent in seen:
                    continue
                seen.add(parent)
                yield parent
                if not parent.startswith(REBUILDABLE):
                    left.append(parent)
