"""The example of a DAG of one's own: how Airflow takes it, and how its pods are told apart. It runs end to end too."""

from __future__ import annotations

import dataclasses
import importlib.util
from pathlib import Path
from typing import Any

import pytest
from airflow.exceptions import ParamValidationError
from airflow.sdk.definitions._internal.types import NOTSET
from airflow.serialization.serialized_objects import DagSerialization

from dynamic_pod import manifest
from tests.unit.dynamic_pod.fake_cluster import IDENTITY

FILE = Path(__file__).parents[3] / "examples" / "dags" / "primes.py"
FROM_KUBERNETES = {
    "namespace": "team-a",
    "name": "own-dag",
    "owner_reference": {"apiVersion": "acj.dev/v1alpha1", "kind": "AirflowContainerJob", "name": "own-dag", "uid": "u"},
}


@pytest.fixture(scope="module")
def dag() -> Any:
    """The DAG as the scheduler knows it."""
    spec = importlib.util.spec_from_file_location("primes", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return DagSerialization.from_dict(DagSerialization.to_dict(module.limit.dag))


@pytest.mark.parametrize("conf", [None, {}, {"limit": 1000, "pods": 3}, FROM_KUBERNETES | {"limit": 1000}])
def test_it_may_be_started_with_what_the_kubernetes_operator_sends(dag: Any, conf: dict[str, Any] | None) -> None:
    dag.params.deep_merge(conf).validate()


def test_its_own_params_are_checked_and_have_defaults(dag: Any) -> None:
    assert all(dag.params.get_param(key).value is not NOTSET for key in dag.params)
    with pytest.raises(ParamValidationError, match="pods"):
        dag.params.deep_merge({"pods": 1000}).validate()


def test_only_what_needs_a_worker_takes_one(dag: Any) -> None:
    assert {task.task_id: task.start_from_trigger for task in dag.tasks} == {
        "limit": True,
        "ranges": False,
        "count": False,
        "total": False,
    }
    assert dag.get_task("count").retries == 1


def test_pods_of_one_run_are_told_apart_by_their_names() -> None:
    """They share the name that the resource gives them."""
    own = dataclasses.replace(IDENTITY, dag_id="primes", task_id="count")
    names = {
        manifest.build({"docker_image_name": "x", **FROM_KUBERNETES}, identity, 1)["metadata"]["name"][:-13]
        for identity in (
            dataclasses.replace(own, task_id="limit"),
            dataclasses.replace(own, map_index=0),
            dataclasses.replace(own, map_index=1),
        )
    }
    assert names == {"own-dag-limit", "own-dag-count-0", "own-dag-count-1"}
    assert manifest.pod_name("count", own, 1).startswith("count-"), "not said twice"
    assert manifest.pod_name(None, own, 1).startswith("count-")
