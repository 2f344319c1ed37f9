"""The generic DAG: a run of it is a container, described by the run's conf."""

from __future__ import annotations

from airflow.sdk import DAG, Param

from dynamic_pod import contract
from dynamic_pod.operator import DynamicPodOperator


def _param(key: str) -> Param:
    """A key of conf as Airflow checks it when a run is asked for, and shows it in the Trigger form."""
    schema = dict(contract.SCHEMAS[key])
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
    params={key: _param(key) for key in contract.SCHEMAS},
    max_active_runs=10_000,
    max_active_tasks=10_000,
    max_consecutive_failed_dag_runs=0,
    is_paused_upon_creation=False,
    tags=["container"],
) as dag:
    DynamicPodOperator(task_id=contract.TASK_ID, retries=0)
