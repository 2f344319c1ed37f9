"""The names both sides agree on: keys of `conf`, labels of pods, XComs.

Read by the DAG (as Params), by the manifest builder, and by the Kubernetes operator, which writes `conf` from a
resource's spec. Standard library only, so that neither side pulls in the other's dependencies. The keys
`docker_image_name`, `commands`, `arguments` and `env_vars` stay valid for ever; no released key changes its meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

DAG_ID: Final = "container_job"
"""The generic DAG."""

TASK_ID: Final = "run"
"""Its one task; the XComs of a run are found there."""

CONTAINER: Final = "base"
"""Name of the main container, the one KubernetesPodOperator uses."""

RESULT_PATH: Final = "/airflow/xcom/return.json"
"""Where a container leaves its result: the termination message file, at the path KubernetesPodOperator's users know."""

CONTAINER_FIELDS: Final[Mapping[str, str]] = {
    "docker_image_name": "image",
    "commands": "command",
    "arguments": "args",
    "env_vars": "env",
    "env_from": "envFrom",
    "working_dir": "workingDir",
    "image_pull_policy": "imagePullPolicy",
    "container_resources": "resources",
    "volume_mounts": "volumeMounts",
    "container_security_context": "securityContext",
}
"""Key of `conf` -> field of the main container. Values travel unchanged, but for `env_vars`, which may be a map."""

POD_FIELDS: Final[Mapping[str, str]] = {
    "volumes": "volumes",
    "init_containers": "initContainers",
    "service_account_name": "serviceAccountName",
    "automount_service_account_token": "automountServiceAccountToken",
    "image_pull_secrets": "imagePullSecrets",
    "node_selector": "nodeSelector",
    "affinity": "affinity",
    "tolerations": "tolerations",
    "topology_spread_constraints": "topologySpreadConstraints",
    "priority_class_name": "priorityClassName",
    "runtime_class_name": "runtimeClassName",
    "schedulername": "schedulerName",
    "security_context": "securityContext",
    "termination_grace_period": "terminationGracePeriodSeconds",
}
"""Key of `conf` -> field of the pod's spec. Keys are KubernetesPodOperator's words, values Kubernetes' JSON."""

_TEXT: Final[dict[str, Any]] = {"type": "string", "minLength": 1}
_TEXTS: Final[dict[str, Any]] = {"type": "array", "items": {"type": "string"}}
_OBJECT: Final[dict[str, Any]] = {"type": "object"}
_OBJECTS: Final[dict[str, Any]] = {"type": "array", "items": {"type": "object"}}
_TEXT_MAP: Final[dict[str, Any]] = {"type": "object", "additionalProperties": {"type": "string"}}
_RULE: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["action"],
    "properties": {
        "action": {"enum": ["FailJob", "Ignore", "Count"]},
        "onExitCodes": {
            "type": "object",
            "required": ["operator", "values"],
            "properties": {
                "containerName": {"type": ["string", "null"]},
                "operator": {"enum": ["In", "NotIn"]},
                "values": {"type": "array", "minItems": 1, "items": {"type": "integer"}},
            },
            "additionalProperties": False,
        },
        "onPodConditions": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["type"],
                "properties": {"type": {"type": "string"}, "status": {"type": "string"}},
                "additionalProperties": False,
            },
        },
    },
    "oneOf": [{"required": ["onExitCodes"]}, {"required": ["onPodConditions"]}],
    "additionalProperties": False,
}

SCHEMAS: Final[Mapping[str, Mapping[str, Any]]] = {
    "docker_image_name": _TEXT | {"description": "The image to run, as a container runtime knows it."},
    "commands": _TEXTS | {"description": "The entrypoint, in place of the image's own."},
    "arguments": _TEXTS | {"description": "Arguments of the entrypoint, in place of the image's own."},
    "env_vars": {
        "type": ["object", "array"],
        "additionalProperties": {"type": "string"},
        "items": {"type": "object", "required": ["name"]},
        "description": "Environment: a map of name to text, or a list of Kubernetes' EnvVar.",
    },
    "env_from": _OBJECTS | {"description": "Kubernetes' EnvFromSource: whole ConfigMaps and Secrets."},
    "working_dir": _TEXT | {"description": "The folder the container starts in."},
    "image_pull_policy": {
        "type": "string",
        "enum": ["Always", "IfNotPresent", "Never"],
        "description": "When the image is pulled.",
    },
    "container_resources": _OBJECT | {"description": "Kubernetes' ResourceRequirements: requests and limits."},
    "volume_mounts": _OBJECTS | {"description": "Kubernetes' VolumeMount of the main container."},
    "container_security_context": _OBJECT | {"description": "Kubernetes' SecurityContext of the main container."},
    "volumes": _OBJECTS | {"description": "Kubernetes' Volume."},
    "init_containers": _OBJECTS | {"description": "Kubernetes' Container, run before the main one."},
    "service_account_name": _TEXT | {"description": "The ServiceAccount the pod runs as."},
    "automount_service_account_token": {
        "type": "boolean",
        "description": "Whether the pod gets that ServiceAccount's token (false unless said).",
    },
    "image_pull_secrets": _OBJECTS | {"description": "Kubernetes' LocalObjectReference of pull secrets."},
    "node_selector": _TEXT_MAP | {"description": "Labels the node must have."},
    "affinity": _OBJECT | {"description": "Kubernetes' Affinity."},
    "tolerations": _OBJECTS | {"description": "Kubernetes' Toleration."},
    "topology_spread_constraints": _OBJECTS | {"description": "Kubernetes' TopologySpreadConstraint."},
    "priority_class_name": _TEXT | {"description": "The pod's PriorityClass."},
    "runtime_class_name": _TEXT | {"description": "The pod's RuntimeClass."},
    "schedulername": _TEXT | {"description": "The scheduler that places the pod."},
    "security_context": _OBJECT | {"description": "Kubernetes' PodSecurityContext."},
    "termination_grace_period": {
        "type": "integer",
        "minimum": 0,
        "description": "Seconds between asking the container to end and killing it.",
    },
    "namespace": _TEXT | {"description": "The pod's namespace (the Kubernetes connection's, unless said)."},
    "name": _TEXT | {"description": "What the pod's name begins with (the task's id, unless said)."},
    "labels": _TEXT_MAP | {"description": "Labels of the pod."},
    "annotations": _TEXT_MAP | {"description": "Annotations of the pod."},
    "retries": {
        "type": "integer",
        "minimum": 0,
        # The record of the attempts travels in an annotation; a resource may say 100 at most.
        "maximum": 1000,
        "description": "How many more pods are tried after a failed one.",
    },
    "backoff": {
        "type": "object",
        "properties": {
            "initialSeconds": {"type": "integer", "minimum": 0},
            "factor": {"type": "integer", "minimum": 1, "maximum": 10},
            "capSeconds": {"type": "integer", "minimum": 0},
        },
        "additionalProperties": False,
        "description": "The pause before a further pod: initialSeconds (10), times factor (2), up to capSeconds (360).",
    },
    "pod_failure_policy": {
        "type": "object",
        "required": ["rules"],
        "properties": {"rules": {"type": "array", "maxItems": 20, "items": _RULE}},
        "additionalProperties": False,
        "description": "Kubernetes' PodFailurePolicy of a Job: which ends fail the task at once, or do not count.",
    },
    "active_deadline_seconds": {
        "type": "integer",
        "minimum": 1,
        "description": "Seconds the containers may run, all attempts together.",
    },
    "on_finish_action": {
        "type": "string",
        "enum": ["delete_pod", "delete_succeeded_pod", "keep_pod"],
        "description": "What becomes of a pod that has ended (delete_pod, unless said).",
    },
    "owner_reference": {
        "type": "object",
        "required": ["apiVersion", "kind", "name", "uid"],
        "description": "Kubernetes' OwnerReference: the pod is deleted with this object.",
    },
}
"""Key of `conf` -> JSON Schema of its value. Being the DAG's Params, they refuse a wrong conf at the trigger."""

REQUIRED: Final = ("docker_image_name",)
"""Keys that must come from `conf` or from the DAG."""

PREFIX: Final = "acj.dev"
LABEL_MANAGED_BY: Final = "app.kubernetes.io/managed-by"
MANAGER: Final = "airflow-container-job"
LABEL_JOB_UID: Final = f"{PREFIX}/job-uid"
"""uid of the AirflowContainerJob that owns the pod; absent on pods started without one."""
LABEL_TASK: Final = f"{PREFIX}/task"
"""Fingerprint of the task instance and its try: all attempts of one try carry the same one."""
LABEL_TASK_INSTANCE: Final = f"{PREFIX}/task-instance"
"""Fingerprint of the task instance, whatever its try."""
LABEL_TRY: Final = f"{PREFIX}/try"
"""Number of the try, as Airflow counts."""
LABEL_ATTEMPT: Final = f"{PREFIX}/attempt"
"""1 for the first pod of a try, then 2, 3, ..."""
ANNOTATION_DAG_ID: Final = f"{PREFIX}/dag-id"
ANNOTATION_DAG_RUN_ID: Final = f"{PREFIX}/dag-run-id"
ANNOTATION_TASK_ID: Final = f"{PREFIX}/task-id"
ANNOTATION_ATTEMPTS: Final = f"{PREFIX}/attempts"
"""JSON list of the attempts before this pod, so that a restarted triggerer knows them after their pods are gone."""

EVENT_FAILED_CREATE: Final = "FailedCreate"
"""Reason of the Kubernetes event on the owner that tells why the API server refuses the pod; a Job's own word."""

XCOM_RESULT: Final = "return_value"
"""The container's result, any JSON value; absent when there is none."""
XCOM_OUTCOME: Final = "outcome"
"""How the task ended, for the Kubernetes operator to read in one request, whichever way it ended.

An object with `attempts`, oldest first, each as `outcome.attempt` makes it, with `result` where there is one, and with
`resultProblem` where what the container left is none.
"""
XCOM_POD_NAME: Final = "pod_name"
"""Name of the last attempt's pod."""
XCOM_POD_NAMESPACE: Final = "pod_namespace"
"""Its namespace."""
