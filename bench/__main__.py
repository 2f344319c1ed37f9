"""Thirty one-line containers at once: as AirflowContainerJobs, and as bare Kubernetes Jobs, in one run.

Each round runs both kinds, the second kind first every other time, so that neither always meets the warmer machine.
Prints wall time from `kubectl apply` until all are over, CPU seconds of the whole machine meanwhile, and the ratios.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.cluster import Cluster, Json, Namespace, manifest

COMMAND: Final = ["sh", "-c", "echo done"]


@dataclass(frozen=True)
class Measured:
    """One burst of one kind."""

    wall_seconds: float
    cpu_seconds: float


@dataclass(frozen=True)
class Kind:
    """What is measured: how it is written, and how one is known to be over, and well."""

    name: str
    resource: str
    make: Callable[[str], Json]
    over: Callable[[Json], bool]
    good: Callable[[Json], bool]


def container_job(name: str) -> Json:
    return manifest(name, command=COMMAND)


def bare_job(name: str) -> Json:
    container = {"name": "base", "image": "busybox:1.35", "command": COMMAND}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"backoffLimit": 0, "template": template},
    }


def _phase(item: Json) -> str:
    return str(item.get("status", {}).get("phase"))


def _conditions(item: Json) -> set[str]:
    return {c["type"] for c in item.get("status", {}).get("conditions", ()) if c["status"] == "True"}


OURS: Final = Kind(
    "AirflowContainerJob",
    "airflowcontainerjobs",
    container_job,
    lambda item: _phase(item) in ("Succeeded", "Failed"),
    lambda item: _phase(item) == "Succeeded",
)
BARE: Final = Kind(
    "Job",
    "jobs.batch",
    bare_job,
    lambda item: bool(_conditions(item) & {"Complete", "Failed"}),
    lambda item: "Complete" in _conditions(item),
)


def cpu_seconds() -> float:
    """CPU time the whole machine has spent so far, idle and waiting times left out."""
    user, nice, system, _idle, _iowait, irq, softirq = map(int, Path("/proc/stat").read_text().split()[1:8])
    return (user + nice + system + irq + softirq) / 100


def measure(namespace: Namespace, kind: Kind, count: int) -> Measured:
    """One burst: from apply until all are over."""
    names = [f"bench-{number}" for number in range(count)]
    wall, cpu = time.monotonic(), cpu_seconds()
    namespace.apply(*(kind.make(name) for name in names))
    deadline = wall + 600
    while True:
        found = namespace.cluster.read("-n", namespace.name, kind.resource)
        items = found["items"] if found else []
        if len(items) == count and all(map(kind.over, items)):
            break
        if time.monotonic() > deadline:
            raise SystemExit(f"{kind.name}: only {sum(map(kind.over, items))} of {count} were over after 600 s")
        time.sleep(0.5)
    measured = Measured(time.monotonic() - wall, cpu_seconds() - cpu)
    if not all(map(kind.good, items)):
        raise SystemExit(f"{kind.name}: some failed: {json.dumps([i['status'] for i in items if not kind.good(i)])}")
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--count", type=int, default=30, help="containers at once (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="how often both kinds run (default: %(default)s)")
    options = parser.parse_args()
    cluster = Cluster.find()
    results: dict[str, list[Measured]] = {BARE.name: [], OURS.name: []}
    print(f"{options.count} at once, {options.rounds} rounds\n{'round':>5}  {'kind':<20} {'wall s':>7} {'CPU s':>7}")
    for number in range(options.rounds):
        for kind in (BARE, OURS) if number % 2 == 0 else (OURS, BARE):
            with cluster.namespace() as namespace:
                measured = measure(namespace, kind, options.count)
            results[kind.name].append(measured)
            print(f"{number + 1:>5}  {kind.name:<20} {measured.wall_seconds:>7.1f} {measured.cpu_seconds:>7.1f}")
            time.sleep(5)  # the last namespace's pods are still being taken down
    ours, bare = results[OURS.name], results[BARE.name]
    for what in ("wall_seconds", "cpu_seconds"):
        ratios = sorted(getattr(a, what) / getattr(b, what) for a, b in zip(ours, bare, strict=True))
        middle = statistics.median(ratios)
        print(f"{what.replace('_', ' ')}: {middle:.2f} times bare Jobs (median; {ratios[0]:.2f} to {ratios[-1]:.2f})")


if __name__ == "__main__":
    main()
