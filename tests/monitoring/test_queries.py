"""Every query of rules and dashboard is PromQL, of metrics that exist, right for any replicas."""

import re

import pytest
from promql import ROOT, queries_of_labels, queries_of_values

OF_VALUES, OF_LABELS = list(queries_of_values()), list(queries_of_labels())


# Documented metrics that no panel and no rule shows, each with the reason.
NOT_SHOWN = {
    "relay_process_deliveries_total": "of one process: for when the database is gone",
}


def documented():
    """The metrics in the first column of the page's tables."""
    page = ROOT / "docs" / "metrics.md"
    cells = re.findall(r"^\| (`relay_[^|]*)\|", page.read_text(), re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`(relay_\w+)", cell)}


@pytest.mark.parametrize("query", [*OF_VALUES, *OF_LABELS], ids=lambda query: query.where)
def test_it_is_promql(query):
    assert query.selectors


def test_the_metrics_they_name_are_the_documented_ones():
    named = set().union(*(query.metrics for query in [*OF_VALUES, *OF_LABELS]))
    assert named - documented() == set()
    assert documented() - named == NOT_SHOWN.keys()


@pytest.mark.parametrize("query", OF_VALUES, ids=lambda query: query.where)
def test_replicas_are_counted_once(query):
    for selector in query.selectors:
        assert re.match(r"max without \(instance, pod\b|absent$", selector.aggregation), selector
