"""The Census API, as much of it as relay needs.

https://developers.getcensus.com/api-reference and, since it is Fivetran's,
https://fivetran.com/docs/activations. v2 has the same paths for syncs and sync runs.
"""

from datetime import datetime
from http import HTTPStatus
from typing import Any

import msgspec

from relay.decision.mapping import SyncMapping
from relay.errors import BadArtifact, Rejected, Unanswered
from relay.settings import WorkerSettings
from relay.sync_runs import SyncRun
from relay.vendors.transport import Answer, Transport

V1_ENDS = "2027-01-15"  # https://fivetran.com/docs/activations, migrating from v1 to v2
LATEST = 25  # sync runs looked through for one whose answer was lost; the API's own page size


def speaks_v1(settings: WorkerSettings, mapping: SyncMapping) -> bool:
    """Whether any sync of the mapping goes to a workspace that is still asked by v1."""
    versions = {
        sync.workspace: mapping.workspaces[sync.workspace].api_version
        if sync.workspace in mapping.workspaces
        else settings.census_api_version
        for sync in mapping.syncs
    }
    return "v1" in versions.values()


class Census:
    """One workspace of Census."""

    def __init__(self, transport: Transport, *, api_version: str) -> None:
        self._transport = transport
        self._root = f"/api/{api_version}"

    def trigger_sync(self, sync_id: int, *, full_sync: bool = False) -> int:
        """Start a sync run and return its sync_run_id.

        Raises Unavailable (it did not start), Unanswered (it may have), Rejected (it will not).
        """
        params = {"force_full_sync": "true"} if full_sync else None
        answer = self._transport.command(f"{self._root}/syncs/{sync_id}/trigger", params)
        data = _data(answer)
        sync_run_id = data.get("sync_run_id") if isinstance(data, dict) else None
        if type(sync_run_id) is int:
            return sync_run_id
        # A success without an id, a page, half an answer: a run may have been started.
        error = Rejected if _says_no(answer) else Unanswered
        raise error(_refusal(answer), http_status=answer.http_status)

    def get_sync_run(self, sync_run_id: int) -> SyncRun:
        """What Census says of a run now. Raises Unavailable, Rejected, BadArtifact."""
        answer = self._transport.ask(f"{self._root}/sync_runs/{sync_run_id}")
        data = _data(answer)
        if data is None:
            raise _why_not(answer)
        # The oldest documented answer has no id: it is the one that was asked for.
        return _as_sync_run({"id": sync_run_id} | data if isinstance(data, dict) else data)

    def list_sync_runs(self, sync_id: int) -> tuple[tuple[SyncRun, ...], datetime | None]:
        """The sync's latest runs, newest first, and what time it is at Census, None if unsaid.

        Raises Unavailable, Rejected, BadArtifact.
        """
        answer = self._transport.ask(
            f"{self._root}/syncs/{sync_id}/sync_runs", {"order": "desc", "per_page": str(LATEST)}
        )
        data = _data(answer)
        if not isinstance(data, list):
            raise _why_not(answer)
        runs = sorted((_as_sync_run(each) for each in data), key=lambda run: -run.sync_run_id)
        return tuple(runs), answer.vendor_now


class _Envelope(msgspec.Struct):
    status: Any = None  # "success", "error", or the number 404
    data: Any = None
    message: Any = None


class _SyncRun(msgspec.Struct):
    id: int
    status: str
    canceled: bool | None = None
    created_at: str | None = None
    records_processed: int | None = None
    records_updated: int | None = None
    records_failed: int | None = None
    records_invalid: int | None = None
    source_record_invalids: int | None = None  # the newer name
    error_code: str | int | None = None
    error_message: str | None = None


_envelope = msgspec.json.Decoder(_Envelope)


def _data(answer: Answer) -> Any:
    """What an answer holds; None unless it is a success in every way: 2xx and "success"."""
    envelope = _opened(answer)
    return envelope.data if answer.ok and envelope and envelope.status == "success" else None


def _why_not(answer: Answer) -> Rejected | BadArtifact:
    """Census refused to tell; or something else has answered in its place."""
    if _says_no(answer):
        return Rejected(_refusal(answer), http_status=answer.http_status)
    return BadArtifact(_refusal(answer))


def _says_no(answer: Answer) -> bool:
    """Whether Census refused: by its HTTP status, or by the word or the number inside."""
    envelope = _opened(answer)
    said = envelope.status if envelope else None
    return (
        not answer.ok
        or said == "error"
        or (isinstance(said, int) and said >= HTTPStatus.BAD_REQUEST)
    )


def _opened(answer: Answer) -> _Envelope | None:
    try:
        return _envelope.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _refusal(answer: Answer) -> str:
    envelope = _opened(answer)
    message = envelope.message if envelope and isinstance(envelope.message, str) else None
    hint = "; is the API key right?" if answer.http_status in (401, 403) else ""
    return f"Census answered HTTP {answer.http_status}: {message or answer.excerpt}{hint}"


def _as_sync_run(data: Any) -> SyncRun:
    try:
        run = msgspec.convert(data, _SyncRun)
    except msgspec.ValidationError as exc:
        raise BadArtifact(f"Census's answer for a sync run cannot be read: {exc}") from exc
    return SyncRun(
        sync_run_id=run.id,
        status=run.status,
        canceled=bool(run.canceled),
        created_at=_as_datetime(run.created_at),
        records_processed=run.records_processed,
        records_updated=run.records_updated,
        records_failed=run.records_failed,
        records_invalid=(
            run.records_invalid if run.records_invalid is not None else run.source_record_invalids
        ),
        error_code=None if run.error_code is None else str(run.error_code),
        error_message=run.error_message,
    )


def _as_datetime(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
