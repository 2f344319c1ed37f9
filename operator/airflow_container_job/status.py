"""The one function that makes a status: pure, from the resource, the facts and the time.

`derive` is called by the controller before every write; equal facts give an equal status, and then nothing is written.
What Airflow said (`dagRunState`) and what we conclude (`phase`, `reason`) stay apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from airflow_container_job.facts import LOST, DagRun, Facts, Outcome, Trouble
from airflow_container_job.job import SPEC_CHANGED, Job, parse_time
from dynamic_pod import contract, outcome

Status = dict[str, Any]

MESSAGE_LIMIT: Final = 1024
"""Characters of a message in the status; the whole log is in Airflow."""

ATTEMPTS_SHOWN: Final = 10
"""The last attempts are kept, so that the object stays small."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Phase, reason and message: what a person reads first."""

    phase: str
    reason: str
    message: str = ""


PENDING: Final = Verdict("Pending", "Deciding", "The run is being handed to Airflow.")
SUSPENDED: Final = Verdict("Suspended", "Suspended", "Set spec.suspend to false to run it.")
SUSPENDING: Final = Verdict("Suspended", "Stopping", "The run is being stopped, as spec.suspend asks.")
REPLACING: Final = Verdict("Pending", SPEC_CHANGED, "The run of the old spec is being stopped.")
STARTING: Final = Verdict("Queued", "Starting", "Airflow has the run; its container does not run yet.")
RUNNING: Final = Verdict("Running", "Running")
STOPPED: Final = Verdict("Failed", "Stopped", "The DagRun was ended in Airflow before its container was.")
DAG_RUN_LOST: Final = Verdict(
    "Failed", "DagRunLost", "The DagRun was deleted in Airflow. Change the spec, or delete and apply, to run again."
)


@dataclass(frozen=True, slots=True)
class Links:
    """What turns a DagRun's name into an address."""

    dag_id: str
    ui_base: str

    def dag_run(self, dag_run_id: str) -> str:
        """The run's page in Airflow's UI."""
        return f"{self.ui_base}/dags/{quote(self.dag_id, safe='')}/runs/{quote(dag_run_id, safe='')}"


def derive(job: Job, facts: Facts, links: Links, now: datetime) -> Status:
    """Make the status of a job that has a decided run, or waits for one."""
    known = outcome_of(job, facts)
    verdict = judge(job, facts, known)
    attempts = list(known.attempts)[-ATTEMPTS_SHOWN:]
    current = attempts[-1] if attempts else {}
    status: Status = {
        "phase": verdict.phase,
        "reason": verdict.reason,
        "message": verdict.message[:MESSAGE_LIMIT],
        "observedGeneration": job.generation,
        "attempts": [_cut(attempt) for attempt in attempts],
        "attempt": current.get("number"),
        "podName": current.get("podName"),
        "exitCode": current.get("exitCode"),
        "startTime": next((a["startedAt"] for a in attempts if "startedAt" in a), None),
        "result": known.result,
    }
    if job.decision is not None:
        status |= _run(job.decision.dag_run_id, job, facts, links)
    if verdict.phase in ("Succeeded", "Failed"):
        status["completionTime"] = _completion(job, facts, current, now)
    status["conditions"] = _conditions(job, status, now)
    return {
        key: value for key, value in status.items() if value is not None and (key == "result" or value not in ("", []))
    }


def invalid(job: Job, message: str, now: datetime) -> Status:
    """The status of a job that cannot be run as it is written."""
    status: Status = {
        "phase": "Failed",
        "reason": "InvalidSpec",
        "message": message[:MESSAGE_LIMIT],
        "observedGeneration": job.generation,
        "dagRunId": job.decision.dag_run_id if job.decision else None,
        "completionTime": _stamp(now),
    }
    status["conditions"] = _conditions(job, status, now)
    return {key: value for key, value in status.items() if value is not None}


def judge(job: Job, facts: Facts, known: Outcome) -> Verdict:
    """Say how the job stands, first match wins."""
    if job.deleted_at is not None and facts.trouble is not None:
        return Verdict(
            job.status.get("phase", "Pending"), facts.trouble.reason, f"Deletion waits: {facts.trouble.message}"
        )
    if facts.run is not None and facts.run.state == "success" and not job.changed:
        return _ended(facts.run, known)
    if job.changed and not job.suspended:
        return REPLACING
    if job.closing:
        return SUSPENDING if live(job, facts) or pods_at_work(job, facts) else SUSPENDED
    if facts.run is None:
        return _as_before(job) if job.triggered else _not_yet(facts.trouble)
    return _ended(facts.run, known) if facts.run.over else _under_way(job, facts, known)


def live(job: Job, facts: Facts) -> bool:
    """Whether the decided run may be going on in Airflow."""
    if job.decision is None or job.finished:
        return False
    if facts.run is not None:
        return not facts.run.over
    return job.recorded.get("reason") != SUSPENDED.reason


def between(job: Job, facts: Facts) -> bool:
    """Whether a container has ended and Airflow has not yet said what follows: the end, or the next attempt.

    It will within a moment, and then all is written at once.
    """
    pod = newest_pod(job, facts)
    return pod is not None and (outcome.over(pod) or facts.is_gone(pod))


def ended(job: Job, facts: Facts) -> datetime | None:
    """When the newest pod's container ended, if it has."""
    pod = newest_pod(job, facts)
    return None if pod is None else parse_time(outcome.attempt(pod).get("finishedAt"))


def pods_at_work(job: Job, facts: Facts) -> list[Mapping[str, Any]]:
    """The job's pods whose containers may still run, of whatever run."""
    return [
        pod
        for pod in facts.pods.values()
        if not facts.is_gone(pod) and not outcome.over(pod) and pod["metadata"]["namespace"] == job.namespace
    ]


def outcome_of(job: Job, facts: Facts) -> Outcome:
    """The attempts and result as the newest pod of the decided run tells them, else as Airflow kept them."""
    if facts.outcome is not None:
        return facts.outcome
    pod = newest_pod(job, facts)
    if pod is None:
        return Outcome(job.recorded.get("attempts", ()))
    this = outcome.attempt(pod, deleted=facts.is_gone(pod))
    if "reason" not in this and "startedAt" not in this:
        return Outcome(outcome.earlier_attempts(pod))
    return Outcome([*outcome.earlier_attempts(pod), this], outcome.result(pod).value)


def newest_pod(job: Job, facts: Facts) -> Mapping[str, Any] | None:
    """The pod of the decided run's latest attempt."""
    ours = [pod for pod in facts.pods.values() if job.decision and run_of(pod) == job.decision.dag_run_id]
    return max(ours, key=_age, default=None)


def _age(pod: Mapping[str, Any]) -> tuple[str, int]:
    """The order of a run's pods: a task cleared in Airflow counts its attempts from 1 again."""
    return pod["metadata"].get("creationTimestamp", ""), outcome.attempt(pod)["number"]


def seen_to_the_end(job: Job, facts: Facts) -> bool:
    """Whether the newest pod we know explains the run's end: there may have been a later one that we did not see."""
    pod = newest_pod(job, facts)
    if pod is None or facts.run is None or not outcome.over(pod):
        return False
    if facts.run.state == "success":
        return outcome.succeeded(pod)
    return not outcome.succeeded(pod) and bool(outcome.attempt(pod)["number"] > job.spec.get("backoffLimit", 0))


def run_of(pod: Mapping[str, Any]) -> str | None:
    """Which DagRun a pod belongs to."""
    annotations = pod["metadata"].get("annotations") or {}
    found = annotations.get(contract.ANNOTATION_DAG_RUN_ID)
    return None if found is None else str(found)


def _not_yet(trouble: Trouble | None) -> Verdict:
    return PENDING if trouble is None else Verdict("Pending", trouble.reason, trouble.message)


def _as_before(job: Job) -> Verdict:
    """Nothing is known yet, as after the operator's own start: what was said last still stands."""
    status = job.status
    return Verdict(status["phase"], status["reason"], status.get("message", ""))


def _under_way(job: Job, facts: Facts, known: Outcome) -> Verdict:
    pod = newest_pod(job, facts)
    if pod is not None and between(job, facts) and len(known.attempts) <= job.spec.get("backoffLimit", 0):
        return Verdict("Queued", "Retrying", "The pod of the next attempt is not there yet; the task's log says why.")
    if pod is None or between(job, facts):
        return _as_before(job) if job.recorded.get("phase") == "Running" else STARTING
    if outcome.started_at(pod):
        return RUNNING
    if waiting := outcome.waiting(pod):
        return _sticky(job, Verdict("Queued", waiting.reason, waiting.message))
    if known.attempts:
        return Verdict("Queued", "Retrying", f"Attempt {len(known.attempts) + 1} is starting.")
    return STARTING


def _sticky(job: Job, verdict: Verdict) -> Verdict:
    """Keep the first message of a waiting reason: the kubelet words the same trouble anew at every turn."""
    if job.recorded.get("reason") == verdict.reason and job.recorded.get("message"):
        return Verdict(verdict.phase, verdict.reason, job.recorded["message"])
    return verdict


def _ended(run: DagRun, known: Outcome) -> Verdict:
    last = known.attempts[-1] if known.attempts else {}
    if run.state == LOST:
        return DAG_RUN_LOST
    if run.state == "success":
        return Verdict("Succeeded", outcome.SUCCEEDED)
    if last.get("reason") not in (None, outcome.SUCCEEDED):
        return Verdict("Failed", last["reason"], last.get("message", ""))
    return STOPPED


def _run(dag_run_id: str, job: Job, facts: Facts, links: Links) -> Status:
    state = job.recorded.get("dagRunState") if facts.run is None or facts.run.state == LOST else facts.run.state
    if state is None:
        return {"dagRunId": dag_run_id}
    return {
        "dagId": links.dag_id,
        "dagRunId": dag_run_id,
        "dagRunState": state,
        "dagRunUrl": links.dag_run(dag_run_id),
    }


def _completion(job: Job, facts: Facts, last: Mapping[str, Any], now: datetime) -> str:
    if "finishedAt" in last:
        return str(last["finishedAt"])
    if facts.run is not None and facts.run.ended_at is not None:
        return _stamp(facts.run.ended_at)
    return str(job.recorded.get("completionTime", _stamp(now)))


def _cut(attempt: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value[:MESSAGE_LIMIT] if key == "message" else value for key, value in attempt.items()}


def _conditions(job: Job, status: Mapping[str, Any], now: datetime) -> list[Status]:
    """The conditions; one moves its time only when its status flips."""
    phase, reason = status["phase"], status["reason"]
    over = phase in ("Succeeded", "Failed")
    wanted: list[tuple[str, bool, str]] = [
        ("Triggered", "dagRunState" in status, "DagRunCreated" if "dagRunState" in status else reason),
        ("Finished", over, reason if over else phase),
    ]
    if over:
        wanted.append(("Succeeded", phase == "Succeeded", reason))
    before: Sequence[Mapping[str, Any]] = job.status.get("conditions", ())
    if phase == "Suspended" or any(c["type"] == "Suspended" for c in before):
        wanted.append(("Suspended", phase == "Suspended", reason if phase == "Suspended" else "Resumed"))
    times = {(c["type"], c["status"]): c["lastTransitionTime"] for c in before}
    return [
        {
            "type": kind,
            "status": str(true),
            "reason": word,
            "message": "",
            "lastTransitionTime": times.get((kind, str(true)), _stamp(now)),
        }
        for kind, true, word in wanted
    ]


def _stamp(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
