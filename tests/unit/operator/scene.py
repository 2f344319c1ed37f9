"""A controller at work between an Airflow and a cluster that are scripted: many jobs, few places."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, cast

from airflow_container_job.airflow_api import AirflowApi
from airflow_container_job.airflow_http import Answer
from airflow_container_job.cluster_api import ClusterApi
from airflow_container_job.controller import Controller
from airflow_container_job.decision import Decision
from airflow_container_job.errors import AirflowUnreachable, DagUnavailable
from airflow_container_job.facts import DagRun
from airflow_container_job.gate import Gate
from airflow_container_job.job import ANNOTATION_DECISION, FINALIZER
from airflow_container_job.line import Line
from airflow_container_job.observer import Observer
from airflow_container_job.status import Links
from tests.unit.operator.builders import DECIDED


class Airflow:
    """Takes every run, but for what a test says."""

    seconds = 0.001
    """How long a request takes."""
    missing = "nowhere"
    """How the names of DAGs begin that it lacks."""
    too_large = "large"
    """A DAG for which its runs are too large, by the words of a proxy before it."""

    def __init__(self) -> None:
        self.gate = Gate()
        self._write = asyncio.Lock()
        self.away = False
        self.asked: Counter[str] = Counter()
        self.runs: list[str] = []
        self.stopped: list[str] = []

    async def trigger(self, dag_id: str, dag_run_id: str, _conf: Any, _note: str) -> DagRun:
        async with self._write:
            return await self.gate.through(lambda: self._trigger(dag_id, dag_run_id))

    async def read(self, _dag_id: str, dag_run_id: str) -> DagRun:
        """A run that goes on. Its owner is in its id."""
        await asyncio.sleep(self.seconds)
        return DagRun(dag_run_id, "running", owner_uid=dag_run_id.removeprefix("acj-").removesuffix("-1"))

    async def stop(self, _dag_id: str, dag_run_id: str) -> DagRun:
        async with self._write:
            await asyncio.sleep(self.seconds)
            self.stopped.append(dag_run_id)
            return DagRun(dag_run_id, "failed")

    async def _trigger(self, dag_id: str, dag_run_id: str) -> DagRun:
        await asyncio.sleep(self.seconds)
        self.asked[dag_id] += 1
        if self.away:
            raise AirflowUnreachable("Airflow does not answer: the connection broke")
        if dag_id.startswith(self.missing):
            raise DagUnavailable(f"no DAG {dag_id}")
        if dag_id == self.too_large:
            raise Answer(413, "Request Entity Too Large")
        self.runs.append(dag_run_id)
        return DagRun(dag_run_id, "queued")


class Cluster:
    """Keeps what is written, and counts it."""

    seconds = 0.0
    """How long a request takes."""

    def __init__(self) -> None:
        self.bodies: dict[str, dict[str, Any]] = {}
        self.writes: Counter[str] = Counter()

    async def write_status(self, job: Any, status: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(self.seconds)
        self.writes[status["reason"]] += 1
        return self.change(job.uid, {}, status=status)

    async def patch_metadata(self, job: Any, finalizers: list[str], annotations: dict[str, str]) -> dict[str, Any]:
        await asyncio.sleep(self.seconds)
        return self.change(job.uid, {"finalizers": finalizers, "annotations": annotations})

    def change(self, uid: str, metadata: dict[str, Any], **parts: Any) -> dict[str, Any]:
        """Make the next version of a resource, and give it."""
        body = self.bodies[uid]
        version = str(int(body["metadata"]["resourceVersion"]) + 1)
        self.bodies[uid] = body | parts | {"metadata": body["metadata"] | metadata | {"resourceVersion": version}}
        return self.bodies[uid]

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

    def apply(
        self, namespace: str, count: int, dag_id: str = "container_job", *, decided: bool = True, priority: int = 0
    ) -> None:
        """Make so many resources, whose runs are decided already or not."""
        for number in range(count):
            uid = f"{namespace}-{dag_id}-{priority}-{number:04}"
            spec = {"image": "busybox", "dagId": dag_id, "priority": priority}
            decision = Decision.of(uid, 1, spec, dag_id, DECIDED)
            metadata: dict[str, Any] = {
                "name": uid,
                "namespace": namespace,
                "uid": uid,
                "generation": 1,
                "resourceVersion": "1",
                "finalizers": [FINALIZER] if decided else [],
                "annotations": {ANNOTATION_DECISION: decision.dump()} if decided else {},
                "creationTimestamp": "2026-11-22T12:00:00Z",
            }
            self.cluster.bodies[uid] = {"metadata": metadata, "spec": spec, "status": {}}
            self.controller.memory.job_seen(self.cluster.bodies[uid])

    async def play(self, act: Callable[[Scene], Awaitable[None]]) -> None:
        """Let the controller work while this happens."""
        parts = [asyncio.create_task(part) for part in (self.controller.run(), self.controller.watch_line(0, _none))]
        try:
            await act(self)
        finally:
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)


async def _none() -> int:
    return 0
