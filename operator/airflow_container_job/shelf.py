"""DAGs that Airflow lacks or cannot run: their jobs are put aside together, and a few of them try again now and then.

Used by the controller. Each job by itself would take turn after turn from jobs that can run. For one event loop.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from airflow_container_job.facts import Trouble


@dataclass(slots=True)
class _Aside:
    trouble: Trouble
    until: float
    pause: float


class Shelf:
    """The DAGs whose jobs wait, and until when."""

    FIRST: Final = 5.0
    LONGEST: Final = 30.0

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._aside: dict[str, _Aside] = {}

    def put(self, dag_id: str, trouble: Trouble) -> None:
        """Airflow has just refused a run of this DAG; of refusals within one pause the first counts."""
        known = self._aside.get(dag_id)
        if known is not None and self._clock() < known.until:
            return
        pause = self.FIRST if known is None else min(self.LONGEST, known.pause * 2)
        self._aside[dag_id] = _Aside(trouble, self._clock() + pause, pause)

    def take(self, dag_id: str) -> None:
        """Airflow has taken a run of this DAG."""
        self._aside.pop(dag_id, None)

    def has(self, dag_id: str) -> bool:
        """Whether the last run of this DAG that was asked for was refused."""
        return dag_id in self._aside

    def trouble(self, dag_id: str) -> Trouble | None:
        """Why no run of this DAG is asked for now; None where one may be."""
        known = self._aside.get(dag_id)
        return known.trouble if known is not None and self._clock() < known.until else None

    def pause(self, dag_id: str) -> float:
        """Seconds until a run of this DAG may be asked for again."""
        known = self._aside.get(dag_id)
        return 0.0 if known is None else max(0.0, known.until - self._clock())
