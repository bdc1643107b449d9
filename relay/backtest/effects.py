"""What each dbt run did to the models of a sync: what the sync could ship since. No I/O here."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

from relay.dbt.rows import Standing
from relay.decision.findings import Findings
from relay.decision.mapping import Sync

_NONE: frozenset[str] = frozenset()  # one for all: there are many effects


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a dbt run did to a sync's models; `is_known` is False where it could not be read.

    `first_rebuilt_at` and `rebuilt_at` are when the first and the last of them was rebuilt by this
    run, None if none was; the run's end for a model without a time of its own. `failed` are the
    models that it left failed or half-built, `failed_tests` those that a test failed against, and
    `fixed` those of earlier runs' that it rebuilt and no test failed against.
    """

    dbt_run_id: int
    began_at: datetime
    ended_at: datetime
    is_known: bool = True
    first_rebuilt_at: datetime | None = None
    rebuilt_at: datetime | None = None
    failed: frozenset[str] = frozenset()
    failed_tests: frozenset[str] = frozenset()
    fixed: frozenset[str] = frozenset()

    def is_under_way(self, at: datetime) -> bool:
        """Whether the run was running, and had yet to rebuild a model of the sync."""
        return self.rebuilt_at is not None and self.began_at <= at < self.rebuilt_at

    def rebuilt_between(self, after: datetime, until: datetime) -> bool:
        """Whether a model was, or may have been, rebuilt in this time."""
        if self.rebuilt_at is None or self.first_rebuilt_at is None:
            return False
        return self.rebuilt_at > after and self.first_rebuilt_at <= until


class Effects:
    """What dbt runs did to one sync's models, in the order of their end."""

    def __init__(self) -> None:
        self.in_order: list[Effect] = []
        self._failing: set[str] = set()

    def add(self, findings: Findings, sync: Sync, ended_at: datetime) -> Effect | None:
        """Add what a run did to the sync's models, and return it; None if nothing."""
        effect = _effect_of(findings, sync, ended_at, self._failing)
        if effect is not None:
            self._failing -= effect.fixed
            self._failing |= effect.failed | effect.failed_tests
            self.in_order.append(effect)
        return effect

    def add_unknown(
        self, dbt_run_id: int, ended_at: datetime, *, began_at: datetime | None = None
    ) -> None:
        """Add a run that could not be read or decided: it may have done anything."""
        began_at = began_at or ended_at
        self.in_order.append(
            Effect(dbt_run_id=dbt_run_id, began_at=began_at, ended_at=ended_at, is_known=False)
        )


def _effect_of(
    findings: Findings, sync: Sync, ended_at: datetime, failing: AbstractSet[str]
) -> Effect | None:
    touched = findings.touched_by(sync)
    if not touched:
        return None
    run, standings = findings.run, findings.standings
    rebuilt = frozenset(node for node in touched if standings[node] is Standing.REBUILT)
    tests = findings.failed_their_test_of(sync) if sync.tests == "block" else frozenset()
    times = sorted(_rebuild_times(findings, rebuilt, ended_at).values())
    return Effect(
        dbt_run_id=run.dbt_run_id,
        began_at=run.started_at or ended_at,
        ended_at=ended_at,
        first_rebuilt_at=times[0] if times else None,
        rebuilt_at=times[-1] if times else None,
        failed=(touched - rebuilt) or _NONE,
        failed_tests=tests or _NONE,
        fixed=((rebuilt - tests) & failing) or _NONE,
    )


def _rebuild_times(
    findings: Findings, rebuilt: frozenset[str], ended_at: datetime
) -> Mapping[str, datetime]:
    """When this run, not one that it retries, rebuilt each model, or what a view reads."""
    views = findings.views
    times = {}
    for node in rebuilt:
        if not findings.was_touched_by_this_run(node):
            continue
        behind = views.executed_behind(node) if node in views.standings else (node,)
        ended = [findings.outcome.nodes[one].ended for one in behind]
        known = [at for at in ended if at is not None]
        times[node] = max(known) if known and len(known) == len(ended) else ended_at
    return times
