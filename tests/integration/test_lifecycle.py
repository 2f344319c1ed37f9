"""A resource's way through the operator while nothing breaks: what is asked of Airflow, what the status says."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.cluster import Json, manifest
from tests.support.wait import stays, until
from tests.support.world import ENDED, STARTED, World

ATTEMPT = {"number": 1, "startedAt": STARTED, "finishedAt": ENDED}


def conditions(status: Json) -> dict[str, str]:
    return {condition["type"]: condition["status"] for condition in status["conditions"]}


def test_from_apply_to_success(world: World) -> None:
    run = world.triggered("hello", args=["{{ 7*7 }}"], env=[{"name": "A", "value": "b"}])
    pod = world.add_pod("hello")
    world.pod_runs(pod)
    world.wait("hello", "Running")
    world.pod_ends(pod, message='{"lines": 3}')
    world.airflow.finish(run, "success")
    status = world.wait("hello", "Succeeded", "Completed")
    until("the finalizer is gone", lambda: world.released("hello"))

    assert run == f"acj-{world.namespace.job('hello')['metadata']['uid']}-1"
    assert status["result"] == {"lines": 3}
    assert status["exitCode"] == 0
    assert status["attempt"] == 1
    assert status["attempts"] == [ATTEMPT | {"podName": pod, "reason": "Completed", "exitCode": 0}]
    assert (status["startTime"], status["completionTime"]) == (STARTED, ENDED)
    assert (status["dagId"], status["dagRunState"]) == ("container_job", "success")
    assert status["dagRunUrl"] == f"{world.airflow.url}/dags/container_job/runs/{run}"
    assert conditions(status) == {"Triggered": "True", "Finished": "True", "Succeeded": "True"}
    assert len(world.runs_of("hello")) == 1


def test_the_conf_carries_the_spec(world: World) -> None:
    run = world.triggered(
        "conf",
        args=["{{ 7*7 }}"],
        env=[{"name": "A", "value": "b"}],
        backoffLimit=2,
        podMetadata={"labels": {"a": "b"}},
    )
    (found,) = world.runs_of("conf")
    conf = found["conf"]
    owner = conf.pop("owner_reference")
    assert run == found["dag_run_id"]
    assert conf == {
        "docker_image_name": "busybox:1.35",
        "commands": ["true"],
        "arguments": ["{{ 7*7 }}"],
        "env_vars": [{"name": "A", "value": "b"}],
        "automount_service_account_token": False,
        "retries": 2,
        "labels": {"a": "b"},
        "namespace": world.namespace.name,
        "name": "conf",
    }
    assert (owner["kind"], owner["name"]) == ("AirflowContainerJob", "conf")
    assert owner["uid"] == world.namespace.job("conf")["metadata"]["uid"]


def test_a_container_that_fails(world: World) -> None:
    run = world.triggered("fails")
    pod = world.add_pod("fails")
    world.pod_ends(pod, exit_code=3, message="last words\n")
    world.airflow.finish(run, "failed")
    status = world.wait("fails", "Failed", "Error")
    assert status["exitCode"] == 3
    assert status["message"] == "last words"
    assert conditions(status) == {"Triggered": "True", "Finished": "True", "Succeeded": "False"}


def test_what_a_pod_waits_for_is_shown_once(world: World) -> None:
    """The kubelet alternates between two words, with ever new messages: none of that is written again."""
    with world.namespace.watch() as watch:
        world.triggered("pulls")
        pod = world.add_pod("pulls")
        world.pod_waits(pod, "ErrImagePull", "not found")
        status = world.wait("pulls", "Queued", "ImagePullBackOff")
        assert status["message"] == "not found"
        before = watch.writes("pulls")
        world.pod_waits(pod, "ImagePullBackOff", "Back-off 10s")
        world.pod_waits(pod, "ErrImagePull", "still not found")
        stays("one message for one trouble", lambda: watch.writes("pulls") == before, seconds=3)
    world.namespace.delete("pulls")
    world.wait_gone("pulls")


def test_an_end_whose_pod_was_never_seen(world: World) -> None:
    """Airflow keeps what the pods told: the attempts and the result."""
    run = world.triggered("unseen")
    attempts = [
        {"number": 1, "podName": "unseen-1", "reason": "Evicted"},
        ATTEMPT | {"number": 2, "podName": "unseen-2", "reason": "Completed", "exitCode": 0},
    ]
    world.airflow.set_xcom(run, "outcome", json.dumps({"attempts": attempts, "result": [1, "two"]}))
    world.airflow.finish(run, "success")
    status = world.wait("unseen", "Succeeded", "Completed")
    assert status["attempts"] == attempts
    assert status["attempt"] == 2
    assert status["result"] == [1, "two"]


def test_a_conf_that_airflow_refuses(world: World) -> None:
    world.airflow.refuse_conf = "Invalid input for param env_vars: 5 is not of type 'string'"
    try:
        world.apply("refused")
        status = world.wait("refused", "Failed", "InvalidSpec")
    finally:
        world.airflow.refuse_conf = None
    assert "Invalid input for param env_vars" in status["message"]
    assert conditions(status)["Finished"] == "True"
    assert world.runs_of("refused") == []


def dag_away(world: World) -> Callable[[], None]:
    dag = world.airflow.dags.pop("container_job")
    return lambda: world.airflow.dags.update(container_job=dag)


def dag_broken(world: World) -> Callable[[], None]:
    dag = world.airflow.dags["container_job"]
    dag.has_import_errors = True
    return lambda: setattr(dag, "has_import_errors", False)


def dag_not_manual(world: World) -> Callable[[], None]:
    dag = world.airflow.dags["container_job"]
    dag.allowed_run_types = ["scheduled"]
    return lambda: setattr(dag, "allowed_run_types", None)


@pytest.mark.parametrize("break_dag", [dag_away, dag_broken, dag_not_manual])
def test_a_dag_that_cannot_run_is_waited_for(world: World, break_dag: Callable[[World], Any]) -> None:
    name = break_dag.__name__.replace("_", "-")
    repair = break_dag(world)
    try:
        world.apply(name)
        status = world.wait(name, "Pending", "DagMissing")
        assert "container_job" in status["message"]
        assert world.runs_of(name) == []
    finally:
        repair()
    world.wait(name, "Queued")
    assert len(world.runs_of(name)) == 1


def test_deletion_stops_the_run_and_the_pod(world: World) -> None:
    run = world.triggered("deleted")
    pod = world.add_pod("deleted")
    world.pod_runs(pod)
    world.wait("deleted", "Running")
    world.namespace.delete("deleted")
    world.wait_gone("deleted", seconds=20)
    assert world.run_state(run) == "failed"
    until("the pod is gone", lambda: world.namespace.cluster.read("-n", world.namespace.name, "pod", pod) is None)


def test_deletion_of_a_finished_job_leaves_its_run(world: World) -> None:
    run = world.triggered("kept")
    world.airflow.finish(run, "success")
    world.wait("kept", "Succeeded")
    world.namespace.delete("kept")
    world.wait_gone("kept")
    assert world.run_state(run) == "success"


def test_suspended_at_birth(world: World) -> None:
    world.apply("born-suspended", suspend=True)
    status = world.wait("born-suspended", "Suspended")
    assert conditions(status)["Suspended"] == "True"
    stays("no run", lambda: world.runs_of("born-suspended") == [], seconds=2)
    world.namespace.patch("born-suspended", suspend=False)
    status = world.wait("born-suspended", "Queued")
    assert len(world.runs_of("born-suspended")) == 1
    assert conditions(status)["Suspended"] == "False"


def test_suspended_while_running_and_resumed(world: World) -> None:
    first = world.triggered("paused")
    pod = world.add_pod("paused")
    world.pod_runs(pod)
    world.wait("paused", "Running")
    world.namespace.patch("paused", suspend=True)
    world.wait("paused", "Suspended", "Suspended")
    assert world.run_state(first) == "failed"
    assert world.namespace.cluster.read("-n", world.namespace.name, "pod", pod) is None

    world.namespace.patch("paused", suspend=False)
    world.wait("paused", "Queued")
    second = world.run_id("paused")
    assert second != first
    assert [run["dag_run_id"] for run in world.runs_of("paused")] == [first, second]
    world.airflow.finish(second, "success")
    world.wait("paused", "Succeeded")


def test_applying_the_same_again_runs_nothing(world: World) -> None:
    run = world.triggered("again")
    world.airflow.finish(run, "success")
    world.wait("again", "Succeeded")
    world.apply("again")
    world.namespace.kubectl("annotate", "acj", "again", "note=touched")
    stays("one run, over", lambda: world.namespace.status("again")["phase"] == "Succeeded", seconds=3)
    assert len(world.runs_of("again")) == 1


def test_a_changed_spec_replaces_the_run(world: World) -> None:
    first = world.triggered("changed")
    world.namespace.patch("changed", image="busybox:1.36")
    until("there is a second run", lambda: len(world.runs_of("changed")) == 2)
    assert world.run_state(first) == "failed"
    until("the second run is shown", lambda: world.run_id("changed") != first)
    assert world.runs_of("changed")[1]["conf"]["docker_image_name"] == "busybox:1.36"


def test_our_own_run_is_adopted(world: World) -> None:
    run, uid = suspended(world, "ours")
    world.airflow.create(run, {"owner_reference": {"uid": uid}})
    world.namespace.patch("ours", suspend=False)
    world.wait("ours", "Queued")
    assert world.run_id("ours") == run
    assert len(world.runs_of("ours")) == 1


def test_a_foreign_run_of_our_id_is_not_adopted(world: World) -> None:
    run, _ = suspended(world, "foreign")
    world.airflow.create(run, {"owner_reference": {"uid": "somebody-else"}})
    world.namespace.patch("foreign", suspend=False)
    status = world.wait("foreign", "Failed")
    assert run in status["message"]
    assert world.run_state(run) == "queued"


def test_a_run_marked_failed_by_hand(world: World) -> None:
    run = world.triggered("marked")
    world.airflow.finish(run, "failed")
    world.wait("marked", "Failed", "Stopped")


def test_a_run_deleted_by_hand(world: World) -> None:
    run = world.triggered("lost")
    world.airflow.delete_run(run)
    world.wait("lost", "Failed", "DagRunLost")
    assert world.runs_of("lost") == []


def test_a_pod_with_copied_labels_says_nothing(world: World) -> None:
    world.triggered("victim")
    labels = {
        "app.kubernetes.io/managed-by": "airflow-container-job",
        "acj.dev/job-uid": world.namespace.job("victim")["metadata"]["uid"],
    }
    spec = {"schedulerName": "none", "serviceAccountName": "pods", "containers": [{"name": "base", "image": "none"}]}
    about = {"name": "liar", "labels": labels, "annotations": {"acj.dev/dag-run-id": world.run_id("victim")}}
    world.namespace.apply({"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": spec})
    world.pod_runs("liar")
    stays("still queued", lambda: world.namespace.status("victim")["phase"] == "Queued", seconds=3)
    world.namespace.delete("victim")
    world.wait_gone("victim")


@pytest.mark.parametrize(
    ("name", "status", "annotations"),
    [
        ("odd-status", {"phase": "Running", "attempts": [{"number": 7, "podName": ""}], "result": []}, {}),
        ("forged-end", {"phase": "Succeeded", "dagRunId": "acj-x-1", "conditions": []}, {}),
        ("odd-decision", {}, {"acj.dev/run": "nonsense"}),
    ],
)
def test_a_poisoned_object_harms_nobody_else(
    world: World, name: str, status: Json, annotations: dict[str, str]
) -> None:
    body = manifest(name, suspend=True)
    body["metadata"]["annotations"] = annotations
    world.namespace.apply(body)
    world.namespace.write_status("acj", name, status)
    world.namespace.patch(name, suspend=False)
    world.triggered(f"after-{name}")
    assert world.operator.alive
    world.namespace.delete(name)
    world.wait_gone(name, seconds=20)


@pytest.mark.parametrize("spoil", ["expire_tokens", "change_secret"])
def test_a_refused_token_is_renewed(world: World, spoil: str) -> None:
    world.triggered(f"before-{spoil.replace('_', '-')}")
    logins = world.airflow.count("POST", "/auth/token")
    getattr(world.airflow, spoil)()
    world.triggered(f"after-{spoil.replace('_', '-')}")
    assert world.airflow.count("POST", "/auth/token") == logins + 1


def suspended(world: World, name: str) -> tuple[str, str]:
    """Make a suspended resource: the id its next run will have, and its uid."""
    world.apply(name, suspend=True)
    world.wait(name, "Suspended")
    uid = world.namespace.job(name)["metadata"]["uid"]
    return f"acj-{uid}-2", uid
