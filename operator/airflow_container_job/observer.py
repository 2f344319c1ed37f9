"""Learns from Airflow how all runs stand: one question for all of them, never one per job.

Those that are over and have changed since the last question are listed: often while any is expected to end, which pods
tell (it has ended, or there is none yet), now and then otherwise, for what people mark in Airflow. More rarely a sweep
compares all live runs, which finds those that somebody deleted or cleared. Where runs do not get to a pod, their DAGs
and Airflow's health are looked at.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from airflow_container_job.airflow_api import AirflowApi
from airflow_container_job.errors import AirflowError
from airflow_container_job.facts import LOST, DagRun, Trouble

OVERLAP: Final = timedelta(seconds=10)
"""How far each question reaches back: Airflow stamps an end before it commits it, and clocks differ a little."""

FIRST_REACH: Final = timedelta(hours=1)
"""How far the first question reaches back: what somebody changed while no operator ran is seen this long."""

CADENCE: Final = ((5.0, 0.5), (30.0, 2.0), (float("inf"), 10.0))
"""(age, pause) in seconds: the longer the youngest expectation has waited, the rarer the question."""

IDLE_PAUSE: Final = 15.0
"""Seconds between questions while no end is expected."""

UNREAD_PAUSE: Final = 1.0
"""Runs to be read arrive in a crowd after a start; this long they are gathered for one sweep."""

PODLESS_SECONDS: Final = 5.0
"""How long a run may be without a pod before its DAG is looked at, and how often that is done."""

LATE_SECONDS: Final = 10.0
"""How long a run may go on after its pod before a sweep is made for it: somebody may have deleted it."""

ABANDONED_SECONDS: Final = 600.0
"""How long a run nobody wants is looked for: a request without an answer may be carried out late."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Followed:
    """A run that is not known to be over."""

    uid: str
    """Of its job."""
    dag_id: str
    since: float
    podless: bool = True
    expected: float | None = None
    """Since when its end is expected, in the loop's time."""


class Listener(Protocol):
    """Who wants to hear."""

    def run_seen(self, uid: str, run: DagRun) -> None:
        """Airflow's word on a run of the job of this uid."""

    def dags_seen(self, troubles: Mapping[str, Trouble]) -> None:
        """Why runs of these DAGs are not started; of all other DAGs nothing of the kind is known."""


class Observer:
    """The runs that are not known to be over, and the questions about them."""

    def __init__(self, airflow: AirflowApi, sweep_seconds: float) -> None:
        self._airflow = airflow
        self._sweep_seconds = sweep_seconds
        self._listener: Listener | None = None
        self._live: dict[str, Followed] = {}
        self._abandoned: dict[tuple[str, str], float] = {}
        self._asked_at = 0.0
        self._sweep_at = 0.0
        self._swept_at = 0.0
        self._dags_at = 0.0
        self._changed_since = datetime.now(UTC) - FIRST_REACH
        self._stir = asyncio.Event()

    def report_to(self, listener: Listener) -> None:
        """Say who wants to hear."""
        self._listener = listener

    def follow(self, dag_run_id: str, uid: str, dag_id: str, *, unread: bool = False) -> None:
        """Take up a run that Airflow has: just created, or (`unread`) for a while, so that its state is to be read."""
        if dag_run_id not in self._live:
            self._live[dag_run_id] = Followed(uid, dag_id, _clock(), expected=_clock())
        if unread:
            self._sweep_at = min(self._sweep_at, _clock() + UNREAD_PAUSE)
        self._stir.set()

    def pod_moved(self, dag_run_id: str, *, ended: bool) -> None:
        """The run's pod was seen: alive, then nothing is expected of Airflow, or ended."""
        run = self._live.get(dag_run_id)
        if run is None:
            return
        run.podless = False
        if not ended:
            run.expected = None
        elif run.expected is None:
            run.expected = _clock()
            self._stir.set()

    def forget(self, dag_run_id: str) -> None:
        """Nobody wants to hear of this run any more."""
        self._live.pop(dag_run_id, None)

    def abandon(self, dag_id: str, dag_run_id: str) -> None:
        """Stop this run as soon as Airflow lets us, or has it; its resource is gone, or asks for another one."""
        self._abandoned[dag_id, dag_run_id] = _clock() + ABANDONED_SECONDS
        self._sweep_at = min(self._sweep_at, _clock() + UNREAD_PAUSE)
        self._stir.set()

    async def run(self) -> None:
        """Ask, for ever."""
        self._asked_at = _clock()  # not at once: the resources have to be known first
        self._sweep_at = _clock() + self._sweep_seconds
        while True:
            await self._until_due()
            try:
                if _clock() >= self._sweep_at:
                    await self._sweep()
                else:
                    await self._ask()
                if _clock() >= self._dags_at:
                    await self._look_at_dags()
            except AirflowError as error:
                log.warning("Airflow cannot be observed: %s", error)
                await asyncio.sleep(max(self._airflow.gate.pause, UNREAD_PAUSE))

    async def _until_due(self) -> None:
        while True:
            self._stir.clear()
            try:
                async with asyncio.timeout_at(self._due()):
                    await self._stir.wait()
            except TimeoutError:
                return

    def _due(self) -> float:
        """When to ask next, in the loop's time."""
        expected = [run.expected for run in self._live.values() if run.expected is not None]
        age = _clock() - max(expected) if expected else 0.0
        pause = next(pause for limit, pause in CADENCE if age < limit) if expected else IDLE_PAUSE
        return min(self._sweep_at, self._asked_at + pause)

    async def _ask(self) -> None:
        """List what ended, or was marked otherwise, since the last question."""
        now, self._asked_at = datetime.now(UTC), _clock()
        for run in await self._airflow.changed_runs(self._changed_since - OVERLAP):
            self._report(run)
        self._changed_since = now
        waits = [_clock() - run.expected for run in self._live.values() if run.expected and not run.podless]
        if max(waits, default=0.0) > LATE_SECONDS:
            self._sweep_at = min(self._sweep_at, self._swept_at + LATE_SECONDS)

    async def _sweep(self) -> None:
        await self._end_abandoned()
        followed = dict(self._live)
        live = {run.dag_run_id: run for run in await self._airflow.live_runs()}
        for run in live.values():
            self._report(run)
        for dag_run_id, known in followed.items():
            if dag_run_id in self._live and dag_run_id not in live:
                found = await self._airflow.read(known.dag_id, dag_run_id)
                self._report(found or DagRun(dag_run_id, LOST))
        self._swept_at = _clock()
        self._sweep_at = self._swept_at + self._sweep_seconds

    async def _end_abandoned(self) -> None:
        for (dag_id, dag_run_id), until in list(self._abandoned.items()):
            run = await self._airflow.read(dag_id, dag_run_id)
            if run is not None and not run.over:
                await self._airflow.stop(dag_id, dag_run_id)
            if run is not None or _clock() > until:
                self._abandoned.pop((dag_id, dag_run_id), None)

    async def _look_at_dags(self) -> None:
        """Look why runs do not get on, before their pod or after it: DAG by DAG, however many runs there are."""
        self._dags_at = _clock() + PODLESS_SECONDS
        now = _clock()
        waits = ((run, run.since if run.podless else run.expected) for run in self._live.values())
        waiting = [run for run, since in waits if since is not None and now - since > PODLESS_SECONDS]
        health = await self._airflow.health_trouble() if waiting else None
        troubles: dict[str, Trouble] = {}
        for dag_id in sorted({run.dag_id for run in waiting}):
            if trouble := await self._airflow.dag_trouble(dag_id) or health:
                troubles[dag_id] = trouble
        if self._listener is not None:
            self._listener.dags_seen(troubles)

    def _report(self, run: DagRun) -> None:
        known = self._live.get(run.dag_run_id)
        uid = known.uid if known is not None else run.owner_uid
        if run.over:
            self.forget(run.dag_run_id)
        if uid is not None and self._listener is not None:
            self._listener.run_seen(uid, run)


def _clock() -> float:
    return asyncio.get_running_loop().time()
