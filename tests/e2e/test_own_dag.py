"""The dynamic operator in a DAG of one's own (examples/dags/primes.py), started through REST and by a resource."""

from __future__ import annotations

from typing import Any
from urllib.error import HTTPError

import pytest

from tests.support.airflow import Airflow
from tests.support.cluster import API_VERSION, KIND, Json, Namespace
from tests.support.jobs import condition, events, pods, pods_of, uid, until_phase
from tests.support.wait import until
from tests.support.worker import MARK

DAG = "primes"


def started(name: str, params: Json, **spec: Any) -> Json:
    """A resource that starts the DAG."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": name},
        "spec": {"dagId": DAG, "params": params, **spec},
    }


def of_task(airflow: Airflow, run: str, task: str) -> dict[int, Json]:
    """A task's instances by map index."""
    return {one["map_index"]: one for one in airflow.tasks(run, DAG) if one["task_id"] == task}


FOR_GOOD = {"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [3]}}]}

BATCH = [
    started("counts", {"limit": 100, "pods": 2}, podMetadata={"labels": {"team": "harbour"}}, podRetention="Keep"),
    started("unplaceable", {"limit": 50}, nodeSelector={MARK: "nowhere"}),
    # The DAG's author says how to count; what is laid over it here breaks that.
    started("broken", {"limit": 50}, command=["sh", "-c", "exit 3"]),
    started("broken-for-good", {"limit": 50}, command=["sh", "-c", "exit 3"], podFailurePolicy=FOR_GOOD),
    started("refused", {"limit": "many"}),
    started("taken", {"limit": 50, "docker_image_name": "busybox:1.35"}),
    {**started("missing", {}), "spec": {"dagId": "no-such-dag"}},
]


def test_by_a_resource(airflow: Airflow, batch: Namespace) -> None:
    status = until_phase(batch, "counts", "Succeeded", "Failed", seconds=240)
    assert (status["phase"], status["reason"]) == ("Succeeded", "Completed"), status
    assert (status["dagId"], status["dagRunState"]) == (DAG, "success")
    assert f"/dags/{DAG}/runs/" in status["dagRunUrl"]
    run = status["dagRunId"]
    assert airflow.run(run, DAG)["conf"]["limit"] == 100
    counted = {
        index: airflow.xcom(run, "return_value", DAG, "count", index) for index in of_task(airflow, run, "count")
    }
    assert counted == {0: 15, 1: 10}  # 2 to 47, 53 to 97
    assert airflow.xcom(run, "return_value", DAG, "total") == 25
    ours = pods_of(batch, "counts")
    assert len(ours) == 3
    assert {one["metadata"]["labels"]["team"] for one in ours} == {"harbour"}


def test_what_its_pod_waits_for_is_shown_and_it_can_be_stopped(airflow: Airflow, batch: Namespace) -> None:
    status = until_phase(batch, "unplaceable", "Queued", reason="Unschedulable")
    batch.patch("unplaceable", shutdown="Stop")
    until_phase(batch, "unplaceable", "Failed", reason="Stopped", seconds=20)
    assert airflow.run(status["dagRunId"], DAG)["state"] == "failed"
    until("its pod is gone", lambda: not pods_of(batch, "unplaceable"), 20)


def test_a_failed_task_fails_the_resource(batch: Namespace) -> None:
    status = until_phase(batch, "broken", "Succeeded", "Failed", seconds=240)
    assert (status["phase"], status["reason"]) == ("Failed", "Error")
    assert status["exitCode"] == 3


def test_airflow_tries_a_task_again_unless_its_end_was_for_good(airflow: Airflow, batch: Namespace) -> None:
    for name, tries in (("broken", 2), ("broken-for-good", 1)):
        status = until_phase(batch, name, "Failed", reason="Error", seconds=240)
        (limit,) = of_task(airflow, status["dagRunId"], "limit").values()
        assert (limit["state"], limit["try_number"]) == ("failed", tries), name


def test_params_that_the_dag_refuses_are_named(batch: Namespace) -> None:
    status = until_phase(batch, "refused", "Failed", reason="InvalidSpec")
    assert "limit" in status["message"]
    assert condition(status, "Triggered")["status"] == "False"


def test_params_may_not_stand_in_for_fields(airflow: Airflow, batch: Namespace) -> None:
    status = until_phase(batch, "taken", "Failed", reason="InvalidSpec")
    assert "docker_image_name" in status["message"]
    assert airflow.runs_of(uid(batch, "taken")) == 0


def test_a_dag_that_does_not_exist_is_waited_for(batch: Namespace) -> None:
    status = until_phase(batch, "missing", "Pending", reason="DagMissing")
    assert "no-such-dag" in status["message"]
    until("it is told", lambda: "DagMissing" in events(batch, "missing"))
    batch.kubectl("delete", "acj", "missing", "--timeout=20s")


def test_failed_elsewhere_than_in_a_container(airflow: Airflow, namespace: Namespace) -> None:
    namespace.apply(started("elsewhere", {"limit": 50}, nodeSelector={MARK: "nowhere"}))
    status = until_phase(namespace, "elsewhere", "Queued", reason="Unschedulable")
    airflow("PATCH", f"/dags/{DAG}/dagRuns/{status['dagRunId']}", {"state": "failed"})
    until_phase(namespace, "elsewhere", "Failed", reason="DagRunFailed", seconds=20)


def test_by_rest_with_its_own_defaults_and_a_conf_laid_over_them(airflow: Airflow, namespace: Namespace) -> None:
    conf = {"limit": 30, "pods": 1, "namespace": namespace.name, "labels": {"team": "harbour"}}
    run = airflow.trigger(conf, DAG)
    seen: set[str] = set()

    def over() -> bool:
        seen.update(one["metadata"]["labels"].get("team", "") for one in pods(namespace))
        return airflow.run(run, DAG)["state"] in ("success", "failed")

    until("the run is over", over, 240)
    assert airflow.run(run, DAG)["state"] == "success"
    assert airflow.xcom(run, "return_value", DAG, "total") == 10
    assert seen == {"harbour"}


def test_a_wrong_param_is_refused_at_the_trigger(airflow: Airflow) -> None:
    with pytest.raises(HTTPError) as refusal:
        airflow.trigger({"limit": 1}, DAG)
    assert refusal.value.code == 400
    assert "limit" in refusal.value.read().decode()


def test_each_file_is_found_once(airflow: Airflow) -> None:
    """A ConfigMap shows every file through two links as well."""
    assert airflow("GET", "/importErrors")["total_entries"] == 0
    found = [(one["dag_id"], one["relative_fileloc"]) for one in airflow("GET", "/dags")["dags"]]
    assert sorted(found) == [("container_job", "container_job.py"), (DAG, "primes.py")]
