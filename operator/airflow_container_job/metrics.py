"""What the operator counts and measures, for Prometheus: every metric there is, and nothing that names a single job.

`rollcall`, `airflow_http` and the observer write here; `__main__` says where the gauges of the moment are read. No
label takes a value that others choose: a pod's own reason that is not in our list is counted as `Other`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.metrics import MetricWrapperBase

from airflow_container_job.reasons import REASONS, TERMINAL

OTHER: Final = "Other"
"""Stands for every reason that is a pod's own and not in our list."""

SHORT: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
LONG: Final = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)
"""Upper ends of the histograms' buckets, in seconds: of what takes moments, and of what may wait for room."""

METHODS: Final = ("GET", "PATCH", "POST")
OUTCOMES: Final = ("ok", "refused", "denied", "error", "unanswered")
"""How a request to Airflow ends: 2xx; any other 4xx; 401 or 403; 429, 5xx or a redirect; no whole answer in time."""

# The time at which each counter began would double their series, and nobody asks for it.
disable_created_metrics()  # type: ignore[no-untyped-call]

REGISTRY: Final = CollectorRegistry()

BUILD: Final = Info("acj_build", "The operator's version, in the label `version`; always 1.", registry=REGISTRY)

JOBS: Final = Gauge(
    "acj_jobs",
    "Resources by what their status says, as the watch told last; one without a status counts as Pending, Deciding.",
    ("phase", "reason"),
    registry=REGISTRY,
)

LONGEST_WAIT: Final = Gauge(
    "acj_longest_wait_seconds",
    "How long the job that waits longest for its container has waited, since its run was asked for: for its DagRun "
    "(Pending), or with it (Queued). 0 while none waits.",
    ("phase",),
    registry=REGISTRY,
)

FINISHED: Final = Counter(
    "acj_runs_finished",
    "Ends recorded in a status by this process, by what the status says.",
    ("phase", "reason"),
    registry=REGISTRY,
)

ACCEPT: Final = Histogram(
    "acj_accept_duration_seconds",
    "From apply (a new resource, a changed spec, a resume) to the DagRun that Airflow accepted; what was asked for "
    "before this process started is known to the second.",
    buckets=LONG,
    registry=REGISTRY,
)

START: Final = Histogram(
    "acj_start_duration_seconds",
    "From the DagRun that Airflow accepted to the status Running, where this process saw both.",
    buckets=LONG,
    registry=REGISTRY,
)

REPORT: Final = Histogram(
    "acj_report_duration_seconds",
    "From the pod's end, as the watch told it, to the status Succeeded or Failed, where this process saw both.",
    buckets=SHORT,
    registry=REGISTRY,
)

REQUESTS: Final = Counter(
    "acj_airflow_requests",
    "Requests sent to Airflow's REST API, by method and outcome: ok (2xx), refused (4xx), denied (401, 403), error "
    "(429, 5xx, a redirect), unanswered (no connection, or no whole answer in time).",
    ("method", "outcome"),
    registry=REGISTRY,
)

REQUEST_SECONDS: Final = Histogram(
    "acj_airflow_request_duration_seconds",
    "How long requests to Airflow's REST API took, whatever their outcome.",
    ("method",),
    buckets=SHORT,
    registry=REGISTRY,
)

REACHABLE: Final = Gauge(
    "acj_airflow_reachable",
    "1 while Airflow serves the operator; 0 before its first answer, and while requests are held back since it did not "
    "answer, or denied us.",
    registry=REGISTRY,
)

OBSERVED: Final = Gauge(
    "acj_airflow_last_observation_timestamp_seconds",
    "Unix time at which Airflow last answered all the observer's questions about runs; 0 before the first time.",
    registry=REGISTRY,
)

IN_FLIGHT: Final = Gauge("acj_runs_in_flight", "Runs that Airflow has, or is being asked for.", registry=REGISTRY)

IN_FLIGHT_LIMIT: Final = Gauge(
    "acj_runs_in_flight_limit", "How many runs may be in flight at once: ACJ_MAX_IN_FLIGHT.", registry=REGISTRY
)

QUEUE: Final = Gauge("acj_queue_length", "Jobs that wait for their turn to ask Airflow.", registry=REGISTRY)

WORK_QUEUE: Final = Gauge(
    "acj_work_queue_length",
    "Jobs about which something is new and that no worker has looked at yet.",
    registry=REGISTRY,
)

CHECK: Final = Gauge(
    "acj_check_ok", "1 while the check of this name in /livez or /readyz passes, else 0.", ("check",), registry=REGISTRY
)

ProcessCollector(registry=REGISTRY)


def ours() -> Iterator[MetricWrapperBase]:
    """Give every metric of this module, in the order of its lines; those of the process itself come on top."""
    yield from (one for one in globals().values() if isinstance(one, MetricWrapperBase))


for _phase, _words in REASONS.items():  # from the start on, so that a first failure is an increase
    for _reason in (*_words, OTHER):
        JOBS.labels(_phase, _reason)
        if _phase in TERMINAL:
            FINISHED.labels(_phase, _reason)
for _method in METHODS:
    REQUEST_SECONDS.labels(_method)
    for _outcome in OUTCOMES:
        REQUESTS.labels(_method, _outcome)
