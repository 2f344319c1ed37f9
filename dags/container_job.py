"""The generic DAG: a run of it is a container, described by the run's conf.

Its Params are the keys of conf: Airflow checks a run's conf by them when it is asked for, and makes a form of them.
"""

from __future__ import annotations

from typing import Final

from airflow.sdk import DAG, Param
from airflow.sdk.definitions.param import ParamsDict

from dynamic_pod import contract
from dynamic_pod.operator import DynamicPodOperator

FORM: Final = {
    "": {
        "docker_image_name": "Image",
        "commands": "Command",
        "arguments": "Arguments",
        "env_vars": "Environment",
        "container_resources": "Resources",
    },
    "Retries and time": {
        "retries": "Retries",
        "active_deadline_seconds": "Deadline",
        "backoff": "Backoff",
        "pod_failure_policy": "Pod failure policy",
    },
    "Where it runs": {
        "namespace": "Namespace",
        "node_selector": "Node selector",
        "affinity": "Affinity",
        "tolerations": "Tolerations",
        "topology_spread_constraints": "Topology spread",
        "priority_class_name": "Priority class",
        "runtime_class_name": "Runtime class",
        "schedulername": "Scheduler",
    },
    "Secrets, files and volumes": {
        "env_from": "Environment from",
        "volumes": "Volumes",
        "volume_mounts": "Volume mounts",
        "image_pull_secrets": "Pull secrets",
    },
    "The rest of the pod": {
        "name": "Name",
        "labels": "Labels",
        "annotations": "Annotations",
        "init_containers": "Init containers",
        "image_pull_policy": "Pull policy",
        "working_dir": "Working directory",
        "service_account_name": "Service account",
        "automount_service_account_token": "Mount its token",
        "security_context": "Security context of the pod",
        "container_security_context": "Security context of the container",
        "termination_grace_period": "Grace period",
        "on_finish_action": "When it has ended",
        "owner_reference": "Owner",
    },
}
"""Section of Airflow's Trigger form -> key of conf -> title, in the order of the form.

The one without a name is Airflow's own, the only one that is open from the start.
"""


DRAFT: Final = "http://json-schema.org/draft-04/schema#"
"""Airflow checks each Param's schema itself, too, at the request and in the triggerer: by the newest draft, which it
takes where none is named, all of these take three times as long as by this one, which has all that they need."""

HINTS: Final = {
    "commands": "One word to a line.",
    "arguments": "One to a line.",
    "env_vars": 'As JSON, such as {"NAME": "text"}.',
}
"""How the form's own fields want what has no single obvious way to be written."""


def _param(key: str, title: str, section: str) -> Param:
    """A key of conf as Airflow checks it, and shows it in the form."""
    schema = {"$schema": DRAFT, "title": title, **({"section": section} if section else {}), **contract.SCHEMAS[key]}
    schema["description"] = " ".join(filter(None, (schema["description"], HINTS.get(key), f"In a conf: {key}.")))
    if key in contract.REQUIRED:
        # None does not fit the schema, so a value must come. No default at all would kill Airflow 3.3's triggerer.
        return Param(None, **schema)
    types = schema.pop("type")
    if "enum" in schema:
        schema["enum"] = [*schema["enum"], None]
    return Param(None, type=[*([types] if isinstance(types, str) else types), "null"], **schema)


with DAG(
    contract.DAG_ID,
    description="Run the container that the run's conf describes.",
    schedule=None,
    params={key: _param(key, title, section) for section, keys in FORM.items() for key, title in keys.items()},
    max_active_runs=10_000,
    max_active_tasks=10_000,
    max_consecutive_failed_dag_runs=0,
    is_paused_upon_creation=False,
    tags=["container"],
) as dag:
    task = DynamicPodOperator(task_id=contract.TASK_ID, retries=0)
    task.params = ParamsDict()  # they are the DAG's: a copy would be read and checked for each run once more
