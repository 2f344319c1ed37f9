"""What a job costs at the least: its pod without Airflow, and its DagRun without a pod, each alone on the machine.

Called by __main__. Whatever operator and trigger do, a job is a pod and a DagRun: so many per second as the machine can
bear of both together are the most that there can be.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import Final

from bench import stock
from bench.alone.resources import every
from bench.contenders import Api, Runs
from bench.measure import measure
from bench.processes import DRIVER, MACHINE
from bench.scale.journal import TERMINAL, follow
from bench.scale.load import resource
from bench.scale.parts import PATIENCE, Figures, Stage
from dynamic_pod import contract
from dynamic_pod.manifest import Identity, build, merge
from tests.support.cluster import Cluster, Namespace

DAG: Final = "bench_nothing"
SECONDS: Final = 1.0
"""How long a pod's container runs."""


async def pods(on: Stage, count: int) -> Figures:
    """So many pods as the trigger makes them, at once; each is deleted when it has ended."""
    path = f"/api/v1/namespaces/{on.namespace}/pods"
    gone: set[str] = set()

    async def see(version: str) -> None:
        async with asyncio.TaskGroup() as deletions:
            async for kind, body in follow(on.api, path, version):
                meta = body["metadata"]
                if kind == "DELETED":
                    gone.add(meta["name"])
                elif body["status"].get("phase") in TERMINAL and "deletionTimestamp" not in meta:
                    deletions.create_task(on.api.send("DELETE", f"{path}/{meta['name']}", {"gracePeriodSeconds": 0}))
                if len(gone) == count:
                    return

    async def create(number: int) -> None:
        await on.api.send("POST", path, _pod(on.namespace, number))

    listed = await on.api.send("GET", f"{path}?limit=1")
    on.sampler.begin()
    began = time.monotonic()
    seeing = asyncio.create_task(see(listed["metadata"]["resourceVersion"]))
    await every(range(count), create)
    await asyncio.wait_for(seeing, PATIENCE)
    return _figures("pods", count, time.monotonic() - began, on.sampler.figures()["cpu_seconds"])


async def runs(on: Stage, count: int) -> Figures:
    """So many DagRuns at once whose only task ends in its trigger, at once."""
    cluster = Cluster.find()
    api = Api(cluster)
    burst = Runs(api, Namespace(cluster, on.namespace), count, DAG, {})
    with stock.installed(api, "bench_nothing.py", DAG):
        measured = await asyncio.to_thread(measure, DAG, burst, count, PATIENCE)
    if not measured.whole:
        raise RuntimeError(f"only {measured.over} of {count} DagRuns were over within {PATIENCE:.0f} s")
    return _figures("DagRuns", count, measured.wall, measured.cpu)


def most_per_second(cpu_ms: float) -> float:
    """How many jobs per second the machine's cores can bear, if one takes so much CPU time and nothing else runs."""
    return 1000 * (os.cpu_count() or 1) / cpu_ms


def _figures(what: str, count: int, wall: float, cpu: dict[str, float]) -> Figures:
    """`cpu`: of all parts and of the whole machine, without which this measurement's own share is told."""
    used = cpu[MACHINE] - cpu.get(DRIVER, 0.0)
    return {
        "what": what,
        "count": count,
        "per_second": round(count / wall, 1),
        "cpu_ms_each": round(1000 * used / count),
        "cpu_seconds": cpu,
    }


def _pod(namespace: str, number: int) -> dict[str, object]:
    made = resource("", SECONDS)["spec"]
    conf = {
        "docker_image_name": made["image"],
        "commands": made["command"],
        "node_selector": made["nodeSelector"],
        "tolerations": made["tolerations"],
        **made["podMetadata"],
        "namespace": namespace,
    }
    run_id = f"floor-{number}"
    return build(merge({}, conf), Identity(contract.DAG_ID, run_id, contract.TASK_ID, -1, 1, run_id), 1)
