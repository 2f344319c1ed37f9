"""The one function that makes a status: pure, from the resource, the facts and the time.

`derive` is called by the steps before every write; equal facts give an equal status, and then nothing is written.
What Airflow said (`dagRunState`) and what we conclude (`phase`, `reason`) stay apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from airflow_container_job import conditions, history, pods, reasons
from airflow_container_job.closing import end_before
from airflow_container_job.decision import stamp
from airflow_container_job.facts import LOST, Facts, Outcome
from airflow_container_job.job import Job
from airflow_container_job.verdict import CLEARED, MARKED_FAILED, MARKED_SUCCESS, Verdict, judge

Status = dict[str, Any]

MESSAGE_LIMIT: Final = 1024
"""Characters of a message in the status; the whole log is in Airflow."""

ATTEMPTS_SHOWN: Final = 10
"""The last attempts are kept, so that the object stays small."""

DETAILS: Final = ("message", "attempts", "result", "podName")
"""What an expired job's status no longer tells."""


@dataclass(frozen=True, slots=True)
class Links:
    """What turns a DagRun's name into an address."""

    dag_id: str
    """The generic DAG, for jobs that name none."""
    ui_base: str

    def dag_of(self, job: Job) -> str:
        """The DAG of the job's decided run."""
        recorded = job.decision.dag_id if job.decision is not None else ""
        return recorded or str(job.spec.get("dagId", self.dag_id))

    def dag_run(self, dag_id: str, dag_run_id: str) -> str:
        """The run's page in Airflow's UI."""
        return f"{self.ui_base}/dags/{quote(dag_id, safe='')}/runs/{quote(dag_run_id, safe='')}"


def derive(job: Job, facts: Facts, links: Links, now: datetime) -> Status:
    """Make the status of a job, whatever is known about it."""
    if job.finished and not job.renewed:
        if facts.run is not None and not facts.run.over:
            return _while_open(job, facts, links, now, Outcome(), CLEARED)
        return _after_the_end(job, facts, now)
    known = pods.outcome_of(job, facts)
    verdict = judge(job, facts, known, now, own_dag=links.dag_of(job) != links.dag_id)
    return _while_open(job, facts, links, now, known, verdict)


def invalid(job: Job, message: str, now: datetime) -> Status:
    """The status of a job that cannot be run as it is written."""
    status: Status = {
        "phase": "Failed",
        "reason": reasons.INVALID_SPEC,
        "message": message[:MESSAGE_LIMIT],
        "observedGeneration": job.generation,
        "dagRunId": job.decision.dag_run_id if job.decision else None,
        "completionTime": stamp(now),
    }
    return _whole(job, _present(status), now)


def expired(job: Job, now: datetime) -> Status:
    """The status of a job whose time is over, and that stays because a tool would make it anew."""
    recorded = job.status.get("conditions", ())
    others = [one for one in conditions.load(recorded) if one.type not in (conditions.EXPIRED, "ResultStored")]
    said = conditions.Condition(conditions.EXPIRED, True, "TTLAfterFinished", "The details and the pods were removed.")
    kept = {key: value for key, value in job.status.items() if key not in DETAILS}
    return kept | {
        "observedGeneration": job.generation,
        "conditions": conditions.render([*others, said], recorded, now),
    }


def is_expired(job: Job) -> bool:
    """Whether the status is already the short one."""
    return any(one["type"] == conditions.EXPIRED for one in job.status.get("conditions", ()))


def marked(job: Job, facts: Facts) -> bool:
    """Whether somebody has marked the finished run otherwise than it is recorded."""
    run = facts.run
    return (
        run is not None
        and run.over
        and run.state != LOST
        and job.triggered
        and run.state != job.recorded.get("dagRunState")
    )


def _while_open(  # noqa: PLR0913, PLR0917 - what a status is made of
    job: Job, facts: Facts, links: Links, now: datetime, known: Outcome, verdict: Verdict
) -> Status:
    """The status of a job whose decided run's end is not recorded; this one may record it."""
    attempts = list(known.attempts)[-ATTEMPTS_SHOWN:]
    current = attempts[-1] if attempts else {}
    status: Status = {
        "phase": verdict.phase,
        "reason": verdict.reason,
        "message": verdict.message[:MESSAGE_LIMIT],
        "observedGeneration": job.generation,
        "attempts": [_cut(attempt) for attempt in attempts],
        "attempt": current.get("number"),
        "podName": pods.waiting(job, facts) or current.get("podName"),
        "exitCode": current.get("exitCode"),
        "startTime": next((a["startedAt"] for a in attempts if "startedAt" in a), None),
        "result": known.result,
    }
    if job.decision is not None:
        status |= _run(job.decision.dag_run_id, job, facts, links)
    if verdict.phase in reasons.TERMINAL:
        status["completionTime"] = _completion(job, facts, current, now)
    anew = verdict is CLEARED and job.finished
    anew = anew or (links.dag_of(job) == links.dag_id and pods.tried_anew(job, facts))
    return _whole(job, _present(status), now, problem=known.result_problem, cleared=anew)


def _after_the_end(job: Job, facts: Facts, now: datetime) -> Status:
    """What is recorded of a finished run stands; only a person's act in Airflow says something new."""
    status: Status = {key: value for key, value in job.status.items() if key not in ("conditions", "runs")}
    status["observedGeneration"] = job.generation
    if facts.run is None or not marked(job, facts):
        return dict(job.status) | {"observedGeneration": job.generation}
    verdict = MARKED_SUCCESS if facts.run.state == "success" else MARKED_FAILED
    status |= {"phase": verdict.phase, "reason": verdict.reason, "message": verdict.message}
    problem = next((one["reason"] for one in job.status["conditions"] if one["reason"] in conditions.PROBLEMS), None)
    return _whole(job, status | {"dagRunState": facts.run.state}, now, problem=problem)


def _whole(job: Job, status: Status, now: datetime, *, problem: str | None = None, cleared: bool = False) -> Status:
    """Add what follows from the rest: the runs and the conditions."""
    if entries := history.runs(job.status.get("runs", ()), status, cleared=cleared):
        status["runs"] = entries
    status["conditions"] = conditions.make(status, job.status.get("conditions", ()), problem, now)
    return status


def _present(status: Status) -> Status:
    return {
        key: value for key, value in status.items() if value is not None and (key == "result" or value not in ("", []))
    }


def _run(dag_run_id: str, job: Job, facts: Facts, links: Links) -> Status:
    state = job.recorded.get("dagRunState") if facts.run is None or facts.run.state == LOST else facts.run.state
    if state is None:
        return {"dagRunId": dag_run_id}
    dag_id = links.dag_of(job)
    return {
        "dagId": dag_id,
        "dagRunId": dag_run_id,
        "dagRunState": state,
        "dagRunUrl": links.dag_run(dag_id, dag_run_id),
    }


def _completion(job: Job, facts: Facts, last: Mapping[str, Any], now: datetime) -> str:
    if "finishedAt" in last:
        return str(last["finishedAt"])
    if facts.run is not None and facts.run.ended_at is not None:
        return stamp(facts.run.ended_at)
    before = end_before(job) or job.recorded
    return str(before.get("completionTime", stamp(now)))


def _cut(attempt: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value[:MESSAGE_LIMIT] if key == "message" else value for key, value in attempt.items()}
