"""The processes of a measurement: the fake Airflow and the operator, and what each of them, and the API server, uses.

Used by the scenes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp

from bench import processes
from tests.support.cluster import ROOT
from tests.support.operator_process import SOURCES

TICKS: Final = os.sysconf("SC_CLK_TCK")


class Airflow:
    """The fast fake as a process, and the measurement's hold on it."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}"

    async def told(self) -> dict[str, Any]:
        """Requests so far by kind, and every run's times."""
        return await self._ask("GET", "told")

    async def rule(self, seconds: float | None, *, away: bool = False) -> None:
        """Say how long runs last (None: for ever), and whether Airflow answers at all."""
        await self._ask("POST", "rule", {"seconds": seconds, "away": away})

    async def fill(self, runs: list[dict[str, Any]]) -> None:
        """Let it know runs that go on already."""
        for first in range(0, len(runs), 500):
            await self._ask("POST", "fill", {"runs": runs[first : first + 500]})

    async def end(self, dag_run_ids: list[str]) -> None:
        """End these runs well."""
        await self._ask("POST", "end", {"runs": dag_run_ids})

    async def _ask(self, method: str, what: str, body: Any = None) -> dict[str, Any]:
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, f"{self.url}/bench/{what}", json=body) as response,
        ):
            response.raise_for_status()
            answer: dict[str, Any] = await response.json()
            return answer


@contextmanager
def fake_airflow() -> Iterator[Airflow]:
    """Serve the fake for the block."""
    command = [sys.executable, "-m", "bench.alone.fake_airflow"]
    path = os.pathsep.join([SOURCES, str(ROOT)])
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}
    )
    try:
        assert process.stdout is not None  # noqa: S101 - for the type checker
        yield Airflow(process, int(process.stdout.readline()))
    finally:
        process.terminate()
        process.wait()


@dataclass(frozen=True)
class Usage:
    """What processes had used at a moment: CPU seconds by process, and the time."""

    at: float
    seconds: Mapping[str, float]

    def since(self, earlier: Usage) -> dict[str, float]:
        """CPU seconds by process in between."""
        return {name: self.seconds[name] - earlier.seconds.get(name, 0.0) for name in self.seconds}


def usage(**pids: int) -> Usage:
    """Look at these processes, which this one started, and at all parts of the cluster that can be seen."""
    seen = processes.usage(memory_too=False)
    ours = {name: cpu_seconds(pid) for name, pid in pids.items()}
    driver = seen.cpu[processes.DRIVER] - sum(ours.values())  # else they would count twice
    return Usage(seen.at, {**seen.cpu, processes.DRIVER: driver, **ours, processes.MACHINE: seen.machine})


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mb(pid: int) -> tuple[float, float]:
    """Resident memory of a process, now and at its highest, in MB of 1,000,000 bytes."""
    told = Path(f"/proc/{pid}/status").read_text()
    found = dict(line.split(":", 1) for line in told.splitlines())
    now, peak = (int(found[key].split()[0]) * 1024 / 1e6 for key in ("VmRSS", "VmHWM"))
    return now, peak
