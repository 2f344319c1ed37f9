"""What to do next for a job: one ladder of early returns, pure, without I/O.

The controller asks `next_step`, takes that step, and asks again when something changed, or when `next_look` says so.
The guard against running anything twice is in the resource itself: the decision (annotation, written before Airflow is
asked) and the recorded end (status); a restarted operator knows no more than that, and needs no more.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final

from airflow_container_job import pods, reasons, status, upkeep
from airflow_container_job.closing import Close, begun, closing, end_before, live, start_deadline, unresolved
from airflow_container_job.facts import Facts
from airflow_container_job.job import Job
from airflow_container_job.verdict import another_follows, succeeded_first

SOON: Final = timedelta(seconds=5)
"""How long the next attempt may take after a container's end without a word about it."""


class Step(Enum):
    """One thing to do, each safe to repeat."""

    NOTHING = auto()
    ADMIT = auto()
    """Fix the id of the run that shall be, and hold the resource."""
    LINE_UP = auto()
    """Wait for the turn to ask Airflow."""
    TRIGGER = auto()
    """Ask Airflow for the decided run."""
    READ = auto()
    """Airflow is known to have accepted the run: learn how it stands."""
    CHECK = auto()
    """The run is recorded as finished, and Airflow hints otherwise: ask."""
    HOLD = auto()
    """Hold the resource again, whose finished run is going on."""
    STOP = auto()
    """End the decided run and its pods."""
    RECORD = auto()
    """Write the status, if it says anything new."""
    RELEASE = auto()
    """Hold the resource no longer."""
    CLEAN = auto()
    """Delete pods that have ended and that nobody keeps."""
    EXPIRE = auto()
    """The job's time is over: delete it, or what may go of it."""


def next_step(job: Job, facts: Facts, now: datetime, deletion_deadline: timedelta) -> Step:
    """Say what to do next for this version of the job, given all that is known."""
    if job.deleted_at is not None:
        return _while_deleted(job, facts, now, deletion_deadline)
    if job.finished and not job.renewed:
        return _while_finished(job, facts, now)
    if job.decision is None:  # a job that is shut down is decided, too, so that taking it back runs nothing
        return Step.RECORD if job.suspended and not job.shut_down else Step.ADMIT
    close = closing(job, facts, now)
    if close is not None and not succeeded_first(job, facts, close):
        return _while_closing(job, facts, close)
    return _while_wanted(job, facts, now)


def next_look(job: Job, facts: Facts) -> datetime | None:
    """Say when time alone may call for a step; None while only an event can."""
    if job.deleted_at is not None:
        return None
    if job.finished:
        times = [upkeep.expires_at(job), upkeep.cleans_at(job) if upkeep.unwanted(job, facts) else None]
        if status.is_expired(job):
            times = []
    else:
        ended_at = pods.ended_at(job, facts)
        times = [
            None if pods.started(job, facts) else start_deadline(job),
            None if ended_at is None else ended_at + SOON,
        ]
    return min((time for time in times if time is not None), default=None)


def _while_deleted(job: Job, facts: Facts, now: datetime, deadline: timedelta) -> Step:
    if not job.held or job.deleted_at is None:
        return Step.NOTHING
    if now - job.deleted_at >= deadline or not (live(job, facts) or pods.at_work(job, facts)):
        return Step.RELEASE
    return Step.STOP


def _while_finished(job: Job, facts: Facts, now: datetime) -> Step:
    if facts.run is not None and not facts.run.over and job.triggered:
        return Step.RECORD if job.held else Step.HOLD
    if facts.doubted:
        return Step.CHECK
    if pods.at_work(job, facts):
        return Step.STOP
    if job.held:  # a run that Airflow was never heard about is looked for first
        return Step.RELEASE if job.triggered or facts.run is not None else Step.STOP
    if status.marked(job, facts) or job.status.get("observedGeneration") != job.generation:
        return Step.RECORD
    return _while_kept(job, facts, now)


def _while_kept(job: Job, facts: Facts, now: datetime) -> Step:
    """All is over and told: see to what is left of it."""
    expires_at, cleans_at = upkeep.expires_at(job), upkeep.cleans_at(job)
    if expires_at is not None and now >= expires_at and not status.is_expired(job):
        return Step.EXPIRE
    if cleans_at is not None and now >= cleans_at and upkeep.unwanted(job, facts):
        return Step.CLEAN
    return Step.NOTHING


def _while_wanted(job: Job, facts: Facts, now: datetime) -> Step:
    """The decided run is what is asked for: see to it that it is, and follow it."""
    if facts.run is None and not job.triggered:
        return Step.TRIGGER if facts.turn else Step.LINE_UP
    if facts.run is None:
        return Step.READ
    told = facts.blocked is not None or pods.refused_since(job, facts) or _overdue(job, facts, now)
    if job.triggered and not facts.run.over and pods.between(job, facts) and not told:
        return Step.NOTHING
    return Step.RECORD


def _overdue(job: Job, facts: Facts, now: datetime) -> bool:
    """Whether the next attempt is late, so that a person wants to know that it is waited for."""
    ended_at = pods.ended_at(job, facts)
    if ended_at is None or now - ended_at < SOON:
        return False
    return another_follows(job, facts, pods.outcome_of(job, facts))


def _while_closing(job: Job, facts: Facts, close: Close) -> Step:
    """The decided run is not wanted any more: end it, and only then go on."""
    if unresolved(job, facts, close):
        stopping = begun(job) is close and job.recorded.get("reason") != reasons.SUSPENDED
        return Step.STOP if stopping else Step.RECORD
    if close.replaced:
        return Step.ADMIT
    if close is Close.SUSPEND and not job.suspended:  # what had ended before, and is asked for as it was, has its end
        return Step.ADMIT if end_before(job) is None else Step.RECORD
    if close.final or job.recorded.get("reason") != reasons.SUSPENDED:
        return Step.RECORD
    if job.held:
        return Step.RELEASE
    return Step.NOTHING if job.status.get("observedGeneration") == job.generation else Step.RECORD
