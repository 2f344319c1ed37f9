"""The runs that are not known to be over, and when each should be: after its pod's end, or while it has no pod.

Pure; used by the observer, which asks Airflow. All times but `run_after` in seconds of one clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from airflow_container_job.cadence import Cadence
from airflow_container_job.facts import DagRun

RUN_AFTER_MARGIN: Final = timedelta(seconds=1)
"""How far before the oldest run in question its question begins: nothing may hang on the last digit of a time."""

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


@dataclass(slots=True)
class Run:
    """A run that is not known to be over."""

    uid: str
    """Of its job."""
    dag_id: str
    since: float
    run_after: datetime | None = None
    """As Airflow has told it; None until then."""
    read_at: float = 0.0
    """When it was last read by itself."""


class Followed:
    """These runs by their ids."""

    def __init__(self, dag_id: str) -> None:
        """`dag_id`: the generic DAG."""
        self._dag_id = dag_id
        self._runs: dict[str, Run] = {}
        self._podless: set[str] = set()
        """Those without a pod, as far as is known: few, so that a look for what is stuck costs little beside many."""
        self._unbegun: set[str] = set()
        """Those of other DAGs of which Airflow has not said that they run: few, too."""
        self.tasks = Cadence(idle=float("inf"))
        """When to ask for ended tasks, which tell the ends of the generic DAG's runs."""
        self.changes = Cadence(idle=IDLE_PAUSE)
        """When to ask for changed runs, which tell the ends of all others."""

    def __len__(self) -> int:
        return len(self._runs)

    def __contains__(self, dag_run_id: str) -> bool:
        return dag_run_id in self._runs

    def __iter__(self) -> Iterator[str]:
        return iter(self._runs)

    def get(self, dag_run_id: str) -> Run | None:
        """What is known of this run; None where it is not followed."""
        return self._runs.get(dag_run_id)

    def add(self, dag_run_id: str, run: Run) -> None:
        """Follow a run that has no pod yet, as far as is known; one that is followed already stays as it is."""
        if dag_run_id not in self._runs:
            self._runs[dag_run_id] = run
            self._podless.add(dag_run_id)
            self._note_begun(dag_run_id, begun=False)
            self._asker(run.dag_id).expect(dag_run_id, run.since + PODLESS_SECONDS)

    def drop(self, dag_run_id: str) -> None:
        """Do not follow this run any more."""
        if (run := self._runs.pop(dag_run_id, None)) is not None:
            self._asker(run.dag_id).drop(dag_run_id)
            self._podless.discard(dag_run_id)
            self._unbegun.discard(dag_run_id)

    def pod_moved(self, dag_run_id: str, *, ended: bool, now: float) -> None:
        """Take in that this run's pod was seen: alive, then nothing is expected of Airflow, or ended."""
        run = self._runs[dag_run_id]
        asker = self._asker(run.dag_id)
        if not ended:
            asker.drop(dag_run_id)
        elif dag_run_id in self._podless or asker.since(dag_run_id) is None:
            asker.expect(dag_run_id, now + ENDED_SECONDS)
        self._podless.discard(dag_run_id)

    def told(self, run: DagRun) -> None:
        """Take in Airflow's word on a run."""
        if run.over:
            self.drop(run.dag_run_id)
        elif (known := self._runs.get(run.dag_run_id)) is not None:
            known.run_after = run.run_after
            self._note_begun(run.dag_run_id, begun=run.state == "running")

    def _note_begun(self, dag_run_id: str, *, begun: bool) -> None:
        if begun or self._runs[dag_run_id].dag_id == self._dag_id:
            self._unbegun.discard(dag_run_id)
        else:
            self._unbegun.add(dag_run_id)

    def oldest_expected(self) -> datetime | None:
        """The `run_after` before which no run of the generic DAG should be over; None where that is not known.

        Only of those that are expected to be over: one that runs for a month must not have a month's tasks read.
        """
        times = [self._runs[run].run_after for run in self.tasks.runs]
        known = [time for time in times if time is not None]
        return min(known) - RUN_AFTER_MARGIN if known and len(known) == len(times) else None

    def not_begun(self) -> set[str]:
        """DAGs of one's own with runs of which Airflow has not said that they run."""
        return {self._runs[run].dag_id for run in self._unbegun}

    def overdue(self, now: float, at_least: float, at_most: float) -> bool:
        """Whether the end of a run of the generic DAG has been expected, after its pod's, for a time between these."""
        late = {*self.tasks.late(now, at_least)} - {*self.tasks.late(now, at_most)}
        return not late <= self._podless

    def stuck(self, now: float) -> set[str]:
        """DAGs with runs that do not get on."""
        podless = {run: self._runs[run] for run in self._podless if now - self._runs[run].since > STUCK_SECONDS}
        waiting = {run.dag_id for key, run in podless.items() if run.dag_id == self._dag_id or key in self._unbegun}
        return waiting | {self._runs[run].dag_id for run in self._late(now, STUCK_SECONDS)}

    def late(self, now: float) -> list[str]:
        """Runs that went on for long after their pods and were not read for long, longest first."""
        runs = [(self._runs[run].read_at, run) for run in self._late(now, LATE_SECONDS)]
        return [run for read_at, run in sorted(runs) if now - read_at >= LATE_SECONDS]

    def _late(self, now: float, seconds: float) -> list[str]:
        """Runs whose end has been expected, after that of their pods, for so long."""
        late = (*self.tasks.late(now, seconds), *self.changes.late(now, seconds))
        return [run for run in late if run not in self._podless]

    def _asker(self, dag_id: str) -> Cadence:
        """Which question tells the end of this DAG's runs."""
        return self.tasks if dag_id == self._dag_id else self.changes
