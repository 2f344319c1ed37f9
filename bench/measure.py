"""One burst, from the request until all are over or the time is up: its time, and what it took of the machine."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Self

from bench import asked
from bench.contenders import Burst
from bench.processes import usage
from dev.progress import say

CALM: Final = 0.3
"""Cores in use when the machine counts as idle again: the cluster and Airflow are never quite still."""

PATIENCE: Final = 120.0

AFTERWARDS: Final = 2.0
"""Seconds after a burst in which requests and writes still count: what is written last is the finalizer off."""


@dataclass(frozen=True)
class Measured:
    """What one burst took. CPU in seconds, memory in MB at its highest, counts of the whole burst."""

    kind: str
    count: int
    over: int
    """How many were over, and well, when the time was taken."""
    wall: float
    cpu: dict[str, float]
    memory: dict[str, float]
    requests: dict[str, int] = field(default_factory=dict)
    """Of the operator, to Airflow."""
    writes: dict[str, dict[str, int]] = field(default_factory=dict)
    """Of the operator and of Airflow, to Kubernetes."""

    @property
    def whole(self) -> bool:
        """Whether all were over in time."""
        return self.over == self.count


class Memory:
    """The parts' memory at its highest over a block, looked at every few seconds."""

    def __init__(self) -> None:
        self.highest: dict[str, float] = {}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            for part, megabytes in usage().memory.items():
                self.highest[part] = round(max(megabytes, self.highest.get(part, 0.0)), 1)
            if self._end.wait(5):
                return


def measure(kind: str, burst: Burst, count: int, cap: float, *, may_fail: bool = False) -> Measured:
    """Run one burst. One that fails ends the measurement, unless it may: then what failed is not over."""
    began, since, before = time.monotonic(), datetime.now(UTC), usage(memory_too=False)
    with Memory() as memory:
        burst.start()
        while len(states := burst.states()) < count and time.monotonic() - began < cap:
            time.sleep(0.5)
    wall, after = time.monotonic() - began, usage(memory_too=False)
    failed = sum(state != "good" for state in states)
    if failed:
        say(f"{kind}: {failed} of {count} failed")
        if not may_fail:
            raise SystemExit(1)
    if len(states) < count:
        burst.stop()
    else:
        time.sleep(AFTERWARDS)
    return Measured(
        kind,
        count,
        len(states) - failed,
        round(wall, 2),
        after.since(before),
        memory.highest,
        asked.requests(since),
        asked.writes(since),
    )


def settle() -> None:
    """Wait until the machine is idle again: pods of the last burst are still being taken down."""
    deadline = time.monotonic() + PATIENCE
    while True:
        before = usage(memory_too=False)
        time.sleep(3)
        now = usage(memory_too=False)
        if (now.machine - before.machine) / (now.at - before.at) < CALM:
            return
        if time.monotonic() > deadline:
            say(f"the machine is still busy after {PATIENCE:.0f} s: the next measurement begins all the same")
            return
