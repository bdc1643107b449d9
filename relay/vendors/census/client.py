"""The parts of the Census API that relay needs.

https://developers.getcensus.com/api-reference and, since it is Fivetran's,
https://fivetran.com/docs/activations. `paths.py` has what differs between v1 and v2.
"""

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any, Literal

import msgspec

from relay.errors import BadArtifact, NotReadable, Unanswered, Unavailable
from relay.notation import read_time, short_message
from relay.sync_runs import SyncRun
from relay.vendors.census.paths import path_of
from relay.vendors.census.reply import Reply
from relay.vendors.census.version import V2, ApiVersion
from relay.vendors.ids import WrittenId, id_decoder, read_count
from relay.vendors.transport import Transport

LATEST = 25  # sync runs searched for one whose response was lost; the API's own page size


class Census:
    """One workspace of Census."""

    def __init__(self, transport: Transport, *, api_version: ApiVersion) -> None:
        self._transport = transport
        self._version = api_version

    def find_api_version(self) -> str:
        """v1 or v2, as its key shows. Raises Unavailable where that cannot be told now."""
        return self._version.find()

    def require_access(self) -> None:
        """Request one sync, to check that the key may read syncs.

        Raises Unavailable, Rejected, BadArtifact.
        """
        self.find_api_version()
        reply, _ = self._ask("/syncs", {"per_page": "1"})
        reply.read(_rows, not_found="is CENSUS_URL right?")

    def trigger_sync(self, sync_id: int, *, full_sync: bool = False) -> int:
        """Start a sync run and return its sync_run_id.

        Raises Unavailable (it did not start), Unanswered (it may have), Rejected (it will not).
        """
        version = self._version.current
        path = path_of(version, f"/syncs/{sync_id}/trigger")
        params = {"force_full_sync": "true"} if full_sync else None
        reply = Reply.of(self._transport.post(path, params))
        if self._version.reconsider(version, reply.http_status):
            # Not sent here a second time: the caller counts on an answer within its own time.
            raise Unavailable(
                f"Census answered HTTP {reply.http_status} to {version}: "
                f"its key is one for {self._version.current}",
                http_status=reply.http_status,
            )
        try:
            return int(reply.read(_triggered, not_found=_is_it_the_sync(sync_id)).sync_run_id)
        except BadArtifact as exc:
            # A success without an id, an HTML page, half a response: a run may have been started.
            raise Unanswered(str(exc), http_status=reply.http_status) from exc

    def get_sync_run(self, sync_run_id: int) -> SyncRun:
        """What Census says of a run now.

        Raises NotReadable where v2 does not find it: its path is inferred, so that this is no
        proof that there is no such run. Also Unavailable, Rejected, BadArtifact.
        """
        path = f"/sync_runs/{sync_run_id}"
        reply, _ = self._ask(path)
        if reply.http_status == HTTPStatus.NOT_FOUND and self._version.current == V2:
            raise NotReadable(
                f"Census answered HTTP 404 to GET {path_of(V2, path)}, "
                "a path that is inferred from those that v2 documents",
                http_status=reply.http_status,
            )
        # The oldest documented answer has no id: it is the one that was asked for.
        question = f"is sync run {sync_run_id} of this workspace?"
        return reply.read(_sync_run, not_found=question).as_value(sync_run_id)

    def list_sync_runs(self, sync_id: int) -> tuple[tuple[SyncRun, ...], datetime | None]:
        """The sync's latest runs, newest first, and the time of Census's clock, None if not sent.

        Raises Unavailable, Rejected, BadArtifact.
        """
        reply, vendor_now = self._ask(
            f"/syncs/{sync_id}/sync_runs", {"order": "desc", "per_page": str(LATEST)}
        )
        listed = reply.read(_listed_sync_runs, not_found=_is_it_the_sync(sync_id))
        runs = (run.as_value(run.id) for run in listed)
        return tuple(sorted(runs, key=lambda run: -run.sync_run_id)), vendor_now

    def _ask(
        self, path: str, params: Mapping[str, str] | None = None
    ) -> tuple[Reply, datetime | None]:
        """GET; once more by the other version if the key turns out to be one for that."""
        version = self._version.current
        answer = self._transport.get(path_of(version, path), params)
        if self._version.reconsider(version, answer.http_status):
            answer = self._transport.get(path_of(self._version.current, path), params)
        return Reply.of(answer), answer.vendor_now


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
