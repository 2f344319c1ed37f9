"""From jobs' times to figures. Pure; used by `parts`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.figures import percentile
from bench.scale.journal import Times


def spread(values: Iterable[float]) -> dict[str, float]:
    """Median, 99th percentile and largest, in seconds; nothing of nothing."""
    found = list(values)
    if not found:
        return {}
    return {
        "p50": round(percentile(found, 50), 3),
        "p99": round(percentile(found, 99), 3),
        "max": round(max(found), 3),
    }


def summary(jobs: Sequence[Times], ended: Sequence[Times]) -> dict[str, object]:
    """Latencies: of the jobs that were asked for until Airflow has them, of those that ended until that is known."""
    return {
        "not_accepted": sum(job.accepted is None for job in jobs),
        "not_over": sum(job.over is None for job in ended),
        "failed": sum(job.over is not None and not job.succeeded for job in ended),
        "apply_to_accepted": spread(job.accepted - job.applied for job in jobs if job.accepted),
        "apply_to_pod": spread(job.pod_created - job.applied for job in jobs if job.pod_created),
        "pod_end_to_terminal": spread(job.over - job.pod_ended for job in ended if job.over and job.pod_ended),
    }
