"""What others write by accident or on purpose: nobody but they themselves is harmed."""

from __future__ import annotations

import pytest

from tests.support.cluster import PLURAL, Json, manifest
from tests.support.wait import stays, until
from tests.support.world import World


def test_a_refusal_for_another_uid_says_nothing(world: World) -> None:
    """Such as one about an earlier resource of this name."""
    world.triggered("renamed")
    world.refuse_pod("renamed", "no", uid="another")
    stays("still starting", lambda: world.namespace.status("renamed")["reason"] == "Starting", seconds=3)


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


def test_a_poisoned_pod_or_event_harms_nobody_else(world: World) -> None:
    """Whoever may create them would else end the operator, and again after each start."""
    world.triggered("poisoned")
    world.refuse_pod("poisoned", "no", at="0000-01-01T00:00:00Z")
    pod = world.add_pod("poisoned")
    world.namespace.kubectl("label", "pod", pod, "acj.dev/attempt=x", "--overwrite")
    world.namespace.kubectl("annotate", "pod", pod, "acj.dev/attempts=x", "--overwrite")
    world.pod_runs(pod)
    world.wait("poisoned", "Running")
    for name in ("after-poison", "after-poison-and-a-start"):
        other = world.triggered(name)
        world.airflow.finish(other, "success")
        world.wait(name, "Succeeded")
        assert world.operator.alive
        world.operator.kill()
        world.operator.start()
    world.airflow.finish(world.run_id("poisoned"), "failed")
    world.wait("poisoned", "Failed")


@pytest.mark.parametrize(
    ("name", "annotation"),
    [
        ("lost", ""),
        ("endless", '{"uid": "UID", "generation": 1e999}'),
        ("undated", '{"uid": "UID", "generation": 1, "decidedAt": "soon"}'),
    ],
)
def test_a_job_whose_decision_is_overwritten_goes_on_with_its_run(world: World, name: str, annotation: str) -> None:
    """Also by one who begins anew, and knows no more than what is in the resource."""
    run = world.triggered(name)
    world.operator.kill()
    uid = world.namespace.job(name)["metadata"]["uid"]
    world.namespace.kubectl("annotate", PLURAL, name, f"acj.dev/run={annotation.replace('UID', uid)}", "--overwrite")
    world.operator.start()
    world.airflow.finish(run, "success")
    world.wait(name, "Succeeded")
    until("the finalizer is gone", lambda: world.released(name))
    assert [one["dag_run_id"] for one in world.runs_of(name)] == [run]


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
    world.namespace.write_status(PLURAL, name, status)
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
