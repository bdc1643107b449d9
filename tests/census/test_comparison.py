"""What of a sync stands against its entry, and what nobody can say."""

import pytest

from relay.census.comparison import (
    KnownProject,
    compare_settings,
    compare_source,
    compare_unmapped,
    environments_gone,
    jobs_gone,
)
from relay.census.findings import Comparison, Evidence, Finding, Kind, Severity, Unchecked
from relay.census.matching import Certainty, Match
from relay.census.syncs import CensusSync, OtherSource, OwnTrigger, StartedBy, SyncDestination
from relay.dbt.project import read_project
from relay.decision.mapping_reader import read_mapping
from relay.sandbox.recordings import load

PROJECT = read_project(load("build").manifest)
CUSTOMERS, ORDERS = "model.jaffle_crm.customers", "model.jaffle_crm.orders"
EXACT, GUESS, ASK, NONE = Certainty
PROBLEM, WARNING, NOTE = Severity.PROBLEM, Severity.WARNING, Severity.NOTE


def entry(*depends_on, **keys):
    lines = "".join(f"    {key}: {value}\n" for key, value in keys.items())
    text = f"version: 1\nsyncs:\n  - sync_id: 5\n    depends_on: [{', '.join(depends_on)}]\n{lines}"
    (placed,) = read_mapping(text.encode(), file="syncs.yml").placed_syncs
    return placed


def sync(**fields):
    fields = {"label": "a label", "own_triggers": (), "is_paused": False, **fields}
    return CensusSync(
        sync_id=5,
        status="Ready",
        operation="upsert",
        connection_id=4,
        source=OtherSource("table"),
        destination=SyncDestination(9, "Contact"),
        **fields,
    )


def told(findings):
    return [(one.kind, one.severity) for one in findings]


@pytest.mark.parametrize(
    ("certainty", "nodes", "depends_on", "severity"),
    [
        (EXACT, [CUSTOMERS], "customers", None),
        (EXACT, [CUSTOMERS], "+fct_revenue", PROBLEM),
        (EXACT, [CUSTOMERS], "orders", PROBLEM),
        (EXACT, [CUSTOMERS], "nothing_at_all", PROBLEM),
        (GUESS, [CUSTOMERS], "customers", None),
        (GUESS, [CUSTOMERS], "orders", WARNING),
        (GUESS, [CUSTOMERS, ORDERS], "orders", WARNING),
        (ASK, [CUSTOMERS, ORDERS], "orders", None),
        (ASK, [CUSTOMERS], "orders", WARNING),
        (ASK, [], "orders", NOTE),
        (NONE, [], "orders", WARNING),
    ],
)
def test_a_source_is_told_as_surely_as_it_is_known(certainty, nodes, depends_on, severity):
    match = Match(tuple(nodes), certainty, "a reason")
    found = list(compare_source(entry(depends_on), sync(), match, KnownProject(PROJECT)))
    kind = Kind.SOURCE_UNSURE if severity is NOTE else Kind.OTHER_SOURCE
    assert told(found) == ([(kind, severity)] if severity else [])
    assert all("sync 5 " in str(one) and str(one).startswith("syncs.yml:3:") for one in found)


def test_a_project_that_lacks_a_part_shows_nothing_to_be_missing():
    part = KnownProject(PROJECT, lacks="a part")
    mapped = entry("nothing_at_all")
    assert list(part.selectors_of_nothing(mapped)) == []
    assert list(compare_source(mapped, sync(), Match((), NONE, "-"), part)) == []
    exact = Match((CUSTOMERS,), EXACT, "-")
    assert told(compare_source(mapped, sync(), exact, part)) == [(Kind.OTHER_SOURCE, PROBLEM)]


@pytest.mark.parametrize(
    ("label", "name", "differs"),
    [
        ("a label", "a label", False),
        ("a label", "another", True),
        ("a  label\n", "a label", False),
        ("a\x1blabel", '"a\\elabel"', False),
        ("a" * 300, "a" * 400, False),
        (None, "a label", False),
    ],
)
def test_names_are_compared_as_they_are_printed(label, name, differs):
    found = compare_settings(entry("orders", name=name), sync(label=label))
    assert told(found) == ([(Kind.NAME_DIFFERS, WARNING)] if differs else [])


def test_a_sync_without_a_name_in_the_file_has_no_other_name():
    assert list(compare_settings(entry("orders"), sync())) == []


def test_each_trigger_of_its_own_is_a_finding_of_its_own():
    own = (OwnTrigger(StartedBy.SCHEDULE, "hourly"), OwnTrigger(StartedBy.DBT_CLOUD, "job 5"))
    found = list(compare_settings(entry("orders"), sync(own_triggers=own)))
    assert told(found) == [(Kind.OWN_TRIGGER, WARNING)] * 2
    assert len({one.subject for one in found}) == 2


def test_what_census_does_not_say_of_triggers_is_unknown_and_not_none():
    (unknown,) = compare_settings(entry("orders"), sync(own_triggers=None))
    assert unknown.evidence is Evidence.TRIGGERS
    comparison = Comparison.of([unknown])
    assert comparison.leaves_open(Kind.OWN_TRIGGER, ("default", 5))
    assert not comparison.leaves_open(Kind.OWN_TRIGGER, ("default", 6))
    assert not comparison.leaves_open(Kind.SYNC_PAUSED, ("default", 5))


@pytest.mark.parametrize(
    ("certainty", "nodes", "severity"),
    [
        (EXACT, [CUSTOMERS], WARNING),
        (GUESS, [CUSTOMERS], WARNING),
        (ASK, [CUSTOMERS], NOTE),
        (ASK, [], None),
        (NONE, [], None),
    ],
)
def test_an_unmapped_sync_is_told_if_dbt_builds_what_it_reads(certainty, nodes, severity):
    found = compare_unmapped("default", sync(), Match(tuple(nodes), certainty, "a reason"))
    assert told(found) == ([(Kind.SYNC_UNMAPPED, severity)] if severity else [])
    live = sync(own_triggers=(OwnTrigger(StartedBy.LIVE, ""),))
    assert list(compare_unmapped("default", live, Match(tuple(nodes), certainty, "-"))) == []


def test_each_job_and_environment_that_is_gone_is_told():
    mapped = entry("orders", jobs="[1, 2, 3]", environments="[4]")
    assert [one.subject for one in jobs_gone(mapped, {2})] == ["1", "3"]
    assert [one.subject for one in environments_gone(mapped, set())] == ["4"]
    assert list(jobs_gone(entry("orders"), set())) == []


@pytest.mark.parametrize(
    ("evidence", "workspace", "sync_id", "opened"),
    [
        (Evidence.SYNCS, "default", None, {Kind.SYNC_GONE, Kind.SYNC_PAUSED, Kind.OTHER_SOURCE}),
        (Evidence.SYNCS, "default", 5, {Kind.SYNC_GONE, Kind.SYNC_PAUSED, Kind.OTHER_SOURCE}),
        (Evidence.SYNCS, "default", 6, set()),
        (Evidence.SYNCS, "emea", None, set()),
        (Evidence.SOURCES, "default", None, {Kind.OTHER_SOURCE}),
        (Evidence.PROJECT, None, None, {Kind.OTHER_SOURCE, Kind.SELECTS_NOTHING}),
        (Evidence.JOBS, None, None, {Kind.JOB_GONE}),
    ],
)
def test_what_could_not_be_asked_leaves_open_what_needs_it(evidence, workspace, sync_id, opened):
    unasked = Unchecked(evidence=evidence, text="-", workspace=workspace, sync_id=sync_id)
    kinds = {
        *(Kind.SYNC_GONE, Kind.SYNC_PAUSED, Kind.OTHER_SOURCE),
        *(Kind.SELECTS_NOTHING, Kind.JOB_GONE),
    }
    comparison = Comparison.of([unasked])
    assert {kind for kind in kinds if comparison.leaves_open(kind, ("default", 5))} == opened


def test_what_is_said_twice_is_kept_once():
    one = Finding(kind=Kind.SYNC_GONE, severity=PROBLEM, text="gone")
    assert Comparison.of([one, one]).findings == (one,)
