"""What a finished job still asks for: pods that nobody wants, and its own end. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from airflow_container_job import pods
from airflow_container_job.decision import parse_time
from airflow_container_job.facts import Facts
from airflow_container_job.job import Job
from dynamic_pod import outcome

CLEAN_AFTER: Final = timedelta(seconds=30)
"""Airflow's triggerer deletes a pod once the end is recorded; what is left then, the operator deletes."""


def expires_at(job: Job) -> datetime | None:
    """When the finished job's time is over; None where it stays."""
    seconds = job.spec.get("ttlSecondsAfterFinished")
    completed_at = _completed_at(job)
    return None if seconds is None or completed_at is None else completed_at + timedelta(seconds=seconds)


def cleans_at(job: Job) -> datetime | None:
    """From when on the finished job's pods are the operator's to delete: a while after their end was recorded.

    On a busy node that may be long after the container's own end.
    """
    said = [one["lastTransitionTime"] for one in job.status.get("conditions", ()) if one["type"] == "Finished"]
    at = parse_time(said[0]) if said and job.finished else None
    return None if at is None else at + CLEAN_AFTER


def unwanted(job: Job, facts: Facts) -> list[Mapping[str, Any]]:
    """Pods that have ended and that `spec.podRetention` does not keep.

    A DAG of one's own keeps its pods as it likes, unless the spec says.
    """
    retention = job.spec.get("podRetention", "Keep" if "dagId" in job.spec else "Delete")
    if retention == "Keep":
        return []
    return [pod for pod in pods.left_over(job, facts) if retention == "Delete" or outcome.succeeded(pod)]


def _completed_at(job: Job) -> datetime | None:
    return parse_time(job.recorded.get("completionTime")) if job.finished else None
