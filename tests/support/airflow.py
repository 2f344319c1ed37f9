"""Real Airflow through its REST API, as a user has it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests.support.wait import until

DAG = "container_job"


class Airflow:
    """Airflow's API with an account."""

    def __init__(self, url: str, username: str, password: str) -> None:
        self._url = url.rstrip("/")
        account = {"username": username, "password": password}
        self._token = str(self._send("POST", "/auth/token", account, {})["access_token"])

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """As the variables that `make env` prints have it: its administrator's."""
        return cls(environment["AIRFLOW_URL"], environment["AIRFLOW_USERNAME"], environment["AIRFLOW_PASSWORD"])

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request below /api/v2; the JSON answer. Raises urllib's HTTPError on a refusal."""
        return self._send(method, f"/api/v2{path}", body, {"Authorization": f"Bearer {self._token}"})

    def _send(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        data = None if body is None else json.dumps(body).encode()
        kinds = {"Content-Type": "application/json", "Accept": "application/json"}
        request = Request(self._url + path, data, headers | kinds, method=method)  # noqa: S310 - our own address
        with urlopen(request, timeout=30) as answer:  # noqa: S310
            text = answer.read()
            return json.loads(text) if text else None

    def trigger(self, conf: dict[str, Any], dag: str = DAG) -> str:
        """Start a run; its id."""
        answer = self("POST", f"/dags/{dag}/dagRuns", {"conf": conf, "logical_date": None})
        return str(answer["dag_run_id"])

    def run(self, dag_run_id: str, dag: str = DAG) -> dict[str, Any]:
        """Read a run; empty when there is none."""
        try:
            found: dict[str, Any] = self("GET", f"/dags/{dag}/dagRuns/{dag_run_id}")
        except HTTPError as error:
            if error.code != 404:
                raise
            return {}
        return found

    def runs_of(self, uid: str) -> int:
        """How many DagRuns a resource has had that nobody has deleted."""
        return int(self("GET", f"/dags/~/dagRuns?run_id_prefix_pattern=acj-{uid}")["total_entries"])

    def until_over(self, dag_run_id: str, seconds: float = 90, dag: str = DAG) -> str:
        """Wait for a run's end; its state. The scheduler tells it a while after the task's, and so after our status."""
        over = ("success", "failed")
        until(f"the end of {dag_run_id}", lambda: self.run(dag_run_id, dag).get("state") in over, seconds)
        return str(self.run(dag_run_id, dag)["state"])

    def tasks(self, dag_run_id: str, dag: str = DAG) -> list[dict[str, Any]]:
        """The task instances of a run."""
        return list(self("GET", f"/dags/{dag}/dagRuns/{dag_run_id}/taskInstances")["task_instances"])

    def xcom(self, dag_run_id: str, key: str, dag: str = DAG, task: str = "run", map_index: int = -1) -> Any:
        """Read what a task left. Airflow hands out as JSON text what came from a trigger, and as it is what did not."""
        entry = f"/dags/{dag}/dagRuns/{dag_run_id}/taskInstances/{task}/xcomEntries/{key}?map_index={map_index}"
        value = self("GET", entry)["value"]
        return json.loads(value) if isinstance(value, str) else value

    def log(self, dag_run_id: str, attempt: int = 1) -> list[str]:
        """The lines of a task's log."""
        answer = self("GET", f"/dags/{DAG}/dagRuns/{dag_run_id}/taskInstances/run/logs/{attempt}?full_content=true")
        return [entry if isinstance(entry, str) else str(entry.get("event", "")) for entry in answer["content"]]

    # ---- what people do in Airflow's UI

    def clear(self, dag_run_id: str) -> None:
        """Let all tasks of a run run again."""
        self("POST", f"/dags/{DAG}/dagRuns/{dag_run_id}/clear", {"dry_run": False})

    def mark(self, dag_run_id: str, state: str) -> None:
        """Mark a run `success` or `failed`."""
        self("PATCH", f"/dags/{DAG}/dagRuns/{dag_run_id}", {"state": state})

    def delete(self, dag_run_id: str, dag: str = DAG) -> None:
        """Delete a run."""
        self("DELETE", f"/dags/{dag}/dagRuns/{dag_run_id}")

    @contextmanager
    def paused(self, dag: str = DAG) -> Iterator[None]:
        """A paused DAG for the block only."""
        self("PATCH", f"/dags/{dag}", {"is_paused": True})
        try:
            yield
        finally:
            self("PATCH", f"/dags/{dag}", {"is_paused": False})
