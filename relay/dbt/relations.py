"""The tables and views that a project's nodes build, as manifest.json names them. No I/O here."""

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from relay.dbt.description import DescribedNode, Description
from relay.dbt.runs import REBUILDABLE
from relay.notation import printable

Key = TypeVar("Key")
Value = TypeVar("Value")

# A part of a relation's name in the quotation marks of some warehouse, or without any. A mark
# that is part of the name is written twice.
_PART = re.compile(
    r"""\s*(?: "(?P<double>(?:[^"]|"")*)" | `(?P<backtick>(?:[^`]|``)*)`
        | \[(?P<bracket>(?:[^\]]|\]\])*)\] | (?P<bare>[^\s."`\[\]]+) )\s*(?P<end>\.|$)""",
    re.VERBOSE,
)
_ALL_IN_BACKTICKS = re.compile("`[^`]+`")  # BigQuery: `project.dataset.table`
_PARTS = 3  # catalog, schema, name


class Relation(NamedTuple):
    """A table or view; `catalog` and `schema` are None where they are not said.

    The catalog is a warehouse's database, project or catalog.
    """

    catalog: str | None
    schema: str | None
    name: str

    def __str__(self) -> str:
        return ".".join(part for part in self if part)

    @property
    def folded(self) -> "Relation":
        """The same for comparing: warehouses differ in how they fold case."""
        catalog, schema = (part and part.casefold() for part in self[:2])
        return Relation(catalog, schema, self.name.casefold())


@dataclass(frozen=True, slots=True)
class BuiltRelation:
    """What a node builds; `environment_id` is that of the run whose manifest says so, if known."""

    unique_id: str
    relation: Relation
    environment_id: int | None = None


@dataclass(frozen=True)
class Relations:
    """What the nodes of one or more manifests build, and what dbt only reads.

    `named` are the models, seeds and snapshots by name, also those that build nothing;
    `sources` the relations of dbt's own sources by unique_id.
    """

    built: tuple[BuiltRelation, ...]
    named: Mapping[str, tuple[str, ...]]
    sources: Mapping[str, Relation]

    @classmethod
    def together(cls, several: Iterable["Relations"]) -> "Relations":
        """Those of several manifests as one."""
        parts = tuple(several)
        built = dict.fromkeys(one for part in parts for one in part.built)
        named: dict[str, dict[str, None]] = {}
        for part in parts:
            for name, unique_ids in part.named.items():
                named.setdefault(name, {}).update(dict.fromkeys(unique_ids))
        sources = {key: relation for part in parts for key, relation in part.sources.items()}
        return cls(tuple(built), {name: tuple(found) for name, found in named.items()}, sources)

    def building(self, relation: Relation) -> tuple[BuiltRelation, ...]:
        """The nodes that build this very relation, whatever its case.

        Where several names differ by case alone, those that are spelled like it.
        """
        found = self._by_relation.get(relation.folded, ())
        return tuple(one for one in found if one.relation == relation) or found

    def resembling(self, relation: Relation) -> tuple[BuiltRelation, ...]:
        """The nodes that build a relation of that schema and name, in whatever catalog.

        Where the schema is not said either, those that build one of that name.
        """
        folded = relation.folded
        if folded.schema is None:
            return self._by_name.get(folded.name, ())
        return self._by_schema_and_name.get((folded.schema, folded.name), ())

    def environments_of(self, found: Iterable[BuiltRelation]) -> tuple[int, ...]:
        """The dbt environments whose runs build these, where runs of others do not.

        Empty if every known environment builds them, or one is not known.
        """
        found = tuple(found)
        ids = {one.environment_id for one in found}
        others = {
            other.environment_id for one in found for other in self._by_node[one.unique_id]
        } - ids
        known = sorted(one for one in ids if one is not None)
        return tuple(known) if others and None not in ids | others else ()

    def source_of(self, relation: Relation) -> str | None:
        """The unique_id of the dbt source that this relation is; None if it is none."""
        return self._sources_by_relation.get(relation.folded)

    @functools.cached_property
    def _by_node(self) -> Mapping[str, tuple[BuiltRelation, ...]]:
        return _grouped((one.unique_id, one) for one in self.built)

    @functools.cached_property
    def _by_relation(self) -> Mapping[Relation, tuple[BuiltRelation, ...]]:
        return _grouped((one.relation.folded, one) for one in self.built)

    @functools.cached_property
    def _by_schema_and_name(self) -> Mapping[tuple[str | None, str], tuple[BuiltRelation, ...]]:
        return _grouped((one.relation.folded[1:], one) for one in self.built)

    @functools.cached_property
    def _by_name(self) -> Mapping[str, tuple[BuiltRelation, ...]]:
        return _grouped((one.relation.folded.name, one) for one in self.built)

    @functools.cached_property
    def _sources_by_relation(self) -> Mapping[Relation, str]:
        return {relation.folded: unique_id for unique_id, relation in self.sources.items()}


def relations_of(description: Description, *, environment_id: int | None = None) -> Relations:
    """What a manifest says of relations.

    `environment_id` is the dbt environment whose run wrote it, None if that is not known.
    """
    nodes = {printable(key): node for key, node in description.nodes.items()}
    rebuildable = {key: node for key, node in nodes.items() if key.startswith(REBUILDABLE)}
    sources = {printable(key): _built_by(node) for key, node in (description.sources or {}).items()}
    return Relations(
        built=tuple(_built(rebuildable, environment_id)),
        named=_grouped((node.name, key) for key, node in rebuildable.items() if node.name),
        sources={key: relation for key, relation in sources.items() if relation is not None},
    )


def _built_by(node: DescribedNode) -> Relation | None:
    """None for an ephemeral model, which some versions of dbt give a relation's name too."""
    is_ephemeral = node.config is not None and node.config.materialized == "ephemeral"
    return None if is_ephemeral else read_relation(node.relation_name or "")


def read_relation(text: str) -> Relation | None:
    """A relation's name without its quotation marks; None for what is no name of 1 to 3 parts."""
    if _ALL_IN_BACKTICKS.fullmatch(text):
        text = text.replace(".", "`.`")
    parts: list[str] = []
    position = 0
    while match := _PART.match(text, position):
        parts.append(_unquoted(match))
        position = match.end()
        if match["end"] != ".":
            break
    if position < len(text) or not text or text.endswith(".") or not 1 <= len(parts) <= _PARTS:
        return None
    catalog, schema, name = ["", "", *parts][-_PARTS:]
    return Relation(catalog or None, schema or None, name) if name else None


def _unquoted(match: re.Match[str]) -> str:
    if match["double"] is not None:
        return match["double"].replace('""', '"')
    if match["backtick"] is not None:
        return match["backtick"].replace("``", "`")
    if match["bracket"] is not None:
        return match["bracket"].replace("]]", "]")
    return match["bare"]


def _built(
    nodes: Mapping[str, DescribedNode], environment_id: int | None
) -> Iterator[BuiltRelation]:
    for unique_id, node in nodes.items():
        relation = _built_by(node)
        if relation is not None:
            yield BuiltRelation(unique_id, relation, environment_id)


def _grouped(pairs: Iterable[tuple[Key, Value]]) -> dict[Key, tuple[Value, ...]]:
    groups: dict[Key, list[Value]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return {key: tuple(values) for key, values in groups.items()}
