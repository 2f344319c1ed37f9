"""The operator as a process of its own, so that tests can kill it as a node's loss would."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.support.cluster import ROOT, Cluster
from tests.support.fake_airflow import FakeAirflow
from tests.support.fake_store import PASSWORD, USERNAME
from tests.support.wait import until

SOURCES: Final = os.pathsep.join(str(ROOT / folder) for folder in ("operator", "dags"))

START: Final = """
import runpy, sys
sys.modules.update(kubernetes=None, kubernetes_asyncio=None)
runpy.run_module("airflow_container_job", run_name="__main__", alter_sys=True)
"""
"""As `python -m airflow_container_job` in its image, which has neither client; kopf would load them, for seconds."""

QUICK: Final = {
    "ACJ_AIRFLOW_TIMEOUT_SECONDS": "2",
    "ACJ_SWEEP_SECONDS": "2",
    "ACJ_DELETION_DEADLINE_SECONDS": "6",
}
"""Shorter than in production, so that a test sees each of them pass."""


class OperatorProcess:
    """The operator, serving one namespace; its log is kept over restarts."""

    def __init__(self, cluster: Cluster, namespace: str, airflow: FakeAirflow, folder: Path) -> None:
        credentials = folder / "credentials"
        credentials.mkdir()
        (credentials / "username").write_text(USERNAME)
        (credentials / "password").write_text(PASSWORD)
        self._log = folder / "operator.log"
        self._environment: Mapping[str, str] = {
            **cluster.environment,
            **QUICK,
            "PYTHONPATH": SOURCES,
            "ACJ_AIRFLOW_URL": airflow.url,
            "ACJ_AIRFLOW_CREDENTIALS": str(credentials),
            "ACJ_NAMESPACES": namespace,
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """All it has said so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it; it is under way, not ready, when this returns."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", START], env=self._environment, stdout=log, stderr=log
            )

    def kill(self) -> None:
        """End it with SIGKILL, in the middle of whatever it does."""
        self._signal(signal.SIGKILL)

    def stop(self) -> None:
        """End it as Kubernetes does, by SIGTERM; it must go within its grace period."""
        self._signal(signal.SIGTERM)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            process, self._process = self._process, None
            process.send_signal(number)
            try:
                until("the operator has ended", lambda: process.poll() is not None, seconds=20)
            finally:
                process.kill()
                process.wait()
