"""Asks dbt Cloud what the mapping is compared with; what cannot be asked is part of the answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from relay.census.comparison import KnownProject
from relay.census.findings import Evidence, Unchecked
from relay.dbt.environments import DbtJob
from relay.decision.mapping import PlacedSync, SyncMapping
from relay.errors import BadArtifact, VendorError
from relay.evidence.newest_project import LOOKED_BACK, newest_project
from relay.vendors.dbt_cloud import DbtCloud


@dataclass(frozen=True, slots=True)
class DbtFacts:
    """What dbt Cloud said. Each is None where it was not asked, or could not be."""

    project: KnownProject | None
    job_ids: frozenset[int] | None
    environment_ids: frozenset[int] | None
    unchecked: tuple[Unchecked, ...] = ()


def enabled_syncs(mapping: SyncMapping) -> tuple[PlacedSync, ...]:
    """The syncs that relay may trigger: the others are not compared."""
    return tuple(placed for placed in mapping.placed_syncs if placed.sync.enabled)


def ask_dbt(
    dbt_cloud: DbtCloud,
    mapping: SyncMapping,
    *,
    given: KnownProject | None = None,
    now: datetime,
) -> DbtFacts:
    """Ask dbt Cloud for the newest project, unless one is given, and what the mapping lists."""
    asking = _AskingDbt(dbt_cloud, enabled_syncs(mapping))
    jobs = asking.jobs()
    environment_ids = asking.environment_ids()
    project = given or asking.project(mapping.dbt_job_ids or None, jobs, now)
    job_ids = None if jobs is None else frozenset(job.dbt_job_id for job in jobs)
    return DbtFacts(project, job_ids, environment_ids, tuple(asking.unchecked))


class _AskingDbt:
    """Asks, and keeps what could not be asked."""

    def __init__(self, dbt_cloud: DbtCloud, syncs: tuple[PlacedSync, ...]) -> None:
        self.unchecked: list[Unchecked] = []
        self._dbt_cloud = dbt_cloud
        self._syncs = syncs

    def jobs(self) -> tuple[DbtJob, ...] | None:
        if not any(one.sync.jobs for one in self._syncs):
            return None
        try:
            return self._dbt_cloud.list_jobs()
        except (VendorError, BadArtifact) as exc:
            self.unchecked.append(unasked(Evidence.JOBS, exc))
            return None

    def environment_ids(self) -> frozenset[int] | None:
        if not any(one.sync.environments for one in self._syncs):
            return None
        try:
            listed = self._dbt_cloud.list_environments()
        except (VendorError, BadArtifact) as exc:
            self.unchecked.append(unasked(Evidence.ENVIRONMENTS, exc))
            return None
        return frozenset(one.environment_id for one in listed)

    def project(
        self,
        dbt_job_ids: frozenset[int] | None,
        jobs: tuple[DbtJob, ...] | None,
        now: datetime,
    ) -> KnownProject | None:
        try:
            newest = newest_project(self._dbt_cloud, dbt_job_ids=dbt_job_ids, now=now)
        except (VendorError, BadArtifact) as exc:
            self.unchecked.append(unasked(Evidence.PROJECT, exc))
            return None
        unseen = self._mapped_environments(jobs or ()) - newest.environment_ids
        lacks = _lacking(unseen) if unseen else None
        if lacks is not None:
            self.unchecked.append(Unchecked(evidence=Evidence.PROJECT, text=lacks))
        return KnownProject(newest.project, lacks=lacks)

    def _mapped_environments(self, jobs: tuple[DbtJob, ...]) -> frozenset[int | None]:
        """Those that the mapping names, itself or by their jobs."""
        of_jobs = {job.dbt_job_id: job.environment_id for job in jobs}
        return frozenset(
            environment_id
            for one in self._syncs
            for environment_id in one.sync.environments
            or (of_jobs[job] for job in one.sync.jobs or () if job in of_jobs)
            if environment_id is not None
        )


def _lacking(environment_ids: frozenset[int | None]) -> str:
    ids = ", ".join(sorted(map(str, environment_ids)))
    return (
        f"no run of the last {LOOKED_BACK.days} days in environment {ids} has a manifest.json: "
        "what a selector or a table was not found for may be built there"
    )


def unasked(
    evidence: Evidence,
    exc: VendorError | BadArtifact,
    workspace: str | None = None,
    sync_id: int | None = None,
) -> Unchecked:
    """That something could not be asked, and why."""
    where = f" of workspace {workspace!r}" if workspace else ""
    return Unchecked(
        evidence=evidence,
        text=f"{_ASKED[evidence]}{where}: {exc}",
        workspace=workspace,
        sync_id=sync_id,
        http_status=exc.http_status if isinstance(exc, VendorError) else None,
    )


_ASKED: Mapping[Evidence, str] = {
    Evidence.SYNCS: "the syncs",
    Evidence.TRIGGERS: "what starts the syncs",
    Evidence.SOURCES: "what syncs read",
    Evidence.PROJECT: "the newest manifest",
    Evidence.JOBS: "the jobs of dbt Cloud",
    Evidence.ENVIRONMENTS: "the environments of dbt Cloud",
}
