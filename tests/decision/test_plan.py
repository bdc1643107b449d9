"""What a run means for each sync it affects, one reason each."""

import dataclasses

import pytest
from cases import NOON, dbt_run, mapping_of, outcome, plan_of, sync

from relay.dbt.manifest import Lineage
from relay.dbt.nodes import Config, DependsOn, Node
from relay.dbt.outcome import NodeResult
from relay.dbt.rows import Standing
from relay.dbt.runs import CANCELLED, ERROR, SUCCESS, Step
from relay.dbt.selectors import Selector, Term
from relay.dbt.unaccounted import Unaccounted, UnaccountedTests
from relay.decision.findings import Findings, needs_lineage
from relay.decision.gates import GATES, Reason
from relay.decision.history import Build, History, SyncHistory
from relay.decision.mapping import Sync
from relay.decision.plan import Plan, decide
from relay.errors import BadArtifact

A, B, C = "model.shop.a", "model.shop.b", "model.shop.c"
TEST_A, SINGULAR, UNIT_A = "test.shop.not_null_a.1", "test.shop.a_and_b", "unit_test.shop.a.adds_up"

REBUILT, PARTIAL, FAILED, SKIPPED, SAMPLED, _ = Standing


def lineage(severity="ERROR"):
    config = Config(severity=severity)
    tests = [
        Node(TEST_A, config=config, attached_node=A, depends_on=DependsOn((A, C))),
        Node(SINGULAR, config=config, depends_on=DependsOn((A, B))),
        Node(UNIT_A, depends_on=DependsOn((A,))),
    ]
    models = [Node(A, name="a", tags=("crm",)), Node(B, name="b", tags=("crm",)), Node(C, name="c")]
    return Lineage({node.unique_id: node for node in tests + models})


def reason(a_sync, nodes, *, of=None, tests=None, known=None):
    """Why this sync is triggered or withheld; None where the run does not affect it."""
    plan = plan_of(outcome(nodes, tests=tests), mapping_of(a_sync), of=of, lineage=known)
    if plan.triggers:
        return Reason.REBUILT
    return plan.withheld[0].reason if plan.withheld else None


class TestASyncThatCannotBeJudged:
    """Its time is more than a date holds, which no mapping file can say."""

    ODD = sync(A, B, sync_id=2, require="all", within=10**15)

    @pytest.fixture(name="plan")
    def _plan(self):
        built = History(builds={B: (Build(1, 7, 3, NOON, is_good=True),)})
        mapping = mapping_of(sync(A, sync_id=1), self.ODD, sync(A, sync_id=3, enabled=False))
        return plan_of(outcome({A: REBUILT}), mapping, history=built, lineage=lineage())

    def test_is_neither_triggered_nor_withheld_and_the_others_are_judged(self, plan):
        assert [verdict.sync.sync_id for verdict in plan.triggers] == [1]
        assert [verdict.sync.sync_id for verdict in plan.withheld] == [3]
        assert [undecided.sync for undecided in plan.undecided] == [self.ODD]
        assert plan.verdict_on(self.ODD) is None
        assert isinstance(plan.undecided_on(self.ODD).cause, OverflowError)

    def test_is_named_in_what_is_reported(self, plan):
        assert plan.problem == (
            "could not be decided, all other syncs were: sync 2: deciding raised OverflowError"
        )
        assert plan_of(outcome({A: REBUILT}), mapping_of(sync(A))).problem is None


class TestASyncWhoseModelsCannotBeSelected:
    """Selecting by a method that does not exist, which no mapping file can say."""

    ODD_WORDS = (Selector("odd:x", (Term("odd", "x"),)),)

    @pytest.mark.parametrize(
        "odd",
        [
            Sync(sync_id=2, depends_on=ODD_WORDS),
            Sync(sync_id=2, depends_on=ODD_WORDS, require="all"),
            Sync(sync_id=2, depends_on=ODD_WORDS, consistency="ignore"),
        ],
        ids=["looks_at_parents", "needs_earlier_builds", "looks_at_nothing"],
    )
    def test_keeps_no_other_from_its_decision(self, odd):
        did = outcome({A: REBUILT})
        mapping = mapping_of(sync(A, sync_id=1), odd, sync(A, sync_id=3, require="all"))
        assert needs_lineage(dbt_run(), did, mapping)
        plan = plan_of(did, mapping, lineage=lineage())
        assert [verdict.sync.sync_id for verdict in plan.triggers] == [1, 3]
        (undecided,) = plan.undecided
        assert undecided.sync == odd
        assert isinstance(undecided.cause, KeyError)

    def test_stays_undecided_if_they_can_be_a_moment_later(self):
        """What earlier runs built has not been asked for then: it would be decided on a guess."""
        odd = sync("a", sync_id=2, require="all")
        mapping = mapping_of(odd)
        findings = Findings(dbt_run(), outcome({A: REBUILT}), lineage())
        findings.unselectable[odd.key] = MemoryError()
        plan = decide(findings, mapping, History(), now=NOON)
        assert [undecided.sync for undecided in plan.undecided] == [odd]
        assert plan.verdicts == ()


class TestWhatIsNotKnown:
    """Of some syncs what they ask for, such as the manifest."""

    MAPPING = mapping_of(
        sync(A, sync_id=1), *(sync("tag:x", sync_id=number) for number in range(2, 10))
    )
    WHY = BadArtifact("no manifest.json")

    @pytest.fixture(name="plan")
    def _plan(self):
        undecidable = {one.key: self.WHY for one in self.MAPPING.syncs[1:]}
        findings = Findings(dbt_run(), outcome({A: REBUILT}), undecidable=undecidable)
        return decide(findings, self.MAPPING, History(), now=NOON)

    def test_leaves_these_undecided_and_no_other(self, plan):
        assert [verdict.sync.sync_id for verdict in plan.triggers] == [1]
        assert [one.sync.sync_id for one in plan.undecided] == list(range(2, 10))

    def test_is_reported_once_for_all_of_them(self, plan):
        assert plan.problem == (
            "could not be decided, all other syncs were: "
            "sync 2, 3, 4, 5, 6 and 3 more: no manifest.json"
        )

    def test_is_not_remembered_as_a_build(self, plan):
        """What the run may have spoilt is not known."""
        assert self.MAPPING.needs_earlier_builds
        assert plan.builds == {}


class TestAModelsStanding:
    @pytest.mark.parametrize(
        ("nodes", "expected"),
        [
            ({A: REBUILT}, "rebuilt"),
            ({A: REBUILT, B: REBUILT}, "rebuilt"),
            ({A: REBUILT, C: FAILED}, "rebuilt"),
            ({A: FAILED}, "model_failed"),
            ({A: SKIPPED}, "model_failed"),
            ({A: REBUILT, B: FAILED}, "model_failed"),
            ({A: REBUILT, B: SKIPPED}, "model_failed"),
            ({A: PARTIAL}, "partial_rebuild"),
            ({A: REBUILT, B: PARTIAL}, "partial_rebuild"),
            ({A: PARTIAL, B: FAILED}, "model_failed"),
            ({A: SAMPLED}, "sample_run"),
            ({A: REBUILT, B: SAMPLED}, "sample_run"),
            ({A: FAILED, B: SAMPLED}, "sample_run"),
            ({C: REBUILT}, None),
            ({}, None),
        ],
    )
    def test_decides_in_the_contracts_order(self, nodes, expected):
        assert reason(sync("a", "b"), nodes) == expected

    def test_the_models_that_decided_are_recorded(self):
        did = outcome({A: REBUILT, B: FAILED, C: SKIPPED})
        plan = plan_of(did, mapping_of(sync("a", "b", "c")))
        assert plan.withheld[0].models == (B, C)

    def test_a_trigger_names_all_that_were_rebuilt(self):
        did = outcome({B: REBUILT, A: REBUILT, C: REBUILT})
        plan = plan_of(did, mapping_of(sync("a", "b")))
        assert plan.triggers[0].models == (A, B)

    def test_each_sync_is_judged_on_its_own_models(self):
        mapping = mapping_of(sync("a"), sync("b", sync_id=2))
        plan = plan_of(outcome({A: REBUILT, B: FAILED}), mapping, of=dbt_run(status=ERROR))
        assert [each.sync.sync_id for each in plan.triggers] == [1]
        assert [each.sync.sync_id for each in plan.withheld] == [2]


class TestTheRunAndTheSync:
    @pytest.mark.parametrize(
        ("a_sync", "of", "expected"),
        [
            (sync("a", enabled=False), dbt_run(), "sync_disabled"),
            (sync("a", enabled=False, jobs=frozenset({8})), dbt_run(), "sync_disabled"),
            (sync("a", jobs=frozenset({8})), dbt_run(), "job_not_listed"),
            (sync("a", jobs=frozenset({7})), dbt_run(), "rebuilt"),
            (sync("a", environments=frozenset({4})), dbt_run(), "environment_not_listed"),
            (sync("a", environments=frozenset({3})), dbt_run(), "rebuilt"),
            (
                sync("a", jobs=frozenset({8}), environments=frozenset({4})),
                dbt_run(),
                "job_not_listed",
            ),
            (sync("a"), dbt_run(status=CANCELLED), "run_cancelled"),
            (sync("a"), dbt_run(status=ERROR), "rebuilt"),
            (sync("a", jobs=frozenset({8})), dbt_run(status=CANCELLED), "job_not_listed"),
        ],
    )
    def test_come_before_the_models(self, a_sync, of, expected):
        assert reason(a_sync, {A: REBUILT}, of=of) == expected

    def test_a_cancelled_run_comes_before_a_failed_model(self):
        assert reason(sync("a"), {A: FAILED}, of=dbt_run(status=CANCELLED)) == "run_cancelled"

    @pytest.mark.parametrize(
        "kind",
        [
            {"job_type": "ci"},
            {"job_type": "merge"},
            {"cause_category": "ci"},
            {"cause_category": "merge"},
            {"pull_request_id": "12"},
            {"schema_override": "dbt_cloud_pr_12"},
        ],
    )
    def test_a_run_into_a_schema_of_its_own_never_counts_listed_or_not(self, kind):
        listed = sync("a", jobs=frozenset({7}))
        did = outcome({A: REBUILT})
        assert plan_of(did, mapping_of(listed), of=dbt_run(**kind)) == Plan()


class TestTests:
    @pytest.mark.parametrize(
        ("tests", "severity", "words", "expected"),
        [
            ({TEST_A: "fail"}, "ERROR", ["a"], "test_failed"),
            ({TEST_A: "error"}, "ERROR", ["a"], "test_failed"),
            ({TEST_A: "error"}, "warn", ["a"], "rebuilt"),
            ({TEST_A: "fail"}, "warn", ["a"], "test_failed"),  # promoted by --warn-error
            ({TEST_A: "warn"}, "ERROR", ["a"], "rebuilt"),
            ({TEST_A: "pass"}, "ERROR", ["a"], "rebuilt"),
            ({TEST_A: "fail"}, None, ["a"], "test_failed"),
            ({TEST_A: "fail"}, "ERROR", ["c"], "rebuilt"),  # attached to a, though it reads c
            ({SINGULAR: "fail"}, "ERROR", ["a"], "test_failed"),
            ({SINGULAR: "fail"}, "ERROR", ["b"], "test_failed"),
            ({SINGULAR: "fail"}, "ERROR", ["c"], "rebuilt"),
            ({UNIT_A: "fail"}, "ERROR", ["a"], "test_failed"),
            ({UNIT_A: "fail"}, "ERROR", ["b"], "rebuilt"),
            ({"test.shop.unheard_of.1": "fail"}, "ERROR", ["c"], "test_failed"),
        ],
    )
    def test_a_failure_counts_against_the_models_it_is_about(
        self, tests, severity, words, expected
    ):
        nodes = {A: REBUILT, B: REBUILT, C: REBUILT}
        assert reason(sync(*words), nodes, tests=tests, known=lineage(severity)) == expected

    def test_it_withholds_also_for_a_model_the_run_only_tested(self):
        assert reason(sync("a", "b"), {B: REBUILT}, tests={TEST_A: "fail"}, known=lineage()) == (
            "test_failed"
        )

    def test_a_sync_may_ignore_tests(self):
        ignoring = sync("a", tests="ignore")
        assert reason(ignoring, {A: REBUILT}, tests={TEST_A: "fail"}, known=lineage()) == "rebuilt"

    def test_a_failed_model_comes_first(self):
        told = reason(sync("a"), {A: FAILED}, tests={TEST_A: "fail"}, known=lineage())
        assert told == "model_failed"

    def test_without_a_lineage_a_failure_counts_against_all(self):
        assert reason(sync("c"), {C: REBUILT}, tests={TEST_A: "fail"}) == "test_failed"


class TestAFailedStepThatDoesNotSayWhatFailed:
    """Of a build of `a` and `b` only `a` has a row, a success; `c` is an ephemeral model."""

    @staticmethod
    def reason(*words, command="dbt build", known=(A,)):
        models = [Node(A, name="a", fqn=("shop", "a")), Node(B, name="b", fqn=("shop", "b"))]
        ephemeral = Node(C, name="c", config=Config(materialized="ephemeral"))
        project = Lineage({node.unique_id: node for node in (*models, ephemeral)})
        step = Step(index=4, name="", status=ERROR, command=command)
        did = dataclasses.replace(
            outcome({A: REBUILT}), unaccounted=(Unaccounted(step, frozenset(known)),)
        )
        mapping = mapping_of(sync(*words))
        run = dbt_run(status=ERROR)
        assert needs_lineage(run, did, mapping)
        plan = plan_of(did, mapping, of=run, lineage=project)
        return next(((verdict.reason, verdict.models) for verdict in plan.verdicts), None)

    def test_withholds_the_syncs_of_what_has_no_row(self):
        assert self.reason("a") == ("rebuilt", (A,))
        assert self.reason("b") == ("model_failed", (B,))
        assert self.reason("a", "b") == ("model_failed", (B,))
        assert self.reason("c") is None

    @pytest.mark.parametrize(
        ("command", "expected"),
        [
            ("dbt build --select a", None),
            ("dbt build -s a b", ("model_failed", (B,))),
            ("dbt build -sa", None),
            ("dbt build -sb", ("model_failed", (B,))),
            ("dbt build -sa b", ("model_failed", (B,))),
            ("dbt build -xma", None),
            ("dbt build -s=a", None),
            ("dbt build --select=shop", ("model_failed", (B,))),  # for dbt, the package
            ("dbt build --exclude b", None),
            ("dbt build --exclude a", ("model_failed", (B,))),
            ("dbt build --select state:modified", ("model_failed", (B,))),
            ("dbt seed", None),
            ("dbt run", ("model_failed", (B,))),
        ],
    )
    def test_as_far_as_its_command_selects(self, command, expected):
        assert self.reason("b", command=command) == expected

    @pytest.mark.parametrize(
        ("materialized", "strategy", "expected"),
        [
            ("incremental", "microbatch", ("model_failed", (B,))),
            ("incremental", "merge", None),
            ("incremental", None, None),
            ("table", "microbatch", None),  # the strategy is the whole folder's
        ],
    )
    def test_where_another_row_failed_only_a_microbatch_may_have_none(
        self, materialized, strategy, expected
    ):
        config = Config(materialized=materialized, incremental_strategy=strategy)
        project = Lineage({A: Node(A, name="a"), B: Node(B, name="b", config=config)})
        step = Step(index=4, name="", status=ERROR, command="dbt build")
        unaccounted = Unaccounted(step, frozenset({A}), only_microbatches=True)
        did = dataclasses.replace(outcome({A: FAILED}), unaccounted=(unaccounted,))
        plan = plan_of(did, mapping_of(sync("b")), lineage=project)
        told = next(((verdict.reason, verdict.models) for verdict in plan.verdicts), None)
        assert told == expected

    def test_also_where_an_earlier_step_had_built_it(self):
        full_refresh = "dbt run -s a --full-refresh"
        assert self.reason("a", command=full_refresh, known=()) == ("model_failed", (A,))
        assert self.reason("a", command="dbt build -s b", known=()) == ("rebuilt", (A,))

    def test_withholds_as_a_sample_where_it_built_one(self):
        step = Step(index=5, name="", status=SUCCESS, command="dbt build -s a --empty")
        sample = Unaccounted(step, frozenset(), standing=SAMPLED)
        died = Unaccounted(dataclasses.replace(step, status=ERROR), frozenset())
        view = Node(B, name="b", config=Config(materialized="view"), depends_on=DependsOn((A,)))
        project = Lineage({A: Node(A, name="a"), B: view, C: Node(C, name="c")})
        did = outcome({A: REBUILT, B: REBUILT, C: REBUILT})
        for unaccounted in ((sample,), (sample, died), (died, sample)):
            spoilt = dataclasses.replace(did, unaccounted=unaccounted)
            plan = plan_of(
                spoilt,
                mapping_of(*(sync(word, sync_id=at) for at, word in enumerate("abc", 1))),
                lineage=project,
            )
            reasons = [verdict.reason for verdict in plan.verdicts]
            assert reasons == ["sample_run", "sample_run", "rebuilt"]

    def test_also_where_a_run_that_it_retries_has_answered_for_it(self):
        step = Step(index=4, name="", status=ERROR, command="dbt build -s a")
        did = outcome({A: NodeResult(REBUILT, 8), B: REBUILT})
        did = dataclasses.replace(did, unaccounted=(Unaccounted(step, frozenset()),))
        project = Lineage({A: Node(A, name="a"), B: Node(B, name="b")})
        answered = SyncHistory(answered_before=frozenset({A, B}))
        history = History({("default", 1): answered})
        plan = plan_of(did, mapping_of(sync("a", "b")), lineage=project, history=history)
        assert [(one.reason, one.models) for one in plan.verdicts] == [("model_failed", (A,))]

    def test_says_so(self):
        step = Step(index=4, name="", status=ERROR, command="dbt build")
        did = dataclasses.replace(outcome(), unaccounted=(Unaccounted(step, frozenset()),))
        project = Lineage({A: Node(A, name="a")})
        (withheld,) = plan_of(did, mapping_of(sync("a")), lineage=project).withheld
        (held_by,) = [condition for condition in withheld.conditions if condition.holds]
        assert held_by.seen == f"{A}: no row"


class TestAFailedStepThatDoesNotSayWhichTestsFailed:
    """`a`, `b` and `c` were built before; TEST_A reads `a` and `c`, SINGULAR `a` and `b`."""

    @staticmethod
    def verdict(word, *, command="dbt test", known=(), tests="block"):
        step = Step(index=5, name="", status=ERROR, command=command)
        did = dataclasses.replace(
            outcome({A: REBUILT, B: REBUILT, C: REBUILT}),
            unaccounted_tests=(UnaccountedTests(step, frozenset(known)),),
        )
        mapping = mapping_of(sync(word, tests=tests))
        assert needs_lineage(dbt_run(), did, mapping) is (tests == "block")
        (verdict,) = plan_of(did, mapping, lineage=lineage()).verdicts
        return verdict

    def test_withholds_the_syncs_of_what_they_test(self):
        assert (self.verdict("a").reason, self.verdict("a").models) == ("test_failed", (A,))
        assert self.verdict("b").reason == "test_failed"
        assert self.verdict("c").reason == "rebuilt"  # TEST_A is attached to `a`

    def test_says_so(self):
        (held_by,) = [condition for condition in self.verdict("a").conditions if condition.holds]
        assert held_by.seen == "results unknown, of step 5 (dbt test)"

    def test_does_not_where_each_of_these_tests_has_a_result(self):
        assert self.verdict("a", known=(TEST_A, SINGULAR, UNIT_A)).reason == "rebuilt"
        assert self.verdict("b", known=(SINGULAR,)).reason == "rebuilt"

    def test_does_not_where_tests_are_ignored(self):
        assert self.verdict("a", tests="ignore").reason == "rebuilt"

    @pytest.mark.parametrize(
        ("command", "expected"),
        [
            ("dbt test -s c", "rebuilt"),
            ("dbt build -s b", "test_failed"),
            ("dbt test --exclude b", "test_failed"),  # SINGULAR reads `a`, too
            ("dbt test --exclude a b", "rebuilt"),
        ],
    )
    def test_withholds_as_far_as_its_command_selects(self, command, expected):
        assert self.verdict("b", command=command).reason == expected

    def test_counts_against_all_where_the_project_is_not_known(self):
        step = Step(index=5, name="", status=ERROR, command="dbt test")
        unaccounted = UnaccountedTests(step, frozenset())
        did = dataclasses.replace(outcome({C: REBUILT}), unaccounted_tests=(unaccounted,))
        (withheld,) = plan_of(did, mapping_of(sync("c"))).withheld
        assert withheld.reason == "test_failed"


class TestTheManifest:
    @pytest.mark.parametrize(
        ("a_sync", "tests", "needed"),
        [
            (sync("a"), {}, False),
            (sync("a"), {TEST_A: "pass"}, False),
            (sync("a"), {TEST_A: "fail"}, True),
            (sync("a", tests="ignore"), {TEST_A: "fail"}, False),
            (sync("tag:crm"), {}, True),
            (sync("tag:crm", enabled=False), {}, False),
            (sync("tag:crm", jobs=frozenset({8})), {}, False),
        ],
    )
    def test_is_asked_for_only_where_it_decides(self, a_sync, tests, needed):
        did = outcome({A: REBUILT}, tests=tests)
        assert needs_lineage(dbt_run(), did, mapping_of(a_sync)) is needed

    @pytest.mark.parametrize(
        ("word", "executed", "needed"),
        [
            ("rates", "model.shop.rates.v2", True),  # a version, or a model named `rates.v2`
            ("rates_v2", "model.shop.rates.v2", True),
            ("model.shop.rates", "model.shop.rates.v2", True),
            ("rates.v2", "model.shop.rates.v2", False),
            ("model.shop.rates.v2", "model.shop.rates.v2", False),
            ("rates_v2", "model.shop.rates_v2", False),
        ],
    )
    def test_distinguishes_a_version_from_a_name_with_a_dot(self, word, executed, needed):
        did = outcome({executed: REBUILT})
        assert needs_lineage(dbt_run(), did, mapping_of(sync(word))) is needed

    def test_is_asked_for_where_a_version_may_be_one_of_two_models(self):
        did = outcome({"model.shop.rates": REBUILT, "model.shop.rates.v2": REBUILT})
        assert needs_lineage(dbt_run(), did, mapping_of(sync("rates")))

    def test_is_not_asked_for_when_nothing_was_touched(self):
        assert not needs_lineage(dbt_run(), outcome(), mapping_of(sync("tag:crm")))

    def test_lets_tags_decide(self):
        assert reason(sync("tag:crm"), {A: REBUILT}, known=lineage()) == "rebuilt"
        assert reason(sync("tag:crm"), {C: REBUILT}, known=lineage()) is None


class TestARunThatRetriesAnother:
    """Run 9 retries run 8; `executed_in` tells which of them did what."""

    @staticmethod
    def plan(standings, executed_in, answered):
        nodes = {key: NodeResult(did, executed_in[key]) for key, did in standings.items()}
        history = History({("default", 1): answered})
        return plan_of(outcome(nodes), mapping_of(sync("a", "b")), history=history)

    @pytest.mark.parametrize(
        ("executed_in", "answered", "because"),
        [
            ({A: 8, B: 9}, SyncHistory(), (A, B)),
            ({A: 8, B: 9}, SyncHistory(answered_before=frozenset({A})), (B,)),
            ({A: 8, B: 8}, SyncHistory(answered_before=frozenset({A, B})), None),
            ({A: 9, B: 9}, SyncHistory(answered_before=frozenset({A, B})), (A, B)),
            ({A: 9, B: 9}, SyncHistory(answered_since=frozenset({A, B})), None),
            ({A: 9, B: 9}, SyncHistory(answered_since=frozenset({A})), (B,)),
        ],
    )
    def test_triggers_only_with_what_no_other_run_of_the_chain_has(
        self, executed_in, answered, because
    ):
        plan = self.plan({A: REBUILT, B: REBUILT}, executed_in, answered)
        assert [trigger.models for trigger in plan.triggers] == ([because] if because else [])
        assert plan.withheld == ()

    def test_is_withheld_by_what_still_fails(self):
        answered = SyncHistory(answered_before=frozenset({A}))
        plan = self.plan({A: REBUILT, B: FAILED}, {A: 8, B: 9}, answered)
        assert [held.models for held in plan.withheld] == [(B,)]


def test_the_gates_are_in_the_order_that_users_are_promised():
    """One reason for each sync: the first that holds."""
    assert [gate.reason for gate in GATES] == [
        "sync_disabled",
        "job_not_listed",
        "environment_not_listed",
        "run_cancelled",
        "sample_run",
        "model_failed",
        "partial_rebuild",
        "test_failed",
        "stale_parent",
        "waiting_for_models",
        "cooling_down",
    ]
