"""An observer at work in virtual time, beside an Airflow and a listener that are scripted."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

from airflow_container_job.airflow_api import AirflowApi
from airflow_container_job.errors import AirflowError, DagDenied
from airflow_container_job.facts import DagRun, Trouble
from airflow_container_job.observer import Observer
from tests.unit.operator.virtual import VirtualLoop

GENERIC = "container_job"
READ_SECONDS = 0.015
"""How long Airflow takes to answer for one run."""


class Scripted:
    """Airflow as far as the observer asks it; counts what it is asked."""

    def __init__(self) -> None:
        self.runs: dict[str, str] = {}
        """Every DagRun with its state."""
        self.ended: dict[str, datetime] = {}
        """Runs whose task has ended, and when."""
        self.begun: set[str] = set()
        """Runs that it lists when it is asked for those of a DAG that run."""
        self.hidden: set[str] = set()
        """Runs of DAGs that the account may not see."""
        self.refusal: AirflowError = DagDenied("403")
        """What it answers for these."""
        self.stopped: list[str] = []
        self.run_after: dict[str, datetime] = {}
        """When runs were asked for; the others just now."""
        self.changed: dict[str, datetime] = {}
        """When runs that are over were marked otherwise."""
        self.behind = timedelta()
        """How far its clock is behind ours."""
        self.since: list[datetime] = []
        """From when on ends were asked for, in each question for ended tasks."""
        self.bounds: list[datetime | None] = []
        """Before which `run_after` no run was asked about, in each question for ended tasks."""
        self.asked: Counter[str] = Counter()
        self.gate = SimpleNamespace(pause=0.0)

    @property
    def live(self) -> list[str]:
        return [run for run, state in self.runs.items() if state in ("queued", "running")]

    async def ended_tasks(self, _dag_id: str, since: datetime, run_after: datetime | None) -> list[DagRun]:
        self.asked["tasks"] += 1
        self.since.append(since)
        self.bounds.append(run_after)
        ended = [(run, at) for run, at in self.ended.items() if at >= since]
        return [DagRun(run, "success", at) for run, at in ended if not run_after or self._asked_for(run) >= run_after]

    def _asked_for(self, run: str) -> datetime:
        return self.run_after.setdefault(run, datetime.now(UTC))

    async def changed_runs(self, since: datetime) -> list[DagRun]:
        self.asked["changed"] += 1
        return [self._told(run) for run, at in self.changed.items() if at >= since]

    async def started_runs(self, _dag_id: str, _since: datetime) -> list[DagRun]:
        self.asked["started"] += 1
        return [self._told(run) for run in sorted(self.begun)]

    async def count_live_runs(self) -> int:
        self.asked["count"] += 1
        return len(self.live)

    async def live_runs(self) -> list[DagRun]:
        self.asked["pages"] += 1 + len(self.live) // 100
        return [self._told(run) for run in self.live]

    async def read(self, _dag_id: str, dag_run_id: str) -> DagRun | None:
        self.asked["read"] += 1
        await asyncio.sleep(READ_SECONDS)
        if dag_run_id in self.hidden:
            raise self.refusal
        return self._told(dag_run_id) if dag_run_id in self.runs else None

    def _told(self, run: str) -> DagRun:
        return DagRun(run, self.runs[run], owner_uid=f"uid-{run}", run_after=self._asked_for(run))

    async def stop(self, _dag_id: str, dag_run_id: str) -> None:
        self.stopped.append(dag_run_id)
        self.runs[dag_run_id] = "failed"

    async def health_trouble(self) -> Trouble | None:
        self.asked["health"] += 1
        return None

    async def dag_trouble(self, _dag_id: str) -> Trouble | None:
        self.asked["dag"] += 1
        return None


class Heard:
    """Who listens."""

    def __init__(self) -> None:
        self.runs: dict[str, str] = {}
        self.poisoned = ""

    def run_seen(self, uid: str, run: DagRun) -> None:
        if uid == self.poisoned:
            raise ValueError("poison")
        self.runs[uid] = run.state

    def dags_seen(self, troubles: Mapping[str, Trouble]) -> None:
        assert not troubles


Scene = Callable[[Observer, Scripted, Heard], Any]


def play(scene: Scene, airflow: Scripted | None = None) -> Scripted:
    """Let an observer run beside this scene, in virtual time."""
    airflow, heard = airflow or Scripted(), Heard()

    async def main() -> None:
        observer = Observer(cast("AirflowApi", airflow), GENERIC, 60)
        observer.report_to(heard)
        task = asyncio.create_task(observer.run())
        await scene(observer, airflow, heard)
        task.cancel()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main())
    return airflow


def follow(observer: Observer, airflow: Scripted, *names: str, run_after: datetime | None = None) -> None:
    """Follow runs whose containers run, and which were asked for then (None: just now)."""
    for name in names:
        airflow.runs[name] = "running"
        airflow.run_after[name] = run_after or datetime.now(UTC)
        observer.follow(name, f"uid-{name}", GENERIC, run_after=airflow.run_after[name])
        observer.pod_moved(name, ended=False)


def end(observer: Observer, airflow: Scripted, name: str) -> None:
    """Let the task end, its pod having ended; the scheduler has not looked yet."""
    airflow.ended[name] = datetime.now(UTC)
    observer.pod_moved(name, ended=True)
