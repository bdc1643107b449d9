"""A selector of nothing is reported once for each state of a project and of the mapping."""

import dataclasses

import pytest
from cases import dbt_run, outcome

from relay.dbt.manifest import Lineage
from relay.dbt.nodes import Node
from relay.decision.findings import Findings
from relay.decision.mapping_reader import read_mapping
from relay.worker.projects_seen import MOST_STATES, ProjectsSeen

SHOP = Lineage({"model.shop.orders": Node("model.shop.orders", name="orders", tags=("crm",))})
CRM = Lineage({"model.crm.contacts": Node("model.crm.contacts", name="contacts")})
RUN = dbt_run(git_sha="8d1ef1b")
MAPPING = """\
version: 1
syncs:
  - {sync_id: 5123, depends_on: [orders, odrers]}
  - {sync_id: 5124, depends_on: ["tag:crm", "path:models/**", contacts], jobs: [7]}
  - {sync_id: 5125, depends_on: [nobody], enabled: false}
  - {sync_id: 5126, depends_on: [nobody], jobs: [8]}
  - {sync_id: 5127, depends_on: [nobody], environments: [4]}
"""


def mapping(text=MAPPING):
    return read_mapping(text.encode(), file="syncs.yml")


@pytest.fixture(name="seen")
def _seen():
    return ProjectsSeen()


def reported(seen, lineage=SHOP, run=RUN, text=MAPPING):
    """The selectors that are reported after this run, each with its sync and its line."""
    found = seen.select_nothing(Findings(run, outcome(), lineage), mapping(text))
    return [(each.sync.sync_id, each.selector.text, each.place.split(":")[1]) for each in found]


NOTHING_IN_SHOP = [(5123, "odrers", "3"), (5124, "path:models/**", "4"), (5124, "contacts", "4")]


def test_only_syncs_that_count_for_the_run_are_looked_at(seen):
    assert reported(seen) == NOTHING_IN_SHOP


def test_it_is_reported_once(seen):
    assert reported(seen)
    assert reported(seen) == []
    assert reported(seen, run=dataclasses.replace(RUN, dbt_run_id=10)) == []


@pytest.mark.parametrize("of", [{"git_sha": "other"}, {"dbt_job_id": 6}, {"environment_id": 9}])
def test_another_state_of_the_project_is_looked_at_anew(seen, of):
    assert reported(seen)
    assert (5123, "odrers", "3") in reported(seen, run=dataclasses.replace(RUN, **of))


def test_a_commit_that_comes_again_is_not(seen):
    """After a deploy that was rolled back, or while two branches take turns."""
    other = dataclasses.replace(RUN, git_sha="other")
    assert reported(seen)
    assert reported(seen, run=other)
    assert reported(seen) == reported(seen, run=other) == []


def test_of_very_many_commits_the_oldest_is_forgotten(seen):
    for number in range(MOST_STATES + 1):
        reported(seen, run=dataclasses.replace(RUN, git_sha=str(number)))
    assert reported(seen, run=dataclasses.replace(RUN, git_sha=str(MOST_STATES))) == []
    assert reported(seen, run=dataclasses.replace(RUN, git_sha="0"))


def test_another_mapping_is_looked_at_anew(seen):
    assert reported(seen)
    assert reported(seen, text=MAPPING.replace("odrers", "ordres"))[0] == (5123, "ordres", "3")


def test_without_a_manifest_nothing_is_reported_and_nothing_is_used_up(seen):
    assert reported(seen, lineage=None) == []
    assert reported(seen) == NOTHING_IN_SHOP


def test_what_another_project_has_is_not_reported(seen):
    """An account may have several projects, and one mapping for all."""
    other = dataclasses.replace(RUN, project_id=2)
    assert (5124, "contacts", "4") not in reported(seen, lineage=CRM, run=other)
    assert reported(seen) == NOTHING_IN_SHOP[:2]


def test_a_model_that_is_gone_from_its_project_is_reported(seen):
    assert (5123, "orders", "3") not in reported(seen)
    later = dataclasses.replace(RUN, git_sha="later")
    assert (5123, "orders", "3") in reported(seen, lineage=CRM, run=later)
