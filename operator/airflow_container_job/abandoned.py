"""Runs that nobody wants any more are ended as soon as Airflow lets us, or has them: a few at a time.

Used by the observer, whose questions wait meanwhile: so a thousand of them, as after a change of all jobs or an outage,
must not be looked for in a row. Each is read before it is stopped: an end that came first counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from airflow_container_job.airflow_api import AirflowApi
from airflow_container_job.errors import AirflowDenied, AirflowError, AirflowUnreachable

READS: Final = 5
"""Runs looked for at a time."""

FIRST_SECONDS: Final = 1.0
"""When a run is looked for first: a request without an answer is carried out at once, if it is at all; mostly."""

LOOKED_FOR_SECONDS: Final = 600.0
"""How long a run is looked for that is not there, or may not be seen."""


@dataclass(slots=True)
class _Entry:
    at: float
    """When to look for it."""
    until: float
    may_come: bool


class Abandoned:
    """The runs to be ended. All times in seconds of one clock."""

    def __init__(self, airflow: AirflowApi, pause: float) -> None:
        """`pause`: seconds until one that was not found is looked for again."""
        self._airflow = airflow
        self._pause = pause
        self._entries: dict[tuple[str, str], _Entry] = {}
        self.due = float("inf")
        """When to call `end_some` next."""

    def add(self, dag_id: str, dag_run_id: str, now: float, *, may_come: bool) -> None:
        """End this run. `may_come`: where Airflow has none of that id, it may make it yet."""
        entry = _Entry(now + FIRST_SECONDS, now + LOOKED_FOR_SECONDS, may_come)
        self._entries[dag_id, dag_run_id] = entry
        self.due = min(self.due, entry.at)

    async def end_some(self, now: float) -> None:
        """End a few of those that are due. Raises AirflowUnreachable, AirflowDenied: then all are due still."""
        try:
            for key in [key for key, entry in self._entries.items() if entry.at <= now][:READS]:
                await self._end(key, self._entries[key], now)
        finally:
            self.due = min((entry.at for entry in self._entries.values()), default=float("inf"))

    async def _end(self, key: tuple[str, str], entry: _Entry, now: float) -> None:
        try:
            done = await self._ended(*key) or not entry.may_come
        except (AirflowUnreachable, AirflowDenied):
            raise
        except AirflowError:  # of this run only
            done = False
        entry.at = now + self._pause
        if (done or now > entry.until) and self._entries.get(key) is entry:
            del self._entries[key]

    async def _ended(self, dag_id: str, dag_run_id: str) -> bool:
        """Whether it was there, and so has been ended."""
        run = await self._airflow.read(dag_id, dag_run_id)
        if run is not None and not run.over:
            await self._airflow.stop(dag_id, dag_run_id)
        return run is not None
