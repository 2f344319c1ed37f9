"""A DAG of one's own, with containers among its tasks: it counts the primes up to a limit.

    limit (a pod) ──▶ ranges (Python) ──▶ count (a pod for each range) ──▶ total (Python)

Put the file into Airflow's DAG folder. Start a run in Airflow, with {"limit": 1000} as its conf or with none, or from
Kubernetes by examples/own-dag.yaml. Whatever keys of container_job the conf has beside these, such as `node_selector`,
are laid over what is written here, for each of the pods. Only `ranges`, `total` and the making of the mapped pods take
an Airflow worker, for a second or two each; `limit` takes none, and no pod does while it runs.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

from airflow.sdk import DAG, Param, task

from dynamic_pod.operator import DynamicPodOperator

IMAGE = "busybox:1.35"

COUNT = r"""
count=$(seq "$1" "$2" | awk '
  { prime = $1 > 1; for (i = 2; i * i <= $1; i++) if ($1 % i == 0) prime = 0; primes += prime }
  END { print primes + 0 }')
echo "$count primes from $1 to $2"
echo "$count" > /airflow/xcom/return.json
"""

with DAG(
    "primes",
    description="Counts primes, in as many pods as asked for.",
    schedule=None,
    # A Param without a default would stop Airflow 3.3's triggerer when it starts a task of the DAG.
    params={
        "limit": Param(100, type="integer", minimum=2, maximum=100_000, description="Count up to this number."),
        "pods": Param(2, type="integer", minimum=1, maximum=10, description="How many pods share the work."),
    },
    # Airflow's retries: one more try of a task that failed, with pods of its own. A rule of `pod_failure_policy` that
    # says FailJob, here or in the conf, spares it.
    default_args={"retries": 1, "retry_delay": timedelta(seconds=5)},
    is_paused_upon_creation=False,
    tags=["container", "example"],
):
    # Author-time values hold templates. What the container writes to /airflow/xcom/return.json is the task's result.
    limit = DynamicPodOperator(
        task_id="limit",
        docker_image_name=IMAGE,
        commands=["sh", "-c"],
        arguments=['echo "{\\"limit\\": $LIMIT, \\"pods\\": $PODS}" > /airflow/xcom/return.json'],
        env_vars={"LIMIT": "{{ params.limit }}", "PODS": "{{ params.pods }}"},
    )

    # Airflow maps over what Python tasks return, but not over what a trigger leaves: hence this task.
    @task
    def ranges(asked: dict[str, int]) -> list[list[str]]:
        """Cut 1..limit into as many ranges as there shall be pods, as arguments of their containers."""
        edges = [asked["limit"] * i // asked["pods"] for i in range(asked["pods"] + 1)]
        return [[str(low + 1), str(high)] for low, high in pairwise(edges)]

    count = DynamicPodOperator.partial(
        task_id="count",
        docker_image_name=IMAGE,
        commands=["sh", "-ec", COUNT, "count"],
        container_resources={"requests": {"cpu": "10m", "memory": "16Mi"}},
    ).expand(arguments=ranges(limit.output))

    @task
    def total(counts: list[int]) -> int:
        """Add up what the pods found."""
        return sum(counts)

    total(count.output)
