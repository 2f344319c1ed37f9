"""Learns from Airflow how all runs stand: one question for all of them, never one per job.

Of the generic DAG the ended tasks are asked for, often while any is expected to end, which pods tell (it has ended, or
there is none yet): a run's only task is over before the scheduler gets to look at the run. DagRuns that have changed
are listed now and then, for what people mark in Airflow, and as often as need be for runs of other DAGs. All live runs
are counted once a minute; only when that surprises, somebody has deleted or cleared one, and all are listed. Where runs
do not get on, their DAGs and Airflow's health are looked at.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from airflow_container_job import health, metrics
from airflow_container_job.airflow_api import AirflowApi
from airflow_container_job.cadence import Cadence
from airflow_container_job.errors import AirflowError, DagDenied
from airflow_container_job.facts import LOST, DagRun, Trouble

OVERLAP: Final = timedelta(seconds=10)
"""How far each question for changed runs reaches back: Airflow stamps a change before it commits it, clocks differ."""

TASK_OVERLAP: Final = timedelta(seconds=2)
"""The same for ended tasks, whose questions reach back from the newest end that Airflow has told, by its own clock."""

RUNS_REACH: Final = timedelta(hours=1)
"""How far the first question for runs reaches back: what somebody changed while no operator ran is seen this long."""

TASKS_REACH: Final = timedelta(minutes=5)
"""The same for ended tasks. Of runs that ended before, each is read by itself."""

IDLE_PAUSE: Final = 15.0
"""Seconds between questions for changed runs while nothing is expected of any."""

ENDED_SECONDS: Final = 1.0
"""When it is worth asking after a container's end: Airflow's triggerer hands over what ended once a second."""

PODLESS_SECONDS: Final = 3.0
"""How long a run may be without a pod before its end is expected: Airflow may have refused to make one."""

STUCK_SECONDS: Final = 5.0
"""How long a run may be without a pod, or go on after it, before its DAG is looked at, and how often that is done."""

LATE_SECONDS: Final = 10.0
"""How long a run may go on after its pod before it is read by itself: somebody may have deleted it."""

LATE_READS: Final = 5
"""Runs read by themselves at a time."""

UNREAD_PAUSE: Final = 1.0
"""Runs to be read arrive in a crowd after a start; this long they are gathered for one list."""

LIST_SECONDS: Final = 0.06
"""Seconds between two lists of all live runs, for each of them: a page of a hundred takes that off Airflow's time."""

LIST_ALL_AFTER: Final = 60
"""Counts after which all live runs are listed in any case."""

SETTLED_SECONDS: Final = 10.0
"""How long the scheduler may take to see that the only task of a run is over, before somebody may have cleared it."""

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
    running: bool = False
    """Whether Airflow has said so."""
    read_at: float = 0.0
    """When it was last read by itself."""


class Listener(Protocol):
    """Who wants to hear."""

    def run_seen(self, uid: str, run: DagRun) -> None:
        """Airflow's word on a run of the job of this uid."""

    def dags_seen(self, troubles: Mapping[str, Trouble]) -> None:
        """Why runs of these DAGs are not started; of all other DAGs nothing of the kind is known."""


class Observer:
    """The runs that are not known to be over, and the questions about them."""

    def __init__(self, airflow: AirflowApi, dag_id: str, sweep_seconds: float) -> None:
        """`dag_id`: the generic DAG; `sweep_seconds`: between two counts of all live runs."""
        self._airflow = airflow
        self._dag_id = dag_id
        self._sweep_seconds = sweep_seconds
        self._listener: Listener | None = None
        self._live: dict[str, Followed] = {}
        self._abandoned: dict[tuple[str, str], float] = {}
        self._settling: dict[str, float] = {}
        self._tasks = Cadence(idle=float("inf"))
        self._runs = Cadence(idle=IDLE_PAUSE)
        self._foreign = 0
        self._unread = False
        self._unsure = 0
        self._count_at = float("inf")
        self._listed_at = 0.0
        self._stuck_at = 0.0
        self._tasks_since, self._runs_since = datetime.now(UTC) - TASKS_REACH, datetime.now(UTC) - RUNS_REACH
        self._stir = asyncio.Event()

    def report_to(self, listener: Listener) -> None:
        """Say who wants to hear."""
        self._listener = listener

    def follow(
        self, dag_run_id: str, uid: str, dag_id: str, *, pod_ended: bool | None = None, unread: bool = False
    ) -> None:
        """Take up a run that Airflow has: just created, or (`unread`) for a while, so that its state is to be read.

        `pod_ended`: of its newest pod; None while it has none.
        """
        if dag_run_id not in self._live:
            self._live[dag_run_id] = Followed(uid, dag_id, _clock())
            self._asker(dag_id).expect(dag_run_id, _clock() + PODLESS_SECONDS)
        if unread:
            self._unread = True
            self._count_at = min(self._count_at, _clock() + UNREAD_PAUSE)
        if pod_ended is not None:
            self.pod_moved(dag_run_id, ended=pod_ended)
        self._stir.set()

    def pod_moved(self, dag_run_id: str, *, ended: bool) -> None:
        """The run's pod was seen: alive, then nothing is expected of Airflow, or ended."""
        run = self._live.get(dag_run_id)
        if run is None:
            return
        asker = self._asker(run.dag_id)
        if not ended:
            asker.drop(dag_run_id)
        elif run.podless or asker.since(dag_run_id) is None:
            asker.expect(dag_run_id, _clock() + ENDED_SECONDS)
            self._stir.set()
        run.podless = False

    def forget(self, dag_run_id: str) -> None:
        """Nobody wants to hear of this run any more."""
        if (run := self._live.pop(dag_run_id, None)) is not None:
            self._asker(run.dag_id).drop(dag_run_id)

    def abandon(self, dag_id: str, dag_run_id: str) -> None:
        """Stop this run as soon as Airflow lets us, or has it; its resource is gone, or asks for another one."""
        self._abandoned[dag_id, dag_run_id] = _clock() + ABANDONED_SECONDS
        self._count_at = min(self._count_at, _clock() + UNREAD_PAUSE)
        self._stir.set()

    async def run(self) -> None:
        """Ask, for ever."""
        self._tasks.asked_at = self._runs.asked_at = _clock()  # not at once: the resources have to be known first
        self._count_at = min(self._count_at, _clock() + self._sweep_seconds)
        await self._try(self._airflow.count_live_runs)  # whether Airflow serves us at all: `/readyz` wants to know
        while True:
            await self._until_due()
            await self._try(self._ask)

    async def _try(self, ask: Callable[[], Awaitable[object]]) -> None:
        health.beat()
        try:
            await ask()
        except AirflowError as error:
            log.warning("Airflow cannot be observed: %s", error)
            await asyncio.sleep(max(self._airflow.gate.pause, UNREAD_PAUSE))
        else:
            metrics.OBSERVED.set_to_current_time()

    async def _until_due(self) -> None:
        while True:
            self._stir.clear()
            now = _clock()
            try:
                async with asyncio.timeout_at(min(self._count_at, self._tasks.due(now), self._runs.due(now))):
                    await self._stir.wait()
            except TimeoutError:
                return

    async def _ask(self) -> None:
        now = _clock()
        if now >= self._tasks.due(now):
            await self._ask_for_tasks()
        if now >= self._runs.due(now):
            await self._ask_for_runs()
        if now >= self._count_at:
            await self._count()
        if now >= self._stuck_at:
            await self._look_at_the_stuck()

    def _asker(self, dag_id: str) -> Cadence:
        """Which question tells the end of this DAG's runs."""
        return self._tasks if dag_id == self._dag_id else self._runs

    async def _ask_for_tasks(self) -> None:
        """List the tasks of the generic DAG that have ended since the last question."""
        self._tasks.asked_at = _clock()
        for run in await self._airflow.ended_tasks(self._dag_id, self._tasks_since - TASK_OVERLAP):
            self._tasks_since = max(self._tasks_since, run.ended_at or self._tasks_since)
            if run.dag_run_id in self._live:
                self._settling[run.dag_run_id] = _clock() + SETTLED_SECONDS
                self._report(run)

    async def _ask_for_runs(self) -> None:
        """List the runs that ended, or were marked otherwise, since the last question; of other DAGs those begun."""
        now, self._runs.asked_at = datetime.now(UTC), _clock()
        since = self._runs_since - OVERLAP
        for run in await self._airflow.changed_runs(since):
            self._settling.pop(run.dag_run_id, None)
            self._report(run)
        waiting = {run.dag_id for run in self._live.values() if run.dag_id != self._dag_id and not run.running}
        for dag_id in sorted(waiting):
            for run in await self._airflow.started_runs(dag_id, since):
                self._report(run)
        self._runs_since = now

    async def _count(self) -> None:
        """Count the live runs, and list them all when there are more, or fewer, than we know of."""
        await self._end_abandoned()
        count = await self._airflow.count_live_runs()
        now = _clock()
        self._count_at = now + self._sweep_seconds
        self._settling = {run: until for run, until in self._settling.items() if until > now}
        difference = count - len(self._live) - self._foreign
        # A run that was deleted may be hidden by one whose end the scheduler has not seen: twice in a row is asked.
        self._unsure = 0 if difference == len(self._settling) else self._unsure + 1
        surprise = not 0 <= difference <= len(self._settling) or self._unsure > 1
        age = now - self._listed_at
        if (
            self._unread
            or age >= LIST_ALL_AFTER * self._sweep_seconds
            or (surprise and age >= LIST_SECONDS * len(self._live))
        ):
            await self._list_all()

    async def _list_all(self) -> None:
        unread, self._unread = self._unread, False
        try:
            await self._compare_all(dict(self._live))
        except AirflowError:
            self._unread |= unread
            self._count_at = min(self._count_at, _clock() + UNREAD_PAUSE)
            raise
        self._listed_at, self._unsure = _clock(), 0

    async def _compare_all(self, followed: Mapping[str, Followed]) -> None:
        await self._ask_for_tasks()
        live = {run.dag_run_id: run for run in await self._airflow.live_runs()}
        for run in live.values():
            if run.dag_run_id not in self._settling:
                self._report(run)
        for dag_run_id, known in followed.items():
            if dag_run_id in self._live and dag_run_id not in live:
                await self._read(dag_run_id, known)
        self._foreign = sum(run not in self._live and run not in self._settling for run in live)

    async def _read(self, dag_run_id: str, known: Followed) -> None:
        with suppress(DagDenied):  # it may be there, and be ours to see again
            found = await self._airflow.read(known.dag_id, dag_run_id)
            self._report(found or DagRun(dag_run_id, LOST))

    async def _end_abandoned(self) -> None:
        for (dag_id, dag_run_id), until in list(self._abandoned.items()):
            run = None
            with suppress(DagDenied):
                run = await self._airflow.read(dag_id, dag_run_id)
                if run is not None and not run.over:
                    await self._airflow.stop(dag_id, dag_run_id)
            if run is not None or _clock() > until:
                self._abandoned.pop((dag_id, dag_run_id), None)

    async def _look_at_the_stuck(self) -> None:
        """Look why runs do not get on, before their pod or after it: DAG by DAG, however many runs there are."""
        now = _clock()
        self._stuck_at = now + STUCK_SECONDS
        stuck = {run.dag_id for dag_run_id, run in self._live.items() if self._is_stuck(dag_run_id, run, now)}
        health = await self._airflow.health_trouble() if stuck else None
        troubles: dict[str, Trouble] = {}
        for dag_id in sorted(stuck):
            if trouble := await self._airflow.dag_trouble(dag_id) or health:
                troubles[dag_id] = trouble
        if self._listener is not None:
            self._listener.dags_seen(troubles)
        await self._read_the_late(now)

    def _is_stuck(self, dag_run_id: str, run: Followed, now: float) -> bool:
        if run.podless:
            return now - run.since > STUCK_SECONDS and not (run.running and run.dag_id != self._dag_id)
        expected = self._asker(run.dag_id).since(dag_run_id)
        return expected is not None and now - expected > STUCK_SECONDS

    async def _read_the_late(self, now: float) -> None:
        late = [*self._tasks.late(now, LATE_SECONDS), *self._runs.late(now, LATE_SECONDS)]
        runs = [(self._live[run].read_at, run) for run in late if not self._live[run].podless]
        for read_at, dag_run_id in sorted(runs)[:LATE_READS]:
            if now - read_at >= LATE_SECONDS and (known := self._live.get(dag_run_id)) is not None:
                known.read_at = now
                await self._read(dag_run_id, known)

    def _report(self, run: DagRun) -> None:
        known = self._live.get(run.dag_run_id)
        uid = known.uid if known is not None else run.owner_uid
        if run.over:
            self.forget(run.dag_run_id)
        elif known is not None:
            known.running = run.state == "running"
        if uid is not None and self._listener is not None:
            try:
                self._listener.run_seen(uid, run)
            except Exception:  # one poisoned object must not end the service of all others
                log.exception("What Airflow says of DagRun %s cannot be taken in", run.dag_run_id)


def _clock() -> float:
    return asyncio.get_running_loop().time()
