"""Every reason that a status may have is provoked by a test, and nearly every one of them for real, in this folder.

Some need a fault, or a moment, that real parts do not show on demand. They are forced, most on a real API server with
a fake Airflow.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_container_job.reasons import REASONS

TESTS = Path(__file__).parents[1]

FORCED = {
    "Deciding": "unit/operator",  # for as long as a request to Airflow takes
    "Starting": "integration",  # for as long as Airflow takes to make the pod
    "Held": "integration",  # a limit that all the tests here together stay below
    "AirflowUnreachable": "integration",
    "AirflowDenied": "integration",
    "AirflowError": "integration",
    "DagBroken": "integration",
    "DagDenied": "integration",
}
"""Reason -> the folder of tests that forces it."""


def said_in(folder: str) -> str:
    """The text of a folder's tests."""
    return "\n".join(path.read_text() for path in (TESTS / folder).glob("*.py") if path != Path(__file__))


@pytest.mark.parametrize("reason", sorted({reason for words in REASONS.values() for reason in words}))
def test_each_is_looked_for(reason: str) -> None:
    folder = FORCED.get(reason, "e2e")
    assert f'"{reason}"' in said_in(folder), f"no test in tests/{folder} looks for {reason}"
