"""What people do to a run in Airflow is followed: status, reason, event, and an entry in runs where it runs again."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.error import HTTPError
from urllib.parse import quote

import pytest

from tests.support.airflow import Airflow
from tests.support.cluster import Json, Namespace
from tests.support.jobs import GRACE, ended, events, job, pods, until_phase
from tests.support.wait import until

BOUND = 20
"""Seconds until all parts agree, where a pod tells the operator that something happened."""

SWEEP = 30
"""Seconds until it has seen by itself which runs changed."""

BATCH = [
    job("cleared", "sleep 2"),
    job("cleared-failed", "exit 4"),
    job("cleared-running", "sleep 600", **GRACE),
    job("marked-success", "sleep 600", **GRACE),
    job("marked-failed", "sleep 600", **GRACE),
    job("failed-then-marked", "exit 4"),
    job("succeeded-then-marked", "true"),
    job("deleted", "sleep 600", **GRACE),
    job("deleted-finished", "true"),
    job("found-again", "true"),
    job("marked-unstarted", "true", nodeSelector={"example.com/no-node": "has-this"}),
]
QUEUED = "deleted-queued"


@pytest.fixture(scope="module", autouse=True)
def _deleted_while_queued(request: pytest.FixtureRequest, airflow: Airflow) -> Iterator[None]:
    """A job whose DagRun cannot start, and which somebody deletes before the first test of this module."""
    with airflow.paused("primes"):
        batch = request.getfixturevalue("batch")
        batch.apply({**job(QUEUED, ""), "spec": {"dagId": "primes"}})
        airflow.delete(until_phase(batch, QUEUED, "Queued", reason="DagPaused")["dagRunId"], "primes")
        yield
        batch.kubectl("delete", "acj", QUEUED, "--timeout=20s")


def pod_gone(namespace: Namespace, status: Json) -> None:
    def gone() -> bool:
        return status["podName"] not in {one["metadata"]["name"] for one in pods(namespace)}

    until("its pod is gone", gone, BOUND)


def test_clearing_a_finished_run_runs_it_again(airflow: Airflow, batch: Namespace) -> None:
    first = ended(batch, "cleared")
    airflow.clear(first["dagRunId"])
    until_phase(batch, "cleared", "Queued", "Running", seconds=BOUND)
    status = ended(batch, "cleared")
    assert (status["phase"], status["reason"]) == ("Succeeded", "Completed")
    assert [(run["number"], run["phase"]) for run in status["runs"]] == [(1, "Succeeded"), (2, "Succeeded")]
    assert {run["dagRunId"] for run in status["runs"]} == {first["dagRunId"]}
    assert status["completionTime"] > first["completionTime"]
    until("it is told", lambda: "Cleared" in events(batch, "cleared"))


def test_clearing_a_failed_run_runs_it_again(airflow: Airflow, batch: Namespace) -> None:
    first = ended(batch, "cleared-failed")
    airflow.clear(first["dagRunId"])
    until("its second run is over", lambda: second_over(batch, "cleared-failed"), 60)
    status = batch.status("cleared-failed")
    assert [(run["number"], run["phase"], run["exitCode"]) for run in status["runs"]] == [
        (1, "Failed", 4),
        (2, "Failed", 4),
    ]
    assert len(status["attempts"]) == 1


def test_a_task_is_found_by_when_its_run_was_asked_for_also_when_that_was_cleared(
    airflow: Airflow, batch: Namespace
) -> None:
    """So the operator asks for tasks that have ended, for the sake of Airflow's database."""
    run = ended(batch, "found-again")["dagRunId"]
    run_after = airflow.run(run)["run_after"]
    airflow.clear(run)
    until("its second run is over", lambda: second_over(batch, "found-again"), 60)
    assert airflow.run(run)["run_after"] == run_after
    tasks = f"/dags/~/dagRuns/~/taskInstances?run_id_prefix_pattern={run}&state=success&cursor="
    (task,) = airflow("GET", f"{tasks}&run_after_gte={quote(run_after)}")["task_instances"]
    assert (task["dag_run_id"], task["run_after"]) == (run, run_after)
    assert airflow("GET", f"{tasks}&run_after_gt={quote(run_after)}")["task_instances"] == []


def second_over(namespace: Namespace, name: str) -> bool:
    status = namespace.status(name)
    return len(status["runs"]) == 2 and status["phase"] in ("Succeeded", "Failed")


def test_clearing_a_running_run_starts_it_anew(airflow: Airflow, batch: Namespace) -> None:
    first = until_phase(batch, "cleared-running", "Running")
    airflow.clear(first["dagRunId"])
    until("another pod runs", lambda: batch.status("cleared-running").get("podName") != first["podName"], 40)
    pod_gone(batch, first)
    status = until_phase(batch, "cleared-running", "Running")
    assert [run["number"] for run in status["runs"]] == [1, 2]
    assert status["runs"][0]["reason"] == "Cleared"
    until("it is told", lambda: "Cleared" in events(batch, "cleared-running"))
    batch.patch("cleared-running", shutdown="Stop")
    until_phase(batch, "cleared-running", "Failed", reason="Stopped", seconds=BOUND)


def test_marked_success_while_it_runs(airflow: Airflow, batch: Namespace) -> None:
    status = until_phase(batch, "marked-success", "Running")
    airflow.mark(status["dagRunId"], "success")
    until_phase(batch, "marked-success", "Succeeded", reason="MarkedSuccess", seconds=BOUND)
    pod_gone(batch, status)
    until("it is told", lambda: "MarkedSuccess" in events(batch, "marked-success"))


def test_marked_failed_while_it_runs(airflow: Airflow, batch: Namespace) -> None:
    status = until_phase(batch, "marked-failed", "Running")
    airflow.mark(status["dagRunId"], "failed")
    until_phase(batch, "marked-failed", "Failed", reason="MarkedFailed", seconds=BOUND)
    pod_gone(batch, status)
    until("it is told", lambda: "MarkedFailed" in events(batch, "marked-failed"))


def test_marked_failed_before_it_starts(airflow: Airflow, batch: Namespace) -> None:
    status = until_phase(batch, "marked-unstarted", "Queued", reason="Unschedulable")
    airflow.mark(status["dagRunId"], "failed")
    until_phase(batch, "marked-unstarted", "Failed", reason="MarkedFailed", seconds=BOUND)


def test_marked_after_its_end(airflow: Airflow, batch: Namespace) -> None:
    airflow.mark(ended(batch, "failed-then-marked")["dagRunId"], "success")
    airflow.mark(ended(batch, "succeeded-then-marked")["dagRunId"], "failed")
    status = until_phase(batch, "failed-then-marked", "Succeeded", reason="MarkedSuccess", seconds=SWEEP)
    assert status["exitCode"] == 4  # what the container did stays true
    status = until_phase(batch, "succeeded-then-marked", "Failed", reason="MarkedFailed", seconds=SWEEP)
    assert status["exitCode"] == 0


def test_deleted_while_it_runs(airflow: Airflow, batch: Namespace) -> None:
    """Airflow deletes no run that is running; so people mark it, and delete it at once."""
    status = until_phase(batch, "deleted", "Running")
    with pytest.raises(HTTPError, match="409"):
        airflow.delete(status["dagRunId"])
    airflow.mark(status["dagRunId"], "failed")
    airflow.delete(status["dagRunId"])
    until_phase(batch, "deleted", "Failed", seconds=2 * BOUND)  # no task is left that would tell
    pod_gone(batch, status)
    until("it is told", lambda: {"DagRunLost", "MarkedFailed"} & events(batch, "deleted"))


def test_deleted_while_it_is_queued(batch: Namespace) -> None:
    """No pod tells the operator of it, so this one takes longest."""
    until_phase(batch, QUEUED, "Failed", reason="DagRunLost", seconds=75)
    until("it is told", lambda: "DagRunLost" in events(batch, QUEUED))
    batch.patch(QUEUED, rerun="now")
    assert until_phase(batch, QUEUED, "Queued")["runs"][-1]["number"] == 2


def test_deleted_after_its_end_changes_nothing(airflow: Airflow, batch: Namespace) -> None:
    """Airflow tidies up old runs; what a finished job's status says stays true."""
    status = ended(batch, "deleted-finished")
    airflow.delete(status["dagRunId"])
    batch.kubectl("label", "acj", "deleted-finished", "look=again")
    assert batch.status("deleted-finished") == status
