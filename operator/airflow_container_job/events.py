"""Kubernetes events at the turns of a job: pure, from the status before and the one just written.

For people who look with `kubectl describe`; never the record. Of a run that takes the straight way there are none: its
status says all, its pod has events of its own, and each would be a write to the API server (docs/decisions/0012).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from airflow_container_job import reasons

EVENTS: Final[Mapping[str, str]] = {
    "AttemptFailed": "A pod has ended, and another attempt follows.",
    reasons.CLEARED: "Somebody cleared the run in Airflow; it runs again.",
}
"""Events whose word is no reason of the status, or that tell more than it; all others are called as the reason is."""

_QUIET: Final = frozenset(
    {
        reasons.DECIDING,
        reasons.HELD,
        reasons.STARTING,
        reasons.RUNNING,
        reasons.COMPLETED,
        reasons.RETRYING,
        reasons.CLEARED,
        reasons.TERMINATING,
    }
)
"""Reasons that are no turn, or that one of `EVENTS` or the status alone tells."""

_ASKED_FOR: Final = frozenset({reasons.SPEC_CHANGED, reasons.RERUNNING, reasons.STOPPING})
"""Reasons that no person has to be warned of."""


class Event(NamedTuple):
    """One event to be."""

    warning: bool
    reason: str
    message: str


def between(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Event]:
    """Say what happened between two statuses."""
    return list(_turns(old, new))


def _turns(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Event]:
    if old.get("dagRunId", "") == new.get("dagRunId") and _number(new) > _number(old):
        yield Event(True, reasons.CLEARED, "The run was cleared in Airflow; it runs again.")
    elif not _being_ended(new):  # the pod's end is no failure then
        yield from _failed_attempts(old, new)
    if (old.get("phase"), old.get("reason")) != (new["phase"], new["reason"]) and not _quiet(new):
        waits = new["phase"] in ("Pending", "Queued") and new["reason"] not in _ASKED_FOR
        message = new.get("message") or f"The run ended: {new['reason']}."
        yield Event(waits or new["phase"] == "Failed", new["reason"], message)


def _being_ended(new: Mapping[str, Any]) -> bool:
    return _too_late(new) or new["phase"] == "Suspended" or new["reason"] in _ASKED_FOR


def _quiet(new: Mapping[str, Any]) -> bool:
    """Whether this is no turn, or one that is told when it is done."""
    return _too_late(new) or new["reason"] in _QUIET


def _too_late(new: Mapping[str, Any]) -> bool:
    return new["reason"] == reasons.START_DEADLINE_EXCEEDED and new["phase"] not in reasons.TERMINAL


def _failed_attempts(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Event]:
    """Attempts that have ended since, but the one that ended the run: that is told as its end."""
    told = {(one["number"], one.get("podName")) for one in old.get("attempts", ()) if "reason" in one}
    for one in new.get("attempts", ()):
        last = new["phase"] in reasons.TERMINAL and one["number"] == new.get("attempt")
        if (
            one.get("reason", reasons.COMPLETED) != reasons.COMPLETED
            and (one["number"], one.get("podName")) not in told
            and not last
        ):
            code = f" (exit code {one['exitCode']})" if "exitCode" in one else ""
            yield Event(True, "AttemptFailed", f"Attempt {one['number']} ended: {one['reason']}{code}.")


def _number(status: Mapping[str, Any]) -> int:
    runs = status.get("runs") or [{}]
    return int(runs[-1].get("number", 0))
