"""A throw-away AIRFLOW_HOME, set before anything imports Airflow, so that no test reads or writes somebody's own."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.dynamic_pod.triggering import Scene

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


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[[Scene], None]:
    """Run a scene with a trigger. Where Airflow cancels it, somebody has marked the task as failed."""
    from dynamic_pod import cluster  # noqa: PLC0415 (after the environment is set)
    from tests.unit.dynamic_pod.fake_cluster import FakeCluster, until  # noqa: PLC0415
    from tests.unit.dynamic_pod.triggering import Triggerer, connection, with_supervisor  # noqa: PLC0415

    async def run(scene: Scene) -> None:
        fake = FakeCluster()
        async with fake.serve():
            monkeypatch.setenv("AIRFLOW_CONN_KUBERNETES_DEFAULT", connection(fake))
            await scene(fake, Triggerer())
            await until(lambda: not cluster._entries)  # the last one to leave closes the door

    with_supervisor(monkeypatch)
    return lambda scene: asyncio.run(run(scene))
