"""Every query of rules and dashboard is PromQL, of metrics that exist, right for any replicas."""

import re

import pytest
from promql import OF_A_HISTOGRAM, ROOT, queries_of_labels, queries_of_values

OF_VALUES, OF_LABELS = list(queries_of_values()), list(queries_of_labels())

# Until the page of metrics is there: the names that its table will have.
METRICS_TO_BE_DOCUMENTED = {
    "relay_build_info",
    "relay_ready",
    "relay_deliveries_total",
    "relay_deliveries_refused_total",
    "relay_deliveries_ignored_total",
    "relay_delivery_seconds",
    "relay_last_delivery_timestamp_seconds",
    "relay_dbt_runs_total",
    "relay_caught_up_runs_total",
    "relay_examine_seconds",
    "relay_decisions_total",
    "relay_triggers_total",
    "relay_trigger_delay_seconds",
    "relay_sync_runs_total",
    "relay_open_sync_runs",
    "relay_freshness_lag_seconds",
    "relay_sync_freshness_lag_seconds",
    "relay_sync_behind_since_timestamp_seconds",
    "relay_sync_fresh_within_seconds",
    "relay_sync_last_completed_timestamp_seconds",
    "relay_sync_consecutive_failures",
    "relay_sync_records_total",
    "relay_sync_info",
    "relay_sync_series_capped",
    "relay_given_up",
    "relay_jobs",
    "relay_oldest_due_job_timestamp_seconds",
    "relay_workers",
    "relay_worker_heartbeat_timestamp_seconds",
    "relay_jobs_rescued_total",
    "relay_task_failures_total",
    "relay_vendor_requests_total",
    "relay_vendor_request_seconds",
    "relay_vendor_paused_until_timestamp_seconds",
    "relay_mapping_ok",
    "relay_mapping_syncs",
    "relay_mapping_loaded_timestamp_seconds",
    "relay_webhook_subscription_ok",
    "relay_last_catch_up_timestamp_seconds",
    "relay_census_api_info",
    "relay_alerts_sent_total",
}

# Documented metrics that no panel and no rule shows, each with the reason.
NOT_SHOWN: dict[str, str] = {}

# Each web process counts these itself; all other numbers are the database's.
COUNTED_BY_EACH_PROCESS = {
    "relay_deliveries_total",
    "relay_deliveries_refused_total",
    "relay_deliveries_ignored_total",
    "relay_delivery_seconds",
}


def documented():
    """The metrics in the first column of the page's tables."""
    page = ROOT / "docs" / "metrics.md"
    if not page.exists():
        return METRICS_TO_BE_DOCUMENTED
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
def test_replicas_are_counted_once_or_added_up(query):
    for selector in query.selectors:
        if OF_A_HISTOGRAM.sub("", selector.metric) in COUNTED_BY_EACH_PROCESS:
            assert selector.aggregation.startswith("sum "), selector
        else:
            assert re.match(r"max without \(instance, pod\b|absent$", selector.aggregation), (
                selector
            )
