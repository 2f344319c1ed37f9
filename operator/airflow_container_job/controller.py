"""Lets a few workers look at one job at a time, and gives jobs their turn to ask Airflow.

`memory` says which job deserves a look, `reconcile` decides what to do, `steps` does it, `line` says whose turn it is.
Errors say by class what to do: wait for Airflow together, show the reason, or look again when the newer version of the
object arrives.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from airflow_container_job import health, logs, status
from airflow_container_job.airflow_api import AirflowApi
from airflow_container_job.clock import loop_time
from airflow_container_job.closing import closing, in_flight, settled
from airflow_container_job.cluster_api import ClusterApi
from airflow_container_job.echo import Echo
from airflow_container_job.errors import (
    AirflowDenied,
    AirflowError,
    AirflowUnreachable,
    ClusterError,
    Conflict,
    DagUnavailable,
    Gone,
)
from airflow_container_job.facts import Facts, Trouble
from airflow_container_job.job import Job
from airflow_container_job.line import STARTING, Line
from airflow_container_job.memory import FIRST, Known, Memory
from airflow_container_job.observer import Observer
from airflow_container_job.reconcile import Step, next_look, next_step
from airflow_container_job.shelf import Shelf
from airflow_container_job.slots import Slots
from airflow_container_job.steps import RETRY_SECONDS, UNFINISHED, Steps
from airflow_container_job.workqueue import WorkQueue

STOPPING: Final = 8
"""Jobs whose runs are stopped at once; the others wait for that without a worker."""

LOOKING: Final = 16
"""Workers that are left for all other looks while all those that may start or stop runs wait for Airflow."""

WORKERS: Final = STARTING + STOPPING + LOOKING
"""Jobs looked at at once. A start or a stop keeps its worker until it is its turn among requests that write."""

LINE_SECONDS: Final = 5.0
"""How often those who wait in line are looked through for what is to be told."""

FINISH_SECONDS: Final = 2.0
"""How long looks that are under way may go on when the process is to end, so that what was asked for is recorded."""

LISTED_SECONDS: Final = 60.0
"""How long the first list of resources may take."""

RECOUNT_SECONDS: Final = 2.0
"""How often they are counted anew meanwhile: one that is deleted before it is listed never becomes known."""

STARTS: Final = frozenset({Step.LINE_UP, Step.TRIGGER})
"""Steps towards a run that Airflow does not have yet."""

GATES: Final = frozenset({AirflowUnreachable.reason, AirflowDenied.reason})
"""Troubles that every job has alike."""

log = logging.getLogger(__name__)


class Controller:
    """The workers, and the line of jobs that wait for Airflow."""

    def __init__(  # noqa: PLR0913, PLR0917 - what it hands on to its parts
        self,
        airflow: AirflowApi,
        cluster: ClusterApi,
        observer: Observer,
        links: status.Links,
        deletion_deadline: timedelta,
        watched: int,
        line: Line,
    ) -> None:
        """`watched`: how many lists of pods must have come before anything is decided."""
        self._airflow = airflow
        self._links = links
        self._deadline = deletion_deadline
        self._line = line
        self._dags, self._runs = Shelf(), Shelf()
        self._queue = WorkQueue()
        self._stops = Slots(STOPPING)
        self.memory = Memory(observer, links, self, watched)
        self.echo = Echo()
        self._steps = Steps(self, airflow, cluster, observer, links, deletion_deadline)

    # ---- what others say

    def stirred(self, uid: str, known: Known) -> None:
        """Something new is known about this job: look at it."""
        if known.job is not None and in_flight(known.job):
            self._line.enter(known.job)
            self._give_turns()
        elif known.job is not None and settled(known.job):
            self.left(uid)
        self._queue.add(uid, *known.place)

    def left(self, uid: str) -> None:
        """Give its place to others: it has no run in flight any more."""
        self._line.leave(uid)
        self._give_turns()

    def job_seen(self, body: Mapping[str, Any]) -> None:
        """The object as the API server answered to a write."""
        if not self.memory.has(body):  # else the watch was faster
            self.echo.expect(body)
        self.memory.job_seen(body)

    def look_after(self, job: Job, seconds: float) -> None:
        """Look at this job again, by then at the latest."""
        known = self.memory.find(job.uid)
        if known is not None and seconds > 0:
            self._queue.add_after(job.uid, seconds, *known.place)
        elif known is not None:
            self._queue.add(job.uid, *known.place)

    def accepted(self, job: Job) -> None:
        """Airflow has just taken this job's run."""
        self.memory.roll_call.accepted(job.uid)

    @property
    def to_look_at(self) -> int:
        """Jobs that wait for a worker."""
        return len(self._queue)

    # ---- the line

    async def watch_line(self, resources: int, count: Callable[[], Awaitable[int]]) -> None:
        """Open the line once all resources are known, then see to it that those who wait are told, for ever.

        `resources`: how many there are; `count`: asks for that anew, raises ClusterError. Before all are known some
        that are in flight would not be counted, and too many would be started.
        """
        began = loop_time()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LISTED_SECONDS):
                await self._until_known(resources, count)
        log.info("All %d resources are known after %.1f s", self.memory.resources, loop_time() - began)
        self._line.open()
        self._give_turns()
        while True:
            health.beat()
            await asyncio.sleep(LINE_SECONDS)
            away = self._airflow.gate.shut_by is not None
            for uid in self._line.waiting() if away else self._line.to_be_told():
                if (known := self.memory.find(uid)) is not None and not (away and known.facts.told):
                    self._queue.add(uid, *known.place)

    async def _until_known(self, resources: int, count: Callable[[], Awaitable[int]]) -> None:
        while True:
            health.beat()
            try:
                await asyncio.wait_for(self.memory.until_known(resources), RECOUNT_SECONDS)
            except TimeoutError:
                with contextlib.suppress(ClusterError):
                    resources = await count()
            else:
                return

    def _give_turns(self) -> None:
        for uid in self._line.give_turns():
            if (known := self.memory.find(uid)) is not None:
                known.facts.turn, known.facts.held = True, None
                self._queue.add(uid, *known.place)

    async def _line_up(self, job: Job, facts: Facts) -> None:
        self._line.join(job)
        self._give_turns()
        if self._line.has_turn(job.uid):
            return
        if (error := self._airflow.gate.shut_by) is not None:  # whoever has been told its place keeps that
            if facts.held is None:
                await self._tell(job, facts, Trouble(error.reason, str(error)))
        elif self._is_over(job, facts.trouble) and (held := self._line.held(job.uid)) is not None:
            facts.held, facts.trouble = held, None
            await self._steps.write(job, facts)

    def _is_over(self, job: Job, trouble: Trouble | None) -> bool:
        """Whether what a job was last told no longer is so, now that Airflow answers."""
        if trouble is None or trouble.reason in GATES:
            return True
        return not (self._dags.has(self._links.dag_of(job)) or self._runs.has(_run_of(job)))

    async def _refused(self, job: Job, facts: Facts, error: AirflowError) -> None:
        """Leave alone for a while what Airflow did not take: the DAG, where that is to blame, else this run."""
        trouble = Trouble(error.reason, str(error))
        if isinstance(error, DagUnavailable):
            self._dags.put(self._links.dag_of(job), trouble)
        else:
            self._runs.put(_run_of(job), trouble)
        await self._put_aside(job, facts, trouble)

    async def _put_aside(self, job: Job, facts: Facts, trouble: Trouble) -> None:
        """Let others have the place of a job that cannot run now."""
        self.left(job.uid)
        facts.held = None
        await self._tell(job, facts, trouble)
        pause = max(self._dags.pause(self._links.dag_of(job)), self._runs.pause(_run_of(job)))
        self.look_after(job, pause + UNFINISHED)

    def _aside(self, job: Job) -> Trouble | None:
        """Why Airflow is not asked for this job's run now."""
        return self._dags.trouble(self._links.dag_of(job)) or self._runs.trouble(_run_of(job))

    # ---- workers

    async def run(self) -> None:
        """Look at jobs, for ever."""
        health.rest()
        await self.memory.pods_known.wait()  # a container that runs must not be taken for one that never started
        async with asyncio.TaskGroup() as group:
            for _ in range(WORKERS):
                group.create_task(self._work())

    async def finish(self) -> None:
        """Begin no other look, and let those under way come to their end."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._queue.close(), FINISH_SECONDS)

    async def _work(self) -> None:
        with health.own_pulse():
            while True:
                health.rest()
                uid = await self._queue.get()
                health.beat()
                await self._serve(uid)

    async def _serve(self, uid: str) -> None:
        known = self.memory.find(uid)
        job = None if known is None else known.job
        with contextlib.nullcontext() if job is None else logs.about(job, self._links.dag_of(job)):
            try:
                await self._look(uid)
            except Exception:  # one poisoned object must not end the service of all others
                log.exception("Looking at job %s failed", uid)
                self._queue.add_after(uid, RETRY_SECONDS)
            finally:
                if (following := self._stops.give_back(uid)) is not None:
                    self._queue.add(following, FIRST)
                self._queue.done(uid)

    async def _look(self, uid: str) -> None:
        known = self.memory.find(uid)
        if known is None or known.job is None:
            return
        job, facts = known.job, known.facts
        facts.blocked = self.memory.blocked(self._links.dag_of(job))
        facts.turn = self._line.has_turn(uid)
        step = next_step(job, facts, _now(), self._deadline)
        if step is not Step.LINE_UP:
            self._line.step_aside(uid)
            facts.held = None
        if step is not Step.STOP or self._stops.take(uid):
            await self._take(step, job, facts)
        if (due := next_look(job, facts)) is not None and (seconds := (due - _now()).total_seconds()) > 0:
            self.look_after(job, seconds + UNFINISHED)

    async def _take(self, step: Step, job: Job, facts: Facts) -> None:
        aside = self._aside(job) if step in STARTS else None
        try:
            if aside is not None:
                await self._put_aside(job, facts, aside)
            elif step is Step.LINE_UP:
                await self._line_up(job, facts)
            elif step is not Step.NOTHING:
                await self._step(step, job, facts)
        except Gone:
            self.echo.forget(job.uid)
            self.memory.job_gone(job.uid)
        except Conflict:
            self.look_after(job, RETRY_SECONDS)  # the watch brings the newer version, most likely sooner
        except ClusterError as error:
            log.warning("%s: %s", job, error)
            self.look_after(job, RETRY_SECONDS)

    async def _step(self, step: Step, job: Job, facts: Facts) -> None:
        try:
            await self._steps.take(step, job, facts)
            if step is Step.TRIGGER and facts.run is not None:
                self._dags.take(self._links.dag_of(job))
                self._runs.take(_run_of(job))
        except AirflowError as error:
            if step is Step.TRIGGER and error.reason not in GATES:
                await self._refused(job, facts, error)
            else:
                await self._show_trouble(job, facts, error)

    async def _tell(self, job: Job, facts: Facts, trouble: Trouble) -> None:
        """Say once why the job does not get on."""
        if facts.trouble is None or facts.trouble.reason != trouble.reason:
            log.warning("%s: %s: %s", job, trouble.reason, trouble.message)
            facts.trouble = trouble  # the first message stays: equal trouble must not write again
        if facts.run is None or job.deleted_at is not None or closing(job, facts, _now()) is not None:
            await self._steps.write(job, facts)

    async def _show_trouble(self, job: Job, facts: Facts, error: AirflowError) -> None:
        """Say why the job does not get on, and look again when that may have changed."""
        if error.reason not in GATES and not job.triggered and facts.run is None:
            self.left(job.uid)  # it is the job's own trouble: others would not meet the same in its turn
        await self._tell(job, facts, Trouble(error.reason, str(error)))
        pause = self._airflow.gate.pause or RETRY_SECONDS
        if job.deleted_at is not None:
            pause = min(pause, self._steps.left(job.deleted_at))
        self.look_after(job, pause + UNFINISHED)


def _run_of(job: Job) -> str:
    return "" if job.decision is None else job.decision.dag_run_id


def _now() -> datetime:
    return datetime.now(UTC)
