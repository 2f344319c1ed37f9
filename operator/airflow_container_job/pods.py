"""What the pods of a job tell about its decided run: pure, over the facts.

Used by everything that decides. How one pod is read is `dynamic_pod.outcome`'s, shared with the DAG side.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from airflow_container_job.decision import parse_time
from airflow_container_job.facts import Facts, Outcome
from airflow_container_job.job import Job
from dynamic_pod import contract, outcome

Pod = Mapping[str, Any]


def run_of(pod: Pod) -> str | None:
    """Which DagRun a pod belongs to."""
    annotations = pod["metadata"].get("annotations") or {}
    found = annotations.get(contract.ANNOTATION_DAG_RUN_ID)
    return None if found is None else str(found)


def of_run(job: Job, facts: Facts) -> list[Pod]:
    """The pods of the decided run, oldest first; of one that was cleared, those that came after."""
    if job.decision is None:
        return []
    run_id = job.decision.dag_run_id
    earlier = [one for one in job.recorded.get("runs", ())[:-1] if one.get("dagRunId") == run_id]
    since = max((one.get("completionTime", "") for one in earlier), default="")
    ours = (pod for pod in facts.pods.values() if run_of(pod) == run_id)
    return sorted((pod for pod in ours if _age(pod)[0] > since), key=_age)


def newest(job: Job, facts: Facts) -> Pod | None:
    """The pod of the decided run's latest attempt."""
    return next(reversed(of_run(job, facts)), None)


def _age(pod: Pod) -> tuple[str, int]:
    """The order of a run's pods: a task cleared in Airflow counts its attempts from 1 again."""
    return pod["metadata"]["creationTimestamp"], outcome.attempt(pod)["number"]


def at_work(job: Job, facts: Facts) -> list[Pod]:
    """The job's pods whose containers may still run, of whatever run."""
    return [
        pod
        for pod in facts.pods.values()
        if not facts.is_gone(pod) and not outcome.over(pod) and pod["metadata"]["namespace"] == job.namespace
    ]


def left_over(job: Job, facts: Facts) -> list[Pod]:
    """The job's pods that have ended and are still there."""
    return [
        pod
        for pod in facts.pods.values()
        if not facts.is_gone(pod)
        and outcome.over(pod)
        and pod["metadata"]["namespace"] == job.namespace
        and not pod["metadata"].get("deletionTimestamp")
    ]


def between(job: Job, facts: Facts) -> bool:
    """Whether a container has ended and Airflow has not yet said what follows: the end, or the next attempt.

    It will within a moment, and then all is written at once.
    """
    pod = newest(job, facts)
    return pod is not None and (ended(pod, facts) or "finishedAt" in outcome.attempt(pod))


def ended(pod: Pod, facts: Facts) -> bool:
    """Whether no container of it will run any more."""
    return outcome.over(pod) or facts.is_gone(pod)


def newest_ended(job: Job, facts: Facts) -> bool | None:
    """Whether the newest pod of the decided run has ended; None where there is none yet."""
    pod = newest(job, facts)
    return None if pod is None else ended(pod, facts)


def ended_at(job: Job, facts: Facts) -> datetime | None:
    """When the newest pod's container ended, if it has."""
    pod = newest(job, facts)
    return None if pod is None else parse_time(outcome.attempt(pod).get("finishedAt"))


def waiting(job: Job, facts: Facts) -> str | None:
    """Name of the newest pod if it does not get on: a person will want to look at it."""
    pod = newest(job, facts)
    if pod is None or ended(pod, facts) or outcome.waiting(pod) is None:
        return None
    return str(pod["metadata"]["name"])


def started(job: Job, facts: Facts) -> bool:
    """Whether a container of the decided run ever ran, also of an attempt that only its successor's pod tells of."""
    return "startTime" in job.recorded or any(
        outcome.started_at(pod) or any("startedAt" in one for one in outcome.earlier_attempts(pod))
        for pod in of_run(job, facts)
    )


def outcome_of(job: Job, facts: Facts) -> Outcome:
    """The attempts and result as the newest pod of the decided run tells them, else as Airflow kept them."""
    if facts.outcome is not None:
        return facts.outcome
    pod = newest(job, facts)
    if pod is None:
        return Outcome(job.recorded.get("attempts", ()), job.recorded.get("result"))
    this = outcome.attempt(pod, deleted=facts.is_gone(pod))
    if not ended(pod, facts):  # one container's end is not yet the attempt's
        this = {key: value for key, value in this.items() if key in ("number", "podName", "startedAt")}
        return Outcome([*outcome.earlier_attempts(pod), *([this] if "startedAt" in this else [])])
    left = outcome.result(pod)
    return Outcome([*outcome.earlier_attempts(pod), this], left.value, left.problem)


def explains_the_end(job: Job, facts: Facts) -> bool:
    """Whether the newest pod we know is the last: of a success there is one only, after a failure others may follow."""
    pod = newest(job, facts)
    return pod is not None and facts.run is not None and facts.run.state == "success" and outcome.succeeded(pod)


def tried_anew(job: Job, facts: Facts) -> bool:
    """Whether the newest pod is the first of another try than the one recorded: somebody cleared the running task."""
    pod, recorded = newest(job, facts), job.recorded
    if pod is None or "podName" not in recorded or recorded["podName"] == pod["metadata"]["name"]:
        return False
    known = {one.get("podName") for one in recorded.get("attempts", ())} | {recorded["podName"]}
    return pod["metadata"]["name"] not in known and outcome.attempt(pod)["number"] <= recorded.get("attempt", 0)


def refused_since(job: Job, facts: Facts) -> bool:
    """Whether the API server has refused the next pod, and none has come since."""
    if facts.refused is None or facts.refused.at is None or job.decision is None:
        return False
    pod = newest(job, facts)
    if pod is not None and not between(job, facts):
        return False
    since = ended_at(job, facts) or parse_time(job.decision.decided_at or None)
    return since is None or facts.refused.at >= since
