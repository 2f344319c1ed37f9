"""The clusters in use by this process: one API session per connection, one watch per namespace, however many pods.

Entered by the trigger (or a worker) for as long as it has a pod; the last one to leave closes the door.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dynamic_pod import connection
from dynamic_pod.api import Api
from dynamic_pod.watch import PodWatch


class Cluster:
    """A Kubernetes cluster as one Airflow connection reaches it."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.api = api
        self.namespace = namespace
        """For pods that name none."""
        self._watches: dict[str, PodWatch] = {}

    def pods(self, namespace: str) -> PodWatch:
        """The one watch of this namespace."""
        if namespace not in self._watches:
            self._watches[namespace] = PodWatch(self.api, namespace)
        return self._watches[namespace]


class _Entry:
    def __init__(self) -> None:
        self.users = 0
        self.opening = asyncio.Lock()
        self.cluster: Cluster | None = None


_entries: dict[tuple[asyncio.AbstractEventLoop, str], _Entry] = {}


@asynccontextmanager
async def enter(conn_id: str) -> AsyncIterator[Cluster]:
    """Share the cluster of this connection with everybody else in this event loop."""
    key = (asyncio.get_running_loop(), conn_id)
    entry = _entries.setdefault(key, _Entry())
    entry.users += 1
    try:
        async with entry.opening:
            if entry.cluster is None:
                access, namespace = await connection.read(conn_id)
                entry.cluster = Cluster(Api(access), namespace)
        yield entry.cluster
    finally:
        entry.users -= 1
        if not entry.users:
            del _entries[key]
            if entry.cluster is not None:
                await entry.cluster.api.close()
