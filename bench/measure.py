"""One burst, from the request until all are over or the time is up: its time, and what it took of the machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Self

from bench import asked
from bench.contenders import Burst, Refused
from bench.processes import DRIVER, MACHINE, usage
from dev.progress import say

CALM: Final = 0.3
"""Cores in use when the machine counts as idle again: the cluster and Airflow are never quite still."""

PATIENCE: Final = 120.0

AFTERWARDS: Final = 2.0
"""Seconds after a burst in which CPU time, requests and writes still count: pods are deleted, finalizers taken off."""

LOOKS: Final = (0.1, 0.5)
"""Seconds between two looks at one job, and at many: no time is known more closely, and each look costs something."""


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

    @property
    def used(self) -> float:
        """CPU seconds of the whole machine, without what measuring took: ways are asked for differently."""
        return self.cpu[MACHINE] - self.cpu.get(DRIVER, 0.0)


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
    states: Sequence[str] = ()
    try:
        began, since, before = time.monotonic(), datetime.now(UTC), usage(memory_too=False)
        try:
            with Memory() as memory:
                burst.start()
                while len(states := burst.states()) < count and time.monotonic() - began < cap:
                    time.sleep(LOOKS[count > 1])
        except Refused as error:
            if not may_fail:
                raise
            say(f"{kind}: given up: {error}")
        wall = time.monotonic() - began
        failed = sum(state != "good" for state in states)
        if failed:
            say(f"{kind}: {failed} of {count} failed")
            if not may_fail:
                raise SystemExit(1)
        if len(states) == count:
            time.sleep(AFTERWARDS)
        spent = usage(memory_too=False).since(before)
        return Measured(
            kind,
            count,
            len(states) - failed,
            round(wall, 2),
            spent,
            memory.highest,
            asked.requests(since),
            asked.writes(since),
        )
    finally:
        if len(states) < count:  # else runs go on without their namespace, and disturb what is measured next
            burst.stop()


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
