"""Keeps the count of jobs by phase and reason, and the times between their turns, as each job is seen to change.

Used by `memory` with every version of a resource, and told by the controller and the watch of pods what no resource
tells. A scrape reads what stands here; only the longest wait is looked for among all jobs then (2 ms of ten thousand).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from airflow_container_job import metrics, reasons
from airflow_container_job.decision import parse_time
from airflow_container_job.job import Job

STAMP_SECONDS: Final = 1.0
"""Kubernetes' times are whole seconds: so much of an age by them may not be true."""

WAITING: Final = ("Pending", "Queued")
"""Phases of a job whose container does not run yet."""

Key = tuple[str, str]


@dataclass(slots=True)
class _Entry:
    key: Key
    dag_run_id: str | None
    """Of the run that the status tells of."""
    renewed: bool
    """Whether another run was asked for than the one that the status tells of."""
    since: float | None = None
    """When the run that is waited for was asked for."""
    accepted_at: float | None = None
    ended_at: float | None = None


class RollCall:
    """Every resource by its uid. For one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: dict[str, _Entry] = {}

    def seen(self, job: Job) -> None:
        """Take in this version of a resource."""
        key, dag_run_id, now = key_of(job.status), job.status.get("dagRunId"), self._clock()
        entry = self._entries.get(job.uid)
        if entry is None:
            self._entries[job.uid] = entry = _Entry(key, dag_run_id, job.renewed)
            metrics.JOBS.labels(*key).inc()
            entry.since = now - _age(job, datetime.now(UTC)) if waits(job) else None
            return
        if not waits(job):
            entry.since = None
        elif entry.since is None or (job.renewed and not entry.renewed):
            entry.since = now
        entry.renewed = job.renewed
        if (key, dag_run_id) != (entry.key, entry.dag_run_id):
            self._move(entry, key, dag_run_id, now)

    def accepted(self, uid: str) -> None:
        """Airflow has just accepted the job's run."""
        entry = self._entries.get(uid)
        if entry is not None and entry.since is not None:
            entry.accepted_at, entry.ended_at = self._clock(), None
            metrics.ACCEPT.observe(entry.accepted_at - entry.since)

    def pod_turned(self, uid: str, *, ended: bool) -> None:
        """A pod of the job, known before, has ended just now; or one lives."""
        if (entry := self._entries.get(uid)) is not None:
            entry.ended_at = self._clock() if ended else None

    def gone(self, uid: str) -> None:
        """The resource is no longer there."""
        if (entry := self._entries.pop(uid, None)) is not None:
            metrics.JOBS.labels(*entry.key).dec()

    def longest_wait(self, phase: str) -> float:
        """Seconds that the job of this phase waits that has waited longest; what is to run again counts as Pending."""
        since = (
            entry.since
            for entry in self._entries.values()
            if entry.since is not None and (entry.key[0] if entry.key[0] in WAITING else WAITING[0]) == phase
        )
        return max(0.0, self._clock() - min(since, default=self._clock()))

    @staticmethod
    def _move(entry: _Entry, key: Key, dag_run_id: str | None, now: float) -> None:
        metrics.JOBS.labels(*entry.key).dec()
        metrics.JOBS.labels(*key).inc()
        if key[0] == "Running" and entry.accepted_at is not None:
            metrics.START.observe(now - entry.accepted_at)
            entry.accepted_at = None
        another = dag_run_id != entry.dag_run_id  # one whose spec is refused ends without having been seen before
        if key[0] in reasons.TERMINAL and (another or entry.key[0] not in reasons.TERMINAL):
            metrics.FINISHED.labels(*key).inc()
            if entry.ended_at is not None:
                metrics.REPORT.observe(now - entry.ended_at)
            entry.accepted_at = entry.ended_at = None
        entry.key, entry.dag_run_id = key, dag_run_id


def key_of(status: Mapping[str, Any]) -> Key:
    """Phase and reason of a status, as far as they are words of ours."""
    phase = status.get("phase", "Pending")
    reason = status.get("reason", reasons.DECIDING)
    return phase, reason if reason in reasons.REASONS[phase] else metrics.OTHER


def waits(job: Job) -> bool:
    """Whether a run is wanted whose container does not run yet."""
    if job.suspended or job.shut_down or job.deleted_at is not None:
        return False
    return job.renewed or job.at_rest or job.recorded.get("phase", "Pending") in WAITING


def _age(job: Job, now: datetime) -> float:
    """Seconds since its run was asked for, of a job seen for the first time, as far as the resource tells it."""
    asked_at = None
    if job.decision is not None and "startTime" not in job.recorded and not (job.renewed or job.at_rest):
        asked_at = parse_time(job.decision.decided_at or None)
    elif job.decision is None and job.generation == 1:
        asked_at = parse_time(job.created or None)
    return 0.0 if asked_at is None else max(0.0, (now - asked_at).total_seconds() - STAMP_SECONDS)
