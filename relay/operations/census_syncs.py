"""The syncs of Census, as they are there and as relay's mapping file and database know them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

from relay.census.matching import Match
from relay.census.syncs import CensusSync
from relay.dbt.project import Project
from relay.decision.mapping import Sync, SyncMapping
from relay.errors import BadArtifact, BadSettings, VendorError
from relay.operations.census_workspaces import Names, read_names
from relay.operations.mapping_from_census import match_one
from relay.operations.mapping_project import project_of_file, project_of_runs
from relay.postgres.connections import single_connection
from relay.postgres.server import Server
from relay.settings import CensusSettings, DbtCloudSettings
from relay.store import Decision, Store
from relay.sync_runs import SyncRun
from relay.vendors.census import CensusManagement
from relay.workspaces import SyncKey


@dataclass(frozen=True, slots=True, kw_only=True)
class LastRun:
    """The last run of a sync. `word` is its outcome, else Census's status."""

    sync_run_id: int | None
    begun_at: datetime | None
    word: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedSync:
    """A sync in a list; `source` and `destination` are what a person calls them.

    `is_mapped` is whether the mapping file has it; `last_run` None where none is known,
    `own_triggers` None where Census does not say what starts it.
    """

    workspace: str
    sync_id: int
    label: str | None
    source: str
    destination: str
    state: str
    own_triggers: tuple[str, ...] | None
    is_mapped: bool
    last_run: LastRun | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSync:
    """All that is known of a sync.

    `mapped` is its entry of the mapping file, `decision` what relay decided last: None where there
    is none. `match` are the dbt nodes that build what it reads, None without a manifest. `unread`
    says what could not be read.
    """

    workspace: str
    sync: CensusSync
    source: str
    destination: str
    state: str
    mapped: Sync | None
    runs: tuple[SyncRun, ...]
    decision: Decision | None
    match: Match | None
    unread: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReadProject:
    """The dbt project, None where it could not be read; `unread` says why."""

    project: Project | None
    unread: tuple[str, ...] = ()


LastRuns = Callable[[SyncKey], LastRun | None]


def list_syncs(
    workspace: str,
    census: CensusManagement,
    names: Names,
    mapping: SyncMapping,
    last_run: LastRuns,
) -> Iterator[ListedSync]:
    """Each sync of a workspace, while Census's list is read; a page of it is held at a time.

    Raises Unavailable, Rejected, BadArtifact.
    """
    mapped = {sync.key for sync in mapping.syncs}
    for sync in census.syncs():
        key = (workspace, sync.sync_id)
        own = sync.own_triggers
        yield ListedSync(
            workspace=workspace,
            sync_id=sync.sync_id,
            label=sync.label,
            source=source_of(sync, names),
            destination=destination_of(sync, names),
            state=state_of(sync),
            own_triggers=None if own is None else tuple(map(str, own)),
            is_mapped=key in mapped,
            last_run=last_run(key),
        )


def recorded_runs(server: Server | None) -> LastRuns:
    """The last runs that relay started, from its database. Raises DatabaseUnavailable."""
    if server is None:
        return lambda _: None
    with single_connection(server) as connections:
        rows = Store(connections).sync_runs.newest_of_each_sync()
    known = {
        (row.workspace, row.sync_id): LastRun(
            sync_run_id=row.sync_run_id, begun_at=row.begun_at, word=row.outcome or row.status
        )
        for row in rows
    }
    return known.get


def asked_runs(clients: Mapping[str, CensusManagement]) -> LastRuns:
    """The last run of each sync, whoever started it: one request to Census for each sync."""

    def ask(key: SyncKey) -> LastRun | None:
        workspace, sync_id = key
        newest = next(iter(clients[workspace].sync_runs(sync_id)), None)
        return None if newest is None else _last(newest)

    return ask


def show_sync(
    workspace: str,
    sync_id: int,
    census: CensusManagement,
    mapping: SyncMapping,
    server: Server | None,
    project: ReadProject,
    *,
    newest: int,
) -> ShownSync:
    """A sync with its `newest` runs, and relay's last decision if there is a database.

    Raises Unavailable, Rejected, BadArtifact, DatabaseUnavailable.
    """
    sync, names = census.sync(sync_id), read_names(census)
    return ShownSync(
        workspace=workspace,
        sync=sync,
        source=source_of(sync, names),
        destination=destination_of(sync, names),
        state=state_of(sync),
        mapped=mapping.sync(workspace, sync_id),
        runs=tuple(newest_runs(census, sync_id, newest)),
        decision=_last_decision(server, workspace, sync_id),
        match=None if project.project is None else _match(sync, names, census, project.project),
        unread=(*names.unread, *project.unread),
    )


def read_dbt_project(
    settings: CensusSettings, mapping: SyncMapping, manifest: Path | None
) -> ReadProject:
    """The project of a manifest.json, or of the newest runs of the mapped jobs at dbt Cloud.

    Raises BadArtifact for a manifest that was named and cannot be read.
    """
    if manifest is not None:
        return ReadProject(project_of_file(manifest))
    try:
        return ReadProject(project_of_runs(settings.extended_to(DbtCloudSettings), mapping, ()))
    except BadSettings as exc:
        problem = "; ".join(str(exc).splitlines())
    except (VendorError, BadArtifact) as exc:
        problem = str(exc)
    return ReadProject(None, (f"the dbt nodes that build what it reads: {problem}",))


def _match(sync: CensusSync, names: Names, census: CensusManagement, project: Project) -> Match:
    source_type = names.source_types.get(sync.connection_id or 0)
    return match_one(sync, source_type, census, project.relations)


def newest_runs(census: CensusManagement, sync_id: int, newest: int) -> Iterable[SyncRun]:
    """The newest runs of a sync, newest first. Raises Unavailable, Rejected, BadArtifact."""
    return islice(census.sync_runs(sync_id), newest)


def source_of(sync: CensusSync, names: Names) -> str:
    """What a sync reads, for a person: `analytics.marts.orders (Snowflake)`."""
    name = names.sources.get(sync.connection_id or 0)
    return f"{sync.source} ({name})" if name else str(sync.source)


def destination_of(sync: CensusSync, names: Names) -> str:
    """Where a sync writes, for a person: `Contact of Salesforce`."""
    to = sync.destination
    tool = names.destinations.get(to.destination_id or 0) or _unnamed(to.destination_id)
    return " of ".join(part for part in (to.object, tool) if part) or "an unknown place"


def state_of(sync: CensusSync) -> str:
    """`paused` or `live`, else Census's word."""
    if sync.is_paused:
        return "paused"
    return "live" if sync.is_live else sync.status or "unknown"


def _unnamed(destination_id: int | str | None) -> str | None:
    return None if destination_id is None else f"destination {destination_id}"


def _last(run: SyncRun) -> LastRun:
    return LastRun(
        sync_run_id=run.sync_run_id, begun_at=run.created_at, word=run.outcome or run.status
    )


def _last_decision(server: Server | None, workspace: str, sync_id: int) -> Decision | None:
    if server is None:
        return None
    with single_connection(server) as connections:
        return Store(connections).decisions.find(workspace, sync_id, None)
