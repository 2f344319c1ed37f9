"""Real Airflow through its REST API, as a user has it."""

from __future__ import annotations

import json
from typing import Any
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

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request below /api/v2; the JSON answer. Raises urllib's HTTPError on a refusal."""
        return self._send(method, f"/api/v2{path}", body, {"Authorization": f"Bearer {self._token}"})

    def _send(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        data = None if body is None else json.dumps(body).encode()
        kinds = {"Content-Type": "application/json", "Accept": "application/json"}
        request = Request(self._url + path, data, headers | kinds, method=method)  # noqa: S310 - our own address
        with urlopen(request, timeout=30) as answer:  # noqa: S310
            return json.load(answer)

    def trigger(self, conf: dict[str, Any]) -> str:
        """Start a run of the generic DAG; its id."""
        answer = self("POST", f"/dags/{DAG}/dagRuns", {"conf": conf, "logical_date": None})
        return str(answer["dag_run_id"])

    def run(self, dag_run_id: str) -> dict[str, Any]:
        """Read a run; empty when there is none."""
        try:
            found: dict[str, Any] = self("GET", f"/dags/{DAG}/dagRuns/{dag_run_id}")
        except HTTPError as error:
            if error.code != 404:
                raise
            return {}
        return found

    def until_over(self, dag_run_id: str, seconds: float = 90) -> str:
        """Wait for a run's end; its state."""
        over = ("success", "failed")
        until(f"the end of {dag_run_id}", lambda: self.run(dag_run_id).get("state") in over, seconds)
        return str(self.run(dag_run_id)["state"])

    def xcom(self, dag_run_id: str, key: str) -> Any:
        """Read what the run's trigger left, which Airflow hands out as JSON text."""
        return json.loads(self("GET", f"/dags/{DAG}/dagRuns/{dag_run_id}/taskInstances/run/xcomEntries/{key}")["value"])

    def log(self, dag_run_id: str, attempt: int = 1) -> list[str]:
        """The lines of a task's log."""
        answer = self("GET", f"/dags/{DAG}/dagRuns/{dag_run_id}/taskInstances/run/logs/{attempt}?full_content=true")
        return [entry if isinstance(entry, str) else str(entry.get("event", "")) for entry in answer["content"]]
