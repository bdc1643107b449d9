"""What `relay check --online` adds: the mapping beside what dbt Cloud and Census answer now."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Protocol

from relay.census.comparison import KnownProject
from relay.census.findings import Comparison, Evidence, Finding, Kind, Severity, Unchecked
from relay.clock import utc_now
from relay.dbt.subscriptions import problems_of
from relay.decision.mapping import SyncMapping
from relay.errors import BadArtifact, BadMapping, Problem, VendorError
from relay.mapping_file import load, load_file
from relay.operations.api_versions import found_version
from relay.operations.check import Report
from relay.operations.comparing import compare, workspaces_of
from relay.operations.dbt_facts import DbtFacts, ask_dbt
from relay.operations.mapping_project import project_of_file
from relay.settings import WorkerSettings, mapping_settings
from relay.terminal import PROBLEM, WRONG_SETTINGS
from relay.vendors.connect import CensusClients, dbt_cloud_of
from relay.vendors.dbt_cloud import DbtCloud
from relay.workspaces import AUTO, DEFAULT_WORKSPACE

WEBHOOK_PATH = "/webhooks/dbt"
_REFUSED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_NOT_ASKED = "dbt Cloud and Census were not asked: mend the settings or the mapping file first"


class Tell(Protocol):
    """Takes what is being done now, for a progress line."""

    def __call__(self, text: str, /) -> None: ...


@dataclass(frozen=True, slots=True)
class OnlineReport:
    """A report with what was found online.

    `problems` and `warnings` are texts for both parts. `findings` are those of the online part;
    one that could not be asked is `not_checked`, and no success.
    """

    mapping: str
    syncs: int
    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    not_checked: tuple[str, ...]
    notes: tuple[str, ...]
    findings: tuple[Finding, ...]
    exit_status: int


def check_online(
    offline: Report,
    settings: WorkerSettings,
    mapping: Path | None,
    manifest: Path | None,
    tell: Tell,
) -> OnlineReport:
    """Check a mapping file, or that of the settings, online; `offline` is its `check` so far.

    Nothing is asked for a file that cannot be used. With a manifest.json that is taken for the
    project; the newest run's is not read then.
    """
    named = mapping_settings(settings.environment)
    read = load_file if mapping else load
    try:
        parsed = read(mapping or named.path, named.census_hosts)
        given = KnownProject(project_of_file(manifest)) if manifest else None
    except (BadMapping, BadArtifact):  # `check` has reported it
        return not_asked(offline, ())
    return _joined(offline, _Online(settings, parsed, given, tell).findings())


def not_asked(offline: Report, problems: Collection[Problem]) -> OnlineReport:
    """The report where nothing was asked; `problems` are those of the settings, if any."""
    finding = Finding(kind=Kind.NOT_CHECKED, severity=Severity.NOT_CHECKED, text=_NOT_ASKED)
    status = WRONG_SETTINGS if problems else PROBLEM
    return _joined(offline, [finding], tuple(map(str, problems)), status)


def as_strict(report: OnlineReport) -> OnlineReport:
    """The same report with warnings as problems."""
    return OnlineReport(
        mapping=report.mapping,
        syncs=report.syncs,
        problems=(*report.problems, *report.warnings),
        warnings=(),
        not_checked=report.not_checked,
        notes=report.notes,
        findings=report.findings,
        exit_status=report.exit_status or (PROBLEM if report.warnings else 0),
    )


def _joined(
    offline: Report,
    findings: Collection[Finding],
    problems: tuple[str, ...] = (),
    exit_status: int = 0,
) -> OnlineReport:
    def texts(severity: Severity) -> tuple[str, ...]:
        return tuple(str(finding) for finding in findings if finding.severity is severity)

    of_both = tuple(dict.fromkeys((*offline.problems, *problems, *texts(Severity.PROBLEM))))
    not_checked = tuple(dict.fromkeys(texts(Severity.NOT_CHECKED)))
    found = PROBLEM if of_both or not_checked else 0
    return OnlineReport(
        mapping=offline.mapping,
        syncs=offline.syncs,
        problems=of_both,
        warnings=(*offline.warnings, *texts(Severity.WARNING)),
        not_checked=not_checked,
        notes=tuple(dict.fromkeys(texts(Severity.NOTE))),
        findings=tuple(findings),
        exit_status=max(exit_status, offline.exit_status, found),
    )


class _Online:
    """Asks both vendors, each thing once."""

    def __init__(
        self,
        settings: WorkerSettings,
        mapping: SyncMapping,
        given: KnownProject | None,
        tell: Tell,
    ) -> None:
        self._settings = settings
        self._mapping = mapping
        self._given = given
        self._tell = tell
        self._dbt_cloud = dbt_cloud_of(settings)
        self._censuses = CensusClients(settings, lambda: mapping.workspaces)

    def findings(self) -> tuple[Finding, ...]:
        """Everything that was found, and what could not be asked."""
        self._tell("Reading the newest manifest from dbt Cloud")
        facts = ask_dbt(self._dbt_cloud, self._mapping, given=self._given, now=utc_now())
        self._tell("Reading the webhook subscriptions")
        webhooks = tuple(_webhooks(self._dbt_cloud, self._mapping.dbt_job_ids))
        compared = compare(self._mapping, facts, self._censuses.management_of, self._tell)
        versions = tuple(self._versions(compared))
        return (*webhooks, *versions, *_with_refusals(compared), *self._token(facts))

    def _token(self, facts: DbtFacts) -> Iterator[Finding]:
        """That the token may do what relay needs, where that was seen."""
        if self._given is not None:
            yield self._runs_are_listed()
        elif facts.project is not None:
            text = "DBT_CLOUD_TOKEN lists runs and reads a run's steps and artifacts"
            yield _finding(Kind.DBT_TOKEN, Severity.NOTE, text)

    def _runs_are_listed(self) -> Finding:
        """What can be said of the token where no run's artifacts are read."""
        now = utc_now()
        try:
            self._dbt_cloud.list_finished_runs(since=now - timedelta(hours=1), until=now)
        except (VendorError, BadArtifact) as exc:
            if isinstance(exc, VendorError) and exc.http_status in _REFUSED:
                return _finding(Kind.DBT_TOKEN, Severity.PROBLEM, str(exc))
            return _finding(Kind.NOT_CHECKED, Severity.NOT_CHECKED, f"the runs: {exc}")
        text = "DBT_CLOUD_TOKEN lists runs; with --manifest no artifact is read"
        return _finding(Kind.DBT_TOKEN, Severity.NOTE, text)

    def _versions(self, compared: Comparison) -> Iterator[Finding]:
        unread = {one.workspace for one in compared.unchecked if one.evidence is Evidence.SYNCS}
        for workspace in workspaces_of(self._mapping):
            if workspace not in unread:
                yield from self._version_of(workspace, utc_now().date())

    def _version_of(self, workspace: str, today: date) -> Iterator[Finding]:
        try:
            version = self._censuses.of(workspace).find_api_version()
        except VendorError as exc:
            yield _finding(Kind.NOT_CHECKED, Severity.NOT_CHECKED, str(exc), workspace)
            return
        url, configured = self._census(workspace)
        text, warns = found_version(workspace, version, url, today)
        severity = Severity.WARNING if warns and configured == AUTO else Severity.NOTE
        yield _finding(Kind.CENSUS_VERSION, severity, text, workspace)

    def _census(self, workspace: str) -> tuple[str, str]:
        """Its URL, and the API version that is configured for it."""
        if workspace == DEFAULT_WORKSPACE:
            return self._settings.census_url, self._settings.census_api_version
        known = self._mapping.workspaces[workspace]
        return known.url, known.api_version


def _webhooks(dbt_cloud: DbtCloud, mapped_job_ids: frozenset[int] | None) -> Iterator[Finding]:
    try:
        subscriptions = dbt_cloud.list_webhook_subscriptions()
    except (VendorError, BadArtifact) as exc:
        text = f"the webhook subscriptions of dbt Cloud: {exc}"
        yield _finding(Kind.NOT_CHECKED, Severity.NOT_CHECKED, text)
        return
    for problem in problems_of(subscriptions, url_path=WEBHOOK_PATH, mapped_job_ids=mapped_job_ids):
        yield _finding(Kind.WEBHOOK, Severity.PROBLEM, problem)
    for ours in subscriptions:
        if ours.leads_to(WEBHOOK_PATH) and ours.is_active:
            yield _finding(Kind.WEBHOOK, Severity.NOTE, f"found {ours}")


def _with_refusals(compared: Comparison) -> Iterator[Finding]:
    """The findings; a key or token that a vendor refused is a problem, and known to be one."""
    yield from compared.findings
    for one in compared.unchecked:
        if _is_about_a_key(one):
            yield _finding(Kind.CENSUS_KEY, Severity.PROBLEM, one.text, one.workspace)
        elif one.evidence is Evidence.PROJECT and one.http_status in _REFUSED:
            yield _finding(Kind.DBT_TOKEN, Severity.PROBLEM, one.text)
        else:
            yield one.as_finding()


def _is_about_a_key(one: Unchecked) -> bool:
    return one.evidence is Evidence.SYNCS and one.http_status in _REFUSED


def _finding(kind: Kind, severity: Severity, text: str, workspace: str | None = None) -> Finding:
    return Finding(kind=kind, severity=severity, text=text, workspace=workspace)
