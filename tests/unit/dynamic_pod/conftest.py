"""A throw-away AIRFLOW_HOME, set before anything imports Airflow, so that no test reads or writes somebody's own."""

from __future__ import annotations

import os
import tempfile

import pytest

os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="dynamic-pod-tests-")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between attempts that a test can afford."""
    from dynamic_pod import policy  # noqa: PLC0415 (after the environment is set)
    from dynamic_pod.api import Backoff  # noqa: PLC0415

    monkeypatch.setattr(policy, "BACKOFF", {"initialSeconds": 0, "factor": 2, "capSeconds": 360})
    monkeypatch.setattr(policy, "DISRUPTION_SECONDS", 0)
    monkeypatch.setattr(Backoff, "FIRST", 0.01)
    monkeypatch.setattr(Backoff, "LAST", 0.05)
