"""What the mapping covers: jobs, models and syncs; and the file as this process has read it."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice

import msgspec

from relay.dashboard.lineage import MOST_BOXES, Lineage, lineage_of
from relay.dashboard.listing import id_in, sync_in
from relay.dashboard.visit import Visit
from relay.dbt.selectors import Selector
from relay.decision.mapping import PlacedSync, SyncMapping
from relay.errors import Problem
from relay.store import observations
from relay.store.pages.mapping import JobRow, LastCoverage, StaleSync
from relay.workspaces import SyncKey

BUILT_WITHIN = timedelta(days=14)
SYNCS_OF_A_PAGE = 50
MOST_ODD = 100  # selectors that select nothing, or several
MOST_UNREAD = 100  # models, and exposures
MOST_CHOICES = 200  # syncs in a menu


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """A selector; `nodes` is how many it selects, None if that is not known.

    `note` is `selects nothing`, or `names several` where a name is that of several nodes.
    """

    text: str
    nodes: int | None
    note: str | None


class MappedSync(msgspec.Struct, frozen=True, kw_only=True):
    """A sync of the file, and where it stands there."""

    workspace: str
    sync_id: int
    name: str | None
    enabled: bool
    place: str
    words: tuple[Word, ...]


class File(msgspec.Struct, frozen=True, kw_only=True):
    """The mapping file.

    `digest` and `syncs` are of the mapping in use, None and 0 if there is none. `problems` are
    those of the file as it is now, `refused_by_worker` those that a worker has seen. `loaded_at` is
    when a worker took up a new mapping.
    """

    path: str
    digest: str | None
    syncs: int
    loaded_at: datetime | None
    problems: tuple[Problem, ...]
    refused_by_worker: str | None


class UnreadRow(msgspec.Struct, frozen=True, kw_only=True):
    """A model that is tagged, or that exposures depend on, and that no sync reads."""

    node: str
    tags: tuple[str, ...]
    exposures: tuple[str, ...]


class ExposureRow(msgspec.Struct, frozen=True, kw_only=True):
    """An exposure whose models no sync reads, or whose sync is not mapped.

    The last two are those of that sync, None for an exposure that stands for none.
    """

    unique_id: str
    workspace: str | None
    sync_id: int | None


class CoverageFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker has found; `is_current` if it was for the mapping in use.

    `lacks` is what could not be read. The counts are of all that the lists begin with.
    """

    found_at: datetime
    is_current: bool
    lacks: str | None
    unread: tuple[UnreadRow, ...]
    unread_count: int
    exposures: tuple[ExposureRow, ...]
    exposures_count: int


class MappingPage(msgspec.Struct, frozen=True, kw_only=True):
    """The page.

    `odd` are the syncs with selectors that select nothing or several. `coverage` is None before a
    worker has compared the mapping with the project. `lineage` is None where it is too large for a
    picture: then one sync or one job has to be chosen, as in `sync` and `job`. `next_from` is the
    place of the first sync of the next page, None if this is the last one.
    """

    file: File
    syncs: tuple[MappedSync, ...]
    next_from: int | None
    odd: tuple[MappedSync, ...]
    coverage: CoverageFacts | None
    jobs: list[JobRow]
    stale: list[StaleSync]
    lineage: Lineage | None
    sync: SyncKey | None
    job: int | None
    choices: tuple[SyncKey, ...]


def view(visit: Visit) -> MappingPage:
    """The picture is that of `sync`, or of `job`; the list of syncs begins at `from`."""
    sync, job = sync_in(visit.query, "sync"), id_in(visit.query, "job")
    first = id_in(visit.query, "from") or 0
    last = visit.pages.mapping.coverage()
    counts = {} if last is None else last.found.words
    placed = () if visit.mapping is None else tuple(visit.mapping.placed_syncs)
    rows = visit.pages.mapping.picture(visit.account_id, sync=sync, dbt_job_id=job)
    lineage = lineage_of(rows, {one.sync.key: one.sync.name for one in placed})
    is_more = len(placed) > first + SYNCS_OF_A_PAGE
    stale_before = visit.now - BUILT_WITHIN
    shown = placed[first : first + SYNCS_OF_A_PAGE]
    return MappingPage(
        file=_file(visit),
        syncs=tuple(_mapped_sync(one, counts) for one in shown),
        next_from=first + SYNCS_OF_A_PAGE if is_more else None,
        odd=tuple(_mapped_sync(one, counts) for one in islice(_odd(placed, counts), MOST_ODD)),
        coverage=_facts(visit.mapping, last),
        jobs=visit.pages.mapping.jobs(visit.account_id),
        stale=visit.pages.mapping.stale(visit.account_id, before=stale_before),
        lineage=lineage if lineage.size <= MOST_BOXES else None,
        sync=sync,
        job=job,
        choices=tuple(one.sync.key for one in placed[:MOST_CHOICES]),
    )


def _file(visit: Visit) -> File:
    seen = {one.name: one for one in visit.store.observations.all() if not one.subject}
    loaded, state = seen.get(observations.MAPPING_LOADED), seen.get(observations.MAPPING)
    mapping = visit.mapping
    return File(
        path=str(visit.settings.mapping),
        digest=None if mapping is None else mapping.digest,
        syncs=0 if mapping is None else len(mapping.syncs),
        loaded_at=datetime.fromtimestamp(loaded.value, UTC) if loaded else None,
        problems=visit.mapping_problems,
        refused_by_worker=state.detail if state and not state.value else None,
    )


def _odd(placed: Iterable[PlacedSync], counts: Mapping[str, int]) -> Iterator[PlacedSync]:
    """The syncs with a selector that selects nothing, or several by one name."""
    for one in placed:
        if any(_note(selector, counts.get(selector.text)) for selector in one.sync.depends_on):
            yield one


def _mapped_sync(placed: PlacedSync, counts: Mapping[str, int]) -> MappedSync:
    sync = placed.sync
    return MappedSync(
        workspace=sync.workspace,
        sync_id=sync.sync_id,
        name=sync.name,
        enabled=sync.enabled,
        place=placed.place,
        words=tuple(_word(selector, counts.get(selector.text)) for selector in sync.depends_on),
    )


def _word(selector: Selector, nodes: int | None) -> Word:
    return Word(text=selector.text, nodes=nodes, note=_note(selector, nodes))


def _note(selector: Selector, nodes: int | None) -> str | None:
    if nodes is None or nodes == 1:
        return None
    if not nodes:
        return "selects nothing"
    is_a_name = len(selector.terms) == 1 and selector.terms[0].is_a_name
    return "names several" if is_a_name else None


def _facts(mapping: SyncMapping | None, last: LastCoverage | None) -> CoverageFacts | None:
    if last is None:
        return None
    found = last.found
    return CoverageFacts(
        found_at=last.found_at,
        is_current=mapping is not None and mapping.digest == last.digest,
        lacks=found.lacks,
        unread=tuple(
            UnreadRow(node=node, tags=tuple(tags), exposures=tuple(exposures))
            for node, tags, exposures in found.unread[:MOST_UNREAD]
        ),
        unread_count=found.unread_count,
        exposures=tuple(
            ExposureRow(
                unique_id=unique_id,
                workspace=sync[0] if sync else None,
                sync_id=sync[1] if sync else None,
            )
            for unique_id, sync in found.exposures[:MOST_UNREAD]
        ),
        exposures_count=found.exposures_count,
    )
