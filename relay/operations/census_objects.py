"""A source or a destination of Census with what it holds."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from relay.census.objects import (
    Destination,
    DestinationObject,
    OtherObject,
    Source,
    SourceModel,
    SourceObject,
    SourceSegment,
    SourceTable,
)
from relay.vendors.census import CensusManagement


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldObject:
    """An object of a source; `object_id` is the one that a new sync may name it by."""

    type: str
    object_id: int | None
    name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSource:
    """A source and its first objects; `has_more` if it holds others."""

    source: Source
    objects: tuple[HeldObject, ...]
    has_more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownDestination:
    """A destination and its first objects; `has_more` if it holds others."""

    destination: Destination
    objects: tuple[DestinationObject, ...]
    has_more: bool


def show_source(census: CensusManagement, source_id: int, *, most: int) -> ShownSource:
    """A source with at most so many objects. Raises Unavailable, Rejected, BadArtifact."""
    source = census.source(source_id)
    objects = map(_held, census.source_objects(source_id) if most else ())
    first = tuple(islice(objects, most))
    return ShownSource(source=source, objects=first, has_more=_has_more(objects))


def show_destination(
    census: CensusManagement, destination_id: str, *, most: int
) -> ShownDestination:
    """A destination with at most so many objects. Raises Unavailable, Rejected, BadArtifact."""
    destination = census.destination(destination_id)
    objects = iter(census.destination_objects(destination_id) if most else ())
    first = tuple(islice(objects, most))
    return ShownDestination(destination=destination, objects=first, has_more=_has_more(objects))


def _has_more(objects: Iterator[object]) -> bool:
    return next(objects, None) is not None


def _held(held: SourceObject) -> HeldObject:
    match held:
        case SourceTable():
            return HeldObject(type="table", object_id=held.table_id, name=str(held.table))
        case SourceModel():
            return HeldObject(type="model", object_id=held.model_id, name=held.name)
        case SourceSegment():
            of = str(held.segment)
            return HeldObject(
                type="segment",
                object_id=held.segment.segment_id,
                name=f"{held.name} ({of})" if held.name else of,
            )
        case OtherObject():
            return HeldObject(type=held.type or "unknown", object_id=held.object_id, name=held.name)
