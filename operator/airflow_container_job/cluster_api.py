"""The one module that writes to the Kubernetes API server, and reads pods from it.

Called by the controller (patches) and the pod watch (list, watch). Plain JSON over aiohttp, which kopf brings along:
the generated client would add 90 MB to the operator for these requests (docs/decisions/0002). Every write of an object
names the version it was made from, so that a stale view is refused with Conflict instead of overwriting.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import aiohttp

from airflow_container_job.errors import ClusterError, Conflict, Gone
from airflow_container_job.job import GROUP, PLURAL, VERSION, Job

TIMEOUT: Final = aiohttp.ClientTimeout(total=30, connect=10)
WATCH_SECONDS: Final = 300
"""How long the server shall keep one watch open."""
SILENCE_SECONDS: Final = 90
"""How long a watch may say nothing; the server sends a bookmark every 60 s."""

Body = dict[str, Any]


class ClusterApi:
    """The requests the operator makes beside kopf's own watch of the resources."""

    def __init__(self, server: str, tls: ssl.SSLContext, headers: Callable[[], Mapping[str, str]]) -> None:
        """`headers` gives the authorization as it is now: a ServiceAccount's token changes while we run."""
        self._server = server.rstrip("/")
        self._headers = headers
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls, limit=32), timeout=TIMEOUT)

    async def check_jobs_are_served(self) -> None:
        """Raise Gone when the API server does not know the resource, because its CRD is not installed."""
        await self._request("GET", f"/apis/{GROUP}/{VERSION}")

    async def patch_metadata(self, job: Job, finalizers: Sequence[str], annotations: Mapping[str, str]) -> Body:
        """Set the finalizers and these annotations; returns the new object. Raises Conflict, Gone, ClusterError."""
        metadata: Body = {"resourceVersion": job.resource_version, "finalizers": list(finalizers)}
        if annotations:
            metadata["annotations"] = dict(annotations)
        return await self._patch(_path(job), "application/merge-patch+json", {"metadata": metadata})

    async def write_status(self, job: Job, status: Mapping[str, Any]) -> Body:
        """Replace the status as a whole; returns the new object. Raises Conflict, Gone, ClusterError."""
        patch = [
            {"op": "replace", "path": "/metadata/resourceVersion", "value": job.resource_version},
            {"op": "add", "path": "/status", "value": status},
        ]
        # Strict: else a field that the CRD lacks would be dropped without a word, and written again at every look.
        return await self._patch(f"{_path(job)}/status?fieldValidation=Strict", "application/json-patch+json", patch)

    async def delete_pod(self, pod: Mapping[str, Any]) -> None:
        """Ask for the end of exactly this pod, with its own grace period. One that is gone already is fine."""
        meta = pod["metadata"]
        body = {"preconditions": {"uid": meta["uid"]}}
        try:
            await self._request("DELETE", f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}", json=body)
        except (Gone, Conflict):
            return

    async def list_pods(self, namespace: str | None, selector: str) -> Body:
        """List the pods with these labels, as a PodList; from the server's cache, which a watch then continues."""
        return await self._request("GET", _pods(namespace), params={"labelSelector": selector, "resourceVersion": "0"})

    async def watch_pods(self, namespace: str | None, selector: str, version: str) -> AsyncIterator[Body]:
        """Events after this resourceVersion, until the server or the line ends it."""
        params = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "labelSelector": selector,
            "resourceVersion": version,
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        timeout = aiohttp.ClientTimeout(total=None, connect=10, sock_read=SILENCE_SECONDS)
        try:
            async with self._session.get(
                self._server + _pods(namespace), params=params, headers=self._headers(), timeout=timeout
            ) as response:
                await _judge(response)
                async for event in _lines(response):
                    yield event
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise ClusterError(f"the watch of pods broke: {error!r}") from error

    async def _patch(self, path: str, kind: str, patch: Any) -> Body:
        return await self._request("PATCH", path, data=json.dumps(patch), headers={"Content-Type": kind})

    async def _request(self, method: str, path: str, **kwargs: Any) -> Body:
        headers = {**self._headers(), **kwargs.pop("headers", {})}
        try:
            async with self._session.request(method, self._server + path, headers=headers, **kwargs) as response:
                await _judge(response)
                answer: Body = await response.json()
                return answer
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise ClusterError(f"the API server does not answer: {error!r}") from error

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[Body]:
    """The JSON documents of a stream, one a line; a line may be longer than any buffer."""
    rest = b""
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield json.loads(line)


async def _judge(response: aiohttp.ClientResponse) -> None:
    if response.status < HTTPStatus.BAD_REQUEST:
        return
    text = (await response.text())[:500]
    kinds: dict[int, type[ClusterError]] = {
        HTTPStatus.CONFLICT: Conflict,
        HTTPStatus.NOT_FOUND: Gone,
        HTTPStatus.GONE: Gone,
    }
    kind = kinds.get(response.status, ClusterError)
    raise kind(f"the API server answered {response.status}: {text}")


def _path(job: Job) -> str:
    return f"/apis/{GROUP}/{VERSION}/namespaces/{job.namespace}/{PLURAL}/{job.name}"


def _pods(namespace: str | None) -> str:
    return "/api/v1/pods" if namespace is None else f"/api/v1/namespaces/{namespace}/pods"
