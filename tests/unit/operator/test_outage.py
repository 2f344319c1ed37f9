"""Many jobs and few places, with an Airflow that is away or lacks a DAG: who is told what, and how often."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, cast

import pytest

from airflow_container_job import controller
from airflow_container_job.facts import Trouble
from airflow_container_job.shelf import Shelf
from tests.support.wait import until
from tests.unit.operator.scene import Scene

JOBS = 40


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those in line are looked through more often than in production."""
    monkeypatch.setattr(controller, "LINE_SECONDS", 0.2)


@pytest.mark.parametrize("limit", [1, 8, 1000])
def test_an_outage_is_told_to_each_job_once_however_few_places_there_are(limit: int) -> None:
    async def act(scene: Scene) -> None:
        scene.airflow.away = True
        scene.apply("team", JOBS)
        await asyncio.sleep(1.5)  # the gate lets a second try through within it
        said = scene.cluster.reasons()
        assert said.keys() <= {"AirflowUnreachable", "Held"}
        assert said.total() == JOBS
        assert scene.cluster.writes == said + Counter({"event AirflowUnreachable": said["AirflowUnreachable"]})
        assert 1 <= scene.airflow.asked.total() <= 3 + 16  # the first ones are under way together

    asyncio.run(Scene(limit).play(act))


def test_those_who_know_their_place_are_told_nothing_of_an_outage() -> None:
    async def act(scene: Scene) -> None:
        scene.apply("team", JOBS)
        await asyncio.sleep(0.5)
        assert scene.cluster.reasons() == {"Starting": 1, "Held": JOBS - 1}
        scene.airflow.away = True
        before = scene.cluster.writes.total()
        scene.controller.left(scene.airflow.runs[0].removeprefix("acj-").removesuffix("-1"))  # its run is over
        await asyncio.sleep(1.5)
        assert scene.cluster.reasons() == {"Starting": 1, "Held": JOBS - 2, "AirflowUnreachable": 1}
        assert scene.cluster.writes.total() == before + 2  # a status and its event

    asyncio.run(Scene(1).play(act))


def test_jobs_of_a_missing_dag_keep_nobody_waiting_and_are_told_once() -> None:
    async def act(scene: Scene) -> None:
        scene.apply("wrong", 300, "nowhere")
        scene.apply("right", JOBS)

        def over() -> bool:
            return len(scene.airflow.runs) == JOBS and scene.cluster.writes["DagMissing"] == 300

        await asyncio.to_thread(until, "the right have their runs, the wrong know why they have none", over)
        assert scene.airflow.asked["nowhere"] <= 16

    asyncio.run(Scene(1000).play(act))


def test_a_dag_is_put_aside_for_a_growing_time_until_it_runs() -> None:
    now = 0.0
    shelf = Shelf(lambda: now)
    trouble = cast("Any", object())
    pauses = []
    for _ in range(5):
        shelf.put("dag", trouble)
        shelf.put("dag", trouble)  # of the same crowd
        assert shelf.trouble("dag") is trouble
        pauses.append(shelf.pause("dag"))
        now += shelf.pause("dag")
        assert shelf.trouble("dag") is None
        assert shelf.has("dag")
    assert pauses == [5, 10, 20, 30, 30]
    shelf.take("dag")
    assert not shelf.has("dag")
    assert shelf.pause("dag") == 0


def test_a_shelf_forgets_what_nobody_asks_for_any_more() -> None:
    now = 0.0
    shelf = Shelf(lambda: now)
    for number in range(3):
        shelf.put(f"dag-{number}", Trouble("DagMissing", "no such DAG"))
        now += 400
    assert [name for name in ("dag-0", "dag-1", "dag-2") if shelf.has(name)] == ["dag-1", "dag-2"]
