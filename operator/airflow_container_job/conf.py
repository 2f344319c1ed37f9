"""From the resource to the `conf` of its DagRun: pure, and nothing is lost or added on the way.

The keys come from `dynamic_pod.contract`, the one declaration both sides read. Values are the spec's own JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from airflow_container_job.errors import InvalidJob
from airflow_container_job.job import GROUP, KIND, VERSION, Job
from dynamic_pod import contract

RENAMED: Final = {"securityContext": "podSecurityContext"}
"""Field of the pod's spec -> field of ours, where ours has another name because the container's comes first."""

SPEC_KEYS: Final[Mapping[str, str]] = {
    **{field: key for key, field in contract.CONTAINER_FIELDS.items()},
    **{RENAMED.get(field, field): key for key, field in contract.POD_FIELDS.items()},
    "backoffLimit": "retries",
    "backoff": "backoff",
    "podFailurePolicy": "pod_failure_policy",
    "activeDeadlineSeconds": "active_deadline_seconds",
}
"""Field of the spec -> key of conf, where the value travels as it is."""

RETENTION: Final[Mapping[str, str]] = {
    "Delete": "delete_pod",
    "KeepFailed": "delete_succeeded_pod",
    "Keep": "keep_pod",
}
"""spec.podRetention -> KubernetesPodOperator's word."""


def build(job: Job) -> dict[str, Any]:
    """Make the conf of a run of this job, as JSON-compatible values. Raises InvalidJob."""
    conf: dict[str, Any] = {key: job.spec[field] for field, key in SPEC_KEYS.items() if field in job.spec}
    pod_metadata = job.spec.get("podMetadata") or {}
    conf |= {key: pod_metadata[key] for key in ("labels", "annotations") if key in pod_metadata}
    if "podRetention" in job.spec:
        conf["on_finish_action"] = RETENTION[job.spec["podRetention"]]
    return (
        _params(job)
        | conf
        | {
            "namespace": job.namespace,
            "name": job.name,
            "owner_reference": {
                "apiVersion": f"{GROUP}/{VERSION}",
                "kind": KIND,
                "name": job.name,
                "uid": job.uid,
                "controller": True,
                # A deleted resource does not wait for its pod by this: the finalizer does, with a deadline.
                "blockOwnerDeletion": False,
            },
        }
    )


def _params(job: Job) -> dict[str, Any]:
    """What goes to a DAG of one's own beside the container; there is one way to say a thing, so no key of ours."""
    params = dict(job.spec.get("params") or {})
    if taken := sorted(params.keys() & contract.SCHEMAS.keys()):
        fields = {key: field for field, key in SPEC_KEYS.items()}
        hints = ", ".join(f"spec.params.{key} (use spec.{fields[key]})" if key in fields else key for key in taken)
        raise InvalidJob(f"spec.params must not hold keys that describe the pod: {hints}")
    return params
