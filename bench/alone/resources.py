"""Resources in bulk: made, brought into a state as the operator would have left them in, watched and removed.

Used by the scenes. Ten thousand take about a minute to prepare, instead of the minutes the operator would need to run
them through; what is written is made by the operator's own functions, so that a started operator has nothing to mend.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Self

import aiohttp

from airflow_container_job import status
from airflow_container_job.conf import build
from airflow_container_job.decision import Decision
from airflow_container_job.facts import DagRun, Facts, Outcome
from airflow_container_job.job import ANNOTATION_DECISION, GROUP, PLURAL, VERSION, parse
from bench.alone.api_server import CONNECTIONS, ApiServer, Json
from bench.alone.pods import run_pod
from dynamic_pod import contract
from tests.support.cluster import manifest

AGO: Final = 3600.0
"""How long ago prepared runs ended, in seconds: the operator's first question does not reach so far back."""

ENDED: Final = b'"completionTime"'
"""What the text of a resource has in it once its end is recorded."""

BROKEN: Final = b'{"type":"ERROR"'
"""How a watch tells that it cannot go on from where it was."""

MERGE: Final = "application/merge-patch+json"


async def every(items: Iterable[Any], act: Callable[[Any], Awaitable[None]]) -> None:
    """Do it for every item, as many at once as there are connections."""
    waiting = iter(list(items))

    async def work() -> None:
        for item in waiting:
            await act(item)

    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(work())


class Resources:
    """The resources of one namespace."""

    def __init__(self, api: ApiServer, namespace: str, links: status.Links) -> None:
        self._api = api
        self._namespace = namespace
        self._links = links
        self.path = f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{PLURAL}"

    async def create(self, name: str) -> Json:
        """Make one, as a user would; any two are alike but for their names."""
        return await self._api.send("POST", self.path, manifest(name, env=[{"name": "NAME", "value": name}]))

    async def prepare(self, name: str, *, finished: bool) -> Json:
        """Make one whose run has ended well, or goes on in a pod; returns the run, as Airflow would know it."""
        body = await self.create(name)
        job = parse(body)
        decision = Decision.of(job.uid, job.generation, job.spec, contract.DAG_ID, datetime.now(UTC))
        metadata = {"annotations": {ANNOTATION_DECISION: decision.dump()}}  # not held: so the end is quick
        body = await self._api.send("PATCH", f"{self.path}/{name}", {"metadata": metadata}, kind=MERGE)
        job = parse(body)
        run = {"dag_id": contract.DAG_ID, "dag_run_id": decision.dag_run_id, "conf": build(job)}
        facts = _ended(decision.dag_run_id) if finished else await self._running(run)
        wanted = status.derive(job, facts, self._links, datetime.now(UTC))
        await self._api.send("PUT", f"{self.path}/{name}/status", body | {"status": wanted})
        return run

    async def _running(self, run: Json) -> Facts:
        pod = await run_pod(self._api, self._namespace, run)
        return Facts(run=DagRun(run["dag_run_id"], "running"), pods={pod["metadata"]["uid"]: pod})

    async def versions(self) -> dict[str, str]:
        """Name -> resourceVersion of all there are."""
        return {one["metadata"]["name"]: one["metadata"]["resourceVersion"] for one in await self._list()}

    async def _list(self) -> list[Json]:
        found: list[Json] = []
        following = ""
        while True:
            answer = await self._api.send("GET", f"{self.path}?limit=500&continue={following}")
            found += answer["items"]
            following = answer["metadata"].get("continue") or ""
            if not following:
                return found

    async def remove(self) -> None:
        """Delete all, held ones too: nobody stops a run here that never was."""

        async def release(one: Json) -> None:
            path = f"{self.path}/{one['metadata']['name']}"
            await self._api.send("PATCH", path, {"metadata": {"finalizers": None}}, kind=MERGE)

        await self._api.empty(f"/api/v1/namespaces/{self._namespace}/pods")
        await every([one for one in await self._list() if one["metadata"].get("finalizers")], release)
        await self._api.empty(self.path)


class Ends:
    """When each resource was first seen with its end recorded, and when with nothing holding it. A watch."""

    def __init__(self, api: ApiServer, path: str) -> None:
        self._api = api
        self._path = path
        self.ended: dict[str, float] = {}
        self.released: dict[str, float] = {}

    async def __aenter__(self) -> Self:
        answer = await self._api.send("GET", f"{self._path}?limit=1")
        self._task = asyncio.create_task(self._follow(answer["metadata"]["resourceVersion"]))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self, version: str) -> None:
        """Watch for ever; the API server ends a watch that it finds too slow, and is asked again from there."""
        timeout = aiohttp.ClientTimeout(total=None)
        while True:
            query = {"watch": "1", "resourceVersion": version, "timeoutSeconds": "3600"}
            async with self._api.session.get(self._path, params=query, timeout=timeout) as response:
                rest = b""
                async for chunk in response.content.iter_any():
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        if line.startswith(BROKEN):
                            raise RuntimeError(f"the watch broke: {line!r}")
                        if ENDED not in line:  # four of five: reading them all would take the operator's time
                            continue
                        body = json.loads(line)["object"]
                        version = body["metadata"]["resourceVersion"]
                        self._see(body)

    def _see(self, body: Json) -> None:
        if re.fullmatch("Succeeded|Failed", body.get("status", {}).get("phase", "")):
            name = body["metadata"]["name"]
            self.ended.setdefault(name, time.time())
            if not body["metadata"].get("finalizers"):
                self.released.setdefault(name, time.time())

    async def until(self, names: Sequence[str], seconds: float) -> None:
        """Wait until all these have ended and are let go."""
        deadline = time.monotonic() + seconds
        while not self.released.keys() >= set(names):
            if self._task.done():
                raise RuntimeError(f"the watch ended: {self._task.exception()!r}")
            if time.monotonic() > deadline:
                missing = len(set(names) - self.released.keys())
                raise RuntimeError(f"{missing} of {len(names)} were not over within {seconds} s")
            await asyncio.sleep(0.1)


def _ended(dag_run_id: str) -> Facts:
    at = datetime.fromtimestamp(time.time() - AGO, UTC)
    times = dict.fromkeys(("startedAt", "finishedAt"), at.strftime("%Y-%m-%dT%H:%M:%SZ"))
    attempt = {"number": 1, "podName": "gone", **times, "exitCode": 0, "reason": "Completed"}
    return Facts(run=DagRun(dag_run_id, "success", at), outcome=Outcome([attempt]))
