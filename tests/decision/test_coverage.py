"""What the mapping covers of a project, as a page shows it."""

from cases import lineage_of, mapping_of, sync, unique_id

from relay.census.comparison import KnownProject
from relay.dbt.exposures import Exposures, SyncExposure
from relay.dbt.manifest import Lineage
from relay.dbt.nodes import Config, DependsOn, Node
from relay.dbt.project import Project
from relay.dbt.relations import Relations
from relay.decision import coverage
from relay.decision.coverage import coverage_of

A, B, V = map(unique_id, ("a", "b", "v"))


def exposure(name, *nodes):
    unique = f"exposure.shop.{name}"
    reads = DependsOn(tuple(map(unique_id, nodes)))
    return Node(unique, name=name, package_name="shop", depends_on=reads)


def stands_for(name, sync_id, workspace=None):
    return SyncExposure(
        unique_id=f"exposure.shop.{name}",
        name=name,
        package_name="shop",
        label=None,
        sync_id=sync_id,
        written=str(sync_id),
        workspace=workspace,
        is_generated=False,
    )


def covered(*syncs, lineage=None, more=(), of_syncs=()):
    nodes = (lineage or lineage_of(a=[], b=[], v=["a", "v2"], v2=["b"])).nodes
    lineage = Lineage({**nodes, **{node.unique_id: node for node in more}})
    exposures = Exposures(tuple(of_syncs), frozenset(), frozenset())
    project = Project(lineage, Relations.together(()), exposures)
    return coverage_of(mapping_of(*syncs), project, KnownProject(project).selection)


def test_a_sync_has_its_nodes_and_a_view_the_tables_behind_it():
    found = covered(sync("v", "a", sync_id=5, workspace="emea")).selected
    assert [(one.workspace, one.sync_id, one.node, one.behind) for one in found] == [
        ("emea", 5, A, ()),
        ("emea", 5, V, (A, B)),
    ]


def test_words_that_select_nothing_or_several_come_first():
    words = covered(sync("a", "path:models", "nothing", "package:shop")).words
    assert list(words.items())[:2] == [("nothing", 0), ("package:shop", 0)]
    assert words["a"] == 1


def test_what_is_tagged_or_exposed_and_read_by_no_sync_is_listed():
    tagged = Node(unique_id("t"), name="t", tags=("crm", "daily"))
    alone = Node(unique_id("alone"), name="alone")
    found = covered(sync("a"), more=(tagged, alone, exposure("weekly", "b", "a")))
    assert [(one.node, one.tags, one.exposures) for one in found.unread] == [
        (B, (), ("exposure.shop.weekly",)),
        (unique_id("t"), ("crm", "daily"), ()),
    ]
    assert found.unread_count == 2


def test_what_a_view_reads_is_read():
    tagged = Node(B, name="b", tags="crm", config=Config(materialized="table"))
    assert covered(sync("v"), more=(tagged,)).unread == ()


def test_an_exposure_is_covered_by_a_sync_of_its_models_or_by_its_own():
    exposures = (exposure("read", "a"), exposure("unread", "b"), exposure("own", "a"))
    found = covered(sync("a"), more=exposures, of_syncs=(stands_for("own", 7, "emea"),))
    assert [(one.unique_id, one.sync) for one in found.exposures] == [
        ("exposure.shop.own", ("emea", 7)),
        ("exposure.shop.unread", None),
    ]
    mapped = covered(sync("a", sync_id=1), more=exposures, of_syncs=(stands_for("own", 1),))
    assert [one.unique_id for one in mapped.exposures] == ["exposure.shop.unread"]


def test_it_is_bounded_and_says_how_many_there_are(monkeypatch):
    monkeypatch.setattr(coverage, "MOST_SELECTED", 6)
    monkeypatch.setattr(coverage, "MOST_LISTED", 2)
    nodes = [
        Node(unique_id(f"m{n}"), name=f"m{n}", path="models/m.sql", tags="x") for n in range(5)
    ]
    lineage = Lineage({node.unique_id: node for node in nodes})
    found = covered(sync("path:models"), sync("path:models", sync_id=2), lineage=lineage)
    assert len(found.selected) == 6
    assert found.nodes_of == {("default", 1): 5, ("default", 2): 5}
    unread = covered(lineage=lineage)
    assert (len(unread.unread), unread.unread_count) == (2, 5)


def test_a_project_without_anything_covers_nothing():
    found = covered(sync("a"), lineage=Lineage({}))
    assert (found.selected, found.words) == ((), {"a": 0})
