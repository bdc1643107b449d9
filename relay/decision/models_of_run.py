"""What a dbt run did to the project's models, for people. No I/O here.

The result of a model is the word of its `Standing` (`rebuilt`, `partial`, `failed`, `skipped`,
`sampled`, `no row`), or `reused` where dbt found it up to date, or `not built` where the run only
tested it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from typing import Final

from relay.dbt.rows import Standing
from relay.dbt.selection import Selection
from relay.decision.findings import Findings
from relay.decision.mapping import Sync, SyncMapping
from relay.workspaces import display_id

MOST_MODELS = 1000  # of a run
MOST_SYNCS = 20  # of a model
MOST_STATES = 2000  # of a run
LONGEST_ID = 500  # characters that a key of the database surely has room for

REUSED: Final = "reused"
NOT_BUILT: Final = "not built"


@dataclass(frozen=True, slots=True)
class ModelResult:
    """What the run did to a model, and the display ids of syncs that read it.

    `failed_a_test` is None if it is not known which models the failed tests are about.
    """

    unique_id: str
    result: str
    failed_a_test: bool | None
    syncs: tuple[int | str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelState:
    """What the last run of a job did to a model that some sync reads.

    In a retry chain that is the run which executed it. `dbt_job_id` and `job_name` are None if dbt
    Cloud did not report them; `failed_a_test` is as in `ModelResult`.
    """

    unique_id: str
    dbt_job_id: int | None
    job_name: str | None
    dbt_run_id: int
    finished_at: datetime
    result: str
    failed_a_test: bool | None

    @property
    def rebuilt_at(self) -> datetime | None:
        """When the run ended, if it rebuilt the model."""
        return self.finished_at if self.result == Standing.REBUILT else None


@dataclass(frozen=True, slots=True)
class RunModels:
    """What a run did.

    `counts` is how many executed or reused nodes have each result, without views that were not
    executed. `models` are at most MOST_MODELS: the failed ones first, then those that syncs read.
    `states` are those that syncs read, at most MOST_STATES, without ids longer than LONGEST_ID.
    """

    counts: Mapping[str, int]
    models: tuple[ModelResult, ...]
    states: tuple[ModelState, ...]


def models_of_run(findings: Findings, mapping: SyncMapping, *, now: datetime) -> RunModels | None:
    """What the run did to models; None if it never counts."""
    if findings.run.never_counts_because:
        return None
    return _Models(findings, mapping).of_run(now)


class _Models:
    """The models that a run executed, reused or tested, and what reads them."""

    def __init__(self, findings: Findings, mapping: SyncMapping) -> None:
        self._findings = findings
        outcome = findings.outcome
        self._standings = findings.standings
        self._without_views = outcome.nodes.keys() | findings.without_row.keys() | outcome.reused
        self._tested = _failed_their_test(findings)
        self._read_by = _read_by(findings, mapping)
        self._read = frozenset[str]().union(*(nodes for nodes, _ in self._read_by))

    def of_run(self, now: datetime) -> RunModels:
        findings = self._findings
        is_known = not (findings.undecidable or findings.run.was_cancelled)  # as with builds
        return RunModels(
            Counter(map(self._result, self._without_views)),
            tuple(self._models()),
            tuple(self._state(node, now) for node in self._with_state()) if is_known else (),
        )

    def _models(self) -> Iterable[ModelResult]:
        failed = self._findings.outcome.in_standing(Standing.FAILED) | (self._tested or frozenset())
        of_syncs = self._read - failed
        others = self._without_views - failed - of_syncs
        in_order = chain.from_iterable(map(sorted, (failed, of_syncs, others)))
        kept = tuple(islice(in_order, MOST_MODELS))
        syncs = _syncs_of(kept, self._read_by)
        for node in kept:
            read_by = tuple(syncs.get(node, ())[:MOST_SYNCS])
            yield ModelResult(node, self._result(node), self._failed_a_test(node), read_by)

    def _with_state(self) -> list[str]:
        executed = (
            node
            for node in self._read
            if len(node) <= LONGEST_ID and self._result(node) != NOT_BUILT
        )
        return sorted(executed)[:MOST_STATES]

    def _state(self, node: str, now: datetime) -> ModelState:
        executed = self._findings.outcome.nodes.get(node)
        run = self._findings.run.in_retry_chain(executed.dbt_run_id if executed else None)
        return ModelState(
            unique_id=node,
            dbt_job_id=run.dbt_job_id,
            job_name=run.job_name,
            dbt_run_id=run.dbt_run_id,
            finished_at=run.finished_at or now,
            result=self._result(node),
            failed_a_test=self._failed_a_test(node),
        )

    def _result(self, node: str) -> str:
        standing = self._standings.get(node)
        if standing is not None:
            return standing.value
        return REUSED if node in self._findings.outcome.reused else NOT_BUILT

    def _failed_a_test(self, node: str) -> bool | None:
        return None if self._tested is None else node in self._tested


def _failed_their_test(findings: Findings) -> frozenset[str] | None:
    """The models that a failed test counts against; None if only the manifest could tell."""
    outcome = findings.outcome
    if findings.known_lineage is None and (outcome.failed_tests or outcome.unaccounted_tests):
        return None
    return findings.failed_their_test


_ReadBy = list[tuple[frozenset[str], tuple[Sync, ...]]]


def _read_by(findings: Findings, mapping: SyncMapping) -> _ReadBy:
    """The nodes that the run executed, reused or tested, with the syncs that read them."""
    reused = Selection(findings.outcome.reused, findings.known_lineage)
    found: _ReadBy = []
    for depends_on, syncs in mapping.readers.items():
        try:
            nodes = findings.touched_by(syncs[0]) | reused.selected(depends_on)
            if findings.known_lineage is not None:
                nodes |= findings.failed_their_test_of(syncs[0])
        except Exception:  # noqa: BLE001, S112 - `decide` meets it again, and reports it
            continue
        if nodes:
            found.append((nodes, syncs))
    return found


def _syncs_of(nodes: Iterable[str], read_by: _ReadBy) -> dict[str, list[int | str]]:
    kept = frozenset(nodes)
    found: dict[str, list[int | str]] = {}
    for read, syncs in read_by:
        ids = [display_id(*sync.key) for sync in syncs]
        for node in read & kept:
            found.setdefault(node, []).extend(ids)
    return found
