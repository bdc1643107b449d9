"""The validated JSON bodies of the control routes.

Unknown and contradictory keys are refused by name.
"""

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from flask import abort, request

from relay.sandbox.census_objects import (
    SandboxCohort,
    SandboxDataset,
    SandboxModel,
    SandboxReads,
    SandboxSegment,
    SandboxTable,
    SandboxTopic,
)
from relay.sandbox.census_runs import COMPLETED, RECORDS
from relay.sandbox.census_wire import CensusOptions, Paging
from relay.sandbox.dbt_runs import CANCELLED, ERROR, SUCCESS
from relay.sandbox.wire import Delay, Fault, HangUp, HangUpAfter, Status, StatusAfter

T = TypeVar("T")

HttpStatus = Annotated[int, msgspec.Meta(ge=200, le=599)]
AtLeastZero = Annotated[int, msgspec.Meta(ge=0)]
AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]

_ENDS = {"success": SUCCESS, "error": ERROR, "cancelled": CANCELLED}


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A body of a control route."""


def read(kind: type[T]) -> T:
    """The request's body; none is the same as `{}`. Aborts with 400 if it is invalid."""
    try:
        return msgspec.json.decode(request.get_data() or b"{}", type=kind)
    except msgspec.DecodeError as exc:
        abort(400, str(exc))


class NewRun(Body, frozen=True):
    """A dbt run. `pull_request` makes it a CI run; the default status is its recording's."""

    recording: str = "build"
    pull_request: AtLeastOne | None = None
    status: Literal["running", "cancelled"] | None = None


class RunEnd(Body, frozen=True):
    """The end of a running dbt run; the default status is that of its steps."""

    status: Literal["success", "error", "cancelled"] | None = None

    @property
    def code(self) -> int | None:
        """Dbt Cloud's number for the status."""
        return _ENDS[self.status] if self.status else None


class SyncRunEnd(Body, frozen=True):
    """The end of a sync run; the keys are those of `SandboxCensus.finish`."""

    status: str = COMPLETED
    canceled: bool = False
    records_processed: AtLeastZero = RECORDS
    records_failed: AtLeastZero = 0
    records_invalid: AtLeastZero = 0
    error_code: str | None = None
    error_message: str | None = None


class TableSource(Body, frozen=True, tag="table"):
    """A table that a sync is to read."""

    id: AtLeastOne
    catalog: str
    schema: str
    name: str

    @property
    def reads(self) -> SandboxReads:
        return SandboxTable(
            table_id=self.id, catalog=self.catalog, schema=self.schema, name=self.name
        )


class ModelSource(Body, frozen=True, tag="model"):
    """A model that a sync is to read; with `compiled_query` one of a dbt project."""

    id: AtLeastOne
    name: str
    query: str
    compiled_query: str | None = None

    @property
    def reads(self) -> SandboxReads:
        return SandboxModel(
            model_id=self.id,
            name=self.name,
            query=self.query,
            compiled_query=self.compiled_query,
        )


class DatasetSource(Body, frozen=True, tag="dataset"):
    """A dataset that a sync is to read, or a segment or a cohort of it."""

    id: AtLeastOne
    name: str
    query: str
    segment_id: AtLeastOne | None = None
    cohort_id: AtLeastOne | None = None

    @property
    def reads(self) -> SandboxReads:
        dataset = SandboxDataset(dataset_id=self.id, name=self.name, query=self.query)
        if self.segment_id is not None:
            name = f"segment {self.segment_id}"
            return SandboxSegment(segment_id=self.segment_id, name=name, dataset=dataset)
        if self.cohort_id is not None:
            return SandboxCohort(cohort_id=self.cohort_id, dataset=dataset)
        return dataset


class TopicSource(Body, frozen=True, tag="topic"):
    """A topic that a sync is to read."""

    id: AtLeastOne
    name: str

    @property
    def reads(self) -> SandboxReads:
        return SandboxTopic(topic_id=self.id, name=self.name)


class SyncChange(Body, frozen=True):
    """What a sync is from now on. A key that is not given changes nothing.

    What lets Census itself start it has the names of SandboxSync.
    """

    refuses: str | msgspec.UnsetType | None = msgspec.UNSET
    paused: bool | msgspec.UnsetType = msgspec.UNSET
    label: str | msgspec.UnsetType | None = msgspec.UNSET
    source: TableSource | ModelSource | DatasetSource | TopicSource | msgspec.UnsetType = (
        msgspec.UNSET
    )
    schedule_frequency: str | msgspec.UnsetType = msgspec.UNSET
    schedule_day: str | msgspec.UnsetType | None = msgspec.UNSET
    schedule_hour: AtLeastZero | msgspec.UnsetType | None = msgspec.UNSET
    schedule_minute: AtLeastZero | msgspec.UnsetType | None = msgspec.UNSET
    cron_expression: str | msgspec.UnsetType | None = msgspec.UNSET
    dbt_cloud_project_id: str | msgspec.UnsetType | None = msgspec.UNSET
    dbt_cloud_job_id: str | msgspec.UnsetType | None = msgspec.UNSET
    fivetran_job_id: str | msgspec.UnsetType | None = msgspec.UNSET
    fivetran_job_name: str | msgspec.UnsetType | None = msgspec.UNSET
    after_sync_id: AtLeastOne | msgspec.UnsetType | None = msgspec.UNSET
    live: bool | msgspec.UnsetType = msgspec.UNSET

    @property
    def given(self) -> dict[str, Any]:
        """The fields of SandboxSync that are to change."""
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        if self.source is not msgspec.UNSET:
            fields["source"] = self.source.reads
        return {name: value for name, value in fields.items() if value is not msgspec.UNSET}


class CensusChange(Body, frozen=True):
    """How Census answers from now on: all of it, what is not given as it was at the start."""

    versions: tuple[Literal["v1", "v2"], ...] = ("v1", "v2")
    largest_page: AtLeastOne | None = None
    paging: Paging = Paging.BOTH

    @property
    def options(self) -> CensusOptions:
        return CensusOptions(self.versions, self.largest_page, self.paging)


class Fail(Body, frozen=True):
    """A fault for the next requests whose method and path contain `path`."""

    simulator: Literal["dbt_cloud", "census", "channels"]
    path: str
    status: HttpStatus | None = None
    status_after: HttpStatus | None = None
    hang_up: Literal["before", "after"] | None = None
    slow: Annotated[float, msgspec.Meta(gt=0)] | None = None  # seconds
    retry_after: AtLeastZero | None = None
    times: AtLeastOne = 1

    def __post_init__(self) -> None:
        """Raises ValueError, which names contradictory keys."""
        faults = ("status", "status_after", "hang_up", "slow")
        given = [name for name in faults if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"give one of {', '.join(faults)}, not {' and '.join(given) or 'none'}"
            )
        if self.retry_after is not None and self.status is None:
            raise ValueError(f"retry_after belongs to status, not to {given[0]}")

    @property
    def fault(self) -> Fault:
        """The requested fault."""
        if self.status is not None:
            return Status(self.status, self.retry_after)
        if self.status_after is not None:
            return StatusAfter(self.status_after)
        if self.slow is not None:
            return Delay(self.slow)
        return HangUp() if self.hang_up == "before" else HangUpAfter()


class FailAtRandom(Body, frozen=True):
    """Transient faults for a share of the requests from now on."""

    simulator: Literal["dbt_cloud", "census", "both"] = "both"
    share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.1
    seed: int = 1
