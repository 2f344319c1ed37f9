"""The fake Airflow answers as Airflow's own API description says: its generated client reads every answer."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.support.fake_airflow import FakeAirflow
from tests.support.fake_store import PASSWORD, USERNAME

models: Any = importlib.import_module("airflow_client.client.models")

RUNS = "/api/v2/dags/container_job/dagRuns"


class Client:
    """Plain requests with a token."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.token = self("POST", "/auth/token", {"username": USERNAME, "password": PASSWORD})["access_token"]

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {getattr(self, 'token', '')}"}
        with urlopen(Request(self._url + path, data, headers, method=method), timeout=5) as answer:  # noqa: S310
            return json.load(answer)

    def status(self, method: str, path: str, body: Any = None) -> int:
        try:
            self(method, path, body)
        except HTTPError as error:
            return error.code
        return 200


@pytest.fixture
def airflow() -> Iterator[FakeAirflow]:
    with FakeAirflow() as airflow:
        yield airflow


@pytest.fixture
def client(airflow: FakeAirflow) -> Client:
    return Client(airflow.url)


def post(client: Client, run_id: str) -> Any:
    return client("POST", RUNS, {"dag_run_id": run_id, "logical_date": None, "conf": {"a": 1}, "note": "n"})


def test_answers_have_airflows_shapes(airflow: FakeAirflow, client: Client) -> None:
    shapes = [
        (models.DAGRunResponse, post(client, "r")),
        (models.DAGRunResponse, client("GET", f"{RUNS}/r")),
        (models.DAGRunResponse, client("PATCH", f"{RUNS}/r", {"state": "failed"})),
        (models.DAGRunCollectionResponse, client("GET", "/api/v2/dags/~/dagRuns?cursor=")),
        (models.DAGResponse, client("GET", "/api/v2/dags/container_job")),
        (models.HealthInfoResponse, client("GET", "/api/v2/monitor/health")),
    ]
    airflow.set_xcom("r", "return_value", [1])
    xcom = client("GET", f"{RUNS}/r/taskInstances/run/xcomEntries/return_value")
    for model, answer in [*shapes, (models.XComResponseNative, xcom)]:
        model.from_dict(answer)  # refuses what lacks a field, or has a value of another kind
        assert answer.keys() <= model.model_fields.keys()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"dag_run_id": "r", "logical_date": None}, 409),
        ({"dag_run_id": "new"}, 422),
        ({"dag_run_id": "new", "logical_date": None, "config": {}}, 422),
        ({"dag_run_id": "new", "logical_date": None}, 200),
    ],
)
def test_refusals_of_a_run(client: Client, body: Any, status: int) -> None:
    post(client, "r")
    assert client.status("POST", RUNS, body) == status


def test_tokens(airflow: FakeAirflow, client: Client) -> None:
    assert client.status("POST", "/auth/token", {"username": USERNAME, "password": "wrong"}) == 401
    airflow.expire_tokens()
    assert client.status("GET", f"{RUNS}/r") == 401
    airflow.change_secret()
    assert client.status("GET", f"{RUNS}/r") == 403


def test_lists_are_filtered_and_paged(airflow: FakeAirflow, client: Client) -> None:
    for number in range(130):
        airflow.create(f"acj-{number}", {})
    airflow.create("manual", {})
    airflow.finish("acj-7", "success")
    everything = "/api/v2/dags/~/dagRuns?limit=1000&order_by=id&run_id_prefix_pattern=acj-"
    page = client("GET", f"{everything}&cursor=")
    rest = client("GET", f"{everything}&cursor={page['next_cursor']}")
    names = [run["dag_run_id"] for run in page["dag_runs"] + rest["dag_runs"]]
    assert (len(page["dag_runs"]), rest["next_cursor"]) == (100, None)
    assert names == [f"acj-{number}" for number in range(130)]
    ended = client("GET", f"{everything}&state=success&state=failed&end_date_gte=2020-01-01T00:00:00Z")
    assert [run["dag_run_id"] for run in ended["dag_runs"]] == ["acj-7"]
    assert client("GET", f"{everything}&end_date_gte=2999-01-01T00:00:00Z")["dag_runs"] == []


def test_lists_tell_what_changed_since(airflow: FakeAirflow, client: Client) -> None:
    """Also a run that is marked otherwise long after its end, which keeps the time of its end."""
    for name in ("acj-1", "acj-2"):
        airflow.create(name, {})
        airflow.finish(name, "success")
    since = datetime.now(UTC).isoformat().replace("+", "%2B")
    changed = f"/api/v2/dags/~/dagRuns?state=success&state=failed&updated_at_gte={since}"
    assert client("GET", changed)["dag_runs"] == []
    ended = client("GET", f"{RUNS}/acj-2")["end_date"]
    airflow.finish("acj-2", "failed")
    (found,) = client("GET", changed)["dag_runs"]
    assert (found["dag_run_id"], found["state"], found["end_date"]) == ("acj-2", "failed", ended)


def test_a_cleared_run_is_queued_again(airflow: FakeAirflow, client: Client) -> None:
    post(client, "r")
    airflow.finish("r", "failed")
    airflow.clear("r")
    run = client("GET", f"{RUNS}/r")
    assert (run["state"], run["end_date"]) == ("queued", None)
    assert run["start_date"] is not None


def test_a_running_run_stays_so_when_a_task_is_cleared(airflow: FakeAirflow, client: Client) -> None:
    post(client, "r")
    airflow.start("r")
    airflow.clear("r")
    assert client("GET", f"{RUNS}/r")["state"] == "running"


def test_a_stale_dag_is_shown_and_takes_no_run(airflow: FakeAirflow, client: Client) -> None:
    airflow.add_dag("own").is_stale = True
    assert client("GET", "/api/v2/dags/own")["is_stale"]
    assert client.status("POST", "/api/v2/dags/own/dagRuns", {"dag_run_id": "r", "logical_date": None}) == 404


def test_health(airflow: FakeAirflow, client: Client) -> None:
    airflow.unhealthy.add("triggerer")
    health = client("GET", "/api/v2/monitor/health")
    assert {part: told["status"] for part, told in health.items()} == {
        "metadatabase": "healthy",
        "scheduler": "healthy",
        "triggerer": "unhealthy",
        "dag_processor": "healthy",
    }
