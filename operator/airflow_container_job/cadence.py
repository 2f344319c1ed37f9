"""When to ask next: soon after something should be over, then ever more rarely. Pure; used by the observer.

A question tells about all runs at once, so it is the youngest expectation that says how often it is worth asking.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection
from operator import itemgetter
from typing import Final

PAUSES: Final = ((5.0, 0.5), (30.0, 2.0), (float("inf"), 10.0))
"""(age, pause) in seconds: the longer the youngest expectation has waited, the rarer the question."""

_AT: Final = itemgetter(0)


class Cadence:
    """The times at which runs are expected to be over, and when to ask for that. All times in seconds of one clock."""

    def __init__(self, idle: float) -> None:
        """`idle`: the pause while nothing is expected."""
        self._idle = idle
        self._expected: dict[str, float] = {}
        self._order: list[tuple[float, str]] = []
        """The same, earliest first: `due` is asked at each start and each end, whatever the number of runs."""
        self.asked_at = 0.0

    @property
    def runs(self) -> Collection[str]:
        """The runs that are expected to be over, now or soon."""
        return self._expected.keys()

    def expect(self, run: str, at: float) -> None:
        """Expect this run to be over from then on."""
        self.drop(run)
        self._expected[run] = at
        insort(self._order, (at, run))

    def drop(self, run: str) -> None:
        """Expect nothing of this run."""
        if (at := self._expected.pop(run, None)) is not None:
            del self._order[bisect_left(self._order, (at, run))]

    def since(self, run: str) -> float | None:
        """From when on this run is expected to be over."""
        return self._expected.get(run)

    def late(self, now: float, seconds: float) -> list[str]:
        """Give the runs that should have been over for so long, the latest first."""
        return [run for _, run in self._order[: bisect_left(self._order, now - seconds, key=_AT)]]

    def due(self, now: float) -> float:
        """Say when to ask next."""
        due = self.asked_at + self._idle
        called = bisect_right(self._order, now, key=_AT)
        if called:
            age = now - self._order[called - 1][0]
            due = min(due, self.asked_at + next(pause for limit, pause in PAUSES if age < limit))
        if called < len(self._order):
            due = min(due, max(self._order[called][0], self.asked_at + PAUSES[0][1]))
        return due
