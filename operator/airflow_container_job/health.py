"""Whether the operator is alive and ready, check by check: what `/livez` and `/readyz` answer.

A part that is to go on for ever runs inside `Health.alive`, and beats where it gets on. One that has ended, or has not
got on for longer than it ever may, fails liveness: only a restart mends that. No restart mends an Airflow or an API
server that is away, so neither ever fails it; of them readiness tells.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, NamedTuple

from airflow_container_job import metrics
from airflow_container_job.clock import loop_time

STUCK_SECONDS: Final = 600.0
"""How long a task may go without a beat; one that waits for its turn to write to Airflow rests meanwhile."""

Problem = Callable[[], str]
"""What is wrong, in words; empty when nothing is."""


class Check(NamedTuple):
    """One check, as it stands."""

    name: str
    problem: str


class Pulse:
    """When one task last got on."""

    def __init__(self, part: _Part) -> None:
        self.part = part
        self.beat_at: float | None = loop_time()
        """None while it waits for something to do, for however long that may be."""


class _Part:
    """The tasks that one check is about."""

    def __init__(self) -> None:
        self._pulses: set[Pulse] = set()
        self._ended = False

    @contextmanager
    def pulse(self) -> Iterator[None]:
        pulse = Pulse(self)
        self._pulses.add(pulse)
        token = _own.set(pulse)
        try:
            yield
        finally:
            _own.reset(token)
            self._pulses.discard(pulse)
            self._ended = True

    def problem(self) -> str:
        if self._ended:
            return "one of its tasks has ended"
        now = loop_time()
        late = max((now - pulse.beat_at for pulse in self._pulses if pulse.beat_at is not None), default=0.0)
        return f"it has not got on for {late:.0f} s" if late > STUCK_SECONDS else ""


_own: Final[ContextVar[Pulse | None]] = ContextVar("pulse", default=None)
"""The pulse of the task that runs; None where nobody asks for it, as in most tests."""


def beat() -> None:
    """Say that this task gets on."""
    if (pulse := _own.get()) is not None:
        pulse.beat_at = loop_time()


def rest() -> None:
    """Say that this task waits for something to do, until its next beat."""
    if (pulse := _own.get()) is not None:
        pulse.beat_at = None


@contextmanager
def own_pulse() -> Iterator[None]:
    """Give a task that another one has started a pulse of its own, in the same check."""
    if (pulse := _own.get()) is None:
        yield
        return
    with pulse.part.pulse():
        yield


class Health:
    """All checks."""

    def __init__(self) -> None:
        self._parts: dict[str, _Part] = {}
        self._live: dict[str, Problem] = {}
        self._ready: dict[str, Problem] = {}

    async def alive(self, name: str, routine: Awaitable[None]) -> None:
        """Run a part to its end, which must never come. Several may share a name: they are one check."""
        part = self._parts.get(name)
        if part is None:
            part = self._parts[name] = _Part()
            self.require_live(name, part.problem)
        with part.pulse():
            await routine

    def require_live(self, name: str, problem: Problem) -> None:
        """Have a check that only a restart mends."""
        self._live[name] = problem
        _show(name, problem)

    def require_ready(self, name: str, problem: Problem) -> None:
        """Have a check that mends by itself."""
        self._ready[name] = problem
        _show(name, problem)

    def livez(self) -> list[Check]:
        """Whether a restart would help."""
        return [Check(name, problem()) for name, problem in self._live.items()]

    def readyz(self) -> list[Check]:
        """Whether jobs get on."""
        return [*self.livez(), *(Check(name, problem()) for name, problem in self._ready.items())]


def _show(name: str, problem: Problem) -> None:
    metrics.CHECK.labels(name).set_function(lambda: float(not problem()))
