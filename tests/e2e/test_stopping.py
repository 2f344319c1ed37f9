"""Suspended, shut down, deleted: DagRun, pod and status agree within 20 seconds."""

from __future__ import annotations

import time

from tests.support.airflow import Airflow
from tests.support.cluster import Json, Namespace
from tests.support.jobs import GRACE, condition, ended, events, job, pods, pods_of, uid, until_phase
from tests.support.wait import stays, until

BOUND = 20
"""Seconds until all parts agree."""

TIDY = "trap 'sleep 3; exit 0' TERM; sleep 600 & wait"

BATCH = [
    job("born-suspended", "true", suspend=True),
    job("suspended", "sleep 600", **GRACE),
    job("shut-down", TIDY),
    job("shut-down-unstarted", "true", nodeSelector={"example.com/no-node": "has-this"}),
    job("shut-down-at-birth", "true", shutdown="Stop"),
    job("shut-down-finished", "true"),
    job("deleted", TIDY),
    job("suspended-finished", "true"),
]


def check_stopped(airflow: Airflow, namespace: Namespace, name: str, phase: str, reason: str) -> Json:
    """Called right after the change that asks for it."""
    began = time.monotonic()
    status = until_phase(namespace, name, phase, reason=reason, seconds=BOUND)
    until("its pod is gone", lambda: not pods_of(namespace, name), BOUND - (time.monotonic() - began))
    if "dagRunId" in status:
        assert airflow.run(status["dagRunId"])["state"] == "failed"
    return status


def test_suspended_at_birth_there_is_no_run_until_it_is_resumed(airflow: Airflow, batch: Namespace) -> None:
    status = until_phase(batch, "born-suspended", "Suspended", reason="Suspended")
    assert "dagRunId" not in status
    assert condition(status, "Suspended")["status"] == "True"
    assert condition(status, "Finished")["status"] == "False"
    assert airflow.runs_of(uid(batch, "born-suspended")) == 0
    batch.patch("born-suspended", suspend=False)
    status = until_phase(batch, "born-suspended", "Succeeded")
    assert condition(status, "Suspended")["status"] == "False"
    assert len(status["runs"]) == 1


def test_suspended_while_running_and_resumed_with_a_new_run(airflow: Airflow, batch: Namespace) -> None:
    first = until_phase(batch, "suspended", "Running")["dagRunId"]
    batch.patch("suspended", suspend=True)
    status = check_stopped(airflow, batch, "suspended", "Suspended", "Suspended")
    assert condition(status, "Finished")["status"] == "False"
    batch.patch("suspended", suspend=False)
    second = until_phase(batch, "suspended", "Running")
    assert second["dagRunId"] != first
    assert [run["dagRunId"] for run in second["runs"]] == [first, second["dagRunId"]]
    batch.patch("suspended", shutdown="Stop")


def test_shut_down_while_running(airflow: Airflow, batch: Namespace) -> None:
    until_phase(batch, "shut-down", "Running")
    batch.patch("shut-down", shutdown="Stop")
    until_phase(batch, "shut-down", "Running", reason="Stopping", seconds=5)
    status = check_stopped(airflow, batch, "shut-down", "Failed", "Stopped")
    assert condition(status, "Finished")["status"] == "True"
    until("it is told", lambda: "Stopped" in events(batch, "shut-down"))


def test_taking_shutdown_back_runs_nothing_and_rerun_does(airflow: Airflow, batch: Namespace) -> None:
    until_phase(batch, "shut-down-unstarted", "Queued", reason="Unschedulable")
    batch.patch("shut-down-unstarted", shutdown="Stop")
    check_stopped(airflow, batch, "shut-down-unstarted", "Failed", "Stopped")
    batch.patch("shut-down-unstarted", shutdown=None)
    stays("it is over", lambda: batch.status("shut-down-unstarted")["phase"] == "Failed", 3)
    batch.patch("shut-down-unstarted", rerun="now", nodeSelector=None)
    assert until_phase(batch, "shut-down-unstarted", "Succeeded")["runs"][-1]["number"] == 2


def test_shut_down_at_birth_there_is_no_run(airflow: Airflow, batch: Namespace) -> None:
    status = ended(batch, "shut-down-at-birth")
    assert (status["phase"], status["reason"]) == ("Failed", "Stopped")
    assert airflow.runs_of(uid(batch, "shut-down-at-birth")) == 0


def test_what_is_over_stays_as_it_is(airflow: Airflow, batch: Namespace) -> None:
    for name, change in (("shut-down-finished", {"shutdown": "Stop"}), ("suspended-finished", {"suspend": True})):
        before = ended(batch, name)
        batch.patch(name, **change)
        stays("it is over", lambda name=name: batch.status(name)["phase"] == "Succeeded", 2)  # type: ignore[misc]
        assert batch.status(name)["completionTime"] == before["completionTime"]
        assert airflow.runs_of(uid(batch, name)) == 1


def test_deleting_a_running_job_ends_its_run_and_its_pod(airflow: Airflow, batch: Namespace) -> None:
    status = until_phase(batch, "deleted", "Running")
    began = time.monotonic()
    batch.kubectl("delete", "acj", "deleted", f"--timeout={BOUND}s")
    left = BOUND - (time.monotonic() - began)
    until("the pod is gone", lambda: not [p for p in pods(batch) if p["metadata"]["name"] == status["podName"]], left)
    assert airflow.run(status["dagRunId"])["state"] == "failed"
