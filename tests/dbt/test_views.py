"""Views that a run did not execute stand as what they read."""

import pytest
from cases import executed, lineage_of, outcome, unique_id
from hypothesis import given
from hypothesis import strategies as st

from relay.dbt.manifest import Lineage, read_manifest
from relay.dbt.rows import Standing
from relay.dbt.views import WORST_FIRST, Views
from relay.sandbox import recordings

REBUILT, PARTIAL, FAILED, SKIPPED, SAMPLED, NO_ROW = Standing


def standing(known, did, view="v"):
    return Views(did.standings, known).standings.get(unique_id(view))


class TestAView:
    @pytest.mark.parametrize(
        ("parents", "did", "expected"),
        [
            ({"v": ["t"]}, {"t": REBUILT}, REBUILT),
            ({"v": ["t", "u"]}, {"t": REBUILT}, REBUILT),
            ({"v": ["v1"], "v1": ["e2"], "e2": ["t"]}, {"t": REBUILT}, REBUILT),
            ({"v": ["i"]}, {"i": REBUILT}, REBUILT),
            ({"v": ["t"]}, {"u": REBUILT}, None),
            ({"v": ["t"], "t": ["u"]}, {"u": REBUILT}, None),  # the table between holds old rows
            ({"v": ["m"], "m": ["t"]}, {"t": REBUILT}, None),  # so does a materialized view
            ({"v": ["t", "u"]}, {"t": REBUILT, "u": FAILED}, FAILED),
            ({"v": ["t", "u"]}, {"t": REBUILT, "u": SKIPPED}, SKIPPED),
            ({"v": ["t", "u"]}, {"t": REBUILT, "u": PARTIAL}, PARTIAL),
            ({"v": ["t", "u"]}, {"t": REBUILT, "u": NO_ROW}, NO_ROW),
            ({"v": ["t", "e"], "e": ["u"]}, {"t": PARTIAL, "u": NO_ROW}, NO_ROW),
            ({"v": ["t", "u"]}, {"t": FAILED, "u": NO_ROW}, FAILED),
            ({"v": ["t"], "t": ["u"]}, {"t": REBUILT, "u": NO_ROW}, REBUILT),
            ({"v": ["t", "u"]}, {"t": FAILED, "u": SAMPLED}, SAMPLED),
            ({"v": ["v1", "t"], "v1": ["u"]}, {"t": REBUILT, "u": FAILED}, FAILED),
            ({"v": ["t", "v1"], "v1": ["v"]}, {"t": REBUILT}, REBUILT),  # a circle ends
            ({"v": ["v"]}, {"t": REBUILT}, None),
        ],
    )
    def test_stands_as_the_worst_of_what_it_reads(self, parents, did, expected):
        assert standing(lineage_of(**parents), executed(**did)) == expected

    @pytest.mark.parametrize("resource", ["seed.shop.t", "snapshot.shop.t"])
    def test_may_read_a_seed_or_a_snapshot(self, resource):
        did = outcome({resource: REBUILT})
        assert standing(lineage_of(v=[resource]), did) is REBUILT

    @pytest.mark.parametrize(
        ("did", "expected"),
        [
            ({"v": REBUILT, "t": FAILED}, None),
            ({"v": REBUILT, "t": REBUILT}, None),
            ({"v": FAILED, "t": REBUILT}, None),
            ({"v": REBUILT, "t": SAMPLED}, SAMPLED),
        ],
    )
    def test_that_was_executed_stands_on_its_own_unless_it_shows_a_sample(self, did, expected):
        assert standing(lineage_of(v=["t"]), executed(**did)) == expected

    def test_reports_the_nodes_it_reads(self):
        known = lineage_of(v=["v1", "t", "other"], v1=["e"], e=["u", "w"])
        views = Views(executed(t=REBUILT, u=REBUILT).standings, known)
        assert views.executed_behind(unique_id("v")) == (unique_id("t"), unique_id("u"))

    def test_reports_what_gives_it_its_standing(self):
        views = Views(executed(t=REBUILT, u=FAILED).standings, lineage_of(v=["t", "v1"], v1=["u"]))
        assert views.executed_behind(unique_id("v")) == (unique_id("u"),)

    def test_is_not_known_without_a_lineage(self):
        assert Views(executed(t=REBUILT).standings, Lineage({})).standings == {}

    def test_in_a_very_long_row_of_views_is_found(self):
        names = [f"v{number}" for number in range(5000)]
        row = {name: [before] for before, name in zip(["t", *names], names, strict=False)}
        assert standing(lineage_of(**row), executed(t=REBUILT), names[-1]) is REBUILT


# A view is told by its number alone; it reads some of the six nodes, also itself.
GRAPHS = st.lists(st.sets(st.integers(0, 5)), min_size=6, max_size=6)
STANDINGS = st.dictionaries(st.integers(0, 5), st.sampled_from(Standing), max_size=6)


@given(GRAPHS, STANDINGS)
def test_any_graph_of_views_stands_as_the_worst_that_can_be_reached(reads, did):
    names = [f"v{number}" for number in range(6)]
    known = lineage_of(**{names[at]: [names[each] for each in reads[at]] for at in range(6)})
    views = Views(executed(**{names[at]: each for at, each in did.items()}).standings, known)
    for at, name in enumerate(names):
        if at not in did and Standing.SAMPLED not in did.values():
            reached = {did[each] for each in nearest_executed(at, reads, did)}
            worst = next((each for each in WORST_FIRST if each in reached), None)
            assert views.standings.get(unique_id(name)) == worst
    for view in views.standings:
        assert set(views.executed_behind(view)) <= {unique_id(names[at]) for at in did}


def nearest_executed(start, reads, did):
    left, seen = [start], {start}
    while left:
        for parent in reads[left.pop()] - seen:
            seen.add(parent)
            if parent in did:
                yield parent
            else:
                left.append(parent)


def test_a_manifest_recorded_by_dbt_has_views_on_views_and_on_ephemeral_models():
    recorded = read_manifest(recordings.load("run_tables_under_view").manifest)
    did = outcome({"model.jaffle_crm.customers": REBUILT})
    assert Views(did.standings, recorded).standings == {"model.jaffle_crm.crm_customers": REBUILT}
