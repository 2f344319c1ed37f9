"""How a job stands, in a phase, a reason and a message: pure, first match wins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from airflow_container_job import pods, reasons
from airflow_container_job.closing import Close, closing, end_before, unresolved
from airflow_container_job.facts import LOST, DagRun, Facts, Outcome
from airflow_container_job.job import Job
from dynamic_pod import outcome


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a person reads first."""

    phase: str
    reason: str
    message: str = ""


def _said(phase: str, reason: str) -> Verdict:
    """A verdict that the list of reasons explains well enough."""
    return Verdict(phase, reason, reasons.REASONS[phase][reason])


AGAIN: Final = "Change the spec, or set spec.rerun to a new text, to run it again."

DECIDING: Final = _said("Pending", reasons.DECIDING)
STARTING: Final = _said("Queued", reasons.STARTING)
RUNNING: Final = Verdict("Running", reasons.RUNNING)
CLEARED: Final = _said("Queued", reasons.CLEARED)
COMPLETED: Final = Verdict("Succeeded", reasons.COMPLETED)
SUSPENDED: Final = _said("Suspended", reasons.SUSPENDED)
STOPPED: Final = Verdict("Failed", reasons.STOPPED, f"Ended by spec.shutdown. {AGAIN}")
LOST_IN_AIRFLOW: Final = Verdict("Failed", reasons.DAG_RUN_LOST, f"The DagRun was deleted in Airflow. {AGAIN}")
MARKED_SUCCESS: Final = _said("Succeeded", reasons.MARKED_SUCCESS)
MARKED_FAILED: Final = _said("Failed", reasons.MARKED_FAILED)
ENDED_ELSEWHERE: Final = _said("Failed", reasons.DAG_RUN_FAILED)


def judge(job: Job, facts: Facts, known: Outcome, now: datetime, *, own_dag: bool) -> Verdict:
    """Say how a job stands whose decided run's end is not recorded. `own_dag`: its DAG is not the generic one."""
    if job.deleted_at is not None and facts.trouble is not None:
        return Verdict(
            job.status.get("phase", "Pending"), facts.trouble.reason, f"Deletion waits: {facts.trouble.message}"
        )
    close = closing(job, facts, now)
    if close is not None and not succeeded_first(job, facts, close):
        return _closing(job, facts, close)
    if facts.run is None:
        return as_before(job) if job.triggered else _not_yet(job, facts)
    if facts.run.over:
        return _ended(facts, facts.run, known, own_dag=own_dag)
    if own_dag:
        return _dag_under_way(job, facts, facts.run)
    return _under_way(job, facts, known)


def succeeded_first(job: Job, facts: Facts, close: Close) -> bool:
    """Whether the run came to a good end before it could be ended: then that counts, unless another run follows."""
    follows = close.replaced or (close is Close.SUSPEND and job.renewed)
    return not job.finished and facts.run is not None and facts.run.state == "success" and not follows


def as_before(job: Job) -> Verdict:
    """Nothing is known yet, as after the operator's own start: what was said last still stands."""
    status = job.status
    return Verdict(status["phase"], status["reason"], status.get("message", ""))


def _closing(job: Job, facts: Facts, close: Close) -> Verdict:
    waits = f" It waits: {facts.trouble.reason}: {facts.trouble.message}" if facts.trouble is not None else ""
    if close.replaced:
        said = _said("Pending", reasons.SPEC_CHANGED if close is Close.REPLACE else reasons.RERUNNING)
        return Verdict(said.phase, said.reason, said.message + waits)
    under_way = unresolved(job, facts, close)
    if close is Close.START_DEADLINE:
        phase = _phase(job) if under_way else "Failed"
        return Verdict(phase, reasons.START_DEADLINE_EXCEEDED, _too_late(job, facts))
    if (end := end_before(job)) is not None and (close is Close.SHUTDOWN or not job.suspended):
        last: Mapping[str, Any] = next(reversed(job.recorded.get("attempts", ())), {})
        return Verdict(end["phase"], end["reason"], last.get("message", ""))
    if not under_way:
        return STOPPED if close is Close.SHUTDOWN else SUSPENDED
    said = _said("Suspended" if close is Close.SUSPEND else _phase(job), reasons.STOPPING)
    return Verdict(said.phase, said.reason, said.message + waits)


def _phase(job: Job) -> str:
    """The phase that stays until the end is reached."""
    phase = str(job.recorded.get("phase", "Pending"))
    return "Queued" if phase == "Suspended" else phase  # Suspended would say that spec.suspend ends it


def _too_late(job: Job, facts: Facts) -> str:
    """Name what was waited for when the start deadline passed."""
    if job.recorded.get("reason") == reasons.START_DEADLINE_EXCEEDED:
        return str(job.recorded.get("message", ""))
    reason, message = job.recorded.get("reason"), job.recorded.get("message", "")
    known = facts.trouble
    if job.triggered:  # a pod's own trouble is recorded already
        known = facts.blocked if pods.newest(job, facts) is None else None
    if known is not None:
        reason, message = known.reason, known.message
    waited = f" It waited: {reason}: {message}" if reason else ""
    return f"No container ran within {job.spec.get('startDeadlineSeconds')} s.{waited}"


def _not_yet(job: Job, facts: Facts) -> Verdict:
    if facts.held is not None:
        return Verdict("Pending", facts.held.reason, facts.held.message)
    trouble = facts.trouble
    return DECIDING if trouble is None else _sticky(job, Verdict("Pending", trouble.reason, trouble.message))


def _dag_under_way(job: Job, facts: Facts, run: DagRun) -> Verdict:
    """A DAG of one's own has any number of pods, and runs also while it has none."""
    working = pods.at_work(job, facts)
    waiting = next((said for pod in working if (said := outcome.waiting(pod))), None)
    if waiting is not None and not any(outcome.started_at(pod) for pod in working):
        return _sticky(job, Verdict("Queued", waiting.reason, waiting.message))
    if run.state == "running" or pods.of_run(job, facts) or job.recorded.get("phase") == "Running":
        return RUNNING
    return _without_pod(job, facts)


def _under_way(job: Job, facts: Facts, known: Outcome) -> Verdict:
    pod = pods.newest(job, facts)
    if pods.refused_since(job, facts) or pod is None:
        return _without_pod(job, facts)
    if pods.between(job, facts):
        return _between(job, facts, known, pod)
    if outcome.started_at(pod):
        return _said("Running", reasons.TERMINATING) if pod["metadata"].get("deletionTimestamp") else RUNNING
    cleared = job.recorded.get("reason") == reasons.CLEARED or pods.tried_anew(job, facts)
    if waiting := outcome.waiting(pod):
        return _sticky(job, Verdict("Queued", waiting.reason, waiting.message))
    if cleared:
        return CLEARED
    return _retrying(known) if known.attempts else STARTING


def _without_pod(job: Job, facts: Facts) -> Verdict:
    if facts.refused is not None and pods.refused_since(job, facts):
        return _sticky(job, Verdict("Queued", facts.refused.reason, facts.refused.message))
    if facts.blocked is not None:
        return Verdict("Queued", facts.blocked.reason, facts.blocked.message)
    kept = job.recorded.get("phase") == "Running" or job.recorded.get("reason") == reasons.CLEARED
    return as_before(job) if kept else STARTING


def _between(job: Job, facts: Facts, known: Outcome, pod: Mapping[str, Any]) -> Verdict:
    if not pods.ended(pod, facts):  # a sidecar is still being stopped
        return RUNNING
    if facts.blocked is not None:
        return Verdict("Queued", facts.blocked.reason, facts.blocked.message)
    if another_follows(job, facts, known):
        return _retrying(known)
    return as_before(job) if job.triggered else STARTING


def another_follows(job: Job, facts: Facts, known: Outcome) -> bool:
    """Whether the newest pod's end is one that, as far as we can tell, another attempt follows."""
    pod = pods.newest(job, facts)
    if pod is None or not pods.ended(pod, facts) or outcome.succeeded(pod):
        return False
    left = len(known.attempts) <= job.spec.get("backoffLimit", 0)
    return left or outcome.disrupted(pod, deleted=facts.is_gone(pod))


def _retrying(known: Outcome) -> Verdict:
    last = known.attempts[-1] if known.attempts else {}
    code = f", exit code {last['exitCode']}" if "exitCode" in last else ""
    said = f"Attempt {last.get('number', 1)} ended ({last.get('reason', 'unknown')}{code}); the next one follows."
    return Verdict("Queued", reasons.RETRYING, said)


def _sticky(job: Job, verdict: Verdict) -> Verdict:
    """Keep the first message of a reason to wait: the kubelet, for one, words the same trouble anew at every turn."""
    if job.recorded.get("reason") == verdict.reason and job.recorded.get("message"):
        return Verdict(verdict.phase, verdict.reason, job.recorded["message"])
    return verdict


def _ended(facts: Facts, run: DagRun, known: Outcome, *, own_dag: bool) -> Verdict:
    last = known.attempts[-1] if known.attempts else {}
    by_itself = last.get("reason") == outcome.SUCCEEDED
    if run.state == LOST:
        return LOST_IN_AIRFLOW
    if run.state == "success":
        return COMPLETED if by_itself or own_dag else MARKED_SUCCESS
    # A run that is marked failed loses its pod; a task that ended by itself has left its outcome.
    deleted_after = last.get("reason") == outcome.DELETED and facts.outcome is None
    if "reason" in last and not by_itself and not deleted_after:
        return Verdict("Failed", last["reason"], last.get("message", ""))
    return ENDED_ELSEWHERE if own_dag else MARKED_FAILED
