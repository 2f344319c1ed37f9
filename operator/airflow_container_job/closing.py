"""Why a run that may be going on is to be ended: pure.

What was begun is finished: the status says which ending is under way, so taking the wish back in the middle, or a
crash, changes nothing about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, Final

from airflow_container_job import pods, reasons
from airflow_container_job.decision import parse_time
from airflow_container_job.facts import Facts
from airflow_container_job.job import Job


class Close(Enum):
    """Why."""

    SUSPEND = auto()
    REPLACE = auto()
    """The spec changed; another run follows."""
    RERUN = auto()
    """spec.rerun asks for another run, which follows."""
    SHUTDOWN = auto()
    START_DEADLINE = auto()

    @property
    def final(self) -> bool:
        """Whether the job has failed by it."""
        return self in (Close.SHUTDOWN, Close.START_DEADLINE)

    @property
    def replaced(self) -> bool:
        """Whether another run follows by itself."""
        return self in (Close.REPLACE, Close.RERUN)


_BEGUN: Final[Mapping[str, Close]] = {
    reasons.SUSPENDED: Close.SUSPEND,
    reasons.SPEC_CHANGED: Close.REPLACE,
    reasons.RERUNNING: Close.RERUN,
    reasons.STOPPING: Close.SHUTDOWN,
    reasons.START_DEADLINE_EXCEEDED: Close.START_DEADLINE,
}


def begun(job: Job) -> Close | None:
    """Say which ending the status tells to be under way, or to be over with nothing decided since."""
    if job.recorded.get("phase") == "Suspended":
        return Close.SUSPEND
    return None if job.finished else _BEGUN.get(job.recorded.get("reason", ""))


def end_before(job: Job) -> Mapping[str, Any] | None:
    """Return the entry of `runs` whose end a job that is suspended had reached before; None where it had not."""
    last: Mapping[str, Any] = next(reversed(job.recorded.get("runs", ())), {})
    ended = last.get("phase") in reasons.TERMINAL and last.get("reason") not in reasons.REPLACED
    ours = job.recorded.get("phase") == "Suspended" and last.get("dagRunId") == job.recorded["dagRunId"]
    return last if ours and ended else None


def closing(job: Job, facts: Facts, now: datetime) -> Close | None:
    """Say why the decided run is to be ended, or was; None while it is wanted. First match wins."""
    under_way = begun(job)
    if job.shut_down or under_way is Close.SHUTDOWN:
        return Close.SHUTDOWN
    if under_way is Close.START_DEADLINE:
        return under_way
    if job.suspended:
        return Close.SUSPEND
    if job.changed:
        return Close.REPLACE
    if job.rerun:
        return Close.RERUN
    return under_way or (Close.START_DEADLINE if _too_late(job, facts, now) else None)


def start_deadline(job: Job) -> datetime | None:
    """When the container must run at the latest; None where nothing says so."""
    seconds = job.spec.get("startDeadlineSeconds")
    entries = [one for one in job.recorded.get("runs", ()) if one.get("dagRunId") == job.recorded["dagRunId"]]
    if len(entries) > 1:  # cleared in Airflow: nobody asked for a start by this time
        return None
    decided_at = parse_time((job.decision.decided_at if job.decision else "") or None)
    return None if seconds is None or decided_at is None else decided_at + timedelta(seconds=seconds)


def unresolved(job: Job, facts: Facts, close: Close) -> bool:
    """Whether the run, or a pod, may still be going on.

    A run that Airflow may never have got is not waited for while Airflow is away: the job has failed by its deadline
    then, and its finalizer stays until Airflow has been asked.
    """
    if close.final and not job.triggered and facts.run is None and facts.trouble is not None:
        return False
    return live(job, facts) or bool(pods.at_work(job, facts))


def live(job: Job, facts: Facts) -> bool:
    """Whether the decided run may be going on in Airflow."""
    if job.decision is None or job.finished:
        return False
    if facts.run is not None:
        return not facts.run.over
    return not job.at_rest


def in_flight(job: Job) -> bool:
    """Whether it is recorded that Airflow has a run of this job, and not that it is over or let go."""
    return job.triggered and not settled(job)


def settled(job: Job) -> bool:
    """Whether nothing more is to come of the decided run, as far as is recorded: it is over, stopped, or let go."""
    let_go = job.deleted_at is not None and not job.held  # another finalizer may keep the resource for long
    return job.finished or job.at_rest or let_go


def _too_late(job: Job, facts: Facts, now: datetime) -> bool:
    deadline = start_deadline(job)
    if deadline is None or now < deadline or pods.started(job, facts):
        return False
    return not job.triggered if facts.run is None else not facts.run.over
