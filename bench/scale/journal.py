"""When what happened to each job, as two watches saw it: one of the resources, one of the pods.

Used by `parts`. All times are those of a watch event's arrival here, on one clock.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final, Self

import aiohttp

from bench.alone.api_server import ApiServer

TERMINAL: Final = frozenset({"Succeeded", "Failed"})

Json = dict[str, Any]


@dataclass
class Times:
    """One job's life."""

    applied: float
    accepted: float | None = None
    """First status that names a state of the DagRun."""
    pod_created: float | None = None
    pod_ended: float | None = None
    over: float | None = None
    succeeded: bool = False


class Journal:
    """Watches one namespace for the block."""

    def __init__(self, api: ApiServer, namespace: str) -> None:
        self._api = api
        self.resources = f"/apis/acj.dev/v1alpha1/namespaces/{namespace}/airflowcontainerjobs"
        self._pods = f"/api/v1/namespaces/{namespace}/pods"
        self.jobs: dict[str, Times] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        for path, see in ((self.resources, self.see_resource), (self._pods, self.see_pod)):
            listed = await self._api.send("GET", f"{path}?limit=1")
            self._tasks.append(asyncio.create_task(self._follow(path, listed["metadata"]["resourceVersion"], see)))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def check(self) -> None:
        """Raise if a watch broke: what it did not see would be counted as never having happened."""
        for task in self._tasks:
            if task.done():
                task.result()

    def see_resource(self, body: Json) -> None:
        """Take in a state of a resource."""
        job = self.jobs.get(body["metadata"]["name"])
        status = body.get("status") or {}
        if job is None:
            return
        now = time.monotonic()
        if job.accepted is None and status.get("dagRunState"):
            job.accepted = now
        if job.over is None and status.get("phase") in TERMINAL:
            job.over = now
            job.succeeded = status["phase"] == "Succeeded"

    def see_pod(self, body: Json) -> None:
        """Take in a state of a pod, which its owner's name assigns to a job."""
        owner: Json = next(iter(body["metadata"].get("ownerReferences", ())), {})
        job = self.jobs.get(owner.get("name", ""))
        if job is None:
            return
        now = time.monotonic()
        job.pod_created = job.pod_created or now
        if job.pod_ended is None and (body.get("status") or {}).get("phase") in TERMINAL:
            job.pod_ended = now

    async def _follow(self, path: str, version: str, see: Callable[[Json], None]) -> None:
        async for kind, body in follow(self._api, path, version):
            if kind != "DELETED":
                see(body)


async def follow(api: ApiServer, path: str, version: str) -> AsyncIterator[tuple[str, Json]]:
    """What happens to the objects of this path after this version, for ever: (ADDED, MODIFIED or DELETED, object)."""
    while True:  # the API server ends a watch now and then; it goes on from the version seen last
        async for event in _events(api, path, version):
            if event["type"] == "ERROR":
                raise RuntimeError(f"the watch of {path} broke: {event['object']}")
            version = event["object"]["metadata"]["resourceVersion"]
            if event["type"] != "BOOKMARK":
                yield event["type"], event["object"]


async def _events(api: ApiServer, path: str, version: str) -> AsyncIterator[Json]:
    query = {"watch": "1", "allowWatchBookmarks": "1", "resourceVersion": version, "timeoutSeconds": "3600"}
    limit = aiohttp.ClientTimeout(total=None)
    async with api.session.get(path, params=query, timeout=limit) as response:
        rest = b""
        async for chunk in response.content.iter_any():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield json.loads(line)
