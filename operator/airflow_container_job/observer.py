"""Learns from Airflow how all live runs stand: one question for all of them, never one per job.

Pods tell when it is worth asking: a run whose pod has ended, or that has none yet, is expected to end soon. While any
is expected, the runs that ended since the last question are listed; otherwise only a sweep compares all live runs once
in a while, which also finds what no pod tells: runs that somebody deleted, or ended by hand.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from airflow_container_job.airflow_api import AirflowApi
from airflow_container_job.errors import AirflowError
from airflow_container_job.facts import LOST, DagRun

OVERLAP: Final = timedelta(seconds=10)
"""How far each question reaches back: Airflow stamps an end before it commits it, and clocks differ a little."""

CADENCE: Final = ((5.0, 0.5), (30.0, 2.0), (float("inf"), 10.0))
"""(age, pause) in seconds: the longer the youngest expectation has waited, the rarer the question."""

UNREAD_PAUSE: Final = 1.0
"""Runs to be read arrive in a crowd after a start; this long they are gathered for one sweep."""

log = logging.getLogger(__name__)


class Observer:
    """The runs that are not known to be over, and the questions about them."""

    def __init__(self, airflow: AirflowApi, dag_id: str, sweep_seconds: float) -> None:
        self._airflow = airflow
        self._dag_id = dag_id
        self._sweep_seconds = sweep_seconds
        self._tell: Callable[[str, DagRun], None] = lambda _uid, _run: None
        self._live: dict[str, str] = {}
        self._expected: dict[str, float] = {}
        self._abandoned: set[str] = set()
        self._asked_at = 0.0
        self._sweep_at = 0.0
        self._stir = asyncio.Event()

    def report_to(self, tell: Callable[[str, DagRun], None]) -> None:
        """Say who wants to hear: called with a job's uid and its run."""
        self._tell = tell

    def follow(self, dag_run_id: str, uid: str, *, unread: bool = False) -> None:
        """Take up a run that Airflow has: just created, or (`unread`) for a while, so that its state is to be read."""
        if not self._live:
            self._sweep_at = _clock() + self._sweep_seconds
        self._live[dag_run_id] = uid
        if unread:
            self._sweep_at = min(self._sweep_at, _clock() + UNREAD_PAUSE)
        else:
            self._expected.setdefault(dag_run_id, _clock())
        self._stir.set()

    def pod_moved(self, dag_run_id: str, *, ended: bool) -> None:
        """The run's pod was seen: alive, then nothing is expected of Airflow, or ended."""
        if dag_run_id not in self._live:
            return
        if ended:
            self._expected.setdefault(dag_run_id, _clock())
            self._stir.set()
        else:
            self._expected.pop(dag_run_id, None)

    def forget(self, dag_run_id: str) -> None:
        """Nobody wants to hear of this run any more."""
        self._live.pop(dag_run_id, None)
        self._expected.pop(dag_run_id, None)

    def abandon(self, dag_run_id: str) -> None:
        """Stop this run as soon as Airflow lets us; its resource is gone."""
        self._abandoned.add(dag_run_id)
        self._sweep_at = min(self._sweep_at, _clock() + UNREAD_PAUSE)
        self._stir.set()

    async def run(self) -> None:
        """Ask, for ever."""
        while True:
            await self._until_due()
            try:
                await (self._sweep() if _clock() >= self._sweep_at else self._ask())
            except AirflowError as error:
                log.warning("Airflow cannot be observed: %s", error)
                await asyncio.sleep(max(self._airflow.gate.pause, UNREAD_PAUSE))

    async def _until_due(self) -> None:
        while True:
            self._stir.clear()
            due = self._due()
            try:
                async with asyncio.timeout_at(due):
                    await self._stir.wait()
            except TimeoutError:
                return

    def _due(self) -> float | None:
        """When to ask next, in the loop's time; None while there is nothing to ask about."""
        if not (self._live or self._abandoned):
            return None
        if not self._expected:
            return self._sweep_at
        age = _clock() - max(self._expected.values())
        pause = next(pause for limit, pause in CADENCE if age < limit)
        return min(self._sweep_at, self._asked_at + pause)

    async def _ask(self) -> None:
        """List what ended since the last question, or since the oldest expectation where that is later."""
        if not self._expected:
            return
        now, clock = datetime.now(UTC), _clock()
        reach = clock - max(self._asked_at, min(self._expected.values()))
        self._asked_at = clock
        for run in await self._airflow.ended_runs(now - timedelta(seconds=reach) - OVERLAP):
            self._report(run)

    async def _sweep(self) -> None:
        for dag_run_id in list(self._abandoned):
            run = await self._airflow.read(self._dag_id, dag_run_id)
            if run is not None and not run.over:
                await self._airflow.stop(self._dag_id, dag_run_id)
            self._abandoned.discard(dag_run_id)
        followed = list(self._live)
        live = {run.dag_run_id: run for run in await self._airflow.live_runs()}
        for dag_run_id in followed:
            run = live.get(dag_run_id) or await self._airflow.read(self._dag_id, dag_run_id)
            self._report(run or DagRun(dag_run_id, LOST))
        self._sweep_at = _clock() + self._sweep_seconds

    def _report(self, run: DagRun) -> None:
        uid = self._live.get(run.dag_run_id)
        if uid is None:
            return
        if run.over:
            self.forget(run.dag_run_id)
        self._tell(uid, run)


def _clock() -> float:
    return asyncio.get_running_loop().time()
