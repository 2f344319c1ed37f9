"""Keeps the controller told about objects of others: one list and one watch per served namespace, or for all.

kopf can watch them too, but without a selector it would read every pod and every event of the cluster.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

from airflow_container_job import health
from airflow_container_job.cluster_api import ClusterApi, Selection
from airflow_container_job.errors import ClusterError, Gone
from airflow_container_job.job import KIND
from dynamic_pod import contract

PODS: Final = Selection(
    "pods", watch_seconds=300, labels=f"{contract.LABEL_MANAGED_BY}={contract.MANAGER},{contract.LABEL_JOB_UID}"
)
"""Our pods, as far as a resource owns them."""

REFUSALS: Final = Selection(
    "events", watch_seconds=60, fields=f"involvedObject.kind={KIND},reason={contract.EVENT_FAILED_CREATE}"
)
"""What the DAG side says when the API server refuses a pod."""

PAUSES: Final = (0.2, 1.0, 3.0, 10.0)
"""Seconds between tries while the API server does not answer; the last one repeats."""

Seen = Callable[[dict[str, Any], bool], None]
"""Called with an object, and whether it is gone."""

Listed = Callable[[str | None, set[str]], None]
"""Called with the namespace (None: all) and the uids of all objects there are."""

log = logging.getLogger(__name__)


class Watch:
    """The watch of one selection in one namespace, or (None) in all."""

    def __init__(
        self,
        cluster: ClusterApi,
        selection: Selection,
        namespace: str | None,
        seen: Seen,
        listed: Listed = lambda _namespace, _uids: None,
    ) -> None:
        self._cluster = cluster
        self._selection = selection
        self._namespace = namespace
        self._seen = seen
        self._listed = listed
        self._version = ""

    @property
    def resource(self) -> str:
        """What it watches, in the plural."""
        return self._selection.resource

    async def run(self) -> None:
        """Watch, for ever."""
        failures = 0
        while True:
            health.beat()
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
        uids: set[str] = set()
        version = ""
        async for page in self._cluster.list_objects(self._selection, self._namespace):
            health.beat()
            for one in page["items"]:
                uids.add(one["metadata"]["uid"])
                self._tell(one, gone=False)
            version = str(page["metadata"]["resourceVersion"])
        self._listed(self._namespace, uids)
        self._version = version

    async def _follow(self) -> None:
        """Follow one watch to its end, keeping the version to go on from, wherever it breaks."""
        async for event in self._cluster.watch_objects(self._selection, self._namespace, self._version):
            health.beat()
            one = event["object"]
            if event["type"] == "ERROR":
                forgotten = one.get("code") == HTTPStatus.GONE
                raise (Gone if forgotten else ClusterError)(f"the watch of {self.resource} ended: {one.get('message')}")
            self._version = one["metadata"]["resourceVersion"]
            if event["type"] != "BOOKMARK":
                self._tell(one, gone=event["type"] == "DELETED")

    def _tell(self, one: dict[str, Any], *, gone: bool) -> None:
        try:
            self._seen(one, gone)
        except Exception:  # one poisoned object must not end the service of all others
            meta = one["metadata"]
            log.exception("One of the %s is left out: %s/%s", self.resource, meta.get("namespace"), meta.get("name"))
