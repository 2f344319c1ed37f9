"""derive, once a run has ended: what is recorded stands, what people do in Airflow is another run or another word."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest

from airflow_container_job.facts import DagRun
from airflow_container_job.job import Job
from airflow_container_job.status import Links, derive, expired, invalid
from tests.unit.operator.builders import NOW, SPEC, ended, facts, job, pod, run_id, running

LINKS = Links("container_job", "https://airflow.example")


def finished() -> Job:
    status = derive(job(), facts("success", ended(0, '{"a": 1}')), LINKS, NOW)
    return job(status=status, held=False)


def test_what_is_recorded_of_a_finished_run_stands() -> None:
    for known in (facts(), facts("success"), facts("lost"), facts("success", running())):
        assert derive(finished(), known, LINKS, NOW + timedelta(hours=1)) == finished().status


def test_a_change_that_runs_nothing_is_seen() -> None:
    touched = dataclasses.replace(finished(), generation=5)
    assert derive(touched, facts(), LINKS, NOW) == dict(finished().status) | {"observedGeneration": 5}


def test_a_finished_run_that_is_marked_otherwise_keeps_its_details() -> None:
    status = derive(finished(), facts("failed"), LINKS, NOW)
    assert (status["phase"], status["reason"], status["dagRunState"]) == ("Failed", "MarkedFailed", "failed")
    assert (status["result"], status["exitCode"]) == ({"a": 1}, 0)
    assert {c["type"]: c["status"] for c in status["conditions"]}["Succeeded"] == "False"
    assert [(one["number"], one["phase"]) for one in status["runs"]] == [(1, "Failed")]


def test_a_finished_run_that_is_cleared_is_another_run_of_the_same_id() -> None:
    status = derive(finished(), facts("queued"), LINKS, NOW)
    assert (status["phase"], status["reason"]) == ("Queued", "Cleared")
    assert [(one["number"], one["phase"]) for one in status["runs"]] == [(1, "Succeeded"), (2, "Queued")]
    assert "result" not in status
    assert "completionTime" not in status


def test_a_running_task_that_is_cleared_is_another_run_of_the_same_id() -> None:
    before = derive(job(), facts("running", running()), LINKS, NOW)
    new = pod("Pending", name="hello-new-1")
    new["metadata"]["creationTimestamp"] = "2026-11-22T11:59:59Z"
    status = derive(job(status=before), facts("running", running(), new), LINKS, NOW)
    assert (status["phase"], status["reason"]) == ("Queued", "Cleared")
    assert [(one["number"], one["phase"], one["reason"]) for one in status["runs"]] == [
        (1, "Failed", "Cleared"),
        (2, "Queued", "Cleared"),
    ]


def test_of_a_cleared_run_a_pod_that_was_kept_tells_nothing_of_the_new_try() -> None:
    first = derive(job(), facts("failed", ended(3)), LINKS, NOW)
    kept = facts("queued", ended(3))
    cleared = derive(job(status=first), kept, LINKS, NOW)
    again = derive(job(status=cleared), kept, LINKS, NOW)
    assert (again["phase"], again["reason"]) == ("Queued", "Cleared")
    assert not {"attempts", "exitCode"} & again.keys()
    new = pod(name="hello-new-1", state={"running": {"startedAt": "2026-11-22T12:00:01Z"}})
    new["metadata"]["creationTimestamp"] = "2026-11-22T12:00:00Z"
    status = derive(job(status=again), facts("running", ended(3), new), LINKS, NOW)
    assert (status["phase"], status["podName"]) == ("Running", "hello-new-1")
    assert [one["number"] for one in status["runs"]] == [1, 2]


def changed_and_suspended(status: dict[str, Any]) -> Job:
    spec = SPEC | {"image": "other", "suspend": True}
    return job(status=status, spec=spec, decided_spec=SPEC, generation=2, held=False)


@pytest.mark.parametrize("end", [("success", ended(0, '{"a": 1}')), ("failed", ended(3, "no pier 9"))])
@pytest.mark.parametrize("restarted", [False, True])
def test_what_is_changed_and_suspended_after_its_end_has_that_end_again_when_all_is_taken_back(
    end: tuple[str, dict[str, Any]], *, restarted: bool
) -> None:
    """Nothing else was run meanwhile, so nothing is to be run again."""
    first = derive(job(), facts(*end), LINKS, NOW)
    known = facts() if restarted else facts(*end)
    suspended = derive(changed_and_suspended(first), known, LINKS, NOW)
    assert (suspended["phase"], suspended["reason"]) == ("Suspended", "Suspended")
    assert derive(changed_and_suspended(suspended), known, LINKS, NOW) == suspended
    later = NOW + timedelta(hours=1)
    back = derive(job(status=suspended, held=False, generation=3), known, LINKS, later)
    told = {name: value for name, value in back.items() if name not in ("conditions", "observedGeneration")}
    assert told == {name: value for name, value in first.items() if name not in ("conditions", "observedGeneration")}
    assert {c["type"]: c["status"] for c in back["conditions"]} == {
        **{c["type"]: c["status"] for c in first["conditions"]},
        "Suspended": "False",
    }


def test_an_end_without_a_container_keeps_its_time_when_a_change_is_taken_back() -> None:
    first = invalid(job(), "no", NOW)
    suspended = derive(changed_and_suspended(first), facts(), LINKS, NOW)
    back = derive(job(status=suspended, held=False, generation=3), facts(), LINKS, NOW + timedelta(hours=1))
    assert (back["phase"], back["reason"], back["completionTime"]) == ("Failed", "InvalidSpec", first["completionTime"])


def test_the_last_five_runs_are_kept() -> None:
    status: dict[str, Any] = {}
    for generation in range(1, 8):
        known = facts("success", ended(0))
        resource = job(status=status, generation=generation, decided=generation)
        known = dataclasses.replace(known, run=DagRun(run_id(generation), "success"))
        status = derive(resource, known, LINKS, NOW)
    assert [one["dagRunId"] for one in status["runs"]] == [run_id(generation) for generation in range(3, 8)]
    assert [one["number"] for one in status["runs"]] == [3, 4, 5, 6, 7]


def test_an_expired_job_tells_how_it_ended_and_no_more() -> None:
    status = expired(finished(), NOW)
    kept = {"phase", "reason", "observedGeneration", "dagRunId", "completionTime", "exitCode", "runs", "conditions"}
    assert kept <= status.keys()
    assert not {"result", "attempts", "podName", "message"} & status.keys()
    said = {c["type"]: c["status"] for c in status["conditions"]}
    assert said["Expired"] == said["Finished"] == "True"
    assert "ResultStored" not in said
