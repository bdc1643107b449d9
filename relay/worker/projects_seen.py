"""Which selectors select nothing in the dbt projects that this worker has seen."""

from collections.abc import Iterator

from relay.dbt.runs import DbtRun
from relay.decision.findings import Findings
from relay.decision.mapping import PlacedSelector, SyncMapping

# For each job; if more states follow, the oldest one may be reported again.
MOST_STATES = 1000

_Job = tuple[int | None, int | None, int | None]  # project, environment, job
_State = tuple[str | None, str]  # commit, digest of the mapping


class ProjectsSeen:
    """Remembers what was reported: each selector once for each state of a project and mapping.

    An account may have several projects and one mapping: a selector that selects something in
    another known project is not reported.
    """

    def __init__(self) -> None:
        self._states: dict[_Job, dict[_State, None]] = {}  # oldest first
        self._selecting: dict[int | None, frozenset[str]] = {}  # by project

    def select_nothing(self, findings: Findings, mapping: SyncMapping) -> Iterator[PlacedSelector]:
        """The selectors to report now; none if the run's manifest was not fetched."""
        if not findings.lineage.nodes or not self._is_new(findings.run, mapping):
            return
        tried = list(findings.selector_matches(mapping))
        project = findings.run.project_id
        self._selecting[project] = frozenset(placed.selector.text for placed, does in tried if does)
        elsewhere = frozenset[str]().union(*self._selecting.values())
        for placed, does_select in tried:
            if not does_select and placed.selector.text not in elsewhere:
                yield placed

    def _is_new(self, run: DbtRun, mapping: SyncMapping) -> bool:
        known, state = self._states.setdefault(_job_of(run), {}), (run.git_sha, mapping.digest)
        if state in known:
            return False
        known[state] = None
        if len(known) > MOST_STATES:
            del known[next(iter(known))]
        return True


def _job_of(run: DbtRun) -> _Job:
    return run.project_id, run.environment_id, run.dbt_job_id
