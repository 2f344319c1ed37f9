"""Kubernetes events: one at each turn that a person may have to know of, none on the straight way."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_container_job.events import between

RUN = {"dagRunId": "acj-x-1", "dagId": "container_job", "dagRunState": "queued"}
QUEUED = RUN | {"phase": "Queued", "reason": "Starting", "runs": [{"number": 1}]}
RUNNING = QUEUED | {"phase": "Running", "reason": "Running"}
FIRST_FAILED = {"number": 1, "podName": "a", "reason": "Error", "exitCode": 3}
DONE = RUNNING | {"phase": "Succeeded", "reason": "Completed", "attempt": 1, "attempts": [FIRST_FAILED]}

CASES: dict[str, tuple[dict[str, Any], dict[str, Any], list[tuple[bool, str]]]] = {
    "nothing new": (QUEUED, QUEUED, []),
    "decided": ({}, {"phase": "Pending", "reason": "Deciding"}, []),
    "Airflow away": ({}, {"phase": "Pending", "reason": "AirflowUnreachable"}, [(True, "AirflowUnreachable")]),
    "held": ({}, {"phase": "Pending", "reason": "Held"}, []),
    "triggered": ({"phase": "Pending", "reason": "AirflowUnreachable"}, QUEUED, []),
    "triggered as the next run": (DONE, QUEUED | {"dagRunId": "acj-x-2"}, []),
    "no node": (QUEUED, QUEUED | {"reason": "Unschedulable"}, [(True, "Unschedulable")]),
    "running is no turn: the pod tells": (QUEUED, RUNNING, []),
    "an attempt that failed, and another follows": (
        RUNNING,
        RUNNING | {"phase": "Queued", "reason": "Retrying", "attempts": [FIRST_FAILED]},
        [(True, "AttemptFailed")],
    ),
    "an attempt that did not fail": (RUNNING, RUNNING | {"attempts": [{"number": 1, "reason": "Completed"}]}, []),
    "being ended for its start deadline: told when it is done": (
        QUEUED,
        QUEUED | {"reason": "StartDeadlineExceeded"},
        [],
    ),
    "told once": (RUNNING | {"attempts": [FIRST_FAILED]}, RUNNING | {"attempts": [FIRST_FAILED]}, []),
    "succeeded": (RUNNING, DONE, []),
    "failed": (RUNNING, DONE | {"phase": "Failed", "reason": "Error"}, [(True, "Error")]),
    "suspended while running: its pod's end is no failed attempt": (
        RUNNING,
        RUNNING | {"phase": "Suspended", "reason": "Stopping", "attempts": [FIRST_FAILED]},
        [(False, "Stopping")],
    ),
    "suspended": (RUNNING, RUNNING | {"phase": "Suspended", "reason": "Suspended"}, [(False, "Suspended")]),
    "replaced": (RUNNING, RUNNING | {"phase": "Pending", "reason": "SpecChanged"}, [(False, "SpecChanged")]),
    "being stopped": (RUNNING, RUNNING | {"reason": "Stopping"}, [(False, "Stopping")]),
    "cleared": (DONE, QUEUED | {"reason": "Cleared", "runs": [{"number": 1}, {"number": 2}]}, [(True, "Cleared")]),
    "another run, not yet handed to Airflow": (
        DONE | {"runs": [{"number": 1}]},
        {"dagRunId": "acj-x-2", "phase": "Pending", "reason": "Deciding", "runs": [{"number": 1}, {"number": 2}]},
        [],
    ),
    "marked": (DONE, DONE | {"phase": "Failed", "reason": "MarkedFailed"}, [(True, "MarkedFailed")]),
    "expired": (DONE, {key: value for key, value in DONE.items() if key != "attempts"}, []),
}


@pytest.mark.parametrize("case", CASES)
def test_between(case: str) -> None:
    old, new, expected = CASES[case]
    assert [(event.warning, event.reason) for event in between(old, new)] == expected
