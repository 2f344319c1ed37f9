"""Keeps all requests quiet together while Airflow is away or refuses us, and lets one at a time try whether it is over.

Used by `airflow_api` around every request, so that an outage costs one attempt per pause, whatever the number of jobs,
and its end brings no herd. For one event loop.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from airflow_container_job.clock import loop_time
from airflow_container_job.errors import AirflowDenied, AirflowError, AirflowUnreachable, DagDenied

T = TypeVar("T")


class Gate:
    """Lets requests through while Airflow serves us; after a failure only one at a time, after a growing pause."""

    FIRST: Final = 1.0
    LONGEST: Final = 30.0

    def __init__(self, clock: Callable[[], float] = loop_time) -> None:
        """`clock`: seconds; by default those by which a look is put off."""
        self._clock = clock
        self._failures = 0
        self._open_at = 0.0
        self._last: AirflowError = AirflowUnreachable("not tried yet")
        self.served = False
        """Whether Airflow has ever served us."""

    @property
    def pause(self) -> float:
        """Seconds until the next request may try; 0 while Airflow answers."""
        return max(0.0, self._open_at - self._clock()) if self._failures else 0.0

    @property
    def shut_by(self) -> AirflowError | None:
        """What keeps it shut; None while Airflow answers."""
        return self._last if self._failures else None

    async def through(self, call: Callable[[], Awaitable[T]]) -> T:
        """Make the call; while the gate is shut, raise at once what shut it."""
        trying = self._failures > 0
        if trying:
            if self.pause > 0:
                raise type(self._last)(str(self._last))
            self._shut()  # the others wait for this one's outcome
        try:
            answer = await call()
        except (AirflowUnreachable, AirflowDenied) as error:
            if trying or not self._failures:  # of requests that fail together the first counts
                self._failures += 1
                self._last = error
                self._shut()
            raise
        except AirflowError as error:
            self._failures = 0
            self.served |= not isinstance(error, DagDenied)  # it answers, but that is no service
            raise
        self._failures = 0
        self.served = True
        return answer

    def _shut(self) -> None:
        pause = min(self.LONGEST, self.FIRST * 2 ** min(self._failures, 10))
        self._open_at = self._clock() + pause * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
