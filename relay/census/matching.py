"""Which nodes of dbt build what a sync of Census reads. No I/O here.

Only a table is matched exactly. What SQL reads is a guess, and says so: relay reads the SQL as it
is now, and not what Census makes of it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from relay.census.objects import Dataset
from relay.census.sql import QueryRead, read_query
from relay.census.syncs import (
    CohortSource,
    DatasetSource,
    ModelSource,
    SegmentSource,
    SyncSource,
    TableSource,
)
from relay.dbt.relations import BuiltRelation, Relation, Relations
from relay.notation import printable

LONGEST_REASON = 1000  # characters
MOST_NAMED = 10  # relations or nodes in one sentence


class Certainty(StrEnum):
    """How sure a match is."""

    EXACT = "exact"
    GUESS = "guess"  # it is very likely right; a person should look at it once
    ASK = "ask"  # a person has to say: the nodes, if there are any, are only suggestions
    NONE = "none"  # dbt builds nothing of it


@dataclass(frozen=True, slots=True)
class Match:
    """The unique_ids of the nodes that build what a sync reads, and how sure that is.

    `because` is a sentence on one line, without a full stop. `not_built` are the relations that
    it reads and no node builds. `environments` are those of dbt whose runs build what it reads;
    empty if runs of every environment do, or that is not known.
    """

    nodes: tuple[str, ...]
    certainty: Certainty
    because: str
    not_built: tuple[str, ...] = ()
    environments: tuple[int, ...] = ()


def dataset_to_read(source: SyncSource) -> int | None:
    """The id of the dataset whose SQL a match of this source needs; None if it needs none."""
    match source:
        case DatasetSource() | SegmentSource() | CohortSource():
            return source.dataset_id
        case ModelSource(query=None, compiled_query=None):
            return source.dataset_id
        case _:
            return None


def match_source(
    source: SyncSource,
    relations: Relations,
    *,
    dataset: Dataset | None = None,
    source_type: str | None = None,
) -> Match:
    """Match what a sync reads against what dbt builds.

    `dataset` is what was read of `dataset_to_read`, None if it could not be; `source_type` is
    Census's word for the warehouse, such as `snowflake`.
    """
    match = _match_source(source, relations, dataset, source_type)
    return replace(match, because=printable(match.because)[:LONGEST_REASON])


def _match_source(
    source: SyncSource, relations: Relations, dataset: Dataset | None, source_type: str | None
) -> Match:
    match source:
        case TableSource():
            return _match_table(Relation(source.catalog, source.schema, source.name), relations)
        case DatasetSource() | SegmentSource() | CohortSource():
            return _match_dataset(str(source), dataset, relations, source_type)
        case ModelSource():
            return _match_model(source, dataset, relations, source_type)
        case _:
            return Match((), Certainty.NONE, f"it reads {source}, which dbt does not build")


def _match_table(table: Relation, relations: Relations) -> Match:
    found = relations.building(table)
    nodes = _nodes(found)
    if len(nodes) == 1:
        return _match_built(table, found, Certainty.EXACT, relations)
    if nodes:
        return Match(nodes, Certainty.ASK, f"{_list(nodes)} all build {table}: say which")
    similar = relations.resembling(table)
    if similar:
        because = f"{_not_built(table, relations)}; perhaps {_building(similar)}"
        return Match(_nodes(similar), Certainty.ASK, because)
    return Match((), Certainty.NONE, _not_built(table, relations), (str(table),))


def _match_built(
    table: Relation, found: Sequence[BuiltRelation], certainty: Certainty, relations: Relations
) -> Match:
    """A table that one node builds, in some environments or in all."""
    only_in = relations.environments_of(found)
    built = f"{found[0].unique_id} builds {table}{_environments(found)}"
    because = f"{built}, and others elsewhere" if only_in else built
    return Match(_nodes(found), certainty, because, environments=only_in)


def _match_dataset(
    name: str, dataset: Dataset | None, relations: Relations, source_type: str | None
) -> Match:
    if dataset is None:
        return Match((), Certainty.ASK, f"Census did not show the SQL of {name}")
    if dataset.query is None:
        named = relations.named.get(dataset.name or "", ())
        hint = f"; {_list(named)} has its name" if named else ""
        return Match(named, Certainty.ASK, f"Census shows no SQL of {name}{hint}")
    return _match_query(name, dataset.query, relations, source_type)


def _match_model(
    model: ModelSource, dataset: Dataset | None, relations: Relations, source_type: str | None
) -> Match:
    if model.compiled_query is not None:
        return _match_dbt_model(model, model.compiled_query, relations, source_type)
    if model.query is not None:
        return _match_query(str(model), model.query, relations, source_type)
    return _match_dataset(str(model), dataset, relations, source_type)


def _match_dbt_model(
    model: ModelSource, compiled: str, relations: Relations, source_type: str | None
) -> Match:
    """A model of dbt that Census compiles itself: its rows come from what that SQL reads."""
    named = relations.named.get(model.name or "", ())
    read = _match_query(str(model), compiled, relations, source_type)
    nodes = tuple(dict.fromkeys((*named, *read.nodes)))
    if len(named) > 1:
        because = f"{_list(named)} all have the name of dbt {model}: say which"
        return Match(nodes, Certainty.ASK, because, read.not_built)
    itself = f"dbt {model} is compiled by Census"
    unknown = "" if named else f"; no node of dbt is named {model.name}"
    certainty = Certainty.GUESS if named and read.certainty is Certainty.NONE else read.certainty
    because = f"{itself}{unknown}; {read.because}"
    return Match(nodes, certainty, because, read.not_built, read.environments)


def _match_query(name: str, sql: str, relations: Relations, source_type: str | None) -> Match:
    query = read_query(sql, source_type=source_type)
    if query.problem is not None:
        return Match((), Certainty.ASK, f"the SQL of {name} cannot be read: {query.problem}")
    if not query.relations:
        certainty = Certainty.ASK if query.others else Certainty.NONE
        return Match((), certainty, f"the SQL of {name} reads no table{_and_others(query)}")
    return _Tables(query, relations).match(name)


class _Tables:
    """The tables of one query, matched one by one."""

    def __init__(self, query: QueryRead, relations: Relations) -> None:
        self._query = query
        self._relations = relations
        self._matches = [_match_in_sql(table, relations) for table in query.relations]

    def match(self, name: str) -> Match:
        """All of them together: as sure as the least sure one."""
        nodes = tuple(dict.fromkeys(node for one in self._matches for node in one.nodes))
        not_built = tuple(table for one in self._matches for table in one.not_built)
        because = "; ".join([self._reads(name), *self._doubts()])
        environments = {id_ for one in self._matches for id_ in one.environments}
        return Match(nodes, self._certainty(nodes), because, not_built, tuple(sorted(environments)))

    def _certainty(self, nodes: Sequence[str]) -> Certainty:
        if any(one.certainty is Certainty.ASK for one in self._matches):
            return Certainty.ASK
        return Certainty.GUESS if nodes else Certainty.NONE

    def _reads(self, name: str) -> str:
        tables = _list([str(table) for table in self._query.relations])
        return f"the SQL of {name} reads {tables}{_and_others(self._query)}"

    def _doubts(self) -> Iterator[str]:
        unsure = (Certainty.ASK, Certainty.NONE)
        doubts = [one.because for one in self._matches if one.certainty in unsure]
        yield from doubts[:MOST_NAMED]
        if len(doubts) > MOST_NAMED:
            yield f"and {len(doubts) - MOST_NAMED} more doubts"


def _match_in_sql(table: Relation, relations: Relations) -> Match:
    """A table as SQL names it: its catalog may be left out, and is that of the connection."""
    similar = relations.resembling(table)
    leaves_out_catalog = table.catalog is None and table.schema is not None
    if leaves_out_catalog and len(_nodes(similar)) == 1:
        return _match_built(table, similar, Certainty.GUESS, relations)
    return _match_table(table, relations)


def _not_built(table: Relation, relations: Relations) -> str:
    source = relations.source_of(table)
    known = f" ({source}, which dbt only reads)" if source else ""
    return f"no node of dbt builds {table}{known}"


def _building(similar: Iterable[BuiltRelation]) -> str:
    return _list([f"{one.unique_id}, which builds {one.relation}" for one in similar])


def _environments(found: Iterable[BuiltRelation]) -> str:
    """That several environments of dbt build the same table."""
    ids = sorted({one.environment_id for one in found if one.environment_id is not None})
    return f" in several environments of dbt: {_list(list(map(str, ids)))}" if len(ids) > 1 else ""


def _and_others(query: QueryRead) -> str:
    return f", and {_list(query.others)}, which relay cannot look into" if query.others else ""


def _nodes(found: Iterable[BuiltRelation]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.unique_id for one in found))


def _list(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`, and no more than MOST_NAMED of them."""
    if len(names) > MOST_NAMED:
        return f"{', '.join(names[:MOST_NAMED])} and {len(names) - MOST_NAMED} more"
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
