"""The time a task's containers may take, all attempts and the pauses between them together.

Asked by the runner. The count begins with the first container's start; the kubelet enforces it, counting in its own
way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from dynamic_pod import outcome


def left(values: Mapping[str, Any], attempts: Sequence[Mapping[str, Any]]) -> int | None:
    """Seconds that are left to an attempt after these; None where there is no limit, or no container has started."""
    seconds: int | None = values.get("active_deadline_seconds")
    first = next((one["startedAt"] for one in attempts if "startedAt" in one), None)
    if seconds is None or first is None:
        return None
    return math.ceil(seconds - (datetime.now(UTC) - datetime.fromisoformat(first)).total_seconds())


def as_kubelet_counts(values: Mapping[str, Any], pod: Mapping[str, Any]) -> int | None:
    """The limit of the first attempt's pod, which the kubelet counts from when it took the pod."""
    seconds: int | None = values.get("active_deadline_seconds")
    started = outcome.started_at(pod)
    if seconds is None or started is None:
        return None
    taken = datetime.fromisoformat(pod["status"]["startTime"])
    return seconds + math.ceil((datetime.fromisoformat(started) - taken).total_seconds())


def remaining(pause: int, since: str | None) -> float:
    """Seconds of a pause that are still to pass; all of it where nobody knows when it began."""
    if since is None:
        return pause
    passed = (datetime.now(UTC) - datetime.fromisoformat(since)).total_seconds()
    return min(max(pause - passed, 0), pause)
