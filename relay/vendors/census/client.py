"""The Census API, as much of it as relay needs.

https://developers.getcensus.com/api-reference and, since it is Fivetran's,
https://fivetran.com/docs/activations.
"""

from datetime import datetime

import msgspec

from relay.decision.mapping import SyncMapping
from relay.errors import BadArtifact, Unanswered
from relay.settings import WorkerSettings
from relay.sync_runs import SyncRun
from relay.vendors.census.paths import Paths
from relay.vendors.census.reply import Reply
from relay.vendors.census.run_shapes import listed_runs_decoder, run_decoder
from relay.vendors.ids import WrittenId, id_decoder
from relay.vendors.transport import Transport

V1_ENDS = "2027-01-15"  # https://fivetran.com/docs/activations, migrating from v1 to v2
LATEST = 25  # sync runs looked through for one whose answer was lost; the API's own page size


def api_versions(default: str, mapping: SyncMapping) -> dict[str, str]:
    """The API version of each workspace that a sync of the mapping goes to, by its name.

    `default` is that of the default workspace.
    """
    return {
        sync.workspace: mapping.workspaces[sync.workspace].api_version
        if sync.workspace in mapping.workspaces
        else default
        for sync in mapping.syncs
    }


def speaks_v1(settings: WorkerSettings, mapping: SyncMapping) -> bool:
    """Whether any sync of the mapping goes to a workspace that is still asked by v1."""
    return "v1" in api_versions(settings.census_api_version, mapping).values()


class Census:
    """One workspace of Census."""

    def __init__(self, transport: Transport, *, api_version: str) -> None:
        self._transport = transport
        self._paths = Paths(api_version)

    def require_access(self) -> None:
        """Ask for one sync, to see whether the key may read syncs.

        Raises Unavailable, Rejected, BadArtifact.
        """
        answer = self._transport.ask(self._paths.syncs, {"per_page": "1"})
        Reply.of(answer).read(_rows, not_found="is CENSUS_URL right?")

    def trigger_sync(self, sync_id: int, *, full_sync: bool = False) -> int:
        """Start a sync run and return its sync_run_id.

        Raises Unavailable (it did not start), Unanswered (it may have), Rejected (it will not).
        """
        params = {"force_full_sync": "true"} if full_sync else None
        reply = Reply.of(self._transport.command(self._paths.trigger(sync_id), params))
        try:
            return int(reply.read(_triggered, not_found=_is_it_the_sync(sync_id)).sync_run_id)
        except BadArtifact as exc:
            # A success without an id, a page, half an answer: a run may have been started.
            raise Unanswered(str(exc), http_status=reply.http_status) from exc

    def get_sync_run(self, sync_run_id: int) -> SyncRun:
        """What Census says of a run now. Raises Unavailable, Rejected, BadArtifact."""
        answer = self._transport.ask(self._paths.sync_run(sync_run_id))
        # The oldest documented answer has no id: it is the one that was asked for.
        reply = Reply.of(answer)
        question = f"is sync run {sync_run_id} of this workspace?"
        return reply.read(run_decoder, not_found=question).as_value(sync_run_id)

    def list_sync_runs(self, sync_id: int) -> tuple[tuple[SyncRun, ...], datetime | None]:
        """The sync's latest runs, newest first, and what time it is at Census, None if unsaid.

        Raises Unavailable, Rejected, BadArtifact.
        """
        answer = self._transport.ask(
            self._paths.sync_runs(sync_id), {"order": "desc", "per_page": str(LATEST)}
        )
        listed = Reply.of(answer).read(listed_runs_decoder, not_found=_is_it_the_sync(sync_id))
        runs = (run.as_value(run.id) for run in listed)
        return tuple(sorted(runs, key=lambda run: -run.sync_run_id)), answer.vendor_now


def _is_it_the_sync(sync_id: int) -> str:
    return f"is sync_id {sync_id} right, and in this workspace?"


class _Triggered(msgspec.Struct):
    sync_run_id: WrittenId


_rows = msgspec.json.Decoder(list[msgspec.Raw])
_triggered: msgspec.json.Decoder[_Triggered] = id_decoder(_Triggered)
