"""What a mapping says of its syncs."""

import pytest
from cases import mapping_of, sync


def test_a_sync_that_names_only_its_models_has_the_documented_defaults():
    plain = sync("customers")
    assert (plain.require, plain.within, plain.at_most_every) == ("any", 24 * 3600, None)
    assert (plain.tests, plain.consistency) == ("block", None)
    assert (plain.jobs, plain.environments, plain.workspace) == (None, None, "default")
    assert (plain.enabled, plain.full_sync) == (True, False)


def test_a_sync_is_found_by_its_workspace_and_id():
    ours, theirs = sync("a"), sync("a", workspace="emea")
    mapping = mapping_of(ours, theirs)
    assert mapping.sync("default", 1) is ours
    assert mapping.sync("emea", 1) is theirs
    assert mapping.sync("emea", 2) is None


@pytest.mark.parametrize(
    ("second", "jobs"),
    [
        ({"jobs": frozenset({7, 8})}, {7, 8}),
        ({"full_sync": True}, None),  # of every job
        ({"enabled": False}, {7}),
    ],
)
def test_the_jobs_whose_runs_may_trigger_anything(second, jobs):
    first = sync("a", jobs=frozenset({7}))
    assert mapping_of(first, sync("a", sync_id=2, **second)).dbt_job_ids == jobs
