"""A sync of Census: where it reads and writes, and what starts it. Values only, no I/O here.

`vendors/census/` makes them from the API's answers.
https://fivetran.com/docs/activations/rest-api/api-reference/workspace-apis/syncs
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class TableSource:
    """A table or view of the warehouse; a part is None where Census does not name it."""

    catalog: str | None
    schema: str | None
    name: str

    def __str__(self) -> str:
        return ".".join(part for part in (self.catalog, self.schema, self.name) if part)


@dataclass(frozen=True, slots=True)
class DatasetSource:
    """A dataset: SQL that is kept in Census."""

    dataset_id: int

    def __str__(self) -> str:
        return f"dataset {self.dataset_id}"


@dataclass(frozen=True, slots=True)
class SegmentSource:
    """A filter segment of a dataset; of a model, in 2023's API: then `dataset_id` is None."""

    segment_id: int
    dataset_id: int | None

    def __str__(self) -> str:
        return f"segment {self.segment_id} of {_parent(self.dataset_id)}"


@dataclass(frozen=True, slots=True)
class CohortSource:
    """A cohort of a dataset."""

    cohort_id: int
    dataset_id: int | None

    def __str__(self) -> str:
        return f"cohort {self.cohort_id} of {_parent(self.dataset_id)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource:
    """A saved query; with `compiled_query` a model of a dbt project that Census compiles itself."""

    model_id: int | None
    name: str | None
    query: str | None
    compiled_query: str | None = None
    dataset_id: int | None = None

    def __str__(self) -> str:
        return f"model {self.name or self.model_id}"


@dataclass(frozen=True, slots=True)
class OtherSource:
    """A source of another type, such as a topic; `type` is Census's word, None if it gave none."""

    type: str | None

    def __str__(self) -> str:
        return self.type or "an unnamed source"


SyncSource = TableSource | DatasetSource | SegmentSource | CohortSource | ModelSource | OtherSource


def _parent(dataset_id: int | None) -> str:
    return "a model" if dataset_id is None else f"dataset {dataset_id}"


class StartedBy(StrEnum):
    """What starts a sync in Census itself."""

    SCHEDULE = "schedule"
    DBT_CLOUD = "dbt_cloud"
    FIVETRAN = "fivetran"
    SYNC_SEQUENCE = "sync_sequence"
    LIVE = "live"  # it runs all the time; such syncs have been retired
    OTHER = "other"  # Census names a trigger that relay does not know: `detail` is its name


@dataclass(frozen=True, slots=True)
class OwnTrigger:
    """One way in which Census starts a sync by itself; `detail` is for a person: `hourly`."""

    by: StartedBy
    detail: str

    def __str__(self) -> str:
        name = self.by.replace("_", " ").replace("dbt cloud", "dbt Cloud")
        return f"{name} ({self.detail})" if self.detail else name


@dataclass(frozen=True, slots=True)
class FieldMapping:
    """A column, or another value, and the field that it is sent to."""

    source: str
    field: str
    is_primary_identifier: bool


@dataclass(frozen=True, slots=True)
class SyncDestination:
    """Where a sync writes: a destination's id (a text in v2) and the object's full name there."""

    destination_id: int | str | None
    object: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CensusSync:
    """A sync as Census describes it.

    `status` is Census's word, `Ready`, `Up to Date` or `Failing`. `connection_id` is the id of the
    source it reads, None if unsaid. `own_triggers` is None where Census did not say, empty where
    only the API starts it.
    """

    sync_id: int
    label: str | None
    status: str | None
    is_paused: bool
    operation: str | None
    connection_id: int | None
    source: SyncSource
    destination: SyncDestination
    own_triggers: tuple[OwnTrigger, ...] | None
    mappings: tuple[FieldMapping, ...] = ()
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def is_live(self) -> bool:
        """Whether it runs all the time, so that no trigger starts it."""
        return any(trigger.by is StartedBy.LIVE for trigger in self.own_triggers or ())
