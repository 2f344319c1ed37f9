"""What a job waits for is named while it lasts, goes on by itself when it is over, and ends at the start deadline."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from tests.support.airflow import Airflow
from tests.support.cluster import Cluster, Json, Namespace
from tests.support.jobs import ATTEMPT, GRACE, condition, ended, events, job, pods_of, until_phase
from tests.support.wait import until

NO_IMAGE = "localhost:1/no/such:image"
NO_NODE = {"example.com/no-node": "has-this"}
MISSING = [{"name": "LATE", "valueFrom": {"configMapKeyRef": {"name": "late", "key": "word"}}}]

BATCH = [
    job("no-node", "true", nodeSelector=NO_NODE),
    job("no-image-in-time", "true", image=NO_IMAGE, startDeadlineSeconds=30),
    job("no-node-in-time", "true", nodeSelector=NO_NODE, startDeadlineSeconds=40),
    job("in-time", "sleep 5", startDeadlineSeconds=60),
    job("no-config", 'echo "\\"$LATE\\"" > /airflow/xcom/return.json', env=MISSING),
    job("bad-image-name", "true", image="No Image"),
    job("no-command", "", command=["/no/such/command"]),
    job("no-volume", "true", volumeMounts=[{"name": "nowhere", "mountPath": "/nowhere"}]),
    job(
        "all-together",
        "[ $ATTEMPT = 1 ] || sleep 600; sleep 10; exit 1",
        env=ATTEMPT,
        activeDeadlineSeconds=20,
        backoffLimit=9,
        backoff={"initialSeconds": 0},
        **GRACE,
    ),
]


def check_too_late(namespace: Namespace, name: str, cause: str) -> Json:
    status = ended(namespace, name)
    assert (status["phase"], status["reason"]) == ("Failed", "StartDeadlineExceeded")
    assert cause in status["message"], status["message"]
    until("it is told", lambda: "StartDeadlineExceeded" in events(namespace, name))
    return status


def test_no_node_fits_until_one_does(batch: Namespace) -> None:
    status = until_phase(batch, "no-node", "Queued", reason="Unschedulable")
    assert "node" in status["message"]
    assert condition(status, "Triggered")["status"] == "True"
    assert condition(status, "Finished")["status"] == "False"
    batch.patch("no-node", nodeSelector=None)
    assert ended(batch, "no-node")["phase"] == "Succeeded"


def test_start_deadline_names_the_missing_image(airflow: Airflow, batch: Namespace) -> None:
    status = check_too_late(batch, "no-image-in-time", "ImagePullBackOff")
    assert NO_IMAGE in status["message"]
    assert airflow.run(status["dagRunId"])["state"] == "failed"


def test_start_deadline_names_the_missing_node(airflow: Airflow, batch: Namespace) -> None:
    status = check_too_late(batch, "no-node-in-time", "Unschedulable")
    assert airflow.run(status["dagRunId"])["state"] == "failed"
    until("its pod is gone", lambda: not pods_of(batch, "no-node-in-time"), 20)


def test_a_start_in_time_is_not_bothered(batch: Namespace) -> None:
    assert ended(batch, "in-time")["phase"] == "Succeeded"


def test_a_missing_config_map_until_it_is_there(batch: Namespace) -> None:
    until_phase(batch, "no-config", "Queued", reason="CreateContainerConfigError")
    # A busy kubelet first says that it could not ask in time.
    until("its status names what is missing", lambda: '"late"' in batch.status("no-config")["message"], 90)
    batch.kubectl("create", "configmap", "late", "--from-literal=word=here")
    assert ended(batch, "no-config")["result"] == "here"


def test_an_image_name_that_is_none(batch: Namespace) -> None:
    until_phase(batch, "bad-image-name", "Queued", reason="InvalidImageName")


def test_a_command_that_the_image_does_not_have(batch: Namespace) -> None:
    status = ended(batch, "no-command")
    assert status["phase"] == "Failed"
    assert status["reason"] in ("StartError", "ContainerCannotRun")  # the runtime's words
    assert "/no/such/command" in status["message"]


def test_a_spec_that_kubernetes_refuses(batch: Namespace) -> None:
    status = ended(batch, "no-volume")
    assert (status["phase"], status["reason"]) == ("Failed", "InvalidSpec")
    assert "nowhere" in status["message"]


def test_the_active_deadline_counts_all_attempts_together(batch: Namespace) -> None:
    """The second one gets what the first has left of it."""
    status = ended(batch, "all-together")
    assert (status["phase"], status["reason"]) == ("Failed", "DeadlineExceeded")
    first, second = status["attempts"]
    assert second["reason"] == "DeadlineExceeded"
    took = datetime.fromisoformat(status["completionTime"]) - datetime.fromisoformat(first["startedAt"])
    assert took < timedelta(seconds=30), "each had all of it"


def test_a_quota_until_it_allows_the_pod(airflow: Airflow, namespace: Namespace) -> None:
    namespace.kubectl("create", "quota", "none", "--hard=pods=0")
    namespace.apply(job("queued", "true"), job("in-time", "true", startDeadlineSeconds=20))
    status = until_phase(namespace, "queued", "Queued", reason="QuotaExceeded")
    assert "quota" in status["message"]
    late = check_too_late(namespace, "in-time", "QuotaExceeded")
    assert airflow.run(late["dagRunId"])["state"] == "failed"
    namespace.kubectl("delete", "quota", "none")
    assert ended(namespace, "queued")["phase"] == "Succeeded"
    assert namespace.status("in-time")["phase"] == "Failed"


def test_an_admission_rule_that_refuses_the_pod(namespace: Namespace) -> None:
    """The namespace's own pod security standard: a plain busybox is not restricted enough, and never will be."""
    namespace.cluster.kubectl("label", "namespace", namespace.name, "pod-security.kubernetes.io/enforce=restricted")
    namespace.apply(job("forbidden", "true"))
    status = until_phase(namespace, "forbidden", "Failed", reason="InvalidSpec")
    assert "PodSecurity" in status["message"]


@pytest.fixture
def webhook(cluster: Cluster, namespace: Namespace) -> Iterator[str]:
    """An admission webhook for pods of the namespace that does not answer."""
    name = namespace.name
    hook = {
        "name": "pods.example.com",
        "clientConfig": {"service": {"namespace": name, "name": "nobody"}},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    kind = "ValidatingWebhookConfiguration"
    made = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name},
        "webhooks": [hook],
    }
    try:
        cluster.kubectl("create", "-f", "-", stdin=made)
        yield name
    finally:
        cluster.kubectl("delete", kind, name, "--ignore-not-found")


def test_an_admission_webhook_that_does_not_answer(webhook: str, namespace: Namespace) -> None:
    namespace.apply(job("not-admitted", "true"))
    status = until_phase(namespace, "not-admitted", "Queued", reason="FailedCreate")
    assert "pods.example.com" in status["message"]
    namespace.cluster.kubectl("delete", "ValidatingWebhookConfiguration", webhook)
    assert ended(namespace, "not-admitted")["phase"] == "Succeeded"


def test_a_paused_dag(airflow: Airflow, namespace: Namespace) -> None:
    with airflow.paused():
        namespace.apply(job("held", "true"), job("in-time", "true", startDeadlineSeconds=25))
        until_phase(namespace, "held", "Queued", reason="DagPaused")
        check_too_late(namespace, "in-time", "DagPaused")
    assert ended(namespace, "held")["phase"] == "Succeeded"
