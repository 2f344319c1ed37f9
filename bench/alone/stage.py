"""Where a scene is played: a namespace, a fake Airflow, the operator as a process, and clients for all of them."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from airflow_container_job.status import Links
from bench.alone.api_server import ApiServer, Json
from bench.alone.processes import Airflow, Usage, cpu_seconds, fake_airflow, usage
from bench.alone.resources import Ends, Resources, every
from dynamic_pod import contract
from tests.support.cluster import Cluster
from tests.support.operator_process import OperatorProcess

SETTINGS: Final = {"ACJ_MAX_IN_FLIGHT": "20000"}
"""No job waits for another one here: that limit protects Airflow. All else is as in production."""


@dataclass(frozen=True)
class Snapshot:
    """All counters at a moment."""

    usage: Usage
    asked: dict[str, int]
    written: dict[str, int]

    def since(self, earlier: Snapshot) -> Json:
        """What was used, asked and written in between."""
        return {
            "seconds": self.usage.at - earlier.usage.at,
            "cpu_seconds": self.usage.since(earlier.usage),
            "requests_to_airflow": _grown(self.asked, earlier.asked),
            "writes_to_api_server": _grown(self.written, earlier.written),
        }


@dataclass(frozen=True)
class Stage:
    """All that a scene needs."""

    api: ApiServer
    airflow: Airflow
    operator: OperatorProcess
    resources: Resources

    async def start(self) -> float:
        """Start the operator; returns when, in seconds since 1970."""
        began = time.time()
        self.operator.start()
        return began

    async def warm_up(self) -> None:
        """See one job through, so that all connections are made."""
        await self.airflow.rule(0.1)
        async with Ends(self.api, self.resources.path) as ends:
            await self.resources.create("warm-up")
            await ends.until(["warm-up"], 120)

    async def prepare(self, names: Sequence[str], *, finished: bool) -> list[str]:
        """Make these resources as an operator would have left them; returns their runs' ids, in the same order."""
        runs: dict[str, Json] = {}

        async def one(name: str) -> None:
            runs[name] = await self.resources.prepare(name, finished=finished)

        await every(names, one)
        if not finished:
            await self.airflow.fill(list(runs.values()))
        return [runs[name]["dag_run_id"] for name in names]

    async def create(self, names: Sequence[str]) -> dict[str, tuple[float, str]]:
        """Apply these as fast as can be; name -> when, and the id its run will have."""
        made: dict[str, tuple[float, str]] = {}

        async def one(name: str) -> None:
            at = time.time()
            body = await self.resources.create(name)
            made[name] = at, f"acj-{body['metadata']['uid']}-1"

        await every(names, one)
        return made

    async def look(self) -> Snapshot:
        """Read all counters."""
        told = await self.airflow.told()
        written = await self.api.written()
        used = usage(operator=self.operator.pid, airflow=self.airflow.process.pid)
        return Snapshot(used, told["counts"], dict(written))

    async def settle(self) -> None:
        """Wait until the operator has nothing more to do: two seconds with next to no CPU time."""
        calm = 0
        while calm < 4:
            before = cpu_seconds(self.operator.pid)
            await asyncio.sleep(0.5)
            calm = calm + 1 if cpu_seconds(self.operator.pid) - before <= 0.02 else 0


@asynccontextmanager
async def stage(cluster: Cluster) -> AsyncIterator[Stage]:
    """Set it for the block; whatever happens, nothing stays."""
    with cluster.namespace() as namespace, fake_airflow() as airflow, tempfile.TemporaryDirectory() as folder:
        operator = OperatorProcess(namespace, airflow, Path(folder), SETTINGS)
        async with ApiServer(cluster) as api:
            resources = Resources(api, namespace.name, Links(contract.DAG_ID, airflow.url))
            try:
                yield Stage(api, airflow, operator, resources)
            except BaseException:
                print(operator.log[-4000:])
                raise
            finally:
                operator.kill()
                await resources.remove()


def _grown(now: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    grown = {name: count - before.get(name, 0) for name, count in now.items() if name != "bench"}
    return {name: count for name, count in sorted(grown.items()) if count}
