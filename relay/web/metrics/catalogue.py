"""Every metric of relay's: name, type, labels and help. docs/metrics.md describes them."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import product

from relay.dbt.deliveries import Ignored
from relay.decision.gates import Reason
from relay.store import jobs
from relay.store import tallies as buckets_of
from relay.sync_runs import Outcome

LabelValues = tuple[str, ...]


class Kind(StrEnum):
    """Prometheus's types."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric; `known` are the label values that are shown with 0 before anything is counted."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    known: tuple[LabelValues, ...] = ()
    buckets: tuple[float, ...] = ()


def _counter(name: str, help_: str, labels: tuple[str, ...] = (), *known: Iterable[str]) -> Metric:
    values = tuple(product(*known)) if known or not labels else ()
    return Metric(name, Kind.COUNTER, help_, labels, values)


def _gauge(name: str, help_: str, *labels: str) -> Metric:
    return Metric(name, Kind.GAUGE, help_, labels)


def _histogram(
    name: str, help_: str, buckets: tuple[float, ...], labels: tuple[str, ...] = ()
) -> Metric:
    known = ((),) if not labels else ()
    return Metric(name, Kind.HISTOGRAM, help_, labels, known, buckets)


STATUSES = ("accepted", "duplicate", "ignored", "refused", "not_recorded")
REFUSALS = (
    "no_signature",
    "malformed_signature",
    "wrong_signature",
    "body_too_large",
    "body_incomplete",
    "wrong_path",
)
OPEN_STATES = ("waiting", "cooling_down", "held", "sending", "running")
RECORD_RESULTS = ("updated", "rejected", "invalid")
SYNC = ("workspace", "sync_id")

# Of this process.
BUILD_INFO = _gauge("relay_build_info", "Always 1; the versions in use.", "version", "python")
READY = _gauge("relay_ready", "Whether a check of /readyz is well, 1 or 0.", "check")
PROCESS_DELIVERIES = _counter(
    "relay_process_deliveries_total",
    "Webhook deliveries that this process answered, since it started.",
    ("status",),
    STATUSES,
)

# Counters in the database.
DELIVERIES = _counter(
    "relay_deliveries_total", "Webhook deliveries by answer.", ("status",), STATUSES
)
DELIVERIES_REFUSED = _counter(
    "relay_deliveries_refused_total", "Refused webhook deliveries.", ("reason",), REFUSALS
)
DELIVERIES_IGNORED = _counter(
    "relay_deliveries_ignored_total",
    "Genuine deliveries that were not acted on.",
    ("reason",),
    Ignored,
)
DELIVERY_SECONDS = _histogram(
    "relay_delivery_seconds",
    "Seconds until a webhook delivery was answered.",
    buckets_of.DELIVERY_BUCKETS,
)
COUNTERS = (
    DELIVERIES,
    DELIVERIES_REFUSED,
    DELIVERIES_IGNORED,
    DELIVERY_SECONDS,
    _counter(
        "relay_dbt_runs_total",
        "dbt runs that were evaluated, or given up.",
        ("result", "source"),
        ("planned", "never_counts", "given_up"),
        ("webhook", "catch_up", "replay"),
    ),
    _counter("relay_caught_up_runs_total", "dbt runs that no webhook had brought."),
    _histogram(
        "relay_examine_seconds",
        "Seconds from the end of a dbt run to the decisions on it.",
        buckets_of.EVALUATION_BUCKETS,
    ),
    _counter("relay_decisions_total", "Decisions on a sync.", ("reason",), Reason),
    _counter(
        "relay_triggers_total",
        "Attempts to start a sync run.",
        ("result",),
        ("triggered", "recovered", "retried", "refused", "given_up"),
    ),
    _histogram(
        "relay_trigger_delay_seconds",
        "Seconds from the record of a dbt run to the start of the sync run.",
        buckets_of.TRIGGER_BUCKETS,
    ),
    _counter(
        "relay_sync_runs_total",
        "Sync runs that ended.",
        ("outcome",),
        (
            Outcome.COMPLETED,
            Outcome.COMPLETED_WITH_REJECTS,
            Outcome.FAILED,
            Outcome.CANCELED,
            Outcome.SKIPPED,
            Outcome.ABANDONED,
        ),
    ),
    _histogram(
        "relay_freshness_lag_seconds",
        "Seconds from the end of a dbt run to the end of the sync run that answered it.",
        buckets_of.LAG_BUCKETS,
    ),
    _counter(
        "relay_jobs_rescued_total", "Jobs taken over from a lost worker.", ("task",), jobs.TASKS
    ),
    _counter("relay_task_failures_total", "Jobs that ended in an error.", ("task",), jobs.TASKS),
    _counter(
        "relay_vendor_requests_total",
        "Requests to the vendors, by the class of the answer's status.",
        ("vendor", "operation", "code"),
    ),
    _histogram(
        "relay_vendor_request_seconds",
        "Seconds until a vendor's answer was read.",
        buckets_of.REQUEST_BUCKETS,
        ("vendor", "operation"),
    ),
    _counter("relay_alerts_sent_total", "Messages about alerts.", ("kind", "result")),
)

# The state of the service.
LAST_DELIVERY = _gauge(
    "relay_last_delivery_timestamp_seconds", "When the last genuine delivery was recorded."
)
OPEN_SYNC_RUNS = _gauge(
    "relay_open_sync_runs", "Sync runs that run, and those that are to start.", "state"
)
GIVEN_UP = _gauge("relay_given_up", "What relay gave up, and nobody has replayed.", "what")
JOBS = _gauge("relay_jobs", "Jobs of the queue.", "task", "state")
OLDEST_DUE_JOB = _gauge(
    "relay_oldest_due_job_timestamp_seconds", "Since when a job has been due; 0: none is.", "task"
)
WORKERS = _gauge("relay_workers", "Workers that sent a heartbeat within the last minute.")
HEARTBEAT = _gauge("relay_worker_heartbeat_timestamp_seconds", "The last heartbeat of any worker.")
VENDOR_PAUSED_UNTIL = _gauge(
    "relay_vendor_paused_until_timestamp_seconds",
    "The end of the last pause that a vendor asked for; it may be over.",
    "vendor",
    "workspace",
)
MAPPING_OK = _gauge("relay_mapping_ok", "0 while the workers refuse the mapping file, else 1.")
MAPPING_SYNCS = _gauge("relay_mapping_syncs", "Syncs of the mapping that the workers use.")
MAPPING_LOADED = _gauge(
    "relay_mapping_loaded_timestamp_seconds", "When a worker last loaded a mapping."
)
SUBSCRIPTION_OK = _gauge(
    "relay_webhook_subscription_ok", "0 while dbt Cloud's subscription has a problem, else 1."
)
LAST_CATCH_UP = _gauge(
    "relay_last_catch_up_timestamp_seconds", "Up to when dbt Cloud's list of runs was read."
)
CENSUS_API = _gauge(
    "relay_census_api_info", "Always 1; the API version of the key.", "workspace", "version"
)
SERIES_CAPPED = _gauge(
    "relay_sync_series_capped", "1: too many syncs are mapped for metrics of each, else 0."
)
SERVICE = (
    LAST_DELIVERY,
    OPEN_SYNC_RUNS,
    GIVEN_UP,
    JOBS,
    OLDEST_DUE_JOB,
    WORKERS,
    HEARTBEAT,
    VENDOR_PAUSED_UNTIL,
    MAPPING_OK,
    MAPPING_SYNCS,
    MAPPING_LOADED,
    SUBSCRIPTION_OK,
    LAST_CATCH_UP,
    CENSUS_API,
    SERIES_CAPPED,
)

# Of each mapped sync.
SYNC_INFO = _gauge("relay_sync_info", "Always 1; what the mapping says.", *SYNC, "name", "owner")
SYNC_LAG = _gauge(
    "relay_sync_freshness_lag_seconds",
    "Seconds from the end of a dbt run to the end of the last sync run that answered one.",
    *SYNC,
)
BEHIND_SINCE = _gauge(
    "relay_sync_behind_since_timestamp_seconds",
    "Since when the tool lacks a rebuild, and why; 0: it is not behind.",
    *SYNC,
    "because",
)
FRESH_WITHIN = _gauge(
    "relay_sync_fresh_within_seconds", "How long the sync may be behind, by the mapping.", *SYNC
)
LAST_COMPLETED = _gauge(
    "relay_sync_last_completed_timestamp_seconds", "When a sync run last completed.", *SYNC
)
FAILURES = _gauge(
    "relay_sync_consecutive_failures", "Sync runs that failed since one completed.", *SYNC
)
RECORDS = _counter(
    "relay_sync_records_total", "Records of the sync runs that ended.", (*SYNC, "result")
)
PER_SYNC = (
    SYNC_INFO,
    SYNC_LAG,
    BEHIND_SINCE,
    FRESH_WITHIN,
    LAST_COMPLETED,
    FAILURES,
    RECORDS,
)
CATALOGUE = (BUILD_INFO, READY, PROCESS_DELIVERIES, *COUNTERS, *SERVICE, *PER_SYNC)
