"""Numbers about measurements: pure, used by every benchmark."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


def percentile(values: Sequence[float], part: float) -> float:
    """Give the smallest value that so many per cent of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * part / 100) - 1)]


@dataclass(frozen=True)
class Spread:
    """Several measurements of one thing: the middle one, the lowest, the highest."""

    middle: float
    lowest: float
    highest: float
    bound: bool = False
    """Whether the truth is this or more: something was not over when the time was up."""

    @classmethod
    def of(cls, values: Sequence[float], *, bound: bool = False) -> Spread:
        return cls(statistics.median(values), min(values), max(values), bound)

    def __str__(self) -> str:
        mark = "≥ " if self.bound else ""
        if self.lowest == self.highest:
            return f"{mark}{self.middle:.2f}"
        return f"{mark}{self.middle:.2f} ({self.lowest:.2f} to {self.highest:.2f})"


def ratio(ours: Sequence[float], theirs: Sequence[float], *, bound: bool = False) -> Spread:
    """Compare what was measured in the same rounds; with another number of rounds, with the middle of theirs.

    `bound`: ours were not over when the time was up, so the ratio is at least this.
    """
    if len(ours) != len(theirs):
        middle = statistics.median(theirs)
        return Spread.of([one / middle for one in ours], bound=bound)
    return Spread.of([one / other for one, other in zip(ours, theirs, strict=True)], bound=bound)
