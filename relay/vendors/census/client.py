"""The parts of the Census API that relay needs.

https://developers.getcensus.com/api-reference and, since it is Fivetran's,
https://fivetran.com/docs/activations. v2 has the same paths for syncs and sync runs.
"""

from datetime import datetime
from typing import Any, Literal

import msgspec

from relay.decision.mapping import SyncMapping
from relay.errors import BadArtifact, Unanswered
from relay.notation import read_time, short_message
from relay.settings import WorkerSettings
from relay.sync_runs import SyncRun
from relay.vendors.census.reply import Reply
from relay.vendors.ids import WrittenId, id_decoder, read_count
from relay.vendors.transport import Transport

V1_ENDS = "2027-01-15"  # https://fivetran.com/docs/activations, migrating from v1 to v2
LATEST = 25  # sync runs searched for one whose response was lost; the API's own page size


def api_versions(default: str, mapping: SyncMapping) -> dict[str, str]:
    """The API version of each workspace that a sync of the mapping uses, by the workspace's name.

    `default` is that of the default workspace.
    """
    return {
        sync.workspace: mapping.workspaces[sync.workspace].api_version
        if sync.workspace in mapping.workspaces
        else default
        for sync in mapping.syncs
    }


def uses_v1(settings: WorkerSettings, mapping: SyncMapping) -> bool:
    """Whether any sync of the mapping uses a workspace with API v1."""
    return "v1" in api_versions(settings.census_api_version, mapping).values()


class Census:
    """One workspace of Census."""

    def __init__(self, transport: Transport, *, api_version: str) -> None:
        self._transport = transport
        self._root = f"/api/{api_version}"

    def require_access(self) -> None:
        """Request one sync, to check that the key may read syncs.

        Raises Unavailable, Rejected, BadArtifact.
        """
        answer = self._transport.get(f"{self._root}/syncs", {"per_page": "1"})
        Reply.of(answer).read(_rows, not_found="is CENSUS_URL right?")

    def trigger_sync(self, sync_id: int, *, full_sync: bool = False) -> int:
        """Start a sync run and return its sync_run_id.

        Raises Unavailable (it did not start), Unanswered (it may have), Rejected (it will not).
        """
        params = {"force_full_sync": "true"} if full_sync else None
        reply = Reply.of(self._transport.post(f"{self._root}/syncs/{sync_id}/trigger", params))
        try:
            return int(reply.read(_triggered, not_found=_is_it_the_sync(sync_id)).sync_run_id)
        except BadArtifact as exc:
            # A success without an id, an HTML page, half a response: a run may have been started.
            raise Unanswered(str(exc), http_status=reply.http_status) from exc

    def get_sync_run(self, sync_run_id: int) -> SyncRun:
        """The current state of a run. Raises Unavailable, Rejected, BadArtifact."""
        answer = self._transport.get(f"{self._root}/sync_runs/{sync_run_id}")
        # The oldest documented response has no id.
        reply = Reply.of(answer)
        question = f"is sync run {sync_run_id} in this workspace?"
        return reply.read(_sync_run, not_found=question).as_value(sync_run_id)

    def list_sync_runs(self, sync_id: int) -> tuple[tuple[SyncRun, ...], datetime | None]:
        """The sync's latest runs, newest first, and the time of Census's clock, None if not sent.

        Raises Unavailable, Rejected, BadArtifact.
        """
        answer = self._transport.get(
            f"{self._root}/syncs/{sync_id}/sync_runs", {"order": "desc", "per_page": str(LATEST)}
        )
        listed = Reply.of(answer).read(_listed_sync_runs, not_found=_is_it_the_sync(sync_id))
        runs = (run.as_value(run.id) for run in listed)
        return tuple(sorted(runs, key=lambda run: -run.sync_run_id)), answer.vendor_now


def _is_it_the_sync(sync_id: int) -> str:
    return f"is sync_id {sync_id} right, and in this workspace?"


class _Triggered(msgspec.Struct):
    sync_run_id: WrittenId


class _SyncRun(msgspec.Struct, kw_only=True):
    """A sync run, without its `error_detail`: that holds values of records.

    Only its id, `status` and `canceled` must be readable. The other fields are only logged: a count
    of an unexpected type must not hide the end of a run.
    """

    status: str
    id: WrittenId | msgspec.UnsetType = msgspec.UNSET
    canceled: bool | Literal["true", "false"] | None = None
    created_at: Any = None
    records_processed: Any = None
    records_updated: Any = None
    records_failed: Any = None
    records_invalid: Any = None
    source_record_invalids: Any = None  # the newer name
    error_code: Any = None
    error_message: Any = None

    def as_value(self, sync_run_id: int) -> SyncRun:
        """This run; `sync_run_id` is the requested one, used if the response has no id."""
        invalid = read_count(self.records_invalid)
        newer = read_count(self.source_record_invalids)
        return SyncRun(
            sync_run_id=sync_run_id if self.id is msgspec.UNSET else int(self.id),
            status=short_message(self.status),
            canceled=self.canceled in (True, "true"),
            created_at=read_time(self.created_at) if isinstance(self.created_at, str) else None,
            records_processed=read_count(self.records_processed),
            records_updated=read_count(self.records_updated),
            records_failed=read_count(self.records_failed),
            records_invalid=newer if invalid is None else invalid,
            error_code=_text(self.error_code),
            error_message=_text(self.error_message),
        )


def _text(written: object) -> str | None:
    """Text on one line, or a number, which error codes can be; None for anything else."""
    if isinstance(written, str):
        return short_message(written) or None
    number = read_count(written)
    return str(number) if number else None


class _ListedSyncRun(_SyncRun, kw_only=True):
    id: WrittenId


_rows = msgspec.json.Decoder(list[msgspec.Raw])
_triggered: msgspec.json.Decoder[_Triggered] = id_decoder(_Triggered)
_sync_run: msgspec.json.Decoder[_SyncRun] = id_decoder(_SyncRun)
_listed_sync_runs: msgspec.json.Decoder[list[_ListedSyncRun]] = id_decoder(list[_ListedSyncRun])
