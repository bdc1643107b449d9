"""What a task works with."""

from dataclasses import dataclass, field

from relay.clock import Clock, utc_now
from relay.evidence.collect import Collector
from relay.mapping_file import MappingFile
from relay.settings import Settings
from relay.store import Store
from relay.vendors.connect import Censuses
from relay.vendors.dbt_cloud import DbtCloud
from relay.worker.projects_seen import ProjectsSeen


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a task may touch; tests give their own clock."""

    settings: Settings
    store: Store
    mapping: MappingFile
    dbt_cloud: DbtCloud
    collector: Collector
    censuses: Censuses
    clock: Clock = utc_now
    projects_seen: ProjectsSeen = field(default_factory=ProjectsSeen)
