"""Every field of the container and of the pod: as written in the pod, and real in its effect."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest

from tests.e2e.jobs import GRACE, ended, job, pod, until_phase
from tests.support.airflow import Airflow
from tests.support.cluster import Cluster, Json, Namespace
from tests.support.worker import Worker

PASSWORD = "low-tide-at-6-o-clock"
KEY = "key-under-the-mat"

SCRIPT = """
digest() { printf %s "$1" | sha256sum | cut -c 1-64; }
while ! [ -e /data/written ]; do sleep 0.1; done
cat > /airflow/xcom/return.json <<END
{"password": "$(digest "$PASSWORD")", "all": "$(digest "$LOGIN_password")", "key": "$(digest "$(cat /all/key)")",
 "setting": "$SETTING", "settings": "$(cat /all/settings/depth)", "greeting": "$GREETING", "node": "$NODE",
 "memory": $MEMORY, "folder": "$(pwd)", "user": $(id -u), "group": $(stat -c %g /scratch),
 "prepared": "$(cat /scratch/prepared)",
 "served": "$(wget -qO- 127.0.0.1:8000/prepared)", "token": "$(test -s /all/token && echo there)",
 "labels": "$(grep -c 'team="harbour"' /all/labels)", "written": "$(cat /data/written)"}
END
echo done
sleep 600
"""

SPEC: Json = {
    "image": "busybox:1.35",
    "imagePullPolicy": "IfNotPresent",
    "command": ["sh", "-ec"],
    "args": [SCRIPT],
    "workingDir": "/scratch",
    "env": [
        {"name": "PLACE", "value": "harbour"},
        {"name": "GREETING", "value": "good morning, $(PLACE)"},
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "login", "key": "password"}}},
        {"name": "SETTING", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "depth"}}},
        {"name": "NODE", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.nodeName"}}},
        {
            "name": "MEMORY",
            "valueFrom": {"resourceFieldRef": {"containerName": "base", "resource": "limits.memory", "divisor": "1Mi"}},
        },
    ],
    "envFrom": [
        {"prefix": "LOGIN_", "secretRef": {"name": "login"}},
        {"configMapRef": {"name": "absent", "optional": True}},
    ],
    "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": "1", "memory": "64Mi"}},
    "volumeMounts": [
        {"name": "scratch", "mountPath": "/scratch"},
        {"name": "data", "mountPath": "/data", "subPath": "shared"},
        {"name": "all", "mountPath": "/all", "readOnly": True},
    ],
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
    },
    "volumes": [
        {"name": "scratch", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
        {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
        {
            "name": "all",
            "projected": {
                "defaultMode": 0o440,
                "sources": [
                    {"secret": {"name": "login", "items": [{"key": "key", "path": "key"}]}},
                    {"configMap": {"name": "settings", "items": [{"key": "depth", "path": "settings/depth"}]}},
                    {
                        "downwardAPI": {
                            "items": [
                                {"path": "labels", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.labels"}}
                            ]
                        }
                    },
                    {"serviceAccountToken": {"path": "token", "audience": "harbour", "expirationSeconds": 3600}},
                ],
            },
        },
    ],
    "initContainers": [
        {
            "name": "prepare",
            "image": "busybox:1.35",
            "command": ["sh", "-c", "printf prepared > /scratch/prepared"],
            "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
        },
        {
            "name": "serve",
            "image": "busybox:1.35",
            "restartPolicy": "Always",
            "command": ["httpd", "-f", "-p", "8000", "-h", "/scratch"],
            "startupProbe": {"exec": {"command": ["wget", "-qO-", "127.0.0.1:8000/prepared"]}, "periodSeconds": 1},
            "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
        },
    ],
    "serviceAccountName": "pods",
    "automountServiceAccountToken": True,
    "imagePullSecrets": [{"name": "registry"}],
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [
                    {"matchExpressions": [{"key": "example.com/broken", "operator": "NotIn", "values": ["yes"]}]}
                ]
            }
        },
        "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {
                    "weight": 1,
                    "podAffinityTerm": {
                        "topologyKey": "kubernetes.io/hostname",
                        "labelSelector": {"matchLabels": {"team": "lighthouse"}},
                    },
                }
            ]
        },
    },
    "tolerations": [
        {"key": "example.com/pool", "operator": "Equal", "value": "red", "effect": "NoSchedule"},
        {
            "key": "node.kubernetes.io/unreachable",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": 60,
        },
    ],
    "topologySpreadConstraints": [
        {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": {"team": "harbour"}},
        }
    ],
    "schedulerName": "default-scheduler",
    "podSecurityContext": {
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "fsGroup": 2000,
        "supplementalGroups": [3000],
        "seccompProfile": {"type": "RuntimeDefault"},
    },
    **GRACE,
    "podMetadata": {
        "labels": {"team": "harbour"},
        "annotations": {"example.com/note": 'any text, {{ unrendered }} "quoted"\nand more'},
    },
}

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
