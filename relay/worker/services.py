"""What a task works with."""

from dataclasses import dataclass, field

from relay.clock import Clock, Stopwatch, stopwatch, utc_now
from relay.evidence.collect import Collector, collector_of
from relay.mapping_file import MappingFile
from relay.settings import WorkerSettings
from relay.store import Store
from relay.vendors.connect import Censuses, dbt_cloud_of
from relay.vendors.dbt_cloud import DbtCloud
from relay.worker.projects_seen import ProjectsSeen


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a task may touch."""

    settings: WorkerSettings
    store: Store
    mapping: MappingFile
    dbt_cloud: DbtCloud
    collector: Collector
    censuses: Censuses
    clock: Clock
    projects_seen: ProjectsSeen = field(default_factory=ProjectsSeen)


def build_services(
    settings: WorkerSettings,
    mapping: MappingFile,
    store: Store,
    clock: Clock = utc_now,
    stopwatch: Stopwatch = stopwatch,
) -> Services:
    """The clients of both vendors and all else, as the settings and the mapping describe them."""
    dbt_cloud = dbt_cloud_of(settings, stopwatch)
    return Services(
        settings=settings,
        store=store,
        mapping=mapping,
        dbt_cloud=dbt_cloud,
        collector=collector_of(settings, dbt_cloud),
        censuses=Censuses(settings, lambda: mapping.current.workspaces, stopwatch),
        clock=clock,
    )
