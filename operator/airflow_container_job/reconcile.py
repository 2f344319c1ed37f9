"""What to do next for a job: one ladder of early returns, pure, without I/O.

The controller asks `next_step`, takes that step, and asks again when something changed. The guard against running
anything twice is in the resource itself: the decision (annotation, written before Airflow is asked) and the recorded
end (status); a restarted operator knows no more than that, and needs no more.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final

from airflow_container_job.facts import Facts
from airflow_container_job.job import Job
from airflow_container_job.status import REPLACING, SUSPENDED, SUSPENDING, between, ended, live, pods_at_work

SOON: Final = timedelta(seconds=30)
"""How long the end of a run, or the next attempt's pod, may take after a container's end without a word about it."""


class Step(Enum):
    """One thing to do, each safe to repeat."""

    NOTHING = auto()
    ADMIT = auto()
    """Fix the id of the run that shall be, and hold the resource."""
    TRIGGER = auto()
    """Ask Airflow for the decided run."""
    READ = auto()
    """Airflow is known to have accepted the run: learn how it stands."""
    STOP = auto()
    """End the decided run and its pods."""
    RECORD = auto()
    """Write the status, if it says anything new."""
    RELEASE = auto()
    """Hold the resource no longer."""


def next_step(job: Job, facts: Facts, now: datetime, deletion_deadline: timedelta) -> Step:
    """Say what to do next for this version of the job, given all that is known."""
    if job.deleted_at is not None:
        return _while_deleted(job, facts, now, deletion_deadline)
    if job.finished and not job.changed:
        if pods_at_work(job, facts):
            return Step.STOP
        return Step.RELEASE if job.held else Step.NOTHING
    if job.decision is None:
        return Step.RECORD if job.suspended else Step.ADMIT
    if job.closing and not (facts.run is not None and facts.run.state == "success" and not job.changed):
        return _while_closing(job, facts)
    return _while_wanted(job, facts, now)


def _while_deleted(job: Job, facts: Facts, now: datetime, deadline: timedelta) -> Step:
    if not job.held or job.deleted_at is None:
        return Step.NOTHING
    if now - job.deleted_at >= deadline or not (live(job, facts) or pods_at_work(job, facts)):
        return Step.RELEASE
    return Step.STOP


def _while_wanted(job: Job, facts: Facts, now: datetime) -> Step:
    """The decided run is what is asked for: see to it that it is, and follow it."""
    if facts.run is None:
        return Step.READ if job.triggered else Step.TRIGGER
    if job.triggered and not facts.run.over and between(job, facts) and not _overdue(job, facts, now):
        return Step.NOTHING
    return Step.RECORD


def _overdue(job: Job, facts: Facts, now: datetime) -> bool:
    """Whether what follows a container's end is late, so that a person wants to know what is waited for."""
    ended_at = ended(job, facts)
    return ended_at is not None and now - ended_at > SOON


def _while_closing(job: Job, facts: Facts) -> Step:
    """The decided run is not wanted any more: end it, and only then go on."""
    if live(job, facts) or pods_at_work(job, facts):
        said = job.recorded.get("reason") in (SUSPENDING.reason, REPLACING.reason)
        return Step.STOP if said else Step.RECORD
    if not job.suspended:
        return Step.ADMIT
    if job.recorded.get("reason") != SUSPENDED.reason:
        return Step.RECORD
    return Step.RELEASE if job.held else Step.NOTHING
