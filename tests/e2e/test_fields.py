"""Every field of the container and of the pod: as written in the pod, and real in its effect."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest

from tests.e2e.every_field import KEY, PASSWORD, SCRIPT, SPEC
from tests.support.airflow import Airflow
from tests.support.cluster import Cluster, Json, Namespace
from tests.support.jobs import ended, job, pod, until_phase
from tests.support.worker import Worker

CONTAINER = (
    *("image", "imagePullPolicy", "command", "args", "workingDir", "env", "envFrom", "resources", "volumeMounts"),
    "securityContext",
)
ELSEWHERE = {"podSecurityContext": "securityContext"}


@pytest.fixture
def classes(cluster: Cluster, namespace: Namespace) -> Iterator[str]:
    """A PriorityClass, a RuntimeClass and a PersistentVolume of the namespace's name."""
    name = namespace.name
    made: list[Json] = [
        {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}, "value": 7},
        {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name}, "handler": "runc"},
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": name},
            "spec": {
                "storageClassName": name,
                "accessModes": ["ReadWriteMany"],
                "capacity": {"storage": "1Mi"},
                "hostPath": {"path": f"/tmp/acj-{name}", "type": "DirectoryOrCreate"},  # noqa: S108 - on the node
            },
        },
    ]
    try:
        cluster.kubectl("apply", "-f", "-", stdin={"apiVersion": "v1", "kind": "List", "items": made})
        yield name
    finally:
        for one in made:
            cluster.kubectl("delete", one["kind"], name, "--ignore-not-found", "--wait=false")


def needed(storage: str) -> list[Json]:
    def named(kind: str, name: str, **rest: Any) -> Json:
        return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **rest}

    claim = {
        "storageClassName": storage,
        "accessModes": ["ReadWriteMany"],
        "resources": {"requests": {"storage": "1Mi"}},
    }
    return [
        named("Secret", "login", stringData={"password": PASSWORD, "key": KEY}),
        named("ConfigMap", "settings", data={"depth": "7 fathoms"}),
        named("PersistentVolumeClaim", "data", spec=claim),
    ]


def test_all_at_once(airflow: Airflow, worker: Worker, classes: str, namespace: Namespace) -> None:
    every = SPEC | {"priorityClassName": classes, "runtimeClassName": classes}
    # The folder of a hostPath volume belongs to root; the one who writes makes room for all.
    writer = job(
        "writer",
        "mkdir -p /data/shared && chmod 777 /data/shared && echo in > /data/shared/written",
        volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
        volumeMounts=[{"name": "data", "mountPath": "/data"}],
    )
    namespace.apply(*needed(classes))
    namespace.apply(writer)
    assert ended(namespace, "writer")["phase"] == "Succeeded"
    namespace.apply(job("every", "", **every))
    until_phase(namespace, "every", "Running")
    made = pod(namespace, "every")
    assert_as_written(made, every)

    namespace.patch("every", args=[SCRIPT.replace("sleep 600", "")])
    status = ended(namespace, "every")
    assert status["phase"] == "Succeeded", status
    assert status["result"] == {
        "password": sha256(PASSWORD.encode()).hexdigest(),
        "all": sha256(PASSWORD.encode()).hexdigest(),
        "key": sha256(KEY.encode()).hexdigest(),
        "setting": "7 fathoms",
        "settings": "7 fathoms",
        "greeting": "good morning, harbour",
        "node": worker.name,
        "memory": 64,
        "folder": "/scratch",
        "user": 1000,
        "group": 2000,
        "prepared": "prepared",
        "served": "prepared",
        "token": "there",
        "labels": "1",
        "written": "in",
    }
    assert_nowhere_secret(airflow, namespace, status)


def assert_as_written(made: Json, spec: Json) -> None:
    """Field by field; what the API server adds stands behind what was written."""
    main = next(container for container in made["spec"]["containers"] if container["name"] == "base")
    for field, value in spec.items():
        if field == "podMetadata":
            for key, map_ in value.items():
                assert begins_with(made["metadata"][key], map_), key
            continue
        place = main if field in CONTAINER else made["spec"]
        assert begins_with(place.get(ELSEWHERE.get(field, field)), value), f"{field}: {place}"


def begins_with(found: Any, written: Any) -> bool:
    if isinstance(written, dict):
        return isinstance(found, dict) and all(
            key in found and begins_with(found[key], value) for key, value in written.items()
        )
    if isinstance(written, list):
        return len(found) >= len(written) and all(begins_with(*pair) for pair in zip(found, written, strict=False))
    return bool(found == written)


def assert_nowhere_secret(airflow: Airflow, namespace: Namespace, status: Json) -> None:
    run = status["dagRunId"]
    shown = {
        "resource": namespace.job("every"),
        "conf": airflow.run(run),
        "task": airflow.tasks(run),
        "log": airflow.log(run),
        "result": [airflow.xcom(run, key) for key in ("return_value", "outcome")],
    }
    assert "done" in shown["log"]
    for place, content in shown.items():
        for secret in (PASSWORD, KEY):
            assert secret not in json.dumps(content), f"a secret's value is in the {place}"
