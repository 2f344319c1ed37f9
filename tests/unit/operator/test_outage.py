"""Many jobs and few places, with an Airflow that is away or lacks a DAG: who is told what, and how often."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, cast

import pytest

from airflow_container_job import controller
from airflow_container_job.airflow_api import AirflowApi
from airflow_container_job.cluster_api import ClusterApi
from airflow_container_job.controller import Controller
from airflow_container_job.decision import Decision
from airflow_container_job.errors import AirflowUnreachable, DagUnavailable
from airflow_container_job.facts import DagRun
from airflow_container_job.gate import Gate
from airflow_container_job.job import ANNOTATION_DECISION, FINALIZER
from airflow_container_job.line import Line
from airflow_container_job.observer import Observer
from airflow_container_job.shelf import Shelf
from airflow_container_job.status import Links
from tests.support.wait import until
from tests.unit.operator.builders import DECIDED

JOBS = 40


class Airflow:
    """Takes every run, but for what a test says."""

    def __init__(self) -> None:
        self.gate = Gate()
        self.away = False
        self.missing = "nowhere"
        self.asked: Counter[str] = Counter()
        self.runs: list[str] = []

    async def trigger(self, dag_id: str, dag_run_id: str, _conf: Any, _note: str) -> DagRun:
        return await self.gate.through(lambda: self._trigger(dag_id, dag_run_id))

    async def _trigger(self, dag_id: str, dag_run_id: str) -> DagRun:
        await asyncio.sleep(0.001)
        self.asked[dag_id] += 1
        if self.away:
            raise AirflowUnreachable("Airflow does not answer: the connection broke")
        if dag_id == self.missing:
            raise DagUnavailable(f"no DAG {dag_id}")
        self.runs.append(dag_run_id)
        return DagRun(dag_run_id, "queued")


class Cluster:
    """Keeps what is written, and counts it."""

    def __init__(self) -> None:
        self.bodies: dict[str, dict[str, Any]] = {}
        self.writes: Counter[str] = Counter()

    async def write_status(self, job: Any, status: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(0)
        self.writes[status["reason"]] += 1
        body = self.bodies[job.uid]
        version = str(int(body["metadata"]["resourceVersion"]) + 1)
        self.bodies[job.uid] = body | {"status": status, "metadata": body["metadata"] | {"resourceVersion": version}}
        return self.bodies[job.uid]

    async def create_event(self, event: dict[str, Any]) -> None:
        self.writes[f"event {event['reason']}"] += 1

    def reasons(self) -> Counter[str]:
        """What the resources say now."""
        return Counter(body["status"].get("reason") for body in self.bodies.values())


class Scene:
    """A controller at work, between the two."""

    def __init__(self, limit: int) -> None:
        self.airflow, self.cluster = Airflow(), Cluster()
        airflow, cluster = cast("AirflowApi", self.airflow), cast("ClusterApi", self.cluster)
        observer = Observer(airflow, "container_job", 60)
        line = Line(limit, None)
        line.open()
        links = Links("container_job", "")
        self.controller = Controller(airflow, cluster, observer, links, timedelta(60), 1, line)
        self.controller.memory.pods_known.set()

    def apply(self, namespace: str, count: int, dag_id: str = "container_job") -> None:
        """Make so many resources that are decided already."""
        for number in range(count):
            uid = f"{namespace}-{dag_id}-{number:03}"
            spec = {"image": "busybox", "dagId": dag_id}
            decision = Decision.of(uid, 1, spec, dag_id, DECIDED)
            metadata = {
                "name": uid,
                "namespace": namespace,
                "uid": uid,
                "generation": 1,
                "resourceVersion": "1",
                "finalizers": [FINALIZER],
                "annotations": {ANNOTATION_DECISION: decision.dump()},
                "creationTimestamp": "2026-11-22T12:00:00Z",
            }
            self.cluster.bodies[uid] = {"metadata": metadata, "spec": spec, "status": {}}
            self.controller.memory.job_seen(self.cluster.bodies[uid])

    async def play(self, act: Callable[[Scene], Awaitable[None]]) -> None:
        """Let the controller work while this happens."""
        parts = [asyncio.create_task(part) for part in (self.controller.run(), self.controller.watch_line(0))]
        try:
            await act(self)
        finally:
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)


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
