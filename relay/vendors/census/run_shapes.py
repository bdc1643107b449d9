"""A sync run in Census's answers."""

from typing import Any, Literal

import msgspec

from relay.notation import short_message
from relay.sync_runs import SyncRun
from relay.vendors.census.fields import flag, mapping, message, time
from relay.vendors.ids import WrittenId, id_decoder, read_count


class RunShape(msgspec.Struct, kw_only=True):
    """A sync run, without its `error_detail`: that holds values of records.

    Only its id, `status` and `canceled` must be readable. The other fields are only
    reported: a count of an unexpected type must not hide a run's end.
    """

    status: str
    id: WrittenId | msgspec.UnsetType = msgspec.UNSET
    canceled: bool | Literal["true", "false"] | None = None
    created_at: Any = None
    updated_at: Any = None
    completed_at: Any = None
    full_sync: Any = None
    sync_trigger_reason: Any = None
    records_processed: Any = None
    records_updated: Any = None
    records_failed: Any = None
    records_invalid: Any = None
    source_record_invalids: Any = None  # the newer name
    error_code: Any = None
    error_message: Any = None

    def as_value(self, sync_run_id: int) -> SyncRun:
        """This run; `sync_run_id` is the one that was asked for, if it does not tell its own."""
        invalid = read_count(self.records_invalid)
        newer = read_count(self.source_record_invalids)
        return SyncRun(
            sync_run_id=sync_run_id if self.id is msgspec.UNSET else int(self.id),
            status=short_message(self.status),
            canceled=self.canceled in (True, "true"),
            created_at=time(self.created_at),
            updated_at=time(self.updated_at),
            completed_at=time(self.completed_at),
            full_sync=flag(self.full_sync),
            trigger_reason=_reason(self.sync_trigger_reason),
            records_processed=read_count(self.records_processed),
            records_updated=read_count(self.records_updated),
            records_failed=read_count(self.records_failed),
            records_invalid=newer if invalid is None else invalid,
            error_code=message(self.error_code),
            error_message=message(self.error_message),
        )


def _reason(written: object) -> str | None:
    """`Manual: Manually triggered by …`; a text where Census gives only one."""
    if isinstance(written, str):
        return message(written)
    reason = mapping(written)
    parts = (message(reason.get("ui_tag")), message(reason.get("ui_detail")))
    return ": ".join(part for part in parts if part) or None


class ListedRunShape(RunShape, kw_only=True):
    """A sync run of a list, which must tell its id."""

    id: WrittenId


run_decoder: msgspec.json.Decoder[RunShape] = id_decoder(RunShape)
listed_run_decoder: msgspec.json.Decoder[ListedRunShape] = id_decoder(ListedRunShape)
listed_runs_decoder: msgspec.json.Decoder[list[ListedRunShape]] = id_decoder(list[ListedRunShape])
