"""The validated JSON bodies of the control routes.

Unknown and contradictory keys are refused by name.
"""

from typing import Annotated, Literal, TypeVar

import msgspec
from flask import abort, request

from relay.sandbox.census_runs import COMPLETED, RECORDS
from relay.sandbox.dbt_runs import CANCELLED, ERROR, SUCCESS
from relay.sandbox.wire import Fault, HangUp, HangUpAfter, Status, StatusAfter

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


class SyncChange(Body, frozen=True):
    """How a sync responds to triggers from now on. An absent key changes nothing."""

    refuses: str | msgspec.UnsetType | None = msgspec.UNSET
    paused: bool | msgspec.UnsetType = msgspec.UNSET


class Fail(Body, frozen=True):
    """A fault for the next requests whose method and path contain `path`."""

    simulator: Literal["dbt_cloud", "census"]
    path: str
    status: HttpStatus | None = None
    status_after: HttpStatus | None = None
    hang_up: Literal["before", "after"] | None = None
    retry_after: AtLeastZero | None = None
    times: AtLeastOne = 1

    def __post_init__(self) -> None:
        """Raises ValueError, which names contradictory keys."""
        faults = ("status", "status_after", "hang_up")
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
        return HangUp() if self.hang_up == "before" else HangUpAfter()


class FailAtRandom(Body, frozen=True):
    """Transient faults for a share of the requests from now on."""

    simulator: Literal["dbt_cloud", "census", "both"] = "both"
    share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.1
    seed: int = 1
