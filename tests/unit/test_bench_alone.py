"""The parts of `bench.alone` that a wrong figure could come from: the fake's lists, and how counters are read."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime

import pytest
from aiohttp.test_utils import make_mocked_request
from yarl import URL

from bench.alone.api_server import count_writes
from bench.alone.fake_airflow import FakeAirflow
from bench.alone.fake_runs import PAGE_LIMIT, FakeRuns, Run, page

METRICS = """
apiserver_request_total{code="200",component="",dry_run="",group="acj.dev",resource="airflowcontainerjobs",scope="resource",subresource="status",verb="PATCH",version="v1alpha1"} 7
apiserver_request_total{code="409",component="",dry_run="",group="acj.dev",resource="airflowcontainerjobs",scope="resource",subresource="status",verb="PATCH",version="v1alpha1"} 2
apiserver_request_total{code="200",component="",dry_run="",group="acj.dev",resource="airflowcontainerjobs",scope="resource",subresource="",verb="PATCH",version="v1alpha1"} 1e+03
apiserver_request_total{code="200",component="",dry_run="",group="acj.dev",resource="airflowcontainerjobs",scope="namespace",subresource="",verb="LIST",version="v1alpha1"} 5
apiserver_request_total{code="201",component="",dry_run="",group="",resource="events",scope="resource",subresource="",verb="POST",version="v1"} 3
"""  # noqa: E501 - lines as the API server writes them


def test_writes_are_counted_by_kind_whatever_the_answer_was() -> None:
    assert count_writes(METRICS) == {"PATCH status": 9, "PATCH resource": 1000, "POST event": 3}


def filled(count: int) -> FakeRuns:
    runs = FakeRuns()
    for number in range(count):
        runs.create("container_job", f"acj-{number}", {}, None)
    return runs


def test_pages_bring_every_run_once_and_in_order() -> None:
    found = filled(2 * PAGE_LIMIT + 1).select([], None)
    seen: list[Run] = []
    cursor: str | None = ""
    pages = 0
    while cursor is not None:
        some, cursor = page(found, PAGE_LIMIT, cursor, 0)
        seen += some
        pages += 1
    assert seen == found
    assert pages == 3


def test_a_page_is_never_larger_than_airflow_allows() -> None:
    some, following = page(filled(PAGE_LIMIT + 5).select([], None), 10_000, None, 0)
    assert len(some) == PAGE_LIMIT
    assert following is None


def test_only_what_has_changed_since_is_listed() -> None:
    runs = filled(10)
    runs.end("acj-3", "success")
    time.sleep(0.01)
    since = time.time()
    runs.end("acj-7", "failed")
    runs.end("acj-5", "success")
    assert [run.run_id for run in runs.select(["success", "failed"], since)] == ["acj-5", "acj-7"]
    assert [run.run_id for run in runs.select(["success"], None)] == ["acj-3", "acj-5"]
    assert len(runs.select(["queued", "running"], None)) == 7


def test_ended_tasks_are_listed_of_runs_from_their_run_after_on() -> None:
    airflow = FakeAirflow()
    for name in ("acj-1", "acj-2"):
        time.sleep(0.01)
        run_after = datetime.now(UTC).isoformat()
        airflow.runs.create("container_job", name, {}, None)
        airflow.runs.end(name, "success")
    asked = [
        ("state", "success"),
        ("end_date_gte", "2020-01-01T00:00:00Z"),
        ("run_after_gte", run_after),
        ("cursor", ""),
    ]
    path = URL("/api/v2/dags/~/dagRuns/~/taskInstances").with_query(asked)
    answer = asyncio.run(airflow.serve(make_mocked_request("GET", str(path))))
    assert isinstance(answer.text, str)
    assert [one["dag_run_id"] for one in json.loads(answer.text)["task_instances"]] == ["acj-2"]


@pytest.mark.parametrize("seconds", [None, 0.01])
def test_runs_end_by_themselves_only_when_told_so(seconds: float | None) -> None:
    async def scenario() -> bool:
        runs = FakeRuns(seconds=seconds)
        runs.create("container_job", "acj-1", {}, None)
        await asyncio.sleep(0.05)
        return bool(runs.live)

    assert asyncio.run(scenario()) is (seconds is None)


def test_a_run_is_made_once_and_ends_once() -> None:
    runs = filled(1)
    assert runs.create("container_job", "acj-0", {}, None) is None
    runs.end("acj-0", "success")
    runs.end("acj-0", "failed")
    assert runs.runs["acj-0"].state == "success"
