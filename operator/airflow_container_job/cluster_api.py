"""The one module that writes to the Kubernetes API server, and reads the objects of others from it.

Called by the steps (writes), the watches (list, watch) and the census (list). Plain JSON over aiohttp, which kopf has
with it: the generated client would add 90 MB to the operator for these requests (docs/decisions/0002). Every write of
an object names the version it was made from, so that a stale view is refused with Conflict instead of overwriting.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import aiohttp

from airflow_container_job.errors import ClusterError, Conflict, Gone
from airflow_container_job.job import GROUP, PLURAL, VERSION, Job

TIMEOUT: Final = aiohttp.ClientTimeout(total=30, connect=10)
SILENCE_SECONDS: Final = 90
"""How long a watch may say nothing; of what it caches, the server sends a bookmark every 60 s."""

PAGE: Final = 100
"""Objects of one answer: ten thousand at once would take more memory than all else."""

SINGLE: Final = "single"
"""Kind of all requests about a single object, of whichever; those that read many are of a kind by their path."""

METADATA: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""Asks for the objects of a list without spec and status. Of none, `items` is null then."""

TROUBLES: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS})
"""Refusals that are not about the one request; of those that read, 403 is another."""

KINDS: Final[Mapping[int, type[ClusterError]]] = {
    HTTPStatus.CONFLICT: Conflict,
    HTTPStatus.NOT_FOUND: Gone,
    HTTPStatus.GONE: Gone,
}
"""Refusals that have an error of their own."""

Body = dict[str, Any]


class Selection(NamedTuple):
    """Which objects of the core API are meant."""

    resource: str
    watch_seconds: int
    """How long the server shall keep one watch open: less than the silence of one that gets no bookmarks."""
    labels: str = ""
    fields: str = ""

    def path(self, namespace: str | None) -> str:
        """Where they are found; None means in all namespaces."""
        return f"/api/v1/{self.resource}" if namespace is None else f"/api/v1/namespaces/{namespace}/{self.resource}"

    def params(self) -> dict[str, str]:
        """The query that selects them."""
        selectors = {"labelSelector": self.labels, "fieldSelector": self.fields}
        return {key: value for key, value in selectors.items() if value}


class ClusterApi:
    """The requests the operator makes beside kopf's own watch of the resources."""

    def __init__(self, server: str, tls: ssl.SSLContext, headers: Callable[[], Mapping[str, str]]) -> None:
        """`headers` gives the authorization as it is now: a ServiceAccount's token changes while we run."""
        self._server = server.rstrip("/")
        self._headers = headers
        self._troubles: dict[str, str] = {}
        # No limit: every namespace has two watches, and what is asked besides is bounded by who asks.
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls, limit=0), timeout=TIMEOUT)

    @property
    def trouble(self) -> str:
        """Why the API server cannot be asked, as the last request of a kind found; empty while it answers all."""
        return next(iter(self._troubles.values()), "")

    async def count_jobs(self, namespace: str | None) -> int:
        """How many resources there are here (None: everywhere). Raises Gone when their CRD is not installed."""
        found = await self._request("GET", _jobs(namespace), params={"limit": "1"})
        return len(found["items"]) + int(found["metadata"].get("remainingItemCount", 0))

    async def has_job(self, job: Job) -> bool:
        """Whether this resource is still there, and not another one of its name. Raises ClusterError."""
        params = {"fieldSelector": f"metadata.name={job.name}"}
        headers = {"Accept": METADATA}
        found = await self._request("GET", _jobs(job.namespace), kind=SINGLE, params=params, headers=headers)
        return any(one["metadata"]["uid"] == job.uid for one in found["items"] or ())

    async def uids(self, namespace: str | None) -> set[str]:
        """Those of all resources there are here (None: everywhere). Raises ClusterError."""
        params, headers = {"limit": str(PAGE)}, {"Accept": METADATA}
        found: set[str] = set()
        async for page in self._pages(_jobs(namespace), params, headers=headers):
            found.update(one["metadata"]["uid"] for one in page["items"] or ())
        return found

    async def patch_metadata(self, job: Job, finalizers: Sequence[str], annotations: Mapping[str, str]) -> Body:
        """Set the finalizers and these annotations; returns the new object. Raises Conflict, Gone, ClusterError."""
        metadata: Body = {"resourceVersion": job.resource_version, "finalizers": list(finalizers)}
        if annotations:
            metadata["annotations"] = dict(annotations)
        return await self._patch(job, "", "application/merge-patch+json", {"metadata": metadata})

    async def write_status(self, job: Job, status: Mapping[str, Any]) -> Body:
        """Replace the status as a whole; returns the new object. Raises Conflict, Gone, ClusterError."""
        patch = [
            {"op": "replace", "path": "/metadata/resourceVersion", "value": job.resource_version},
            {"op": "add", "path": "/status", "value": status},
        ]
        # Strict: else a field that the CRD lacks would be dropped without a word, and written again at every look.
        return await self._patch(job, "/status?fieldValidation=Strict", "application/json-patch+json", patch)

    async def delete_pod(self, pod: Mapping[str, Any]) -> None:
        """Ask for the end of exactly this pod, with its own grace period. One that is gone already is fine."""
        meta = pod["metadata"]
        body = {"preconditions": {"uid": meta["uid"]}}
        try:
            await self._request("DELETE", f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}", json=body)
        except (Gone, Conflict):
            return

    async def delete_job(self, job: Job) -> None:
        """Delete exactly this version of the resource. Raises Conflict, Gone, ClusterError."""
        body = {"preconditions": {"uid": job.uid, "resourceVersion": job.resource_version}}
        await self._change(job, "DELETE", json=body)

    async def create_event(self, event: Body) -> None:
        """Post a Kubernetes event. Raises ClusterError."""
        await self._request("POST", f"/api/v1/namespaces/{event['metadata']['namespace']}/events", json=event)

    async def list_objects(self, selection: Selection, namespace: str | None) -> AsyncIterator[Body]:
        """List them, page by page; a watch then continues from the version that all pages name."""
        async for page in self._pages(selection.path(namespace), selection.params() | {"limit": str(PAGE)}):
            yield page

    async def _pages(self, path: str, params: dict[str, str], **kwargs: Any) -> AsyncIterator[Body]:
        while True:
            page = await self._request("GET", path, params=params, **kwargs)
            yield page
            following = page["metadata"].get("continue")
            if not following:
                return
            params["continue"] = following

    async def watch_objects(self, selection: Selection, namespace: str | None, version: str) -> AsyncIterator[Body]:
        """Events after this resourceVersion, until the server or the line ends it."""
        params = selection.params() | {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(selection.watch_seconds),
        }
        timeout = aiohttp.ClientTimeout(total=None, connect=10, sock_read=SILENCE_SECONDS)
        path = selection.path(namespace)
        try:
            async with self._session.get(
                self._server + path, params=params, headers=self._headers(), timeout=timeout
            ) as response:
                await self._judge(response, path)
                async for event in _lines(response):
                    yield event
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            self._troubles[path] = f"the watch of {selection.resource} broke: {error!r}"
            raise ClusterError(self._troubles[path]) from error

    async def _patch(self, job: Job, part: str, kind: str, patch: Any) -> Body:
        return await self._change(job, "PATCH", part, data=json.dumps(patch), headers={"Content-Type": kind})

    async def _change(self, job: Job, method: str, part: str = "", **kwargs: Any) -> Body:
        """Change the resource. Where another one has its name by now, it is gone, and no newer version of it comes."""
        try:
            return await self._request(method, f"{_jobs(job.namespace)}/{job.name}{part}", **kwargs)
        except Conflict as conflict:
            if await self.has_job(job):
                raise
            raise Gone(f"{job} is another resource by now") from conflict

    async def _request(self, method: str, path: str, *, kind: str = "", **kwargs: Any) -> Body:
        headers = {**self._headers(), **kwargs.pop("headers", {})}
        kind = kind or (path if method == "GET" else SINGLE)
        try:
            async with self._session.request(method, self._server + path, headers=headers, **kwargs) as response:
                await self._judge(response, kind)
                answer: Body = await response.json()
                return answer
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            self._troubles[kind] = f"the API server does not answer: {error!r}"
            raise ClusterError(self._troubles[kind]) from error

    async def _judge(self, response: aiohttp.ClientResponse, kind: str) -> None:
        """Raise Conflict, Gone or ClusterError for a refusal. One that all of its kind would meet is trouble."""
        self._troubles.pop(kind, None)
        if response.status < HTTPStatus.BAD_REQUEST:
            self._troubles.pop(SINGLE, None)  # the next one may be far off
            return
        said = f"the API server answered {response.status}: {(await response.text())[:500]}"
        common = response.status in TROUBLES or response.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        if common or (kind != SINGLE and response.status == HTTPStatus.FORBIDDEN):
            self._troubles[kind] = said
        raise KINDS.get(response.status, ClusterError)(said)

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


def _jobs(namespace: str | None) -> str:
    where = "" if namespace is None else f"/namespaces/{namespace}"
    return f"/apis/{GROUP}/{VERSION}{where}/{PLURAL}"
