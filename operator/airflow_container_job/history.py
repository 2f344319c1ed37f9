"""`.status.runs`: the last five runs of a resource, the current one last. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from airflow_container_job import reasons

Json = dict[str, Any]

KEPT: Final = 5

_COPIED: Final = ("dagRunId", "reason", "exitCode", "startTime", "completionTime")


def runs(before: Sequence[Mapping[str, Any]], status: Mapping[str, Any], *, cleared: bool) -> list[Json]:
    """Bring the runs up to date with a status; `cleared` says that it shows the first of a run begun anew.

    A run that is cleared in Airflow keeps its DagRun's id, and is another entry all the same.
    """
    kept = [dict(one) for one in before]
    if "dagRunId" not in status:
        return kept
    last = kept[-1] if kept else {}
    same = last.get("dagRunId") == status["dagRunId"] and not cleared
    if same and last["phase"] in reasons.TERMINAL and status["phase"] not in reasons.TERMINAL:
        return kept  # over, and followed by something else than a run
    if not same:
        if cleared and last and last["phase"] not in reasons.TERMINAL:
            kept[-1] = {**last, "phase": "Failed", "reason": reasons.CLEARED}
        number = last.get("number", 0) + 1
    else:
        number = last["number"]
        kept.pop()
    return [*kept, _entry(number, status)][-KEPT:]


def _entry(number: int, status: Mapping[str, Any]) -> Json:
    entry = {"number": number, "phase": _phase(status), **{key: status[key] for key in _COPIED if key in status}}
    return entry | ({"attempts": status["attempt"]} if "attempt" in status else {})


def _phase(status: Mapping[str, Any]) -> str:
    """Of a run that is being replaced the entry tells the end it comes to: nobody writes it again."""
    return "Failed" if status["reason"] in reasons.REPLACED else str(status["phase"])
