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
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from airflow_container_job import health, metrics
from airflow_container_job.abandoned import Abandoned
from airflow_container_job.airflow_api import AirflowApi
from airflow_container_job.clock import loop_time
from airflow_container_job.errors import AirflowDenied, AirflowError, AirflowUnreachable
from airflow_container_job.facts import LOST, DagRun, Trouble
from airflow_container_job.followed import STUCK_SECONDS, Followed, Run
from airflow_container_job.tally import Tally

OVERLAP: Final = timedelta(seconds=10)
"""How far each question for changed runs reaches back, besides the difference of the clocks as far as it is known:
Airflow stamps a change before it commits it."""

TASK_OVERLAP: Final = timedelta(seconds=2)
"""The same for ended tasks, whose questions reach back from the newest end that Airflow has told, by its own clock."""

OVERDUE_OVERLAP: Final = timedelta(seconds=30)
"""The same where an end is overdue: triggerers' clocks differ, too, and what is stamped may be committed late."""

RUNS_REACH: Final = timedelta(hours=1)
"""How far the first question for runs reaches back: what somebody changed while no operator ran is seen this long."""

TASKS_REACH: Final = timedelta(minutes=5)
"""The same for ended tasks. Of runs that ended before, each is read by itself."""

OVERDUE_SECONDS: Final = 2.0
"""How long an end may be expected in vain before it is asked for further back."""

LATE_READS: Final = 5
"""Runs read by themselves at a time."""

UNREAD_PAUSE: Final = 1.0
"""Runs to be read arrive in a crowd after a start; this long they are gathered for one list."""

LIST_SECONDS: Final = 0.06
"""Seconds between two lists of all live runs, for each of them: a page of a hundred takes that off Airflow's time."""

LIST_ALL_AFTER: Final = 60
"""Counts after which all live runs are listed in any case."""

log = logging.getLogger(__name__)


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
        self._followed = Followed(dag_id)
        self._abandoned = Abandoned(airflow, sweep_seconds)
        self._tally = Tally()
        self._unread = False
        self._count_at = float("inf")
        self._listed_at = 0.0
        self._stuck_at = 0.0
        self._tasks_since, self._runs_since = datetime.now(UTC) - TASKS_REACH, datetime.now(UTC) - RUNS_REACH
        self._stir = asyncio.Event()

    def report_to(self, listener: Listener) -> None:
        """Say who wants to hear."""
        self._listener = listener

    def follow(  # noqa: PLR0913 - what is known of a run
        self,
        dag_run_id: str,
        uid: str,
        dag_id: str,
        *,
        run_after: datetime | None = None,
        pod_ended: bool | None = None,
        unread: bool = False,
    ) -> None:
        """Take up a run that Airflow has: just created, or (`unread`) for a while, so that its state is to be read.

        `run_after`: as Airflow has told it, if it has; `pod_ended`: of its newest pod; None while it has none.
        """
        self._followed.add(dag_run_id, Run(uid, dag_id, loop_time(), run_after))
        self._tally.followed(dag_run_id)
        if unread:
            self._unread = True
            self._count_at = min(self._count_at, loop_time() + UNREAD_PAUSE)
        if pod_ended is not None:
            self.pod_moved(dag_run_id, ended=pod_ended)
        self._stir.set()

    def pod_moved(self, dag_run_id: str, *, ended: bool) -> None:
        """The run's pod was seen: alive, then nothing is expected of Airflow, or ended."""
        if dag_run_id in self._followed:
            self._followed.pod_moved(dag_run_id, ended=ended, now=loop_time())
            self._stir.set()

    def forget(self, dag_run_id: str) -> None:
        """Nobody wants to hear of this run any more."""
        self._followed.drop(dag_run_id)

    def abandon(self, dag_id: str, dag_run_id: str, *, may_come: bool = False) -> None:
        """Stop this run as soon as Airflow lets us; its resource is gone, or asks for another one.

        `may_come`: whether Airflow may make it yet, as a request for it got no answer.
        """
        self._abandoned.add(dag_id, dag_run_id, loop_time(), may_come=may_come)
        self._stir.set()

    async def run(self) -> None:
        """Ask, for ever."""
        # Not at once: the resources have to be known first.
        self._followed.tasks.asked_at = self._followed.changes.asked_at = loop_time()
        self._count_at = min(self._count_at, loop_time() + self._sweep_seconds)
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
            now = loop_time()
            try:
                due = min(self._followed.tasks.due(now), self._followed.changes.due(now))
                async with asyncio.timeout_at(min(due, self._count_at, self._abandoned.due)):
                    await self._stir.wait()
            except TimeoutError:
                return

    async def _ask(self) -> None:
        await self._ask_for_tasks_if_due()
        now = loop_time()
        if now >= self._followed.changes.due(now):
            await self._ask_for_runs()
        if now >= self._abandoned.due:
            await self._abandoned.end_some(now)
        if now >= self._count_at:
            await self._count()
        if now >= self._stuck_at:
            await self._look_at_the_stuck()

    async def _ask_for_tasks_if_due(self) -> None:
        now = loop_time()
        if now >= self._followed.tasks.due(now):
            await self._ask_for_tasks()

    async def _ask_for_tasks(self, overlap: timedelta = TASK_OVERLAP) -> None:
        """List the tasks of the generic DAG that have ended since the last question, of runs that should be over."""
        self._followed.tasks.asked_at = loop_time()
        if not self._followed.tasks.runs:
            return
        since = self._tasks_since - overlap
        for run in await self._airflow.ended_tasks(self._dag_id, since, self._followed.oldest_expected()):
            self._tasks_since = max(self._tasks_since, run.ended_at or self._tasks_since)
            if run.dag_run_id in self._followed:
                self._tally.task_ended(run.dag_run_id, loop_time())
                self._report(run)

    async def _ask_for_runs(self) -> None:
        """List the runs that ended, or were marked otherwise, since the last question; of other DAGs those begun."""
        now, self._followed.changes.asked_at = datetime.now(UTC), loop_time()
        since = self._runs_since - self._airflow.behind - OVERLAP
        for run in await self._airflow.changed_runs(since):
            self._tally.run_ended(run.dag_run_id)
            self._report(run)
        for dag_id in sorted(self._followed.not_begun()):
            for run in await self._airflow.started_runs(dag_id, since):
                self._report(run)
        self._runs_since = now

    async def _count(self) -> None:
        """Count the live runs, and list them all when there are more, or fewer, than we know of."""
        count = await self._airflow.count_live_runs()
        now = loop_time()
        self._count_at = now + self._sweep_seconds
        surprise = self._tally.surprised(count, len(self._followed), now)
        age = now - self._listed_at
        if (
            self._unread
            or age >= LIST_ALL_AFTER * self._sweep_seconds
            or (surprise and age >= LIST_SECONDS * len(self._followed))
        ):
            await self._list_all()

    async def _list_all(self) -> None:
        unread, self._unread = self._unread, False
        try:
            await self._compare_all([*self._followed])
        except AirflowError:
            self._unread |= unread
            self._count_at = min(self._count_at, loop_time() + UNREAD_PAUSE)
            raise
        self._listed_at = loop_time()

    async def _compare_all(self, followed: list[str]) -> None:
        await self._ask_for_tasks()
        live = {run.dag_run_id: run for run in await self._airflow.live_runs()}
        for run in live.values():
            if not self._tally.settles(run.dag_run_id):
                self._report(run)
        for dag_run_id in followed:
            if dag_run_id not in live:
                await self._ask_for_tasks_if_due()  # of many that are missing each is read
                await self._read(dag_run_id)
        self._tally.listed(run for run in live if run not in self._followed and not self._tally.settles(run))

    async def _read(self, dag_run_id: str) -> None:
        """Read a run by itself, if it is followed still."""
        if (run := self._followed.get(dag_run_id)) is None:
            return
        run.read_at = loop_time()
        try:
            found = await self._airflow.read(run.dag_id, dag_run_id)
        except (AirflowUnreachable, AirflowDenied):
            raise
        except AirflowError:  # of this run only: it may be there, and be ours to see again
            return
        self._report(found or DagRun(dag_run_id, LOST))

    async def _look_at_the_stuck(self) -> None:
        """Look why runs do not get on, before their pod or after it: DAG by DAG, however many runs there are."""
        now = loop_time()
        self._stuck_at = now + STUCK_SECONDS
        if self._followed.overdue(now, OVERDUE_SECONDS, OVERDUE_OVERLAP.total_seconds()):
            await self._ask_for_tasks(OVERDUE_OVERLAP)
        stuck = self._followed.stuck(now)
        health = await self._airflow.health_trouble() if stuck else None
        troubles: dict[str, Trouble] = {}
        for dag_id in sorted(stuck):
            if trouble := await self._airflow.dag_trouble(dag_id) or health:
                troubles[dag_id] = trouble
        if self._listener is not None:
            self._listener.dags_seen(troubles)
        for dag_run_id in self._followed.late(now)[:LATE_READS]:
            await self._read(dag_run_id)

    def _report(self, run: DagRun) -> None:
        known = self._followed.get(run.dag_run_id)
        uid = known.uid if known is not None else run.owner_uid
        if uid is not None and self._listener is not None:
            try:
                self._listener.run_seen(uid, run)
            except Exception:  # one poisoned object must not end the service of all others
                log.exception("What Airflow says of DagRun %s cannot be taken in", run.dag_run_id)
        self._followed.told(run)
