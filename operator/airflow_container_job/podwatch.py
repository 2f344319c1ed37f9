"""Keeps the controller told about the pods of all jobs: one list and one watch per served namespace, or for all.

kopf can watch pods too, but without a label selector it would read every pod of the cluster.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final, Protocol

from airflow_container_job.cluster_api import ClusterApi
from airflow_container_job.errors import ClusterError, Gone
from dynamic_pod import contract

SELECTOR: Final = f"{contract.LABEL_MANAGED_BY}={contract.MANAGER},{contract.LABEL_JOB_UID}"
"""Our pods, as far as a resource owns them."""

PAUSES: Final = (0.2, 1.0, 3.0, 10.0)
"""Seconds between tries while the API server does not answer; the last one repeats."""

log = logging.getLogger(__name__)


class Listener(Protocol):
    """Who wants to know about pods."""

    def pod_seen(self, pod: dict[str, Any], *, gone: bool) -> None:
        """A version of a pod."""

    def pods_listed(self, namespace: str | None, uids: set[str]) -> None:
        """The uids of all pods there are."""


class PodWatch:
    """The watch of one namespace, or (None) of all."""

    def __init__(self, cluster: ClusterApi, listener: Listener, namespace: str | None) -> None:
        self._cluster = cluster
        self._listener = listener
        self._namespace = namespace
        self._version = ""

    async def run(self) -> None:
        """Watch, for ever."""
        failures = 0
        while True:
            try:
                if not self._version:
                    await self._list()
                await self._follow()
                failures = 0
            except Gone:
                self._version = ""  # the server has forgotten that version: list again
            except ClusterError as error:
                log.warning("%s", error)
                await asyncio.sleep(PAUSES[min(failures, len(PAUSES) - 1)])
                failures += 1

    async def _list(self) -> None:
        pods = await self._cluster.list_pods(self._namespace, SELECTOR)
        for pod in pods["items"]:
            self._listener.pod_seen(pod, gone=False)
        self._listener.pods_listed(self._namespace, {pod["metadata"]["uid"] for pod in pods["items"]})
        self._version = str(pods["metadata"]["resourceVersion"])

    async def _follow(self) -> None:
        """Follow one watch to its end, keeping the version to go on from, wherever it breaks."""
        async for event in self._cluster.watch_pods(self._namespace, SELECTOR, self._version):
            if event["type"] == "ERROR":
                raise Gone(str(event["object"].get("message")))
            pod = event["object"]
            self._version = pod["metadata"]["resourceVersion"]
            if event["type"] != "BOOKMARK":
                self._listener.pod_seen(pod, gone=event["type"] == "DELETED")
