"""What Airflow refuses to start is put aside, and tried again now and then: all jobs of a DAG, or a single run.

Used by the controller, with one shelf for DAGs that Airflow lacks or cannot run and one for runs. Otherwise each job
would take turn after turn from jobs that can run. For one event loop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from airflow_container_job.clock import loop_time
from airflow_container_job.facts import Trouble


@dataclass(slots=True)
class _Aside:
    trouble: Trouble
    until: float
    pause: float


class Shelf:
    """The ids of what was refused, and until when it is left alone."""

    FIRST: Final = 5.0
    LONGEST: Final = 30.0
    KEPT: Final = 600.0
    """Seconds after which a refusal is forgotten that nobody has met again: there may be no such job any more."""

    def __init__(self, clock: Callable[[], float] = loop_time) -> None:
        """`clock`: seconds; by default those by which a look is put off."""
        self._clock = clock
        self._aside: dict[str, _Aside] = {}

    def put(self, key: str, trouble: Trouble) -> None:
        """Airflow has just refused this; of refusals within one pause the first counts."""
        now, known = self._clock(), self._aside.get(key)
        if known is not None and now < known.until:
            return
        self.take(key)
        pause = self.FIRST if known is None else min(self.LONGEST, known.pause * 2)
        self._aside[key] = _Aside(trouble, now + pause, pause)
        while self._aside[oldest := next(iter(self._aside))].until < now - self.KEPT:
            self.take(oldest)

    def take(self, key: str) -> None:
        """Airflow has taken a run of it."""
        self._aside.pop(key, None)

    def has(self, key: str) -> bool:
        """Whether it was refused when it was last asked for."""
        return key in self._aside

    def trouble(self, key: str) -> Trouble | None:
        """Why it is not asked for now; None where it may be."""
        known = self._aside.get(key)
        return known.trouble if known is not None and self._clock() < known.until else None

    def pause(self, key: str) -> float:
        """Seconds until it may be asked for again."""
        known = self._aside.get(key)
        return 0.0 if known is None else max(0.0, known.until - self._clock())
