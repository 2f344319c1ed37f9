"""Airflow answers 500 for one DAG, for one request, or for all: each stops only those who would meet the same."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from airflow_container_job.airflow_api import AirflowApi
from airflow_container_job.airflow_http import Answer
from airflow_container_job.errors import AirflowUnreachable, DagBroken
from airflow_container_job.gate import Gate
from tests.support.fake_airflow import FakeAirflow
from tests.support.fake_store import PASSWORD, USERNAME

Act = Callable[[AirflowApi], Awaitable[None]]


@pytest.fixture
def airflow() -> Iterator[FakeAirflow]:
    with FakeAirflow() as airflow:
        airflow.add_dag("own")
        yield airflow


@pytest.fixture
def talk(airflow: FakeAirflow, tmp_path: Path) -> Callable[[Act], None]:
    """Let this happen with a connection to it."""
    (tmp_path / "username").write_text(USERNAME)
    (tmp_path / "password").write_text(PASSWORD)

    async def main(act: Act) -> None:
        api = AirflowApi(airflow.url, "container_job", tmp_path, 5)
        try:
            await act(api)
        finally:
            await api.close()

    return lambda act: asyncio.run(main(act))


@pytest.mark.parametrize("dag_id", ["own", "container_job"])
def test_a_dag_that_airflow_cannot_read_stops_nobody_else(
    airflow: FakeAirflow, talk: Callable[[Act], None], dag_id: str
) -> None:
    airflow.broken.add(dag_id)

    async def act(api: AirflowApi) -> None:
        with pytest.raises(DagBroken, match=f"DAG '{dag_id}'.*deserialize.*log of its API server"):
            await api.trigger(dag_id, "acj-1", {}, "")
        assert api.gate.shut_by is None
        trouble = await api.dag_trouble(dag_id)
        assert trouble is not None
        assert trouble.reason == "DagBroken"

    talk(act)


def test_an_error_at_one_request_is_of_that_alone(airflow: FakeAirflow, talk: Callable[[Act], None]) -> None:
    airflow.fail_next(1, 500)

    async def act(api: AirflowApi) -> None:
        with pytest.raises(Answer, match="Airflow answered 500"):
            await api.trigger("own", "acj-1", {}, "")
        assert api.gate.shut_by is None
        assert (await api.trigger("own", "acj-1", {}, "")).state == "queued"

    talk(act)


def test_an_airflow_without_its_database_is_away_for_all(airflow: FakeAirflow, talk: Callable[[Act], None]) -> None:
    """Each try makes the pause grow, as in any other outage."""

    async def act(api: AirflowApi) -> None:
        now = 0.0
        api.gate = Gate(lambda: now)
        with airflow.without_database():
            for tries in (1, 2):
                with pytest.raises(AirflowUnreachable, match="Airflow answered 500"):
                    await api.trigger("own", "acj-1", {}, "")
                assert 2**tries / 2 <= api.gate.pause <= 2**tries
                now += api.gate.pause
        assert (await api.trigger("own", "acj-1", {}, "")).state == "queued"
        assert api.gate.shut_by is None

    talk(act)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_other_errors_are_never_the_dags(airflow: FakeAirflow, talk: Callable[[Act], None], status: int) -> None:
    airflow.fail_next(1, status)

    async def act(api: AirflowApi) -> None:
        with pytest.raises(AirflowUnreachable):
            await api.trigger("own", "acj-1", {}, "")
        assert airflow.count("GET") == 0

    talk(act)
