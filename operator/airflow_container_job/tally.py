"""Whether there are as many live DagRuns as are followed: where not, somebody has deleted or cleared one.

Pure; used by the observer. A run whose only task has ended is not followed any more, and is live until the scheduler
looks at it: such runs settle. Others of our kind may be another cluster's. All times in seconds of one clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

SETTLED_SECONDS: Final = 10.0
"""How long the scheduler may take to see that the only task of a run is over, before somebody may have cleared it."""


class Tally:
    """The live runs that are not followed, as far as they are known."""

    def __init__(self) -> None:
        self._foreign: set[str] = set()
        self._settling: dict[str, float] = {}
        self._unsure = 0

    def followed(self, run: str) -> None:
        """Take in that a run is followed: after a start some are listed before their resources are known."""
        self._foreign.discard(run)

    def task_ended(self, run: str, now: float) -> None:
        """The only task of a followed run has ended."""
        self._settling[run] = now + SETTLED_SECONDS

    def run_ended(self, run: str) -> None:
        """Airflow has told that this run is over, whosever it is."""
        self._settling.pop(run, None)
        self._foreign.discard(run)

    def settles(self, run: str) -> bool:
        """Whether this run may be live though its only task has ended."""
        return run in self._settling

    def surprised(self, count: int, followed: int, now: float) -> bool:
        """Whether a count of the live runs is another than that of the followed and all these."""
        self._settling = {run: until for run, until in self._settling.items() if until > now}
        difference = count - followed - len(self._foreign)
        # A run that was deleted may be hidden by one whose end the scheduler has not seen: twice in a row is asked.
        self._unsure = 0 if difference == len(self._settling) else self._unsure + 1
        return not 0 <= difference <= len(self._settling) or self._unsure > 1

    def listed(self, foreign: Iterable[str]) -> None:
        """All live runs were listed: these are neither followed nor settling."""
        self._foreign, self._unsure = set(foreign), 0
