"""From the resource to the pod: every field of the spec arrives where it belongs, byte for byte, and nothing else does.

What is expected is written down here once more, apart from the code: a table of all fields of the CRD, and the
constants of a pod. The way is the real one: resource -> `conf.build` -> JSON -> `manifest.merge` -> `manifest.build`.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings

from airflow_container_job import conf
from airflow_container_job.job import parse
from dynamic_pod import manifest
from tests.support.cluster import ROOT, Json
from tests.support.specs import objects, properties

UID = "6f1c3b52-0c3b-4c6f-9d1c-2f6f2b1f0a11"
IDENTITY = manifest.Identity("container_job", f"acj-{UID}-1", "run", -1, 1, "0199-ti")
FULL = yaml.safe_load((ROOT / "tests" / "data" / "full.yaml").read_text())["spec"]

TABLE = {
    # to the main container
    "image": "container.image",
    "imagePullPolicy": "container.imagePullPolicy",
    "command": "container.command",
    "args": "container.args",
    "workingDir": "container.workingDir",
    "env": "container.env",
    "envFrom": "container.envFrom",
    "resources": "container.resources",
    "volumeMounts": "container.volumeMounts",
    "securityContext": "container.securityContext",
    # to the pod
    "volumes": "pod.volumes",
    "initContainers": "pod.initContainers",
    "serviceAccountName": "pod.serviceAccountName",
    "automountServiceAccountToken": "pod.automountServiceAccountToken",
    "imagePullSecrets": "pod.imagePullSecrets",
    "nodeSelector": "pod.nodeSelector",
    "affinity": "pod.affinity",
    "tolerations": "pod.tolerations",
    "topologySpreadConstraints": "pod.topologySpreadConstraints",
    "priorityClassName": "pod.priorityClassName",
    "runtimeClassName": "pod.runtimeClassName",
    "schedulerName": "pod.schedulerName",
    "podSecurityContext": "pod.securityContext",
    "terminationGracePeriodSeconds": "pod.terminationGracePeriodSeconds",
    "podMetadata": "metadata",
    # to the task, which makes and keeps pods by it
    "backoffLimit": "task.retries",
    "backoff": "task.backoff",
    "podFailurePolicy": "task.pod_failure_policy",
    "activeDeadlineSeconds": "task.active_deadline_seconds",
    "podRetention": "task.on_finish_action",
    # to a DAG of one's own
    "params": "dag",
    # to nobody: the operator's own
    "suspend": "",
    "shutdown": "",
    "startDeadlineSeconds": "",
    "ttlSecondsAfterFinished": "",
    "rerunPolicy": "",
    "rerun": "",
    "dagId": "",
    "priority": "",
}
"""Field of the spec -> where it is to be found."""

TRANSLATED = {"Delete": "delete_pod", "KeepFailed": "delete_succeeded_pod", "Keep": "keep_pod"}
"""The one value that does not travel as it is: podRetention."""


def arrived(spec: Json) -> Json:
    """What the DAG's side makes of a resource with this spec."""
    meta = {"namespace": "team-a", "name": "hello", "uid": UID, "generation": 1, "resourceVersion": "7"}
    sent = json.loads(json.dumps(conf.build(parse({"metadata": meta, "spec": spec}))))
    values = manifest.merge({}, sent)
    pod = manifest.build(values, IDENTITY, 1)
    name = pod["metadata"].pop("name")
    assert name.startswith("hello-")
    task = {key: value for key, value in values.items() if f"task.{key}" in TABLE.values()}
    return {"pod": pod, "task": task, "dag": {key: sent[key] for key in sent.keys() - values.keys()}}


def expected(spec: Json) -> Json:
    """The same, by the table."""
    made: dict[str, Json] = {"container": {}, "pod": {}, "task": {}, "dag": {}, "": {}}
    for field in spec.keys() - {"podMetadata", "params"}:
        group, _, name = TABLE[field].partition(".")
        made[group][name] = TRANSLATED[spec[field]] if field == "podRetention" else spec[field]
    constants = {"restartPolicy": "Never", "automountServiceAccountToken": False}
    about = spec.get("podMetadata", {})
    owner = {"apiVersion": "acj.dev/v1alpha1", "kind": "AirflowContainerJob", "name": "hello", "uid": UID}
    container = made["container"] | {
        "name": "base",
        "terminationMessagePath": "/airflow/xcom/return.json",
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    metadata = {
        "namespace": "team-a",
        "labels": about.get("labels", {})
        | {
            "app.kubernetes.io/managed-by": "airflow-container-job",
            "acj.dev/task": IDENTITY.fingerprint,
            "acj.dev/task-instance": IDENTITY.of_all_tries,
            "acj.dev/try": "1",
            "acj.dev/attempt": "1",
            "acj.dev/job-uid": UID,
        },
        "annotations": about.get("annotations", {})
        | {
            "acj.dev/dag-id": "container_job",
            "acj.dev/dag-run-id": IDENTITY.run_id,
            "acj.dev/task-id": "run",
        },
        "ownerReferences": [owner | {"controller": True, "blockOwnerDeletion": False}],
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
    return {
        "pod": pod | {"spec": constants | made["pod"] | {"containers": [container]}},
        "task": made["task"],
        "dag": spec.get("params", {}),
    }


def as_text(value: Any) -> str:
    """To compare what Python takes for equal and Kubernetes does not: true and 1, 1 and 1.0."""
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False)


def test_the_table_has_every_field() -> None:
    assert TABLE.keys() == properties("spec").keys()


@pytest.mark.parametrize("field", TABLE)
def test_each_field_goes_to_its_place_and_nowhere_else(field: str) -> None:
    spec = {"image": "i", field: FULL[field]}
    assert as_text(arrived(spec)) == as_text(expected(spec))


def test_all_fields_together() -> None:
    assert as_text(arrived(FULL)) == as_text(expected(FULL))


@settings(max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(objects(properties("spec"), {"image"}))
def test_nothing_is_lost_and_nothing_invented(spec: Json) -> None:
    rules = spec.get("podFailurePolicy", {"rules": []})["rules"]
    assume(all(("onExitCodes" in rule) != ("onPodConditions" in rule) for rule in rules))  # the CRD's own rule, in CEL
    assert as_text(arrived(spec)) == as_text(expected(spec))
