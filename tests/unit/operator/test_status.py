"""derive: the status for each way a job can stand, and that equal facts say equal things."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest

from airflow_container_job.facts import Facts, Outcome, Trouble
from airflow_container_job.job import Job
from airflow_container_job.status import MESSAGE_LIMIT, Links, derive, invalid, seen_to_the_end
from tests.unit.operator.builders import NOW, SPEC, ended, facts, job, pod, recorded, run_id, running

LINKS = Links("container_job", "https://airflow.example")
UNSCHEDULABLE = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}]
WAITING = {"waiting": {"reason": "ErrImagePull", "message": "no such host"}}
PREEMPTED = pod("Failed", reason="Preempted")


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
        {"phase": "Queued", "reason": "Unschedulable", "message": "0/1 nodes"},
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
    "ended by hand": (job(), facts("failed", running(), gone=True), {"phase": "Failed", "reason": "PodDeleted"}),
    "ended by hand before there was a pod": (job(), facts("failed"), {"phase": "Failed", "reason": "Stopped"}),
    "deleted in Airflow": (
        job(status=recorded("Queued", "Starting")),
        facts("lost"),
        {"phase": "Failed", "reason": "DagRunLost", "dagRunState": "queued"},
    ),
    "second attempt on its way": (
        job(),
        facts("running", pod("Pending", attempt=2, earlier='[{"number": 1, "reason": "Error", "exitCode": 1}]')),
        {"phase": "Queued", "reason": "Retrying", "attempt": 1, "exitCode": 1},
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
    ("state", "last", "limit", "seen"),
    [
        ("success", ended(0), 0, True),
        ("failed", ended(1), 0, True),
        ("success", ended(1), 1, False),
        ("failed", ended(1), 1, False),
        ("failed", ended(0), 0, False),
        ("success", running(), 0, False),
    ],
)
def test_a_pod_explains_the_end_only_if_no_later_one_can_have_been(
    state: str, last: dict[str, Any], limit: int, *, seen: bool
) -> None:
    assert seen_to_the_end(job(spec=SPEC | {"backoffLimit": limit}), facts(state, last)) is seen


def test_a_next_attempt_that_is_late_is_said() -> None:
    resource = job(spec=SPEC | {"backoffLimit": 1}, status=recorded("Running", "Running"))
    status = derive(resource, facts("running", ended(1)), LINKS, NOW)
    assert (status["phase"], status["reason"]) == ("Queued", "Retrying")


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
