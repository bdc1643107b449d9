"""Decide which syncs a dbt run triggers, which it withholds, and why. No I/O here."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import msgspec

from relay.dbt.rows import Standing
from relay.decision.case import Case
from relay.decision.findings import Findings
from relay.decision.gates import GATES, Condition, Models, Reason
from relay.decision.history import Build, History
from relay.decision.mapping import Sync, SyncMapping
from relay.errors import RelayError
from relay.notation import short_message
from relay.workspaces import SyncKey, display_id

MAX_NAMED = 5  # syncs in one problem

Through = Mapping[str, Models]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The decision on a sync that a run affects; `models` (unique_ids, sorted) are its cause.

    `conditions` are the results of all gates. `through` maps the views among the models to the
    executed nodes that they read. `due_at` is when to trigger the sync: now for `rebuilt`, the end
    of a cool-down, or None for never. `covers_until` is when the newest run covered by the trigger
    finished: later rebuilds count for the next trigger. `rebuilt_at` is when the run ended, None if
    it rebuilt none of the sync's models.
    """

    sync: Sync
    reason: Reason
    models: Models
    conditions: tuple[Condition, ...]
    through: Through
    due_at: datetime | None
    covers_until: datetime
    rebuilt_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Undecided:
    """A sync that could not be decided: it needs unknown data, or the decision raised.

    `cause` is a RelayError, or an unexpected error.
    """

    sync: Sync
    cause: Exception

    @property
    def is_expected(self) -> bool:
        """Whether the cause is one of relay's own errors."""
        return isinstance(self.cause, RelayError)

    @property
    def problem(self) -> str:
        """The error message; for an unexpected error only its type: its text may hold anything."""
        return (
            str(self.cause) if self.is_expected else f"deciding raised {type(self.cause).__name__}"
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """A verdict for each sync that the run affects, in the mapping's order.

    `builds` is what the run did to each node, for later decisions. `undecided` are syncs that are
    neither triggered nor withheld: they need manual attention.
    """

    verdicts: tuple[Verdict, ...] = ()
    builds: Mapping[str, Build] = field(default_factory=dict)
    undecided: tuple[Undecided, ...] = ()

    @property
    def triggers(self) -> tuple[Verdict, ...]:
        """The syncs to trigger now."""
        return tuple(verdict for verdict in self.verdicts if verdict.reason is Reason.REBUILT)

    @property
    def withheld(self) -> tuple[Verdict, ...]:
        """The syncs that are not triggered now: not at all, or not until a cool-down ends."""
        return tuple(verdict for verdict in self.verdicts if verdict.reason is not Reason.REBUILT)

    @property
    def delayed(self) -> tuple[Verdict, ...]:
        """The withheld syncs that are triggered later."""
        return tuple(verdict for verdict in self.withheld if verdict.due_at is not None)

    @property
    def due(self) -> tuple[Verdict, ...]:
        """The syncs to trigger, now or later."""
        return (*self.triggers, *self.delayed)

    @property
    def problem(self) -> str | None:
        """A message about the undecided syncs; None if there are none."""
        if not self.undecided:
            return None
        syncs_of: dict[str, list[str]] = {}
        for one in self.undecided:
            syncs_of.setdefault(one.problem, []).append(str(display_id(*one.sync.key)))
        each = (f"sync {_listed_syncs(syncs)}: {problem}" for problem, syncs in syncs_of.items())
        return short_message(f"could not be decided, all other syncs were: {'; '.join(each)}")

    def verdict_on(self, sync: Sync) -> Verdict | None:
        """The verdict on a sync; None if the run does not affect it."""
        return next((verdict for verdict in self.verdicts if verdict.sync.key == sync.key), None)

    def undecided_on(self, sync: Sync) -> Undecided | None:
        """Why a sync was not decided; None if it was, or is not affected."""
        return next((one for one in self.undecided if one.sync.key == sync.key), None)

    def without(self, syncs: Collection[SyncKey]) -> "Plan":
        """The same plan without these syncs, by workspace and id."""
        left = tuple(verdict for verdict in self.verdicts if verdict.sync.key not in syncs)
        return replace(self, verdicts=left)


def _listed_syncs(syncs: list[str]) -> str:
    more = len(syncs) - MAX_NAMED
    return ", ".join(syncs[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")


def decide(findings: Findings, mapping: SyncMapping, history: History, *, now: datetime) -> Plan:
    """Decide every sync of the mapping by what the run did to its models.

    A sync that cannot be decided is `undecided`; the others still get their verdict.
    """
    if findings.run.never_counts_because:
        return Plan()
    case = Case(findings, history, now)
    decided = [_decided(case, sync) for sync in mapping.syncs]
    is_known = not findings.undecidable
    keeps_builds = mapping.needs_earlier_builds and is_known and not findings.run.was_cancelled
    return Plan(
        verdicts=tuple(one for one in decided if isinstance(one, Verdict)),
        builds=_builds(case) if keeps_builds else {},
        undecided=tuple(one for one in decided if isinstance(one, Undecided)),
    )


def _decided(case: Case, sync: Sync) -> Verdict | Undecided | None:
    findings = case.findings
    for causes in (findings.undecidable, findings.unselectable):
        if sync.key in causes:
            return Undecided(sync, causes[sync.key])  # its history was not read
    try:
        return _verdict(case, sync)
    except Exception as exc:  # noqa: BLE001 - whatever it is, it affects this sync alone
        return Undecided(sync, exc)


def _verdict(case: Case, sync: Sync) -> Verdict | None:
    """The verdict on a sync; None if the run does not affect it."""
    affected = case.affected(sync)
    if not affected:
        return None
    conditions = tuple(gate.evaluate(case, sync, affected) for gate in GATES)
    objection = next((condition for condition in conditions if condition.holds), None)
    reason = objection.reason if objection else Reason.REBUILT
    models = objection.models if objection else case.findings.in_order(affected)
    return Verdict(
        sync=sync,
        reason=reason,
        models=models,
        conditions=conditions,
        through=case.findings.through(models),
        due_at=_due_at(case, sync, reason),
        covers_until=case.covers_until(sync),
        rebuilt_at=case.rebuilt_at(sync, affected),
    )


def _due_at(case: Case, sync: Sync, reason: Reason) -> datetime | None:
    match reason:
        case Reason.REBUILT:
            return case.now
        case Reason.COOLING_DOWN:
            return case.cools_down_until(sync)
        case _:
            return None


def _builds(case: Case) -> Mapping[str, Build]:
    """What the run did to each node, for later decisions."""
    findings = case.findings
    nodes = sorted(findings.standings.keys() | findings.outcome.reused)
    return {node: _build(case, node) for node in nodes}


def _build(case: Case, node: str) -> Build:
    findings = case.findings
    result = findings.outcome.nodes.get(node)
    run = findings.run.in_retry_chain(result.dbt_run_id if result else None)
    was_rebuilt = result is not None and result.standing is Standing.REBUILT
    standing = findings.standings.get(node, Standing.REBUILT)  # a reused node was up to date
    return Build(
        dbt_run_id=run.dbt_run_id,
        dbt_job_id=run.dbt_job_id,
        environment_id=run.environment_id,
        finished_at=run.finished_at or case.now,
        is_good=standing is Standing.REBUILT,
        failed_a_test=node in findings.failed_their_test,
        began=result.began if was_rebuilt and result else None,
        ended=result.ended if was_rebuilt and result else None,
    )
