"""derive: the status for each way a job can stand, and that equal facts say equal things."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest

from airflow_container_job.facts import Facts, Outcome, Trouble
from airflow_container_job.job import Job
from airflow_container_job.pods import explains_the_end
from airflow_container_job.reasons import REASONS
from airflow_container_job.status import MESSAGE_LIMIT, Links, derive, invalid
from tests.unit.operator.builders import NOW, SPEC, ended, facts, job, pod, recorded, run_id, running

LINKS = Links("container_job", "https://airflow.example")
UNSCHEDULABLE = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}]
WAITING = {"waiting": {"reason": "ErrImagePull", "message": "no such host"}}
PREEMPTED = pod("Failed", reason="Preempted")
SHUT_DOWN = SPEC | {"shutdown": "Stop"}
TOO_LATE = SPEC | {"startDeadlineSeconds": 60}  # decided two minutes before NOW
OWN = SPEC | {"dagId": "own"}


def refused(state: str, reason: str, message: str, *pods: dict[str, Any]) -> Facts:
    return dataclasses.replace(facts(state, *pods), refused=Trouble(reason, message, NOW))


def blocked(reason: str) -> Facts:
    return dataclasses.replace(facts("queued"), blocked=Trouble(reason, "why"))


def left_by_task(state: str, attempt: dict[str, Any], **left: Any) -> Facts:
    return dataclasses.replace(facts(state), outcome=Outcome([attempt], **left))


def troubled(reason: str, message: str) -> Facts:
    return Facts(trouble=Trouble(reason, message))


CASES: dict[str, tuple[Job, Facts, dict[str, Any]]] = {
    "decided": (job(), facts(), {"phase": "Pending", "reason": "Deciding"}),
    "Airflow away": (
        job(),
        troubled("AirflowUnreachable", "refused"),
        {"phase": "Pending", "reason": "AirflowUnreachable", "message": "refused"},
    ),
    "accepted": (job(), facts("queued"), {"phase": "Queued", "reason": "Starting", "dagRunState": "queued"}),
    "container being made": (
        job(),
        facts("running", pod("Pending", state={"waiting": {"reason": "ContainerCreating"}})),
        {"phase": "Queued", "reason": "Starting"},
    ),
    "no node": (
        job(),
        facts("running", pod("Pending", conditions=UNSCHEDULABLE)),
        {"phase": "Queued", "reason": "Unschedulable", "message": "0/1 nodes", "podName": "hello-abc-1"},
    ),
    "no image": (
        job(),
        facts("running", pod("Pending", state=WAITING)),
        {"phase": "Queued", "reason": "ImagePullBackOff", "message": "no such host"},
    ),
    "running": (
        job(),
        facts("running", running()),
        {"phase": "Running", "podName": "hello-abc-1", "startTime": "2026-11-22T11:59:00Z", "attempt": 1},
    ),
    "container over, Airflow not yet": (
        job(status=recorded("Running", "Running")),
        facts("running", ended(0)),
        {"phase": "Running", "exitCode": 0},
    ),
    "main container over, a sidecar not yet": (
        job(status=recorded("Running", "Running")),
        facts("running", pod("Running", state=ended(3)["status"]["containerStatuses"][0]["state"])),
        {"phase": "Running", "reason": "Running", "exitCode": None},
    ),
    "succeeded with a result": (
        job(),
        facts("success", ended(0, '{"words": 3}')),
        {
            "phase": "Succeeded",
            "reason": "Completed",
            "exitCode": 0,
            "result": {"words": 3},
            "completionTime": "2026-11-22T11:59:30Z",
        },
    ),
    "succeeded with the result zero": (job(), facts("success", ended(0, "0")), {"result": 0}),
    "failed": (
        job(),
        facts("failed", ended(3, "boom\n")),
        {"phase": "Failed", "reason": "Error", "exitCode": 3, "message": "boom"},
    ),
    "out of memory": (job(), facts("failed", ended(137, reason="OOMKilled")), {"reason": "OOMKilled"}),
    "taken from its node": (job(), facts("failed", PREEMPTED), {"phase": "Failed", "reason": "Preempted"}),
    "marked failed while the container ran": (
        job(),
        facts("failed", running(), gone=True),
        {"phase": "Failed", "reason": "MarkedFailed"},
    ),
    "marked failed before there was a pod": (job(), facts("failed"), {"phase": "Failed", "reason": "MarkedFailed"}),
    "marked a success while the container ran": (
        job(),
        facts("success", running(), gone=True),
        {"phase": "Succeeded", "reason": "MarkedSuccess"},
    ),
    "pods deleted by hand, again and again": (
        job(),
        left_by_task("failed", {"number": 11, "podName": "p", "reason": "PodDeleted", "cause": "Disruption"}),
        {"phase": "Failed", "reason": "PodDeleted"},
    ),
    "a task that no pod could be made for": (
        job(),
        left_by_task("failed", {"number": 1, "reason": "InvalidSpec", "message": "no such field"}),
        {"phase": "Failed", "reason": "InvalidSpec", "message": "no such field"},
    ),
    "a quota in the way": (
        job(),
        refused("running", "QuotaExceeded", "exceeded quota"),
        {"phase": "Queued", "reason": "QuotaExceeded", "message": "exceeded quota"},
    ),
    "a quota in the way of the next attempt": (
        job(spec=SPEC | {"backoffLimit": 1}),
        refused("running", "QuotaExceeded", "exceeded quota", ended(1)),
        {"phase": "Queued", "reason": "QuotaExceeded"},
    ),
    "a quota that was in the way before": (
        job(),
        dataclasses.replace(facts("running", running()), refused=Trouble("QuotaExceeded", "exceeded quota", NOW)),
        {"phase": "Running", "reason": "Running"},
    ),
    "a refusal of an earlier run": (
        job(),
        dataclasses.replace(facts("queued"), refused=Trouble("QuotaExceeded", "old", NOW - timedelta(hours=1))),
        {"phase": "Queued", "reason": "Starting"},
    ),
    "the DAG is paused": (job(), blocked("DagPaused"), {"phase": "Queued", "reason": "DagPaused", "message": "why"}),
    "the pod is being deleted": (
        job(),
        facts(
            "running", pod(deletion="2026-11-22T12:00:30Z", state={"running": {"startedAt": "2026-11-22T11:59:00Z"}})
        ),
        {"phase": "Running", "reason": "Terminating"},
    ),
    "shut down at birth": (job(spec=SHUT_DOWN), facts("lost"), {"phase": "Failed", "reason": "Stopped"}),
    "being shut down": (
        job(status=recorded("Running", "Running"), spec=SHUT_DOWN),
        facts("running", running()),
        {"phase": "Running", "reason": "Stopping"},
    ),
    "shut down": (
        job(status=recorded("Running", "Stopping"), spec=SHUT_DOWN),
        facts("failed", running(), gone=True),
        {"phase": "Failed", "reason": "Stopped"},
    ),
    "shut down too late": (
        job(status=recorded("Running", "Stopping"), spec=SHUT_DOWN),
        facts("success", ended(0)),
        {"phase": "Succeeded", "reason": "Completed"},
    ),
    "not started in time": (
        job(status=recorded("Queued", "Unschedulable") | {"message": "0/2 nodes"}, spec=TOO_LATE),
        facts("running", pod("Pending")),
        {
            "phase": "Queued",
            "reason": "StartDeadlineExceeded",
            "message": "No container ran within 60 s. It waited: Unschedulable: 0/2 nodes",
        },
    ),
    "not started in time, but an attempt that nobody saw ran before this one": (
        job(status=recorded("Queued", "Starting"), spec=TOO_LATE | {"backoffLimit": 3}),
        facts("running", pod("Pending", attempt=2, earlier='[{"number": 1, "startedAt": "2026-11-22T11:58:05Z"}]')),
        {"phase": "Queued", "reason": "Retrying"},
    ),
    "not started in time, and ended": (
        job(status=recorded("Queued", "StartDeadlineExceeded") | {"message": "as before"}, spec=TOO_LATE),
        facts("failed"),
        {"phase": "Failed", "reason": "StartDeadlineExceeded", "message": "as before"},
    ),
    "not started in time, as the DAG is paused": (
        job(status=recorded("Queued", "Starting"), spec=TOO_LATE),
        blocked("DagPaused"),
        {"reason": "StartDeadlineExceeded", "message": "No container ran within 60 s. It waited: DagPaused: why"},
    ),
    "never asked for in time": (
        job(status=recorded("Pending", "AirflowUnreachable", state=None), spec=TOO_LATE),
        troubled("AirflowUnreachable", "refused"),
        {
            "phase": "Failed",
            "reason": "StartDeadlineExceeded",
            "message": "No container ran within 60 s. It waited: AirflowUnreachable: refused",
        },
    ),
    "being run again": (
        job(status=recorded("Running", "Running"), generation=2, spec=SPEC | {"rerun": "2"}, decided_spec=SPEC),
        facts("running", running()),
        {"phase": "Pending", "reason": "Rerunning"},
    ),
    "a DAG of one's own, between its containers": (
        job(spec=OWN),
        facts("running"),
        {"phase": "Running", "reason": "Running", "dagId": "own"},
    ),
    "a DAG of one's own, one container over and another not": (
        job(spec=OWN | {"backoffLimit": 2}),
        facts("queued", running(), pod("Failed", name="other", attempt=2, state={"terminated": {"exitCode": 1}})),
        {"phase": "Running", "reason": "Running"},
    ),
    "a DAG of one's own whose container waits": (
        job(spec=OWN),
        facts("running", pod("Pending", conditions=UNSCHEDULABLE)),
        {"phase": "Queued", "reason": "Unschedulable", "message": "0/1 nodes"},
    ),
    "a DAG of one's own that succeeds though a container failed": (
        job(spec=OWN),
        facts("success", ended(1)),
        {"phase": "Succeeded", "reason": "Completed"},
    ),
    "a DAG of one's own that fails though the container did not": (
        job(spec=OWN),
        facts("failed", ended(0)),
        {"phase": "Failed", "reason": "DagRunFailed"},
    ),
    "a DAG of one's own that fails by its container": (
        job(spec=OWN),
        facts("failed", ended(3)),
        {"phase": "Failed", "reason": "Error", "exitCode": 3},
    ),
    "deleted in Airflow": (
        job(status=recorded("Queued", "Starting")),
        facts("lost"),
        {"phase": "Failed", "reason": "DagRunLost", "dagRunState": "queued"},
    ),
    "second attempt on its way": (
        job(),
        facts("running", pod("Pending", attempt=2, earlier='[{"number": 1, "reason": "Error", "exitCode": 1}]')),
        {
            "phase": "Queued",
            "reason": "Retrying",
            "message": "Attempt 1 ended (Error, exit code 1); the next one follows.",
            "attempt": 1,
            "exitCode": 1,
        },
    ),
    "suspended at birth": (
        job(decided=None, spec=SPEC | {"suspend": True}),
        facts(),
        {"phase": "Suspended", "reason": "Suspended"},
    ),
    "deletion waits for Airflow": (
        job(status=recorded("Running", "Running"), deleted="2026-11-22T11:59:50Z"),
        troubled("AirflowUnreachable", "refused"),
        {"phase": "Running", "reason": "AirflowUnreachable", "message": "Deletion waits: refused"},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_derive(case: str) -> None:
    resource, known, expected = CASES[case]
    status = derive(resource, known, LINKS, NOW)
    assert {key: status.get(key) for key in expected} == expected


@pytest.mark.parametrize("case", CASES)
def test_the_same_facts_later_say_the_same(case: str) -> None:
    resource, known, _ = CASES[case]
    first = derive(resource, known, LINKS, NOW)
    again = dataclasses.replace(resource, status=first)
    assert derive(again, known, LINKS, NOW + timedelta(minutes=5)) == first


def test_what_airflow_kept_counts_when_the_pod_was_not_seen_to_its_end() -> None:
    known = facts("success", running(), gone=True)
    known.outcome = Outcome([{"number": 1, "podName": "p", "reason": "Completed", "exitCode": 0}], {"a": 1})
    status = derive(job(), known, LINKS, NOW)
    assert (status["phase"], status["exitCode"], status["result"]) == ("Succeeded", 0, {"a": 1})


def test_an_empty_result_is_a_result() -> None:
    assert derive(job(), facts("success", ended(0, "[]")), LINKS, NOW)["result"] == []


def test_the_pod_of_a_cleared_task_counts_not_the_one_before() -> None:
    old, new = ended(137), running()
    new["metadata"] |= {"uid": "newer", "name": "newer", "creationTimestamp": "2026-11-22T11:59:50Z"}
    assert derive(job(), facts("running", old, new), LINKS, NOW)["podName"] == "newer"


@pytest.mark.parametrize(
    ("state", "last", "seen"),
    [
        ("success", ended(0), True),
        ("success", ended(1), False),
        ("success", running(), False),
        ("failed", ended(1), False),
        ("failed", ended(0), False),
    ],
)
def test_a_pod_explains_the_end_only_if_no_later_one_can_have_been(
    state: str, last: dict[str, Any], *, seen: bool
) -> None:
    assert explains_the_end(job(), facts(state, last)) is seen


def test_a_next_attempt_that_is_late_is_said() -> None:
    resource = job(spec=SPEC | {"backoffLimit": 1}, status=recorded("Running", "Running"))
    status = derive(resource, facts("running", ended(1)), LINKS, NOW)
    assert (status["phase"], status["reason"]) == ("Queued", "Retrying")


@pytest.mark.parametrize("code", [0, 1])
def test_of_a_container_that_was_seen_only_when_it_had_ended_no_next_attempt_is_said(code: int) -> None:
    """As on a node whose kubelet tells late: what follows is Airflow's word, not another attempt."""
    before = recorded("Queued", "Starting") | {"message": "On its way."}
    status = derive(job(status=before), facts("running", ended(code)), LINKS, NOW)
    assert (status["phase"], status["reason"]) == ("Queued", "Starting")


def test_the_link_leads_to_the_run() -> None:
    status = derive(job(), facts("queued"), LINKS, NOW)
    assert status["dagRunUrl"] == f"https://airflow.example/dags/container_job/runs/{run_id()}"


def test_a_pod_of_an_earlier_run_is_not_taken_for_this_one() -> None:
    status = derive(job(generation=2, decided=2), facts("queued", ended(3)), LINKS, NOW)
    assert "exitCode" not in status


def test_conditions_let_a_script_wait_for_either_end() -> None:
    for end, code, succeeded in (("success", 0, "True"), ("failed", 1, "False")):
        status = derive(job(), facts(end, ended(code)), LINKS, NOW)
        conditions = {c["type"]: c["status"] for c in status["conditions"]}
        assert conditions == {"Triggered": "True", "Finished": "True", "Succeeded": succeeded}


def test_a_condition_moves_its_time_only_when_it_flips() -> None:
    first = derive(job(), facts("queued"), LINKS, NOW)
    later = NOW + timedelta(minutes=1)
    second = derive(dataclasses.replace(job(), status=first), facts("success", ended(0)), LINKS, later)
    times = {c["type"]: c["lastTransitionTime"] for c in second["conditions"]}
    assert times["Triggered"] == "2026-11-22T12:00:00Z"
    assert times["Finished"] == "2026-11-22T12:01:00Z"


def test_a_waiting_reason_keeps_its_first_message() -> None:
    before = recorded("Queued", "ImagePullBackOff") | {"message": "no such host"}
    back_off = pod("Pending", state={"waiting": {"reason": "ImagePullBackOff", "message": "Back-off 20s"}})
    status = derive(job(status=before), facts("running", back_off), LINKS, NOW)
    assert status["message"] == "no such host"


def test_a_long_message_is_cut() -> None:
    status = derive(job(), facts("failed", ended(1, "x" * 4096)), LINKS, NOW)
    assert len(status["message"]) == len(status["attempts"][0]["message"]) == MESSAGE_LIMIT


def test_an_unusable_spec_ends_the_job() -> None:
    status = invalid(job(), "arguments: 3 is not of type 'string'", NOW)
    assert (status["phase"], status["reason"]) == ("Failed", "InvalidSpec")
    assert {c["type"]: c["status"] for c in status["conditions"]}["Finished"] == "True"


@pytest.mark.parametrize(
    ("left", "true", "reason"),
    [
        ({"result": {"a": 1}}, "True", "Stored"),
        ({"result_problem": "ResultTooLarge"}, "False", "ResultTooLarge"),
        ({"result_problem": "ResultNotJSON"}, "False", "ResultNotJSON"),
    ],
)
@pytest.mark.parametrize("state", ["success", "failed"])
def test_a_condition_tells_what_became_of_the_result(state: str, left: dict[str, Any], true: str, reason: str) -> None:
    status = derive(job(), left_by_task(state, {"number": 1, "reason": "Completed"}, **left), LINKS, NOW)
    (stored,) = [c for c in status["conditions"] if c["type"] == "ResultStored"]
    assert (stored["status"], stored["reason"]) == (true, reason)
    assert bool(stored["message"]) == (true == "False")


def test_what_is_waited_for_while_a_run_is_ended_is_named() -> None:
    resource = job(status=recorded("Running", "Running"), generation=2, spec=SPEC | {"rerun": "2"}, decided_spec=SPEC)
    known = dataclasses.replace(facts("running", running()), trouble=Trouble("AirflowUnreachable", "refused"))
    assert "AirflowUnreachable: refused" in derive(resource, known, LINKS, NOW)["message"]


def test_a_triggerer_that_is_away_when_a_container_ends_is_named() -> None:
    known = dataclasses.replace(facts("running", ended(0)), blocked=Trouble("TriggererUnhealthy", "why"))
    status = derive(job(status=recorded("Running", "Running")), known, LINKS, NOW)
    assert (status["phase"], status["reason"]) == ("Queued", "TriggererUnhealthy")


@pytest.mark.parametrize("case", CASES)
def test_every_reason_of_ours_is_in_the_list(case: str) -> None:
    resource, known, _ = CASES[case]
    status = derive(resource, known, LINKS, NOW)
    if resource.deleted_at is None:
        assert status["reason"] in REASONS[status["phase"]], "and so in the reference"
