"""A task that the scheduler starts from its trigger and that ends there at once: what a run costs Airflow itself.

Put into the development Airflow for a measurement only. Like our own DAG it takes no worker.
"""

from airflow.providers.standard.sensors.date_time import DateTimeSensorAsync
from airflow.sdk import DAG

with DAG(
    "bench_nothing", schedule=None, max_active_runs=10_000, max_active_tasks=10_000, is_paused_upon_creation=False
):
    DateTimeSensorAsync(
        task_id="run", target_time="2026-01-01T00:00:00+00:00", start_from_trigger=True, end_from_trigger=True
    )
