"""The generic DAG: what it accepts and refuses at the trigger, what it costs to load, that it stays the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from airflow.exceptions import ParamValidationError
from airflow.sdk.definitions._internal.types import NOTSET
from airflow.serialization.serialized_objects import DagSerialization

import container_job
from dynamic_pod import contract

DAG = container_job.dag
LOAD = """
import json, sys
import container_job
loaded = sorted(sys.modules)
from airflow.models.serialized_dag import SerializedDagModel
from airflow.serialization.serialized_objects import DagSerialization
version = SerializedDagModel.hash(DagSerialization.to_dict(container_job.dag))
print(json.dumps({"modules": loaded, "version": version}))
"""


def trigger(conf: dict[str, Any] | None) -> None:
    """What POST dagRuns does with conf."""
    DagSerialization.from_dict(DagSerialization.to_dict(DAG)).params.deep_merge(conf).validate()


ACCEPTED: list[dict[str, Any]] = [
    {"docker_image_name": "busybox"},
    {"docker_image_name": "busybox", "commands": ["sh"], "arguments": [], "env_vars": {"A": "1"}},
    {"docker_image_name": "busybox", "env_vars": [{"name": "A", "valueFrom": {}}]},
    {"docker_image_name": "busybox", **dict.fromkeys(set(contract.SCHEMAS) - {"docker_image_name"})},
    {"docker_image_name": "busybox", "something": "of another DAG"},
]
REFUSED: dict[str, dict[str, Any] | None] = {
    "nothing": None,
    "no image": {},
    "empty image": {"docker_image_name": ""},
    "null image": {"docker_image_name": None},
    "commands": {"docker_image_name": "x", "commands": "sh"},
    "arguments": {"docker_image_name": "x", "arguments": [1]},
    "env_vars": {"docker_image_name": "x", "env_vars": {"A": 1}},
    "image_pull_policy": {"docker_image_name": "x", "image_pull_policy": "Sometimes"},
    "retries": {"docker_image_name": "x", "retries": -1},
    "owner_reference": {"docker_image_name": "x", "owner_reference": {"kind": "A"}},
    "backoff": {"docker_image_name": "x", "backoff": {"initialSeconds": -1}},
    "pod_failure_policy": {"docker_image_name": "x", "pod_failure_policy": {}},
    "on_finish_action": {"docker_image_name": "x", "on_finish_action": "burn"},
}


@pytest.mark.parametrize("conf", ACCEPTED)
def test_accepted_at_the_trigger(conf: dict[str, Any]) -> None:
    trigger(conf)


@pytest.mark.parametrize("case", REFUSED)
def test_refused_at_the_trigger(case: str) -> None:
    with pytest.raises(ParamValidationError, match=case if case in contract.SCHEMAS else "docker_image_name"):
        trigger(REFUSED[case])


def test_no_param_lacks_a_default() -> None:
    """Of one, Airflow 3.3's triggerer dies with all its tasks, when it makes the context of a task it starts."""
    assert all(DAG.params.get_param(key).value is not NOTSET for key in contract.SCHEMAS)


def test_the_form_shows_every_key_in_its_place() -> None:
    shown = {key: title for keys in container_job.FORM.values() for key, title in keys.items()}
    assert set(shown) == set(contract.SCHEMAS)
    assert sum(map(len, container_job.FORM.values())) == len(shown), "each key once"
    for key, title in shown.items():
        param = DAG.params.get_param(key)
        assert param.schema["title"] == title
        assert str(param.description).endswith(f"In a conf: {key}.")
    assert next(iter(DAG.params)) == "docker_image_name"


def test_it_is_ready_for_a_flood_at_once() -> None:
    assert DAG.is_paused_upon_creation is False
    assert min(DAG.max_active_runs, DAG.max_active_tasks) >= 1000
    assert DAG.max_consecutive_failed_dag_runs == 0
    assert DAG.schedule is None
    (task,) = DAG.tasks
    assert (task.task_id, task.retries, task.start_from_trigger) == (contract.TASK_ID, 0, True)


def test_params_are_checked_once_per_run_and_by_the_cheaper_draft() -> None:
    """Airflow checks every schema itself each time: see container_job.DRAFT, and docs/decisions/0014."""
    written = DagSerialization.to_dict(DAG)["dag"]
    assert {param["schema"]["__var"]["$schema"] for _, param in written["params"]} == {container_job.DRAFT}
    (task,) = written["tasks"]
    assert not task["__var"].get("params")


def test_it_is_light_to_load_and_the_same_each_time() -> None:
    """The DAG processor loads it in a process of its own after every run; a changed one would be a new DAG version."""
    loads = [load(seed) for seed in ("1", "2")]
    heavy = {"kubernetes", "kubernetes_asyncio", "aiohttp", "dynamic_pod.trigger", "dynamic_pod.runner"}
    assert heavy.isdisjoint(loads[0]["modules"])
    assert "airflow.providers.cncf.kubernetes.hooks.kubernetes" not in loads[0]["modules"]
    assert loads[0]["version"] == loads[1]["version"]


def load(hash_seed: str) -> dict[str, Any]:
    folder = str(Path(container_job.__file__).parent)
    environment = os.environ | {"PYTHONPATH": folder, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run([sys.executable, "-c", LOAD], env=environment, check=True, capture_output=True, text=True)
    loaded: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return loaded
