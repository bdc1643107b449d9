"""docs/metrics.md, compared with the code and with a real answer."""

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

import relay
from relay.dbt.deliveries import Ignored
from relay.sandbox import story
from relay.store import jobs
from relay.vendors.observer import CODES, Operation
from relay.web.health import Health
from relay.web.metrics import syncs
from relay.web.metrics.catalogue import CATALOGUE, OPEN_STATES, REFUSALS, STATUSES, Kind
from relay.web.metrics.page import MetricsPage
from relay.worker import engine

ROOT = Path(relay.__file__).parent.parent
TEXT = (ROOT / "docs" / "metrics.md").read_text()
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| ([^|]*)\|", re.MULTILINE)
DOCUMENTED = {
    name: (kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in ROW.findall(TEXT)
}
NOT_OURS = ("process_", "python_")


@pytest.fixture(name="families")
def _families(one, settings, database):
    """Those of an answer after a night, by the name that the document has."""
    one.start()
    one.deliver(story.nightly_run())
    one.round()
    one.services.counted.flush(one.services.store.tallies)
    page = MetricsPage(database, settings, Health(database, settings))
    text = page.answer(None).get_data(as_text=True)
    page.close()
    families = text_string_to_metric_families(text)
    suffix = {"counter": "_total"}
    return {family.name + suffix.get(family.type, ""): family for family in families}


def test_the_document_has_every_metric_with_its_type_and_labels():
    ours = {each.name: (each.kind.value, each.labels) for each in CATALOGUE}
    documented = {name: row for name, row in DOCUMENTED.items() if not name.startswith(NOT_OURS)}
    assert documented == ours
    assert len(ROW.findall(TEXT)) == len(DOCUMENTED)


def test_a_real_answer_has_what_is_documented_and_nothing_else(families):
    assert set(families) == set(DOCUMENTED)
    for name, family in families.items():
        kind, labels = DOCUMENTED[name]
        assert family.type == kind, name
        assert family.documentation, name
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(labels), name


def test_a_histogram_says_all_that_prometheus_wants(families):
    for metric in CATALOGUE:
        if metric.kind is Kind.HISTOGRAM:
            names = {sample.name for sample in families[metric.name].samples}
            assert names == {f"{metric.name}{part}" for part in ("_bucket", "_sum", "_count")}


def test_the_document_has_every_value_of_a_closed_label():
    for values in (
        STATUSES,
        REFUSALS,
        Ignored,
        OPEN_STATES,
        jobs.TASKS,
        Operation,
        CODES,
        syncs.BECAUSE - set(reasons()),
    ):
        assert [value for value in values if f"`{value}`" not in TEXT] == []


def test_every_task_of_the_worker_is_a_label():
    assert set(engine.TASKS) == set(jobs.TASKS)


def test_the_code_counts_nothing_else():
    """A name that only a write knows would never be shown."""
    known = {each.name for each in CATALOGUE}
    sources = [path.read_text() for path in (ROOT / "relay").rglob("*.py")]
    counted = {
        name
        for text in sources
        for name in re.findall(r'(?:count|observe)\(\s*"(relay_\w+)"', text)
    }
    assert counted
    assert counted <= known


def reasons():
    text = (ROOT / "docs" / "reasons.md").read_text()
    return re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
