"""What the operator makes of Airflow's answers, and how many requests that takes: against the fake, over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airflow_container_job.airflow_api import AirflowApi
from tests.support.fake_airflow import FakeAirflow
from tests.support.fake_store import PASSWORD, USERNAME

GENERIC = "container_job"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def airflow() -> Iterator[FakeAirflow]:
    with FakeAirflow() as airflow:
        yield airflow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the operator's credentials are."""
    (tmp_path / "username").write_text(USERNAME)
    (tmp_path / "password").write_text(PASSWORD)
    return tmp_path


Play = Callable[[Callable[[AirflowApi], Awaitable[None]]], None]


@pytest.fixture
def play(airflow: FakeAirflow, folder: Path) -> Play:
    """Let this happen to a client of its own."""

    def run(act: Callable[[AirflowApi], Awaitable[None]]) -> None:
        async def main() -> None:
            api = AirflowApi(airflow.url, GENERIC, folder, 5)
            try:
                await act(api)
            finally:
                await api.close()

        asyncio.run(main())

    return run


def test_ended_tasks_are_listed_of_runs_from_their_run_after_on(airflow: FakeAirflow, play: Play) -> None:
    async def act(api: AirflowApi) -> None:
        for name in ("acj-1", "acj-2"):
            await api.trigger(GENERIC, name, {}, "")
            airflow.end_task(name, "success")
        first, second = await api.ended_tasks(GENERIC, LONG_AGO, None)
        assert (first.dag_run_id, second.dag_run_id) == ("acj-1", "acj-2")
        assert first.run_after is not None
        assert second.run_after is not None
        assert await api.ended_tasks(GENERIC, LONG_AGO, first.run_after) == [first, second]
        assert await api.ended_tasks(GENERIC, LONG_AGO, second.run_after) == [second]
        assert await api.ended_tasks(GENERIC, LONG_AGO, second.run_after + timedelta(seconds=1)) == []

    play(act)
