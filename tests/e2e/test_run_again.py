"""What runs a job again, and what does not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.airflow import Airflow
from tests.support.cluster import Json, Namespace
from tests.support.jobs import GRACE, ended, events, job, pods, pods_of, uid, until_phase
from tests.support.wait import stays, until

NOT_EXECUTION: dict[str, Any] = {
    "suspend": False,
    "startDeadlineSeconds": 600,
    "ttlSecondsAfterFinished": 3600,
    "podRetention": "Keep",
    "rerunPolicy": "OnSpecChange",
    "priority": 7,
}
"""Fields whose change alone runs nothing."""

BATCH = [
    job("running", "trap 'sleep 3; exit 1' TERM; sleep 600 & wait"),
    job("failed", "exit 1"),
    job("untouched", "true"),
    job("never", "true", rerunPolicy="Never"),
    job("asked", "true"),
    job("asked-while-running", "sleep 600", **GRACE),
]


def test_a_changed_spec_replaces_what_runs(airflow: Airflow, batch: Namespace) -> None:
    first = until_phase(batch, "running", "Running")
    batch.patch("running", args=["true"])
    until_phase(batch, "running", "Pending", reason="SpecChanged", seconds=10)
    # The old container takes three seconds to end; until then there is no other.
    stays("one pod at most", lambda: len(pods_of(batch, "running")) <= 1, 2)
    status = until_phase(batch, "running", "Succeeded")
    assert airflow.run(first["dagRunId"])["state"] == "failed"
    assert [(run["number"], run["phase"]) for run in status["runs"]] == [(1, "Failed"), (2, "Succeeded")]
    assert status["runs"][0]["dagRunId"] == first["dagRunId"] != status["dagRunId"]
    until("it is told", lambda: "SpecChanged" in events(batch, "running"))


def test_a_changed_spec_runs_after_a_failure(airflow: Airflow, batch: Namespace) -> None:
    first = ended(batch, "failed")
    assert first["phase"] == "Failed"
    batch.apply(job("failed", "exit 0"))
    second = until_phase(batch, "failed", "Succeeded")
    assert second["dagRunId"] != first["dagRunId"]
    assert airflow.runs_of(uid(batch, "failed")) == 2


def test_what_does_not_touch_execution_runs_nothing(airflow: Airflow, batch: Namespace) -> None:
    first = ended(batch, "untouched")
    batch.apply(job("untouched", "true"))
    batch.kubectl("label", "acj", "untouched", "team=harbour")
    batch.kubectl("annotate", "acj", "untouched", "example.com/note=again")
    for field, value in NOT_EXECUTION.items():
        batch.patch("untouched", **{field: value})
    batch.patch("untouched", **dict.fromkeys(NOT_EXECUTION))
    generation = batch.job("untouched")["metadata"]["generation"]
    until("it was seen", lambda: batch.status("untouched")["observedGeneration"] == generation, 10)
    stays("it is over", lambda: batch.status("untouched")["phase"] == "Succeeded", 2)
    assert batch.status("untouched")["completionTime"] == first["completionTime"]
    assert airflow.runs_of(uid(batch, "untouched")) == 1


def test_under_never_a_changed_spec_runs_nothing_and_a_new_rerun_does(airflow: Airflow, batch: Namespace) -> None:
    ended(batch, "never")
    batch.patch("never", args=["exit 1"])
    stays("it is over", lambda: batch.status("never")["phase"] == "Succeeded", 3)
    assert airflow.runs_of(uid(batch, "never")) == 1
    batch.patch("never", rerun="now")
    assert until_phase(batch, "never", "Failed")["exitCode"] == 1
    assert airflow.runs_of(uid(batch, "never")) == 2


def test_a_new_text_runs_again_the_same_text_does_not_and_five_runs_are_kept(batch: Namespace) -> None:
    ended(batch, "asked")
    for number in range(2, 7):
        batch.patch("asked", rerun=f"{number}. time")
        until("it ran", lambda n=number: finished_runs(batch.status("asked")) == n, 60)  # type: ignore[misc]
    batch.patch("asked", rerun="6. time")
    batch.patch("asked", rerun=None)
    stays("it is over", lambda: finished_runs(batch.status("asked")) == 6, 3)
    status = batch.status("asked")
    assert [run["number"] for run in status["runs"]] == [2, 3, 4, 5, 6]
    assert len({run["dagRunId"] for run in status["runs"]}) == 5
    assert {run["phase"] for run in status["runs"]} == {"Succeeded"}


def finished_runs(status: Json) -> int:
    """The number of the last run, when it is over."""
    return int(status["runs"][-1]["number"]) if status["phase"] in ("Succeeded", "Failed") else 0


def test_a_new_text_replaces_what_runs(airflow: Airflow, batch: Namespace) -> None:
    first = until_phase(batch, "asked-while-running", "Running")["dagRunId"]
    batch.patch("asked-while-running", rerun="now")
    until_phase(batch, "asked-while-running", "Pending", reason="Rerunning", seconds=10)
    second = until_phase(batch, "asked-while-running", "Running")
    assert second["dagRunId"] != first
    assert airflow.run(first)["state"] == "failed"
    batch.patch("asked-while-running", shutdown="Stop")


@pytest.mark.parametrize("tracked", [False, True])
def test_time_to_live(airflow: Airflow, namespace: Namespace, tracked: bool) -> None:
    """Of a resource that Argo CD tracks, pods and details go and the small resource stays: it would be made again."""
    made = job("brief", "echo '[1]' > /airflow/xcom/return.json", ttlSecondsAfterFinished=3600, podRetention="Keep")
    if tracked:
        name = f"harbour:acj.dev/AirflowContainerJob:{namespace.name}/brief"
        made["metadata"]["annotations"] = {"argocd.argoproj.io/tracking-id": name}
    namespace.apply(made)
    status = ended(namespace, "brief")
    assert len(pods(namespace)) == 1
    made["spec"]["ttlSecondsAfterFinished"] = 1
    namespace.apply(made)
    if not tracked:
        until("the resource is gone", lambda: namespace.find_job("brief") is None, 20)
    until("its pod is gone", lambda: not pods(namespace), 20)
    if tracked:
        namespace.kubectl("wait", "acj", "brief", "--for=condition=Expired", "--timeout=20s")
        namespace.apply(made)
        stays("it runs nothing", lambda: namespace.status("brief")["phase"] == "Succeeded", 3)
        assert "result" not in namespace.status("brief")
        assert airflow.runs_of(uid(namespace, "brief")) == 1
    assert airflow.until_over(status["dagRunId"]) == "success"
