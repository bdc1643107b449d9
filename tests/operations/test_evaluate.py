"""What is found out about a run, and when the manifest is asked for."""

import pytest
from cases import mapping_of, sync

from relay.evidence.collect import collector_of
from relay.operations.evaluate import findings_of
from relay.sandbox import story
from relay.vendors.connect import dbt_cloud_of


@pytest.fixture(name="collector")
def _collector(settings, sandbox):
    sandbox.dbt_cloud.add_run(story.nightly_run())
    return collector_of(settings, dbt_cloud_of(settings))


@pytest.mark.parametrize(("word", "manifests"), [("customers", 0), ("tag:crm", 1)])
def test_the_manifest_is_asked_for_only_where_a_decision_needs_it(
    collector, sandbox, clock, word, manifests
):
    mapping = mapping_of(sync(word))
    with findings_of(collector, story.FIRST_DBT_RUN_ID, mapping, now=clock()) as findings:
        assert "model.jaffle_crm.customers" in findings.touched_by(mapping.syncs[0])
    assert len(sandbox.dbt_cloud.requests_to("manifest.json")) == manifests
