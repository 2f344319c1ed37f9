"""What the database of an Airflow on PostgreSQL tells, and what is put right in it. Called by `parts`."""

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

END: Final = """
UPDATE task_instance SET state = 'failed', end_date = now(), trigger_id = NULL WHERE state IN ('scheduled', 'deferred');
UPDATE dag_run SET state = 'failed', end_date = now() WHERE state IN ('queued', 'running')
"""


def lags(since: float) -> dict[str, object]:
    """Seconds, p50 and p99, that Airflow took of itself, of the runs asked for since then (UNIX time)."""
    found: dict[str, object] = json.loads(_ask(LAGS.format(since=since)))
    return found


def end_all_runs() -> None:
    """End all DagRuns at once; their triggers then delete their pods. Through REST each would take its time."""
    _ask(END)


def _ask(sql: str) -> str:
    command = ("psql", "--username=airflow", "--no-align", "--tuples-only", f"--command={sql}")
    return kubectl("exec", "--namespace=airflow", "deployment/postgres", "--", *command)
