"""What a workspace of Census has beside syncs: warehouses and what they hold, tools to write to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

COLUMNS = (("ID", "text"), ("EMAIL", "text"))


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSource:
    """A warehouse; `type` is Census's word for its kind."""

    source_id: int = 4
    name: str = "Snowflake - xy12345.us-east-1"
    label: str | None = None
    type: str = "snowflake"


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxTable:
    """A table or view of a warehouse. Columns are pairs of a name and a type."""

    table_id: int
    catalog: str
    schema: str
    name: str
    source: SandboxSource = field(default_factory=SandboxSource)
    columns: tuple[tuple[str, str], ...] = COLUMNS


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxModel:
    """A saved query; with `compiled_query` one of a dbt project that Census compiles."""

    model_id: int
    name: str
    query: str
    compiled_query: str | None = None
    dataset_id: int | None = None
    source: SandboxSource = field(default_factory=SandboxSource)
    columns: tuple[tuple[str, str], ...] = COLUMNS


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxDataset:
    """SQL that is kept in Census."""

    dataset_id: int
    name: str
    query: str
    source: SandboxSource = field(default_factory=SandboxSource)
    columns: tuple[tuple[str, str], ...] = COLUMNS


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSegment:
    """A filter segment of a dataset."""

    segment_id: int
    name: str
    dataset: SandboxDataset

    @property
    def source(self) -> SandboxSource:
        return self.dataset.source


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxCohort:
    """A cohort of a dataset."""

    cohort_id: int
    dataset: SandboxDataset

    @property
    def source(self) -> SandboxSource:
        return self.dataset.source


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxTopic:
    """A topic of a streaming source."""

    topic_id: int
    name: str
    source: SandboxSource = field(default_factory=SandboxSource)


SandboxReads = (
    SandboxTable | SandboxModel | SandboxDataset | SandboxSegment | SandboxCohort | SandboxTopic
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxDestination:
    """A business tool: a destination in v1, in v2 an activation with two words for an id."""

    destination_id: int = 15
    activation_id: str = "glimmering_donkey"
    name: str = "Braze"
    type: str = "braze"


Item = TypeVar("Item")


class CensusObjects:
    """All that is there to read and to write to: what the syncs name, and what is added."""

    def __init__(self) -> None:
        self.sources: dict[int, SandboxSource] = {}
        self.tables: dict[int, SandboxTable] = {}
        self.models: dict[int, SandboxModel] = {}
        self.datasets: dict[int, SandboxDataset] = {}
        self.segments: dict[int, SandboxSegment] = {}
        self.cohorts: dict[int, SandboxCohort] = {}
        self.topics: dict[int, SandboxTopic] = {}
        self.destinations: dict[int, SandboxDestination] = {}
        self.destination_objects: dict[int, list[str]] = {}

    def add(self, thing: SandboxReads | SandboxSource) -> None:
        """Let there be this, in place of an earlier one of the same id, and what it belongs to."""
        match thing:
            case SandboxSource():
                self.sources[thing.source_id] = thing
                return
            case SandboxTable():
                self.tables[thing.table_id] = thing
            case SandboxModel():
                self.models[thing.model_id] = thing
            case SandboxDataset():
                self.datasets[thing.dataset_id] = thing
            case SandboxSegment():
                self.segments[thing.segment_id] = thing
                self.datasets[thing.dataset.dataset_id] = thing.dataset
            case SandboxCohort():
                self.cohorts[thing.cohort_id] = thing
                self.datasets[thing.dataset.dataset_id] = thing.dataset
            case SandboxTopic():
                self.topics[thing.topic_id] = thing
        self.add(thing.source)

    def add_destination(self, destination: SandboxDestination, *full_names: str) -> None:
        """Let there be this destination, and objects of it beside those it has already."""
        self.destinations[destination.destination_id] = destination
        objects = self.destination_objects.setdefault(destination.destination_id, [])
        objects += [name for name in full_names if name not in objects]

    def destination(self, named: str) -> SandboxDestination:
        """The destination with this number or, in v2, these two words. Raises LookupError."""
        for destination in self.destinations.values():
            if named in (str(destination.destination_id), destination.activation_id):
                return destination
        raise LookupError(named)

    def of_source(self, source_id: int) -> list[SandboxTable | SandboxModel | SandboxSegment]:
        """What GET /sources/ID/objects lists; cohorts and topics are not documented there."""
        listed: list[SandboxTable | SandboxModel | SandboxSegment] = [
            *by_id(self.tables),
            *by_id(self.models),
            *by_id(self.segments),
        ]
        return [each for each in listed if each.source.source_id == source_id]


def by_id(things: Mapping[int, Item]) -> list[Item]:
    """The things in the order of their ids."""
    return [things[number] for number in sorted(things)]
