"""The dependencies of the tasks."""

from dataclasses import dataclass, field
from datetime import datetime

from relay.channels import Channel
from relay.clock import Clock, Stopwatch, stopwatch, utc_now
from relay.errors import Rejected
from relay.evidence.collect import Collector, collector_of
from relay.mapping_file import MappingFile
from relay.messages.message import Message
from relay.messages.sender import Sender
from relay.settings import WorkerSettings
from relay.store import Mode, Store
from relay.vendors.connect import CensusClients, dbt_cloud_of
from relay.vendors.dbt_cloud import DbtCloud
from relay.worker.projects_seen import ProjectsSeen


class _NoSender:
    def send(self, channel: Channel, message: Message, *, at: datetime) -> None:
        raise Rejected(f"messages of kind {channel.kind} cannot be sent")


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that a task may use."""

    settings: WorkerSettings
    store: Store
    mapping: MappingFile
    dbt_cloud: DbtCloud
    collector: Collector
    census_clients: CensusClients
    clock: Clock
    projects_seen: ProjectsSeen = field(default_factory=ProjectsSeen)
    sender: Sender = field(default_factory=_NoSender)

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
    dbt_cloud = dbt_cloud_of(settings, stopwatch)
    return Services(
        settings=settings,
        store=store,
        mapping=mapping,
        dbt_cloud=dbt_cloud,
        collector=collector_of(settings, dbt_cloud),
        census_clients=CensusClients(settings, lambda: mapping.current.workspaces, stopwatch),
        clock=clock,
    )
