"""The development cluster's Airflow, on PostgreSQL for one run and as it was after it, and what its database tells.

Called by __main__ and `parts`. Refuses a cluster that is not ours: there, nothing says what to go back to.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from dev import images, install, postgres_image, settings
from dev.errors import Stop
from dev.run import kubectl

LAGS: Final = """
SELECT json_build_object(
  'runs', count(*),
  'run_created_to_trigger', json_build_array(
    round(percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM ti.start_date - dr.queued_at))::numeric, 2),
    round(percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM ti.start_date - dr.queued_at))::numeric, 2)),
  'task_end_to_run_end', json_build_array(
    round(percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM dr.end_date - ti.end_date))::numeric, 2),
    round(percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM dr.end_date - ti.end_date))::numeric, 2)))
FROM dag_run dr JOIN task_instance ti USING (dag_id, run_id)
WHERE dr.end_date IS NOT NULL AND dr.queued_at >= to_timestamp({since})
"""


@contextmanager
def on_postgres() -> Iterator[None]:
    """Have Airflow on an empty PostgreSQL for the block."""
    if settings.current_cluster():
        raise Stop("bench-scale needs the kind cluster that `make up` makes: leave CLUSTER out.")
    built = {**images.build(), **postgres_image.ensure()}
    images.load(built)
    try:
        install.install(built, install.POSTGRES)
        yield
    finally:
        install.install(built)
        kubectl("delete", "deployment,service", "postgres", "--namespace=airflow", "--ignore-not-found")


def lags(since: float) -> dict[str, object]:
    """Seconds, p50 and p99, that Airflow took of itself, of the runs asked for since then (UNIX time)."""
    command = ("psql", "--username=airflow", "--no-align", "--tuples-only", f"--command={LAGS.format(since=since)}")
    found: dict[str, object] = json.loads(kubectl("exec", "--namespace=airflow", "deployment/postgres", "--", *command))
    return found
