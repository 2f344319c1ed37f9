"""What the API server takes and what it refuses, and that a refusal names the field.

For each constraint of the schema there is something accepted and something refused, through `kubectl apply`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.support.cluster import CRD, PLURAL, ROOT, Cluster, Json, Namespace, manifest

FULL = ROOT / "tests" / "data" / "full.yaml"

ACCEPTED: dict[str, Json] = {
    "nothing but an image": {"command": None},
    "the longest image": {"image": "i" * 1024},
    "no pull": {"imagePullPolicy": "Never"},
    "no arguments": {"args": []},
    "a hundred KiB of arguments": {"args": ["x" * 1024] * 100},
    "quantities as numbers and texts": {"resources": {"limits": {"cpu": 1, "memory": "1e9", "x/y": "3Ei"}}},
    "a port by name": {
        "initContainers": [{"name": "i", "image": "i", "readinessProbe": {"tcpSocket": {"port": "web"}}}]
    },
    "a port by number": {
        "initContainers": [{"name": "i", "image": "i", "readinessProbe": {"tcpSocket": {"port": 80}}}]
    },
    "the same port with two protocols": {
        "initContainers": [
            {"name": "i", "image": "i", "ports": [{"containerPort": 1}, {"containerPort": 1, "protocol": "UDP"}]}
        ]
    },
    "no grace": {"terminationGracePeriodSeconds": 0},
    "an empty label": {"podMetadata": {"labels": {"a": ""}}},
    "any annotation": {"podMetadata": {"annotations": {"a": "{{ x }}\n" * 100}}},
    "a hundred retries": {"backoffLimit": 100},
    "a second": {"activeDeadlineSeconds": 1},
    "the longest deadline": {"activeDeadlineSeconds": 2**31 - 1},
}

REFUSED: dict[str, tuple[Json, str]] = {
    # required, and lengths
    "no image": ({"image": None}, "spec.image: Required value"),
    "an empty image": ({"image": ""}, "spec.image: Invalid value"),
    "too long an image": ({"image": "i" * 1025}, "spec.image: Too long"),
    "too long a folder": ({"workingDir": "/" * 4097}, "spec.workingDir: Too long"),
    "a variable without a name": ({"env": [{"value": "x"}]}, "spec.env[0].name: Required value"),
    "a secret's key without the secret": (
        {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"key": "k"}}}]},
        "spec.env[0].valueFrom.secretKeyRef.name: Required value",
    ),
    "an init container without an image": (
        {"initContainers": [{"name": "i"}]},
        "spec.initContainers[0].image: Required",
    ),
    "an init container with an empty image": (
        {"initContainers": [{"name": "i", "image": ""}]},
        "spec.initContainers[0].image: Invalid value",
    ),
    "a pull secret without a name": ({"imagePullSecrets": [{}]}, "spec.imagePullSecrets[0].name: Required value"),
    # misspelt, at every depth
    "a misspelt field": ({"imagee": "x"}, 'unknown field "spec.imagee"'),
    "a misspelt field of a list": ({"env": [{"name": "A", "valu": "x"}]}, 'unknown field "spec.env[0].valu"'),
    "a misspelt field of a volume": (
        {"volumes": [{"name": "v", "configMap": {"name": "m", "nam": "m"}}]},
        'unknown field "spec.volumes[0].configMap.nam"',
    ),
    "a misspelt field of an affinity": (
        {"affinity": {"nodeAffinity": {"x": []}}},
        'unknown field "spec.affinity.nodeAffinity.x"',
    ),
    "a misspelt field deep below": (
        {
            "volumes": [
                {
                    "name": "v",
                    "ephemeral": {"volumeClaimTemplate": {"spec": {"resources": {"requests": {}, "request": {}}}}},
                }
            ]
        },
        'unknown field "spec.volumes[0].ephemeral.volumeClaimTemplate.spec.resources.request"',
    ),
    "metadata that no claim takes": (
        {"volumes": [{"name": "v", "ephemeral": {"volumeClaimTemplate": {"metadata": {"name": "n"}, "spec": {}}}}]},
        'unknown field "spec.volumes[0].ephemeral.volumeClaimTemplate.metadata.name"',
    ),
    "a misspelt field of an init container": (
        {"initContainers": [{"name": "i", "image": "i", "livenessProbe": {"exec": {"cmd": []}}}]},
        'unknown field "spec.initContainers[0].livenessProbe.exec.cmd"',
    ),
    "a misspelt field of the security context": (
        {"securityContext": {"seccompProfile": {"type": "Unconfined", "kind": "x"}}},
        'unknown field "spec.securityContext.seccompProfile.kind"',
    ),
    "a misspelt group of the pod's metadata": (
        {"podMetadata": {"label": {}}},
        'unknown field "spec.podMetadata.label"',
    ),
    "a namespace of its own": ({"namespace": "other"}, 'unknown field "spec.namespace"'),
    "the host's network": ({"hostNetwork": True}, 'unknown field "spec.hostNetwork"'),
    # wrong types
    "a command as text": ({"command": "true"}, "spec.command: Invalid value"),
    "a number as a variable": ({"env": [{"name": "A", "value": 5}]}, "spec.env[0].value: Invalid value"),
    "variables as a map": ({"env": {"A": "b"}}, 'unknown field "spec.env.A"'),
    "a truth as text": ({"suspend": "yes"}, "spec.suspend: Invalid value"),
    "a count as text": ({"backoffLimit": "3"}, "spec.backoffLimit: Invalid value"),
    "a number as a label": ({"podMetadata": {"labels": {"a": 1}}}, "spec.podMetadata.labels.a: Invalid value"),
    "a port of the wrong type": (
        {"initContainers": [{"name": "i", "image": "i", "readinessProbe": {"tcpSocket": {"port": True}}}]},
        "spec.initContainers[0].readinessProbe.tcpSocket.port: Invalid value",
    ),
    # words and patterns
    "an unknown pull policy": ({"imagePullPolicy": "Sometimes"}, "spec.imagePullPolicy: Unsupported value"),
    "an unknown effect": (
        {"tolerations": [{"operator": "Exists", "effect": "NoRun"}]},
        "spec.tolerations[0].effect: Unsupported value",
    ),
    "an unknown operator": (
        {
            "affinity": {
                "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [{"matchExpressions": [{"key": "k", "operator": "Like"}]}]
                    }
                }
            }
        },
        "nodeSelectorTerms[0].matchExpressions[0].operator: Unsupported value",
    ),
    "a quantity in words": ({"resources": {"limits": {"cpu": "lots"}}}, "spec.resources.limits.cpu: Invalid value"),
    "a label that is none": ({"podMetadata": {"labels": {"a": "b c"}}}, "spec.podMetadata.labels.a: Invalid value"),
    "too long a label": ({"podMetadata": {"labels": {"a": "b" * 64}}}, "spec.podMetadata.labels.a: Too long"),
    # numbers
    "a negative grace": ({"terminationGracePeriodSeconds": -1}, "spec.terminationGracePeriodSeconds: Invalid value"),
    "a negative count": ({"backoffLimit": -1}, "spec.backoffLimit: Invalid value"),
    "too many retries": ({"backoffLimit": 101}, "spec.backoffLimit: Invalid value"),
    "half a retry": ({"backoffLimit": 1.5}, "spec.backoffLimit: Invalid value"),
    "no time at all": ({"activeDeadlineSeconds": 0}, "spec.activeDeadlineSeconds: Invalid value"),
    "more time than a pod can have": ({"activeDeadlineSeconds": 2**31}, "spec.activeDeadlineSeconds: Invalid value"),
    # twice the same
    "a variable twice": ({"env": [{"name": "A"}, {"name": "A"}]}, "spec.env[1]: Duplicate value"),
    "a volume twice": (
        {"volumes": [{"name": "v", "emptyDir": {}}, {"name": "v", "emptyDir": {}}]},
        "spec.volumes[1]: Duplicate value",
    ),
    "two mounts in one place": (
        {"volumeMounts": [{"name": "a", "mountPath": "/x"}, {"name": "b", "mountPath": "/x"}]},
        "spec.volumeMounts[1]: Duplicate value",
    ),
}

CONDITION = {
    "type": "Finished",
    "status": "True",
    "reason": "Completed",
    "message": "",
    "lastTransitionTime": "2026-11-22T10:00:00Z",
}

STATUS_ACCEPTED: dict[str, Json] = {
    "all fields": {
        "phase": "Failed",
        "reason": "Error",
        "message": "m",
        "observedGeneration": 1,
        "conditions": [CONDITION, CONDITION | {"type": "Succeeded", "status": "False"}],
        "dagId": "container_job",
        "dagRunId": "r",
        "dagRunState": "failed",
        "dagRunUrl": "http://127.0.0.1/dags/container_job/runs/r",
        "podName": "p",
        "attempt": 2,
        "attempts": [
            {"number": 1, "podName": "p-1", "reason": "Evicted"},
            {
                "number": 2,
                "podName": "p-2",
                "reason": "Error",
                "message": "m",
                "exitCode": 3,
                "startedAt": "2026-11-22T10:00:00Z",
                "finishedAt": "2026-11-22T10:00:01.5+00:00",
            },
        ],
        "exitCode": 3,
        "result": {"any": ["thing", {"deep": None}]},
        "startTime": "2026-11-22T10:00:00Z",
        "completionTime": "2026-11-22T10:00:01Z",
    },
    "a result that is text": {"result": "text"},
    "a result that is a number": {"result": 4.5},
    "a result that is false": {"result": False},
    "a result that is a list": {"result": [1, [2], {}]},
    "a result that is empty": {"result": {}},
}

STATUS_REFUSED: dict[str, tuple[Json, str]] = {
    "an unknown field": ({"phasee": "x"}, 'unknown field "status.phasee"'),
    "an unknown field of an attempt": (
        {"attempts": [{"number": 1, "podName": "p", "exit": 1}]},
        'unknown field "status.attempts[0].exit"',
    ),
    "an unknown phase": ({"phase": "Done"}, "status.phase: Unsupported value"),
    "an attempt without a number": ({"attempts": [{"podName": "p"}]}, "status.attempts[0].number: Required value"),
    "an attempt before the first": (
        {"attempts": [{"number": 0, "podName": "p"}]},
        "status.attempts[0].number: Invalid value",
    ),
    "a condition that knows no yes or no": (
        {"conditions": [CONDITION | {"status": "Maybe"}]},
        "status.conditions[0].status: Unsupported value",
    ),
    "the same condition twice": ({"conditions": [CONDITION, CONDITION]}, "status.conditions[1]: Duplicate value"),
    "a time that is none": ({"startTime": "yesterday"}, "status.startTime: Invalid value"),
    "an exit code as text": ({"exitCode": "3"}, "status.exitCode: Invalid value"),
}


@pytest.fixture(scope="module")
def place(cluster: Cluster) -> Iterator[Namespace]:
    """One namespace for the whole table: nearly all of it is a dry run."""
    with cluster.namespace() as namespace:
        yield namespace


def apply(place: Namespace, spec: Json) -> subprocess.CompletedProcess[str]:
    body = manifest("table", **spec)
    body["spec"] = {key: value for key, value in body["spec"].items() if value is not None}
    return place.kubectl("apply", "--dry-run=server", "-f", "-", stdin=body, check=False)


@pytest.mark.parametrize("spec", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(place: Namespace, spec: Json) -> None:
    done = apply(place, spec)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("spec", "words"), REFUSED.values(), ids=REFUSED)
def test_refused_with_the_fields_path(place: Namespace, spec: Json, words: str) -> None:
    done = apply(place, spec)
    assert done.returncode != 0
    assert words in done.stderr


def test_every_field_is_accepted_and_kept_as_written(place: Namespace) -> None:
    """The one thing added is a port's protocol, part of the key of the list of ports."""
    full = yaml.safe_load(FULL.read_text())
    assert full["spec"].keys() == schema()["properties"]["spec"]["properties"].keys()
    place.apply(full)
    expected = full["spec"]
    expected["initContainers"][1]["ports"][0]["protocol"] = "TCP"
    assert place.job("full")["spec"] == expected


def test_defaults(place: Namespace) -> None:
    place.apply(manifest("defaults"))
    spec = place.job("defaults")["spec"]
    added = {"automountServiceAccountToken": False, "backoffLimit": 0, "suspend": False}
    assert spec == manifest("defaults")["spec"] | added


@pytest.mark.parametrize(("length", "fine"), [(63, True), (64, False)])
def test_the_name_fits_into_a_label(place: Namespace, length: int, fine: bool) -> None:
    done = place.kubectl("apply", "--dry-run=server", "-f", "-", stdin=manifest("n" * length), check=False)
    assert (done.returncode == 0) is fine
    assert fine or "metadata.name: Too long" in done.stderr


@pytest.mark.parametrize("status", STATUS_ACCEPTED.values(), ids=STATUS_ACCEPTED)
def test_status_accepted_and_kept(place: Namespace, status: Json) -> None:
    place.apply(manifest("status"))
    replace_status(place, status)
    assert place.status("status") == status


@pytest.mark.parametrize(("status", "words"), STATUS_REFUSED.values(), ids=STATUS_REFUSED)
def test_status_refused_with_the_fields_path(place: Namespace, status: Json, words: str) -> None:
    place.apply(manifest("status"))
    with pytest.raises(AssertionError) as refusal:
        replace_status(place, status)
    assert words in str(refusal.value)


def replace_status(place: Namespace, status: Json) -> None:
    """Not by a patch: from there the API server drops unknown fields with a warning only."""
    place.kubectl("replace", "--subresource=status", "-f", "-", stdin=place.job("status") | {"status": status})


def test_applying_cannot_write_the_status(place: Namespace) -> None:
    place.apply(manifest("forged") | {"status": {"phase": "Succeeded"}})
    assert place.status("forged") == {}


def test_columns(place: Namespace) -> None:
    place.apply(manifest("columns"))
    replaced = {"phase": "Failed", "reason": "Error", "attempt": 2, "exitCode": 3, "podName": "p", "dagRunId": "r"}
    place.write_status(PLURAL, "columns", replaced | {"startTime": "2000-01-01T00:00:00Z"})
    head, row = (line.split() for line in place.kubectl("get", "acj", "columns", "-o", "wide").stdout.splitlines())
    assert head == ["NAME", "PHASE", "REASON", "ATTEMPTS", "EXIT", "START", "AGE", "POD", "DAGRUN", "IMAGE"]
    assert row[:5] == ["columns", "Failed", "Error", "2", "3"]
    assert row[5].endswith("y")
    assert row[7:] == ["p", "r", "busybox:1.35"]
    narrow = place.kubectl("get", "acj", "columns").stdout.splitlines()[0].split()
    assert narrow == head[:7]


def test_the_resource_is_in_the_category_all(place: Namespace) -> None:
    place.apply(manifest("listed"))
    assert f"{PLURAL[:-1]}.acj.dev/listed" in place.kubectl("get", "all", "-o", "name").stdout


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("acj.spec", "image\t<string> -required-"),
        ("acj.spec.volumes", "configMap\t<Object>"),
        ("acj.spec.affinity.nodeAffinity", "requiredDuringScheduling"),
        ("acj.status", "enum: Pending, Queued, Running"),
    ],
)
def test_kubectl_explains(cluster: Cluster, path: str, words: str) -> None:
    assert words in cluster.kubectl("explain", path).stdout


def test_the_schema_takes_no_unknown_field_at_any_depth() -> None:
    assert list(open_places(schema(), "")) == [".status.result"]


def open_places(node: Json, path: str) -> Iterator[str]:
    """Where the schema lets anything through."""
    if node.get("x-kubernetes-preserve-unknown-fields") or not (node.keys() & {"type", "x-kubernetes-int-or-string"}):
        yield path
    if node.get("type") == "object" and not node.keys() & {"properties", "additionalProperties"}:
        yield path
    for name, child in node.get("properties", {}).items():
        yield from open_places(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if key in node:
            yield from open_places(node[key], f"{path}[]")


def schema() -> Any:
    return yaml.safe_load(CRD.read_text())["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def test_the_crd_is_what_the_generator_makes(cluster: Cluster) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "crds" / "generate.py"), "--check"],
        env=cluster.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
