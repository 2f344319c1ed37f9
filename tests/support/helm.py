"""Helm, compiled here where it is not yet, and the chart."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

from dev import binaries
from tests.support.cluster import ROOT

CHART: Final = ROOT / "charts" / "airflow-container-job"


class Helm:
    """The program, for what it can tell without a cluster."""

    def __init__(self) -> None:
        self.program = binaries.helm()

    def __call__(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run it."""
        return subprocess.run([self.program, *arguments], capture_output=True, text=True, check=False)
