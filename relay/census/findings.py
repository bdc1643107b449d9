"""What a comparison of the mapping with Census and dbt found, and what it could not ask.

Values only, no I/O here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from relay.workspaces import SyncKey


class Kind(StrEnum):
    """What is found."""

    SYNC_GONE = "sync_gone"
    SYNC_PAUSED = "sync_paused"
    SYNC_LIVE = "sync_live"
    OWN_TRIGGER = "own_trigger"  # Census also starts it by itself
    OTHER_SOURCE = "other_source"  # it reads what depends_on does not select
    SOURCE_UNSURE = "source_unsure"  # only a person can say what it reads
    NAME_DIFFERS = "name_differs"
    SYNC_UNMAPPED = "sync_unmapped"
    SELECTS_NOTHING = "selects_nothing"
    JOB_GONE = "job_gone"
    ENVIRONMENT_GONE = "environment_gone"
    DBT_TOKEN = "dbt_token"  # noqa: S105 - no secret
    WEBHOOK = "webhook"
    CENSUS_KEY = "census_key"
    CENSUS_VERSION = "census_version"
    NOT_CHECKED = "not_checked"


class Severity(StrEnum):
    """How bad it is. A note is no fault: it says what was found, or what a person has to know."""

    PROBLEM = "problem"
    WARNING = "warning"
    NOTE = "note"
    NOT_CHECKED = "not_checked"


class Evidence(StrEnum):
    """What has to be known before something can be said to be so, or to be so no longer."""

    SYNCS = "syncs"
    TRIGGERS = "triggers"  # what starts a sync in Census itself
    SOURCES = "sources"
    PROJECT = "project"
    JOBS = "jobs"
    ENVIRONMENTS = "environments"


_OF_A_SOURCE = frozenset({Evidence.SYNCS, Evidence.SOURCES, Evidence.PROJECT})
_NEEDS: Mapping[Kind, frozenset[Evidence]] = {
    Kind.SYNC_GONE: frozenset({Evidence.SYNCS}),
    Kind.SYNC_PAUSED: frozenset({Evidence.SYNCS}),
    Kind.SYNC_LIVE: frozenset({Evidence.SYNCS, Evidence.TRIGGERS}),
    Kind.OWN_TRIGGER: frozenset({Evidence.SYNCS, Evidence.TRIGGERS}),
    Kind.OTHER_SOURCE: _OF_A_SOURCE,
    Kind.SOURCE_UNSURE: _OF_A_SOURCE,
    Kind.NAME_DIFFERS: frozenset({Evidence.SYNCS}),
    Kind.SYNC_UNMAPPED: _OF_A_SOURCE,
    Kind.SELECTS_NOTHING: frozenset({Evidence.PROJECT}),
    Kind.JOB_GONE: frozenset({Evidence.JOBS}),
    Kind.ENVIRONMENT_GONE: frozenset({Evidence.ENVIRONMENTS}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was found.

    `place` is in the mapping file, `config/syncs.yml:12:5: syncs[1]`, None where there is none.
    `subject` distinguishes several findings of one kind about one sync, such as two jobs.
    """

    kind: Kind
    severity: Severity
    text: str
    place: str | None = None
    workspace: str | None = None
    sync_id: int | None = None
    subject: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.text}" if self.place else self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchecked:
    """What could not be asked: of one workspace or sync, or of all where these are None.

    `http_status` is the vendor's, None if there was no answer.
    """

    evidence: Evidence
    text: str
    workspace: str | None = None
    sync_id: int | None = None
    http_status: int | None = None

    def leaves_open(self, kind: Kind, key: SyncKey) -> bool:
        """Whether nothing can be said of this kind of finding about this sync."""
        workspace, sync_id = key
        return (
            self.evidence in _NEEDS.get(kind, frozenset())
            and self.workspace in (None, workspace)
            and self.sync_id in (None, sync_id)
        )

    def as_finding(self) -> Finding:
        """The same for a report."""
        return Finding(
            kind=Kind.NOT_CHECKED,
            severity=Severity.NOT_CHECKED,
            text=self.text,
            workspace=self.workspace,
            sync_id=self.sync_id,
            subject=self.evidence,
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that was found, and what could not be asked."""

    findings: tuple[Finding, ...]
    unchecked: tuple[Unchecked, ...]

    @classmethod
    def of(cls, results: Iterable[Finding | Unchecked]) -> "Comparison":
        """Sort what a comparison yields; what is said twice is kept once."""
        once = tuple(dict.fromkeys(results))
        return cls(
            tuple(one for one in once if isinstance(one, Finding)),
            tuple(one for one in once if isinstance(one, Unchecked)),
        )

    def leaves_open(self, kind: Kind, key: SyncKey) -> bool:
        """Whether nothing can be said of this kind of finding about this sync."""
        return any(one.leaves_open(kind, key) for one in self.unchecked)
