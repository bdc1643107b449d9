"""The dependencies of the tasks."""

from dataclasses import dataclass, field

from relay.clock import Clock, Stopwatch, stopwatch, utc_now
from relay.evidence.collect import Collector, collector_of
from relay.mapping_file import MappingFile
from relay.messages.sender import Sender
from relay.settings import WorkerSettings
from relay.store import Mode, Store
from relay.store.pending_tallies import PendingTallies
from relay.vendors.channels import Senders
from relay.vendors.connect import CensusClients, dbt_cloud_of
from relay.vendors.dbt_cloud import DbtCloud
from relay.worker.projects_seen import ProjectsSeen
from relay.worker.vendor_requests import VendorRequests


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that a task may use."""

    settings: WorkerSettings
    store: Store
    mapping: MappingFile
    dbt_cloud: DbtCloud
    collector: Collector
    census_clients: CensusClients
    sender: Sender
    clock: Clock
    counted: PendingTallies
    vendor_requests: VendorRequests
    projects_seen: ProjectsSeen = field(default_factory=ProjectsSeen)

    @property
    def mode(self) -> Mode:
        """Whether triggers are sent."""
        return Mode.DRY_RUN if self.settings.dry_run else Mode.LIVE


def build_services(
    settings: WorkerSettings,
    mapping: MappingFile,
    store: Store,
    clock: Clock = utc_now,
    stopwatch: Stopwatch = stopwatch,
) -> Services:
    """Build the services from the settings and the mapping."""
    counted = PendingTallies()
    requests = VendorRequests(counted, clock)
    dbt_cloud = dbt_cloud_of(settings, stopwatch, requests.observer_of)
    return Services(
        settings=settings,
        store=store,
        mapping=mapping,
        dbt_cloud=dbt_cloud,
        collector=collector_of(settings, dbt_cloud),
        census_clients=CensusClients(
            settings, lambda: mapping.current.workspaces, stopwatch, requests.observer_of
        ),
        sender=Senders(settings),
        clock=clock,
        counted=counted,
        vendor_requests=requests,
    )
