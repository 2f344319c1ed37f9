"""Applies resources, as many and as fast as asked, over connections that are kept.

Used by `parts`. A steady load keeps to its times whatever the answers take: a server that falls behind is not spared.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import Any, Final

from bench.alone.api_server import ApiServer
from bench.alone.resources import every
from bench.scale import simulation
from bench.scale.journal import Journal, Times

Json = dict[str, Any]

_numbers: Final = itertools.count()


def resource(name: str, seconds: float) -> Json:
    """A job whose simulated container runs that long."""
    return {
        "apiVersion": "acj.dev/v1alpha1",
        "kind": "AirflowContainerJob",
        "metadata": {"name": name},
        "spec": {
            "image": "busybox:1.35",
            "command": ["sh", "-c", "echo done"],
            **simulation.placement(),
            "podMetadata": {
                "labels": {simulation.LABEL: "true"},
                "annotations": {simulation.DURATION: f"{round(seconds * 1000)}ms"},
            },
        },
    }


class Load:
    """Applies to one namespace and notes when."""

    def __init__(self, api: ApiServer, journal: Journal) -> None:
        self._api = api
        self._journal = journal

    async def burst(self, *durations: float) -> list[Times]:
        """Apply a job for each duration, as fast as the API server takes them."""
        made: list[Times] = []

        async def apply(seconds: float) -> None:
            made.append(await self._apply(seconds))

        await every(durations, apply)
        return made

    async def steady(self, rate: float, seconds: float, duration: float) -> list[Times]:
        """Apply that many per second, for so long."""
        made: list[Times] = []

        async def apply() -> None:
            made.append(await self._apply(duration))

        begun = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in range(round(rate * seconds)):
                await asyncio.sleep(max(0.0, begun + number / rate - time.monotonic()))
                group.create_task(apply())
        return made

    async def _apply(self, seconds: float) -> Times:
        name = f"job-{next(_numbers):06d}"
        job = self._journal.jobs[name] = Times(time.monotonic())
        await self._api.send("POST", self._journal.resources, resource(name, seconds))
        return job
