"""What each part of the machine uses: CPU seconds and memory of processes, summed over a part's children.

Used by the benchmarks. The nodes' processes are seen in /proc because kind's nodes are containers of this machine;
where they are not, the parts are missing from the result. A process counts for the part that its command line names, or
else for its parent's.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

PARTS: Final = {
    "airflow worker": "workers",
    "airflow supervisor": "workers",
    "airflow scheduler": "scheduler",
    "airflow triggerer": "triggerer",
    "airflow dag-processor": "dag-processor",
    "airflow api_server": "airflow-api-server",
    "airflow api-server": "airflow-api-server",
    "-m airflow_container_job": "operator",
    "kube-apiserver ": "kube-apiserver",
    "kube-scheduler ": "kube-scheduler",
    "kube-controller-manager ": "controller-manager",
    "etcd --": "etcd",
    "/kwok ": "simulation",
    "/logs -kubeconfig": "simulation",
    "/kubelet ": "kubelet",
    "containerd": "containerd",
}
"""What a command line contains -> the part, the first that fits; a `containerd-shim` is the parent of everything."""

POSTGRES: Final = "postgres"
DRIVER: Final = "this measurement"
MACHINE: Final = "whole machine"
_TICKS: Final = os.sysconf("SC_CLK_TCK")


class Process(NamedTuple):
    """A line of the process table."""

    parent: int
    command: str
    cpu: float


@dataclass(frozen=True)
class Usage:
    """What the parts had used at a moment, since their processes began."""

    at: float
    cpu: Mapping[str, float]
    memory: Mapping[str, float]
    """MB of 1,000,000 bytes; what processes share counts once."""
    machine: float

    def since(self, earlier: Usage) -> dict[str, float]:
        """CPU seconds of each part in between; a part that began anew counts from its new start."""
        spent = {part: seconds - earlier.cpu.get(part, 0.0) for part, seconds in self.cpu.items()}
        known = {part: round(value if value >= 0 else self.cpu[part], 1) for part, value in spent.items()}
        return {**known, MACHINE: round(self.machine - earlier.machine, 1)}


def usage(*, memory_too: bool = True) -> Usage:
    """Look at all processes now; memory takes the longer part of it."""
    table = _table()
    cpu: defaultdict[str, float] = defaultdict(float)
    memory: defaultdict[str, float] = defaultdict(float)
    for number, process in table.items():
        if part := part_of(number, table):
            cpu[part] += process.cpu
            memory[part] += _memory(number) if memory_too else 0
    return Usage(time.monotonic(), cpu, memory, _machine())


def part_of(number: int, table: Mapping[int, Process]) -> str:
    """Name the part that a process belongs to; empty for the rest of the machine."""
    while number in table:
        process = table[number]
        if number == os.getpid():
            return DRIVER
        if process.command.startswith("postgres"):
            return POSTGRES
        for words, name in PARTS.items():
            if words in process.command:
                return name
        number = process.parent
    return ""


def _table() -> dict[int, Process]:
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it ended meanwhile
        cpu = sum(int(field) for field in fields[11:15]) / _TICKS  # with that of children that have ended
        found[int(folder.name)] = Process(int(fields[1]), command, cpu)
    return found


def _memory(number: int) -> float:
    """Give a process's share of the memory it uses (PSS), in MB."""
    try:
        told = Path(f"/proc/{number}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    return next(int(line.split()[1]) * 1024 / 1e6 for line in told.splitlines() if line.startswith("Pss:"))


def _machine() -> float:
    user, nice, system, _idle, _wait, irq, softirq = map(int, Path("/proc/stat").read_text().split()[1:8])
    return (user + nice + system + irq + softirq) / _TICKS
