"""Scenes for the runner: the test plays the kubelet, the runner is real, and may be killed and started anew."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from dynamic_pod.cluster import Cluster
from dynamic_pod.end import End
from dynamic_pod.runner import Runner
from tests.unit.dynamic_pod.fake_cluster import IDENTITY, FakeCluster, Recorder

VALUES = {"docker_image_name": "busybox", "name": "hello"}
Play = Callable[[FakeCluster, "Act"], Awaitable[Any]]


class Act:
    """A runner at work, and what it logs."""

    def __init__(self, cluster: Cluster, values: dict[str, Any]) -> None:
        self.log = Recorder()
        self.runner = Runner(cluster, IDENTITY, values, self.log)
        self._task = asyncio.create_task(self.runner.run())

    async def end(self) -> End:
        async with asyncio.timeout(8):
            return await self._task

    async def kill(self) -> None:
        """As a SIGKILL does: without a chance to clean up in the cluster."""
        self._task.cancel()
        await asyncio.wait([self._task])


def play(scene: Play, **values: Any) -> None:
    """Run a scene: the test is the kubelet, the runner is real."""

    async def run() -> None:
        fake = FakeCluster()
        async with fake.serve() as cluster:
            act = Act(cluster, VALUES | values)
            try:
                await scene(fake, act)
            finally:
                await act.kill()

    asyncio.run(run())


def again(scene: Callable[[FakeCluster, Act, Callable[[], Act]], Awaitable[Any]], **values: Any) -> None:
    """Run a scene that kills the runner and starts another one, as a restarted triggerer does."""

    async def run() -> None:
        fake = FakeCluster()
        async with fake.serve() as cluster:
            acts = [Act(cluster, VALUES | values)]

            def restart() -> Act:
                acts.append(Act(cluster, VALUES | values))
                return acts[-1]

            try:
                await scene(fake, acts[0], restart)
            finally:
                for act in acts:
                    await act.kill()

    asyncio.run(run())
