"""When to ask next: soon after something should be over, then ever more rarely. Pure; used by the observer.

A question tells about all runs at once, so it is the youngest expectation that says how often it is worth asking.
"""

from __future__ import annotations

from typing import Final

PAUSES: Final = ((5.0, 0.5), (30.0, 2.0), (float("inf"), 10.0))
"""(age, pause) in seconds: the longer the youngest expectation has waited, the rarer the question."""


class Cadence:
    """The times at which runs are expected to be over, and when to ask for that. All times in seconds of one clock."""

    def __init__(self, idle: float) -> None:
        """`idle`: the pause while nothing is expected."""
        self._idle = idle
        self._expected: dict[str, float] = {}
        self.asked_at = 0.0

    def expect(self, run: str, at: float) -> None:
        """Expect this run to be over from then on."""
        self._expected[run] = at

    def drop(self, run: str) -> None:
        """Expect nothing of this run."""
        self._expected.pop(run, None)

    def since(self, run: str) -> float | None:
        """From when on this run is expected to be over."""
        return self._expected.get(run)

    def late(self, now: float, seconds: float) -> list[str]:
        """Give the runs that should have been over for so long."""
        return [run for run, at in self._expected.items() if now - at > seconds]

    def due(self, now: float) -> float:
        """Say when to ask next."""
        due = self.asked_at + self._idle
        called = [at for at in self._expected.values() if at <= now]
        if called:
            age = now - max(called)
            due = min(due, self.asked_at + next(pause for limit, pause in PAUSES if age < limit))
        if len(called) < len(self._expected):
            coming = min(at for at in self._expected.values() if at > now)
            due = min(due, max(coming, self.asked_at + PAUSES[0][1]))
        return due
