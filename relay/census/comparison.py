"""What differs between the mapping file and what Census and dbt say. No I/O here."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from relay.census.findings import Evidence, Finding, Kind, Severity, Unchecked
from relay.census.matching import Certainty, Match
from relay.census.syncs import CensusSync, StartedBy
from relay.dbt.project import Project
from relay.dbt.selection import Selection
from relay.decision.mapping import PlacedSync
from relay.notation import printable
from relay.workspaces import display_id

COMPARED_LABEL = 300  # characters
MOST_NAMED = 10  # nodes in one sentence


class KnownProject:
    """The project that selectors are tried on.

    `lacks` says which part of it could not be read, None if none: what is not found in such a
    project may be in that part.
    """

    def __init__(self, project: Project, *, lacks: str | None = None) -> None:
        self.project = project
        self.relations = project.relations
        self.lacks = lacks
        self.selection = Selection(project.lineage.rebuildable.keys(), project.lineage)

    def selected_by(self, mapped: PlacedSync) -> frozenset[str]:
        """The nodes that a sync's `depends_on` selects."""
        return self.selection.selected(mapped.sync.depends_on)

    def selectors_of_nothing(self, mapped: PlacedSync) -> Iterator[Finding]:
        """A problem for each selector that selects nothing."""
        if self.lacks is not None:
            return
        for selector, place in zip(mapped.sync.depends_on, mapped.selector_places, strict=True):
            if not self.selection.selected_by(selector):
                yield Finding(
                    kind=Kind.SELECTS_NOTHING,
                    severity=Severity.PROBLEM,
                    text=f"{selector.text!r} selects nothing in the newest manifest",
                    place=place,
                    workspace=mapped.sync.workspace,
                    sync_id=mapped.sync.sync_id,
                    subject=selector.text,
                )


@dataclass(frozen=True, slots=True)
class _About:
    """Findings about one mapped sync."""

    mapped: PlacedSync

    def finding(self, kind: Kind, severity: Severity, what: str, subject: str = "") -> Finding:
        sync = self.mapped.sync
        return Finding(
            kind=kind,
            severity=severity,
            text=f"sync {display_id(*sync.key)} {what}",
            place=self.mapped.place,
            workspace=sync.workspace,
            sync_id=sync.sync_id,
            subject=subject,
        )


def sync_is_gone(mapped: PlacedSync) -> Finding:
    """That Census has no such sync."""
    what = f"does not exist in workspace {mapped.sync.workspace!r} of Census"
    return _About(mapped).finding(Kind.SYNC_GONE, Severity.PROBLEM, what)


def compare_settings(mapped: PlacedSync, sync: CensusSync) -> Iterator[Finding | Unchecked]:
    """What of a sync itself stands against its entry: whether it can run, what else starts it."""
    about = _About(mapped)
    if sync.is_paused:
        what = "is paused in Census, which refuses to start it"
        yield about.finding(Kind.SYNC_PAUSED, Severity.PROBLEM, what)
    if sync.is_live:
        what = "is live: it runs all the time, and no trigger starts it"
        yield about.finding(Kind.SYNC_LIVE, Severity.PROBLEM, what)
    yield from _own_triggers(about, sync)
    name, label = mapped.sync.name, sync.label
    if name and label and _comparable(name) != _comparable(label):
        what = f"is named {_comparable(name)!r} here and {_comparable(label)!r} in Census"
        yield about.finding(Kind.NAME_DIFFERS, Severity.WARNING, what)


def _own_triggers(about: _About, sync: CensusSync) -> Iterator[Finding | Unchecked]:
    if sync.own_triggers is None:
        key = about.mapped.sync.key
        yield Unchecked(
            evidence=Evidence.TRIGGERS,
            text=f"Census does not say what else starts sync {display_id(*key)}",
            workspace=key[0],
            sync_id=key[1],
        )
    for trigger in sync.own_triggers or ():
        if trigger.by is not StartedBy.LIVE:
            what = f"is also started by Census itself: {trigger}; it would run twice"
            yield about.finding(Kind.OWN_TRIGGER, Severity.WARNING, what, str(trigger))


def _comparable(name: str) -> str:
    return " ".join(printable(name).split())[:COMPARED_LABEL]


def compare_source(
    mapped: PlacedSync, sync: CensusSync, match: Match, project: KnownProject
) -> Iterator[Finding]:
    """Whether `depends_on` selects the nodes that build what the sync reads."""
    about, selected = _About(mapped), project.selected_by(mapped)
    missing = [node for node in match.nodes if node not in selected]
    instead = f"depends_on selects {_named(selected) or 'nothing'}"
    match match.certainty:
        case Certainty.EXACT if missing:
            what = f"reads what {_named(missing)} builds ({sync.source}), but {instead}"
            yield about.finding(Kind.OTHER_SOURCE, Severity.PROBLEM, what)
        case Certainty.GUESS if missing:
            what = f"very likely also reads what {_named(missing)} builds: {match.because}"
            if len(missing) == len(match.nodes):
                what = f"very likely reads something else: {match.because}, but {instead}"
            yield about.finding(Kind.OTHER_SOURCE, Severity.WARNING, what)
        case Certainty.ASK if match.nodes and len(missing) == len(match.nodes):
            what = f"may read something else: {match.because}, but {instead}"
            yield about.finding(Kind.OTHER_SOURCE, Severity.WARNING, what)
        case Certainty.ASK if not match.nodes:
            what = f"has a source that a person must look at: {match.because}; {instead}"
            yield about.finding(Kind.SOURCE_UNSURE, Severity.NOTE, what)
        case Certainty.NONE if project.lacks is None:
            what = f"reads nothing that dbt builds: {match.because}; {instead}"
            yield about.finding(Kind.OTHER_SOURCE, Severity.WARNING, what)


def compare_unmapped(workspace: str, sync: CensusSync, match: Match) -> Iterator[Finding]:
    """Whether a sync that no entry maps reads what dbt builds."""
    if not match.nodes or sync.is_live:
        return
    is_likely = match.certainty in (Certainty.EXACT, Certainty.GUESS)
    named = f"sync {display_id(workspace, sync.sync_id)}"
    label = f" ({_comparable(sync.label)})" if sync.label else ""
    yield Finding(
        kind=Kind.SYNC_UNMAPPED,
        severity=Severity.WARNING if is_likely else Severity.NOTE,
        text=(
            f"{named}{label} is not in the mapping file, and "
            f"{'reads' if is_likely else 'may read'} what dbt builds: {match.because};"
            " `relay mapping from-census --append FILE` adds it"
        ),
        workspace=workspace,
        sync_id=sync.sync_id,
    )


def jobs_gone(mapped: PlacedSync, job_ids: Collection[int]) -> Iterator[Finding]:
    """A problem for each of its jobs that is not among these, which are all of the account."""
    for dbt_job_id in sorted((mapped.sync.jobs or frozenset()).difference(job_ids)):
        what = f"lists job {dbt_job_id}, which dbt Cloud does not have, or not for this token"
        yield _About(mapped).finding(Kind.JOB_GONE, Severity.PROBLEM, what, str(dbt_job_id))


def environments_gone(mapped: PlacedSync, environment_ids: Collection[int]) -> Iterator[Finding]:
    """A problem for each of its environments that is not among these, as with `jobs_gone`."""
    for environment_id in sorted(
        (mapped.sync.environments or frozenset()).difference(environment_ids)
    ):
        what = (
            f"lists environment {environment_id}, which dbt Cloud does not have, "
            "or not for this token"
        )
        yield _About(mapped).finding(
            Kind.ENVIRONMENT_GONE, Severity.PROBLEM, what, str(environment_id)
        )


def _named(nodes: Collection[str]) -> str:
    more = f" and {len(nodes) - MOST_NAMED} more" if len(nodes) > MOST_NAMED else ""
    return ", ".join(sorted(nodes)[:MOST_NAMED]) + more
