"""The mapping: which syncs depend on which models, and when each may run. No I/O here."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple

from relay.channels import Channel
from relay.dbt.runs import DbtRun
from relay.dbt.selectors import Selector
from relay.workspaces import DEFAULT_WORKSPACE, SyncKey, Workspace, display_id

AnyOrAll = Literal["any", "all"]
BlockOrIgnore = Literal["block", "ignore"]
MAX_NAMED = 20  # syncs in one message
REJECTS_OVER = 0.1  # a share of the records


@dataclass(frozen=True, kw_only=True)
class Sync:
    """A Census sync, the models it depends on, and when it may run.

    Each dbt run asks every sync the same questions, so what a sync says of itself is computed once.

    `jobs` and `environments` are None if every one counts; `within`, `at_most_every` and
    `fresh_within` are in seconds, None for no cool-down and no limit; `consistency` is None if the
    file does not set it. `rejects_over` is a share of the records; `notify` names channels.
    """

    sync_id: int
    depends_on: tuple[Selector, ...]
    name: str | None = None
    require: AnyOrAll = "any"
    within: int = 24 * 3600
    tests: BlockOrIgnore = "block"
    at_most_every: int | None = None
    consistency: BlockOrIgnore | None = None
    jobs: frozenset[int] | None = None
    environments: frozenset[int] | None = None
    full_sync: bool = False
    enabled: bool = True
    owner: str | None = None
    fresh_within: int | None = None
    rejects_over: float = REJECTS_OVER
    notify: tuple[str, ...] = ()
    workspace: str = DEFAULT_WORKSPACE

    @cached_property
    def key(self) -> SyncKey:
        """Its identity: workspace and id."""
        return self.workspace, self.sync_id

    def counts(self, run: DbtRun) -> bool:
        """Whether it may be triggered by runs of this one's job and environment."""
        return (
            self.enabled
            and self.lists_job(run.dbt_job_id)
            and self.lists_environment(run.environment_id)
        )

    def lists_job(self, dbt_job_id: int | None) -> bool:
        """Whether runs of this job count."""
        return self.jobs is None or dbt_job_id in self.jobs

    def lists_environment(self, environment_id: int | None) -> bool:
        """Whether runs in this environment count."""
        return self.environments is None or environment_id in self.environments

    @property
    def is_of_every_environment(self) -> bool:
        """Whether runs of every job and environment may trigger it, including staging."""
        return self.enabled and self.jobs is None and self.environments is None

    @cached_property
    def needs_earlier_builds(self) -> bool:
        """Whether a decision on it depends on what earlier runs built."""
        return self.require == "all" or self.checks_parents

    @cached_property
    def checks_parents(self) -> bool:
        """Whether it is withheld while a model is older than its own parent's rebuild.

        If the file does not set it: yes, if the sync needs the manifest anyway.
        """
        if self.consistency is not None:
            return self.consistency == "block"
        return self.require == "all" or any(selector.needs_manifest for selector in self.depends_on)


class PlacedSelector(NamedTuple):
    """A selector of a sync and its position: `config/syncs.yml:12:9: syncs[1].…`."""

    sync: Sync
    selector: Selector
    place: str


class PlacedSync(NamedTuple):
    """A sync, its position, `config/syncs.yml:10:5: syncs[1]`, and those of its selectors."""

    sync: Sync
    place: str
    selector_places: tuple[str, ...]


@dataclass(frozen=True)
class SyncMapping:
    """A valid mapping file. `digest` identifies its content.

    `places` are those of each sync's selectors, for messages:
    `config/syncs.yml:12:9: syncs[1].depends_on[0]`; `sync_places` those of the syncs.
    """

    syncs: tuple[Sync, ...]
    workspaces: Mapping[str, Workspace]
    digest: str
    places: tuple[tuple[str, ...], ...] = field(default=(), compare=False)
    sync_places: tuple[str, ...] = field(default=(), compare=False)
    channels: Mapping[str, Channel] = field(default_factory=dict)

    @cached_property
    def needs_earlier_builds(self) -> bool:
        """Whether a decision on some sync depends on what earlier runs built."""
        return any(sync.needs_earlier_builds for sync in self.syncs)

    @cached_property
    def needs_history(self) -> bool:
        """Whether a decision on some sync depends on what was decided before."""
        return self.needs_earlier_builds or any(sync.at_most_every for sync in self.syncs)

    @property
    def placed_selectors(self) -> Iterator[PlacedSelector]:
        """Every selector of every sync, in the file's order."""
        for sync, places in zip(self.syncs, self.places, strict=True):
            for selector, place in zip(sync.depends_on, places, strict=True):
                yield PlacedSelector(sync, selector, place)

    @property
    def placed_syncs(self) -> Iterator[PlacedSync]:
        """Every sync, in the file's order."""
        for placed in zip(self.syncs, self.sync_places, self.places, strict=True):
            yield PlacedSync(*placed)

    @property
    def of_every_environment(self) -> tuple[Sync, ...]:
        """The syncs that the runs of every job and environment may trigger."""
        return tuple(sync for sync in self.syncs if sync.is_of_every_environment)

    def sync(self, workspace: str, sync_id: int) -> Sync | None:
        """The sync of that id, or None."""
        return self._by_key.get((workspace, sync_id))

    @cached_property
    def _by_key(self) -> Mapping[SyncKey, Sync]:
        return {sync.key: sync for sync in self.syncs}

    @cached_property
    def readers(self) -> Mapping[tuple[Selector, ...], tuple[Sync, ...]]:
        """The syncs by what they depend on: many share the same selectors."""
        found: dict[tuple[Selector, ...], list[Sync]] = {}
        for sync in self.syncs:
            found.setdefault(sync.depends_on, []).append(sync)
        return {depends_on: tuple(syncs) for depends_on, syncs in found.items()}

    @property
    def dbt_job_ids(self) -> frozenset[int] | None:
        """The dbt jobs whose runs may trigger a sync; None for every job."""
        listed = [sync.jobs for sync in self.syncs if sync.enabled]
        return None if None in listed else frozenset().union(*(jobs or () for jobs in listed))


def named_syncs(syncs: Collection[Sync]) -> str:
    """The syncs by id, for a message: `sync 5123`, `syncs 5123, emea/5124 and 7 more`."""
    ids = [str(display_id(*sync.key)) for sync in syncs]
    more = f" and {len(ids) - MAX_NAMED} more" if len(ids) > MAX_NAMED else ""
    return f"sync{'s' if len(ids) > 1 else ''} {', '.join(ids[:MAX_NAMED])}{more}"
