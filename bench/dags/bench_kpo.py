"""The stock KubernetesPodOperator running the container that `make bench` measures, in both of its ways.

Put into the development Airflow for the measurement only. All that matters for speed is left as it comes; only the
limits on how many run at once are lifted, as on our own DAG, and whatever Airflow's executor allows runs side by side.
"""

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk import DAG

for name, deferrable in (("bench_kpo", False), ("bench_kpo_deferrable", True)):
    with DAG(name, schedule=None, max_active_runs=10_000, max_active_tasks=10_000, is_paused_upon_creation=False):
        KubernetesPodOperator(
            task_id="run",
            image="busybox:1.35",
            cmds=["sh", "-c", "echo done"],
            namespace="{{ dag_run.conf['namespace'] }}",
            in_cluster=True,
            deferrable=deferrable,
        )
