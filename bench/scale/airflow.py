"""What the database of an Airflow on PostgreSQL tells. Called by __main__ and `parts`."""

from __future__ import annotations

import json
from typing import Final

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


def lags(since: float) -> dict[str, object]:
    """Seconds, p50 and p99, that Airflow took of itself, of the runs asked for since then (UNIX time)."""
    command = ("psql", "--username=airflow", "--no-align", "--tuples-only", f"--command={LAGS.format(since=since)}")
    found: dict[str, object] = json.loads(kubectl("exec", "--namespace=airflow", "deployment/postgres", "--", *command))
    return found
