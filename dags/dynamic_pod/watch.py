"""One watch of a namespace's pods, shared by everybody who follows one of them.

Owned by `cluster`, used by the runner. A follower sees the newest state of its pod, never a queue: whatever was missed
while the line was broken, the state now is what counts. Survives everything the API server does: the end of a watch, a
broken or silent line, history that is too old (410).
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from dynamic_pod import contract, podstatus
from dynamic_pod.api import Api, ApiError, Backoff

SELECTOR: Final = f"{contract.LABEL_MANAGED_BY}={contract.MANAGER},{contract.LABEL_TASK}"
"""All pods that a DynamicPodOperator made."""

PAUSE_SECONDS: Final = 0.1
"""Between two watches, lest a server that ends each one at once is asked without pause."""

Json = dict[str, Any]

_log = logging.getLogger(__name__)


class Follower:
    """What one runner is told about its pod."""

    def __init__(self) -> None:
        self.pod: Json = {}
        """The newest state known, or the one in which the pod first was over."""
        self.gone = False
        """Whether the pod no longer exists; never taken back."""
        self._news = asyncio.Event()
        self._early: list[Json] = []
        self._early_gone = False

    def start(self, pod: Json) -> None:
        """Follow this very pod: another one of its name, made later, is not it.

        The watch may have been faster than the answer that brought the pod to its runner; of a pod that has ended
        there is no further news, so what it told meanwhile counts.
        """
        self.pod = pod
        for newer in self._early:
            if newer["metadata"]["uid"] == pod["metadata"]["uid"] and _version(newer) > _version(pod):
                self.tell(newer)
                if self._early_gone:
                    self.tell(None)

    async def news(self) -> None:
        """Wait until `pod` or `gone` changed since the last call."""
        await self._news.wait()
        self._news.clear()

    def tell(self, pod: Json | None) -> None:
        """Take in a newer state; None says that there is no such pod.

        Of a pod that has ended nothing newer counts: when the kubelet is done with one that somebody deleted, the pod
        no longer tells that the deletion was asked for before the end.
        """
        if not self.pod:  # not created yet, as far as its runner knows
            self._early = [pod] if pod else []
            self._early_gone = False
            return
        if pod is None or pod["metadata"]["uid"] != self.pod["metadata"]["uid"]:
            self.gone = True
        elif not podstatus.over(self.pod):
            self.pod = pod
        self._news.set()

    def tell_deleted(self, pod: Json) -> None:
        """Take in the last state of a pod that is deleted."""
        if not self.pod:
            self._early, self._early_gone = [pod], True
            return
        self.tell(pod)
        self.tell(None)


def _version(pod: Json) -> int:
    return int(pod["metadata"]["resourceVersion"])


class PodWatch:
    """The watch of one namespace; runs while somebody follows."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api = api
        self._namespace = namespace
        self._followers: dict[str, Follower] = {}
        self._version: str | None = None
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def follow(self, name: str) -> Iterator[Follower]:
        """Follow the pod of this name, to be created or found within the block."""
        follower = self._followers[name] = Follower()
        try:
            yield follower
        finally:
            if self._followers.get(name) is follower:
                del self._followers[name]
            if not self._followers and self._task is not None:
                self._task.cancel()
                self._task = None

    def start(self, version: str) -> None:
        """Watch from this version of the world on, unless the watch runs already."""
        if self._task is None:
            self._version = version
            # In a context of its own: what the watch logs belongs to no task's log.
            self._task = asyncio.create_task(self._run(), name="pod-watch", context=contextvars.Context())

    async def _run(self) -> None:
        backoff = Backoff()
        while True:
            try:
                if self._version is None:
                    await self._list()
                await self._watch(backoff)
                await asyncio.sleep(PAUSE_SECONDS)
            except Exception as error:  # noqa: BLE001 (whatever it is, all pods of the namespace wait for this watch)
                if getattr(error, "status", None) == 410:  # too old to be resumed
                    self._version = None
                wait = backoff.seconds()
                _log.warning("Watching pods in %s: %s; again in %.1f s", self._namespace, error, wait)
                await asyncio.sleep(wait)

    async def _list(self) -> None:
        """Tell everybody how their pod is now, and remember from where to watch."""
        listed = await self._api.list_pods(self._namespace, SELECTOR)
        found = {pod["metadata"]["name"]: pod for pod in listed["items"]}
        for name, follower in list(self._followers.items()):
            # Absent may mean created since: only a look at the one pod can say that it is gone.
            follower.tell(found.get(name) or await self._api.get_pod(self._namespace, name))
        self._version = listed["metadata"]["resourceVersion"]

    async def _watch(self, backoff: Backoff) -> None:
        assert self._version is not None  # noqa: S101 (set by start or _list)
        async for event in self._api.watch_pods(self._namespace, SELECTOR, self._version):
            backoff.reset()
            if event["type"] == "ERROR":
                said = event["object"]
                raise ApiError(said.get("code", 500), said.get("reason", ""), said.get("message", ""))
            self._take(event["type"], event["object"])

    def _take(self, kind: str, pod: Json) -> None:
        self._version = pod["metadata"]["resourceVersion"]
        if kind == "BOOKMARK":
            return
        follower = self._followers.get(pod["metadata"]["name"])
        if follower is None:
            return
        if kind == "DELETED":
            follower.tell_deleted(pod)
        else:
            follower.tell(pod)
