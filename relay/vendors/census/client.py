"""The parts of the Census API that relay needs.

https://developers.getcensus.com/api-reference and, since it is Fivetran's,
https://fivetran.com/docs/activations. `paths.py` has what differs between v1 and v2.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus

import msgspec

from relay.errors import BadArtifact, NotReadable, Unanswered, Unavailable
from relay.sync_runs import SyncRun
from relay.vendors.census.paths import Paths
from relay.vendors.census.reply import Reply
from relay.vendors.census.run_shapes import listed_runs_decoder, run_decoder
from relay.vendors.census.version import ApiVersion
from relay.vendors.ids import WrittenId, id_decoder
from relay.vendors.observer import Operation
from relay.vendors.transport import Transport
from relay.workspaces import V2

LATEST = 25  # sync runs searched for one whose response was lost; the API's own page size


class Census:
    """One workspace of Census."""

    def __init__(self, transport: Transport, *, api_version: ApiVersion) -> None:
        self._transport = transport
        self._version = api_version

    def find_api_version(self) -> str:
        """v1 or v2, as its key shows. Raises Unavailable if it cannot be found out now."""
        return self._version.find()

    def require_access(self) -> None:
        """Request one sync, to check that the key may read syncs.

        Raises Unavailable, Rejected, BadArtifact.
        """
        self.find_api_version()
        reply, _ = self._get(Operation.MANAGE, lambda paths: paths.syncs, {"per_page": "1"})
        reply.read(_rows, not_found="is CENSUS_URL right?")

    def trigger_sync(self, sync_id: int, *, full_sync: bool = False) -> int:
        """Start a sync run and return its sync_run_id.

        Raises Unavailable (it did not start), Unanswered (it may have), Rejected (it will not).
        """
        version = self._version.current
        params = {"force_full_sync": "true"} if full_sync else None
        reply = Reply.of(
            self._transport.post(
                Paths(version).trigger(sync_id), params, operation=Operation.TRIGGER_SYNC
            )
        )
        # Its refusal would be final, so Census is asked for the version however recently it was.
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
        reply, _ = self._get(Operation.GET_SYNC_RUN, lambda paths: paths.sync_run(sync_run_id))
        if reply.http_status == HTTPStatus.NOT_FOUND and self._version.current == V2:
            raise NotReadable(
                f"Census answered HTTP 404 to GET {Paths(V2).sync_run(sync_run_id)}, "
                "a path that is inferred from those that v2 documents",
                http_status=reply.http_status,
            )
        # The oldest documented answer has no id: it is the one that was asked for.
        question = f"is sync run {sync_run_id} of this workspace?"
        return reply.read(run_decoder, not_found=question).as_value(sync_run_id)

    def list_sync_runs(self, sync_id: int) -> tuple[tuple[SyncRun, ...], datetime | None]:
        """The sync's latest runs, newest first, and the time of Census's clock, None if not sent.

        Raises Unavailable, Rejected, BadArtifact.
        """
        reply, vendor_now = self._get(
            Operation.LIST_SYNC_RUNS,
            lambda paths: paths.sync_runs(sync_id),
            {"order": "desc", "per_page": str(LATEST)},
        )
        listed = reply.read(listed_runs_decoder, not_found=_is_it_the_sync(sync_id))
        runs = (run.as_value(run.id) for run in listed)
        return tuple(sorted(runs, key=lambda run: -run.sync_run_id)), vendor_now

    def _get(
        self,
        operation: Operation,
        path: Callable[[Paths], str],
        params: Mapping[str, str] | None = None,
    ) -> tuple[Reply, datetime | None]:
        """GET; once more by the other version if the key turns out to be one for that."""
        version = self._version.current
        answer = self._transport.get(path(Paths(version)), params, operation=operation)
        if self._version.reconsider_repeated(version, answer.http_status):
            newer = path(Paths(self._version.current))
            answer = self._transport.get(newer, params, operation=operation)
        return Reply.of(answer), answer.vendor_now


def _is_it_the_sync(sync_id: int) -> str:
    return f"is sync_id {sync_id} right, and in this workspace?"


class _Triggered(msgspec.Struct):
    sync_run_id: WrittenId


_rows = msgspec.json.Decoder(list[msgspec.Raw])
_triggered: msgspec.json.Decoder[_Triggered] = id_decoder(_Triggered)
