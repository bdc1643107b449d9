"""What holds for every run, mapping and order of webhooks that anybody may think of."""

import copy
import itertools
from datetime import timedelta

import pytest
from cases import NOON, dbt_run, mapping_of, outcome, plan_of, sync
from hypothesis import given
from hypothesis import strategies as st

from relay.dbt.manifest import Lineage
from relay.dbt.nodes import Config, DependsOn, Node
from relay.dbt.outcome import NodeResult
from relay.dbt.rows import Standing
from relay.dbt.runs import CANCELLED, ERROR, SUCCESS
from relay.dbt.selectors import read_selector
from relay.decision.findings import Findings
from relay.decision.history import Build, History, SyncHistory
from relay.decision.mapping import Sync
from relay.decision.plan import decide

NAMES = "abcdef"
IDS = {name: f"model.shop.{name}" for name in NAMES}
UNRELATED = "model.shop.zebra"

WORDS = st.sampled_from(
    [*NAMES, *(f"+{name}" for name in NAMES), "tag:crm", "[a-c]", "path:models/x"]
)
SYNCS = st.lists(
    st.builds(
        Sync,
        sync_id=st.integers(1, 9),
        depends_on=st.lists(WORDS.map(read_selector), min_size=1, max_size=3).map(tuple),
        require=st.sampled_from(["any", "all"]),
        tests=st.sampled_from(["block", "ignore"]),
        consistency=st.sampled_from([None, "block", "ignore"]),
        enabled=st.booleans(),
        jobs=st.sampled_from([None, frozenset({7}), frozenset({8})]),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda sync: sync.sync_id,
)
NODES = st.dictionaries(st.sampled_from(list(IDS.values())), st.sampled_from(Standing))
KINDS = st.lists(st.sampled_from(["table", "view"]), min_size=6, max_size=6)
READS = st.lists(st.sets(st.integers(0, 5)), min_size=6, max_size=6)  # only of those before it
TESTS = st.dictionaries(st.sampled_from(["test.shop.t.1", "test.shop.unknown.2"]), st.just("fail"))
STATUSES = st.sampled_from([SUCCESS, ERROR, CANCELLED])


def lineage(kinds, reads):
    nodes = [
        Node(
            IDS[name],
            name=name,
            path=f"models/{'x' if at % 2 else 'y'}/{name}.sql",
            tags=("crm",) if at < 2 else None,
            config=Config(materialized=kinds[at]),
            depends_on=DependsOn(tuple(IDS[NAMES[each]] for each in reads[at] if each < at)),
        )
        for at, name in enumerate(NAMES)
    ]
    zebra = Node(UNRELATED, name="zebra", path="models/z/zebra.sql")
    test = Node("test.shop.t.1", attached_node=IDS["a"])
    return Lineage({node.unique_id: node for node in (*nodes, zebra, test)})


@given(SYNCS, NODES, KINDS, READS, TESTS, STATUSES)
def test_deciding_is_a_pure_function_of_its_arguments(syncs, nodes, kinds, reads, tests, status):
    given_ = (dbt_run(status=status), outcome(nodes, tests=tests), lineage(kinds, reads))
    before = copy.deepcopy(given_)
    plans = [decide(Findings(*given_), mapping_of(*syncs), History(), now=NOON) for _ in range(2)]
    assert plans[0] == plans[1]
    assert given_ == before


@given(SYNCS, NODES, KINDS, READS, STATUSES, st.sampled_from(Standing))
def test_a_model_that_no_sync_selects_never_changes_a_decision(
    syncs, nodes, kinds, reads, status, standing
):
    known, mapping = lineage(kinds, reads), mapping_of(*syncs)
    run = dbt_run(status=status)
    without, with_it = (
        plan_of(outcome(touched), mapping, of=run, lineage=known)
        for touched in (nodes, {**nodes, UNRELATED: standing})
    )
    assert without.verdicts == with_it.verdicts


FINISHED = st.integers(-48, 0).map(lambda hours: NOON + timedelta(hours=hours))
BUILT = st.builds(
    Build,
    dbt_run_id=st.just(8),
    dbt_job_id=st.sampled_from([7, 8]),
    environment_id=st.just(3),
    finished_at=FINISHED,
    is_good=st.booleans(),
    failed_a_test=st.booleans(),
    began=st.none() | FINISHED,
    ended=st.none() | FINISHED,
)
BUILDS = st.dictionaries(st.sampled_from(list(IDS.values())), st.tuples(BUILT))


@given(SYNCS, NODES, KINDS, READS, BUILDS)
def test_what_a_run_does_not_look_back_at_never_changes_a_decision(
    syncs, nodes, kinds, reads, builds
):
    times = NOON - timedelta(hours=1), NOON
    did = {node: NodeResult(standing, 9, "build", *times) for node, standing in nodes.items()}
    findings = Findings(dbt_run(), outcome(did), lineage(kinds, reads))
    mapping = mapping_of(*syncs)
    kept = {node: builds[node] for node in builds.keys() & findings.nodes_needing_history(mapping)}
    plans = [decide(findings, mapping, History({}, known), now=NOON) for known in (kept, builds)]
    assert plans[0].verdicts == plans[1].verdicts


class World:
    """What the database keeps, in as many words: the newest builds, and what each sync ran for."""

    def __init__(self):
        self.builds, self.covers_until, self.triggered = {}, None, 0

    def decide(self, a_sync, a_run, nodes):
        history = History(
            {("default", 1): SyncHistory(covers_until=self.covers_until)},
            {node: (build,) for node, build in self.builds.items()},
        )
        did = outcome(dict.fromkeys(nodes, Standing.REBUILT))
        plan = plan_of(did, mapping_of(a_sync), of=a_run, lineage=FLAT, history=history)
        for trigger in plan.triggers:
            self.triggered += 1
            self.covers_until = max(filter(None, (self.covers_until, trigger.covers_until)))
        for node, build in plan.builds.items():
            known = self.builds.get(node)
            if known is None or known.finished_at <= build.finished_at:
                self.builds[node] = build


FLAT = lineage(["table"] * 6, [set()] * 6)
NIGHTS = [
    nights for count in (2, 3, 4) for nights in itertools.product(["a", "b", "ab"], repeat=count)
]


@pytest.mark.parametrize("nights", NIGHTS, ids="-".join)
def test_a_sync_that_waits_for_all_takes_each_rebuild_once_in_any_order(nights):
    """Webhooks come in any order: for no rebuild of a model are there two triggers."""
    waiting = sync("a", "b", require="all")
    runs = [
        (
            dbt_run(dbt_run_id=number, finished_at=NOON + timedelta(minutes=number)),
            [IDS[name] for name in night],
        )
        for number, night in enumerate(nights, 1)
    ]
    rebuilds = min(sum(name in night for night in nights) for name in "ab")
    for order in itertools.permutations(runs):
        world = World()
        for a_run, nodes in order:
            world.decide(waiting, a_run, nodes)
        assert bool(rebuilds) <= world.triggered <= rebuilds, [each.dbt_run_id for each, _ in order]
