"""The conditions of a status, for `kubectl wait` and for tools: pure. One moves its time only when its status flips."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from airflow_container_job.decision import stamp
from airflow_container_job.reasons import TERMINAL

Json = dict[str, Any]

PROBLEMS: Final[Mapping[str, str]] = {
    "ResultTooLarge": "/airflow/xcom/return.json holds more than 4096 bytes; leave a reference to it instead.",
    "ResultNotJSON": "/airflow/xcom/return.json does not hold JSON.",
}
"""Why what a container left is no result."""

EXPIRED: Final = "Expired"


class Condition(NamedTuple):
    """One condition as it should be, without its time."""

    type: str
    true: bool
    reason: str
    message: str = ""


def make(
    status: Mapping[str, Any], before: Sequence[Mapping[str, Any]], problem: str | None, now: datetime
) -> list[Json]:
    """Make the conditions of a status that has everything else; `before` are the recorded ones."""
    return render([*_wanted(status, {one["type"] for one in before}), *_of_result(status, problem)], before, now)


def render(wanted: Sequence[Condition], before: Sequence[Mapping[str, Any]], now: datetime) -> list[Json]:
    """Write conditions as Kubernetes does, each with the time of its last flip."""
    times = {(one["type"], one["status"]): one["lastTransitionTime"] for one in before}
    return [
        {
            "type": one.type,
            "status": str(one.true),
            "reason": one.reason,
            "message": one.message,
            "lastTransitionTime": times.get((one.type, str(one.true)), stamp(now)),
        }
        for one in wanted
    ]


def load(recorded: Sequence[Mapping[str, Any]]) -> list[Condition]:
    """Read recorded conditions."""
    return [Condition(c["type"], c["status"] == "True", c["reason"], c.get("message", "")) for c in recorded]


def _wanted(status: Mapping[str, Any], known: set[str]) -> Iterator[Condition]:
    phase, reason = status["phase"], status["reason"]
    over, triggered = phase in TERMINAL, "dagRunState" in status
    yield Condition("Triggered", triggered, "DagRunCreated" if triggered else reason)
    yield Condition("Finished", over, reason if over else phase)
    if over:
        yield Condition("Succeeded", phase == "Succeeded", reason)
    if phase == "Suspended" or "Suspended" in known:
        yield Condition("Suspended", phase == "Suspended", reason if phase == "Suspended" else "Resumed")


def _of_result(status: Mapping[str, Any], problem: str | None) -> Iterator[Condition]:
    if problem is not None:
        yield Condition("ResultStored", False, problem, PROBLEMS.get(problem, ""))
    elif "result" in status:
        yield Condition("ResultStored", True, "Stored")
