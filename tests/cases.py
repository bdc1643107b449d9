"""Default values for tests of decisions, and deciding as the service does."""

from datetime import UTC, datetime, timedelta

from relay.dbt.manifest import Lineage
from relay.dbt.nodes import Config, DependsOn, Node
from relay.dbt.outcome import NodeResult, RunOutcome
from relay.dbt.runs import SUCCESS, DbtRun
from relay.dbt.selectors import read_selector
from relay.decision.findings import Findings
from relay.decision.history import History
from relay.decision.mapping import Sync, SyncMapping
from relay.decision.plan import decide
from relay.notation import read_time

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
RUN = 9


def dbt_run(**fields):
    """A successful run 9 of job 7 in environment 3, from eleven to noon, with these fields."""
    given = {
        "dbt_account_id": 1,
        "dbt_run_id": RUN,
        "dbt_job_id": 7,
        "project_id": 1,
        "environment_id": 3,
        "status": SUCCESS,
        "started_at": NOON - timedelta(hours=1),
        "finished_at": NOON,
    }
    return DbtRun(**(given | fields))


def run_that_wrote(run_results, **fields):
    """A run of an hour that ends when this file is written."""
    written_at = read_time(run_results.metadata.generated_at)
    times = {"started_at": written_at - timedelta(hours=1), "finished_at": written_at}
    return dbt_run(**(times | fields))


def outcome(nodes=None, *, reused=(), tests=None):
    """The outcome of run 9: a standing for each node, or a whole NodeResult."""
    results = {
        unique_id: did if isinstance(did, NodeResult) else NodeResult(did, RUN)
        for unique_id, did in (nodes or {}).items()
    }
    return RunOutcome(results, frozenset(reused), tests or {})


def sync(*words, sync_id=1, **fields):
    return Sync(sync_id=sync_id, depends_on=tuple(map(read_selector, words)), **fields)


def mapping_of(*syncs):
    return SyncMapping(syncs=syncs, workspaces={}, digest="")


def plan_of(did, mapping, *, of=None, lineage=None, history=None, now=NOON):
    """The plan as the service makes it, with only the builds that the run looks back at."""
    findings = Findings(of or dbt_run(), did, lineage)
    history = history or History()
    looked_at = history.builds.keys() & findings.nodes_needing_history(mapping)
    builds = {node: history.builds[node] for node in looked_at}
    return decide(findings, mapping, History(history.syncs, builds), now=now)


def lineage_of(**parents):
    """`view=["table"]`: what each node reads; `v…` are views, `e…` ephemeral, others tables."""
    kinds = {"v": "view", "e": "ephemeral", "m": "materialized_view", "i": "incremental"}
    nodes = [
        Node(
            unique_id(name),
            name=name,
            config=Config(materialized=kinds.get(name[0], "table")),
            depends_on=DependsOn(tuple(unique_id(each) for each in reads)),
        )
        for name, reads in parents.items()
    ]
    return Lineage({node.unique_id: node for node in nodes})


def unique_id(name):
    return name if "." in name else f"model.shop.{name}"


def executed(**standings):
    return outcome({unique_id(name): standing for name, standing in standings.items()})
