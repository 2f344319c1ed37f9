"""Waiting for something to become true, with a deadline: the only way tests wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(what: str, probe: Callable[[], T], seconds: float = 30) -> T:
    """Ask until the answer is true, and return it; fail with the last answer after the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}; the last answer was {answer!r}")
        time.sleep(0.1)


def stays(what: str, probe: Callable[[], T], seconds: float) -> None:
    """Ask all the time; fail as soon as the answer is false. For what must *not* happen."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = probe()
        if not answer:
            raise AssertionError(f"no longer true: {what}; the answer was {answer!r}")
        time.sleep(0.1)
