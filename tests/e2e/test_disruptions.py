"""Pods that end by no fault of their own: evicted, preempted, deleted, lost with their node. None uses up backoffLimit.

Each job's first attempt would run for ten minutes, the second one ends at once; none may fail even once.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import pytest

from tests.support.cluster import Cluster, Json, Namespace
from tests.support.jobs import ATTEMPT, GRACE, attempts, ended, events, job, pod, pods, until_phase
from tests.support.wait import until
from tests.support.worker import Worker

FIRST_IS_LONG = "[ $ATTEMPT = 1 ] || exit 0; sleep 600"
SLOW_TO_END = "[ $ATTEMPT = 1 ] || exit 0; trap 'sleep 4; exit 1' TERM; sleep 600 & wait"


def long(name: str, script: str = FIRST_IS_LONG, **spec: object) -> Json:
    return job(name, script, **({"env": ATTEMPT} | GRACE | spec))


BATCH = [
    long("evicted"),
    long("deleted", SLOW_TO_END, terminationGracePeriodSeconds=30),
    long("force-deleted"),
    long(
        "failed-by-a-rule",
        podFailurePolicy={"rules": [{"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget"}]}]},
    ),
    job(
        "too-much",
        "dd if=/dev/zero of=/scratch/much bs=1M count=8; sleep 600",
        volumes=[{"name": "scratch", "emptyDir": {"sizeLimit": "1Mi"}}],
        volumeMounts=[{"name": "scratch", "mountPath": "/scratch"}],
        **GRACE,
    ),
]


@pytest.fixture
def classes(cluster: Cluster, namespace: Namespace) -> Iterator[dict[str, str]]:
    """Two PriorityClasses of the namespace's name."""
    made = {word: f"{namespace.name}-{word}" for word in ("low", "high")}
    try:
        for word, name in made.items():
            cluster.kubectl("create", "priorityclass", name, f"--value={ {'low': 1, 'high': 1000}[word] }")
        yield made
    finally:
        for name in made.values():
            cluster.kubectl("delete", "priorityclass", name, "--ignore-not-found", "--wait=false")


def evict(namespace: Namespace, name: str) -> None:
    """Ask the Eviction API for the job's pod, as a drain or a descheduler does."""
    victim = namespace.status(name)["podName"]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": victim}}
    path = f"/api/v1/namespaces/{namespace.name}/pods/{victim}/eviction"
    namespace.kubectl("create", "--raw", path, "-f", "-", stdin=eviction)


def check(namespace: Namespace, name: str, reason: str, seconds: float = 90) -> Json:
    """The job succeeded at its second attempt, which began when the first had ended."""
    status = ended(namespace, name, seconds)
    assert status["phase"] == "Succeeded", status
    assert [(one[0], one[2]) for one in attempts(status)] == [(reason, "Disruption"), ("Completed", None)]
    first, second = status["attempts"]
    assert first["podName"] != second["podName"]
    if "finishedAt" in first:
        assert datetime.fromisoformat(first["finishedAt"]) <= datetime.fromisoformat(second["startedAt"])
    until("it is told", lambda: "AttemptFailed" in events(namespace, name))
    return status


def delete_pod(namespace: Namespace, name: str, *options: str) -> None:
    namespace.kubectl("delete", "pod", namespace.status(name)["podName"], *options)


@pytest.fixture(scope="module")
def disrupted(batch: Namespace) -> Namespace:
    """The batch, after its pods were taken away; all jobs get over it side by side."""
    for name in ("evicted", "failed-by-a-rule", "force-deleted", "deleted"):
        until_phase(batch, name, "Running")
    evict(batch, "evicted")
    evict(batch, "failed-by-a-rule")
    delete_pod(batch, "force-deleted", "--force", "--grace-period=0")
    delete_pod(batch, "deleted", "--wait=false")
    return batch


def test_deleted_by_hand_and_slow_to_end(disrupted: Namespace) -> None:
    """While the old container tidies up the pod is Terminating, and the new one waits for it."""
    until_phase(disrupted, "deleted", "Running", reason="Terminating", seconds=5)
    status = check(disrupted, "deleted", "PodDeleted")
    assert "finishedAt" in status["attempts"][0]


def test_evicted_through_the_api(disrupted: Namespace) -> None:
    check(disrupted, "evicted", "Evicted")


def test_force_deleted_by_hand(disrupted: Namespace) -> None:
    check(disrupted, "force-deleted", "PodDeleted")


def test_a_rule_on_the_condition_disruption_target(disrupted: Namespace) -> None:
    status = ended(disrupted, "failed-by-a-rule")
    assert (status["phase"], status["reason"]) == ("Failed", "Evicted")
    assert len(status["attempts"]) == 1


def test_evicted_by_the_kubelet_for_using_too_much(batch: Namespace) -> None:
    """No disruption: a limit of its own that it broke."""
    status = ended(batch, "too-much", seconds=120)
    assert (status["phase"], status["reason"]) == ("Failed", "Evicted")
    assert "scratch" in status["message"]


def test_preempted_by_a_higher_priority(classes: dict[str, str], worker: Worker, namespace: Namespace) -> None:
    cores = int(worker.node()["status"]["allocatable"]["cpu"])
    most = {"requests": {"cpu": f"{cores * 1000 - 500}m"}}
    namespace.apply(long("low", priorityClassName=classes["low"], resources=most))
    until_phase(namespace, "low", "Running")
    namespace.apply(job("high", "sleep 3", priorityClassName=classes["high"], resources=most, **GRACE))
    assert ended(namespace, "high")["phase"] == "Succeeded"
    check(namespace, "low", "Preempted")


def test_drained(worker: Worker, namespace: Namespace) -> None:
    namespace.apply(long("drained"))
    until_phase(namespace, "drained", "Running")
    with worker.drained():
        until_phase(namespace, "drained", "Queued", reason="Unschedulable", seconds=60)
    check(namespace, "drained", "Evicted")


def test_lost_with_its_node(worker: Worker, namespace: Namespace) -> None:
    """The machine dies, and the cloud strikes it off: the next attempt runs elsewhere."""
    control_plane = "node-role.kubernetes.io/control-plane"
    rather_a_worker = [
        {"weight": 100, "preference": {"matchExpressions": [{"key": control_plane, "operator": "DoesNotExist"}]}}
    ]
    namespace.apply(
        long(
            "lost",
            affinity={"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": rather_a_worker}},
            tolerations=[{"key": control_plane, "operator": "Exists", "effect": "NoSchedule"}],
        )
    )
    until_phase(namespace, "lost", "Running")
    assert pod(namespace, "lost")["spec"]["nodeName"] == worker.name
    with worker.lost():
        check(namespace, "lost", "NodeLost", seconds=180)
    until("no pod is left", lambda: not pods(namespace), 60)
