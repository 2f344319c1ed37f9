"""What each part of the machine uses: CPU seconds and memory of processes, summed over a part's children.

Used by the benchmarks. The nodes' processes are seen in /proc because kind's nodes are containers of this machine;
where they are not, the parts are missing from the result. A process counts for the part that its command line names, or
else for its parent's.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
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
    """Seconds, with those of its children that have ended and that it has waited for."""
    born: int = 0
    """When it began: numbers of processes are used again."""


@dataclass(frozen=True)
class Usage:
    """What the parts had used at a moment, since their processes began."""

    at: float
    each: Mapping[tuple[int, int], tuple[str, float]]
    """Process, by number and birth -> its part and its CPU seconds."""
    memory: Mapping[str, float]
    """MB of 1,000,000 bytes; what processes share counts once."""
    machine: float

    @property
    def cpu(self) -> dict[str, float]:
        """CPU seconds of each part, as far as its processes are there."""
        return _summed(self.each.values())

    def since(self, earlier: Usage) -> dict[str, float]:
        """CPU seconds of each part in between, process by process: sums would shrink where one has ended.

        What processes took that ended meanwhile, and that nobody of their part waited for, is in the machine's only.
        """
        grown = [
            (part, seconds - earlier.each.get(process, ("", 0.0))[1]) for process, (part, seconds) in self.each.items()
        ]
        parts = {part: round(seconds, 1) for part, seconds in _summed(grown).items()}
        return {**parts, MACHINE: round(self.machine - earlier.machine, 1)}


def usage(*, memory_too: bool = True) -> Usage:
    """Look at all processes now; memory takes the longer part of it."""
    table = _table()
    parts = {number: part for number in table if (part := part_of(number, table))}
    each = {(number, table[number].born): (part, table[number].cpu) for number, part in parts.items()}
    memory = _summed((part, _memory(number)) for number, part in parts.items()) if memory_too else {}
    return Usage(time.monotonic(), each, memory, _machine())


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


def _summed(values: Iterable[tuple[str, float]]) -> dict[str, float]:
    found: defaultdict[str, float] = defaultdict(float)
    for part, value in values:
        found[part] += value
    return dict(found)


def _table() -> dict[int, Process]:
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it ended meanwhile
        cpu = sum(int(field) for field in fields[11:15]) / _TICKS
        found[int(folder.name)] = Process(int(fields[1]), command, cpu, int(fields[19]))
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
