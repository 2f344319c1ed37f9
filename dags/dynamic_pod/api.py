"""The few requests to the Kubernetes API server that a pod's life takes, as plain JSON.

Used by the runner, the watch and the log copier; the only module that speaks HTTP. The client library's models are left
aside, since parsing thousands of pods into them is what makes it slow; answers that nobody needs are not parsed at all.
"""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.request import getproxies_environment

import aiohttp

from dynamic_pod.access import Access, NoCredentials

Json = dict[str, Any]

TIMEOUT: Final = aiohttp.ClientTimeout(total=30, connect=10)
WATCH_SECONDS: Final = 60
"""How long the server keeps one watch open; then it is resumed where it ended."""
WATCH_TIMEOUT: Final = aiohttp.ClientTimeout(total=WATCH_SECONDS + 15, connect=10)
"""Ends a watch whose server fell silent: a line may be dead without anybody noticing."""
LOG_TIMEOUT: Final = aiohttp.ClientTimeout(connect=10, sock_read=300)
"""A quiet container's stream is opened anew after this time, for the same reason."""

READ_AHEAD: Final = 2**21
"""Bytes of an answer that wait to be read: more than any object has."""

UNREACHABLE: Final = 0
"""Status of a request that got no answer."""
TRANSIENT: Final = frozenset({UNREACHABLE, 401, 408, 429, 500, 502, 503, 504})
"""What another moment may mend. 401 too: tokens are renewed while we wait."""


class ApiError(Exception):
    """The API server refused a request, or could not be reached (then status is 0)."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason

    @property
    def transient(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status in TRANSIENT


class Backoff:
    """Waiting times between attempts: growing, capped, never in step with other waiters."""

    FIRST: Final = 0.5
    LAST: Final = 15.0

    def __init__(self) -> None:
        self._next = self.FIRST

    def seconds(self) -> float:
        """The next time to wait."""
        current, self._next = self._next, min(self._next * 2, self.LAST)
        return current * random.uniform(0.7, 1.0)  # noqa: S311 (spread, not secrecy)

    def reset(self) -> None:
        """Start again from the shortest time: it worked."""
        self._next = self.FIRST


class Api:
    """One session with one API server. Every method raises ApiError."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=access.tls),  # each followed log holds a connection
            # Looking through the environment, and for a .netrc file, at every request took a quarter of the CPU time
            # that a pod costs the triggerer's event loop.
            trust_env=bool(getproxies_environment()),
            read_bufsize=READ_AHEAD,
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def create_pod(self, namespace: str, manifest: Json) -> Json:
        """Create the pod; 409 where one of that name exists, 400 where a field means nothing to the API server."""
        return await self._json("POST", _pods(namespace), query={"fieldValidation": "Strict"}, body=manifest)

    async def get_pod(self, namespace: str, name: str) -> Json | None:
        """Read the pod as it is now; None where there is none."""
        try:
            return await self._json("GET", f"{_pods(namespace)}/{name}")
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def list_pods(self, namespace: str, selector: str, version: str | None = None) -> Json:
        """List pods; version "0" takes them from the server's cache, None asks etcd."""
        query = {"labelSelector": selector}
        if version is not None:
            query["resourceVersion"] = version
        return await self._json("GET", _pods(namespace), query=query)

    async def patch_pod(self, namespace: str, name: str, patch: Json) -> None:
        """Change the pod by a merge patch."""
        await self._send("PATCH", f"{_pods(namespace)}/{name}", body=patch, content_type="application/merge-patch+json")

    async def delete_pod(self, pod: Mapping[str, Any], grace_seconds: int | None = None) -> None:
        """Delete exactly this pod, with its own grace period unless told; one that is gone is fine."""
        meta = pod["metadata"]
        options: Json = {"preconditions": {"uid": meta["uid"]}}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        try:
            await self._send("DELETE", f"{_pods(meta['namespace'])}/{meta['name']}", body=options)
        except ApiError as error:
            if error.status not in (404, 409):  # 409: another pod of that name, which is not ours to delete
                raise

    async def create_event(self, namespace: str, event: Json) -> None:
        """Post a Kubernetes event about an object in this namespace."""
        await self._send("POST", f"/api/v1/namespaces/{namespace}/events", body=event)

    async def watch_pods(self, namespace: str, selector: str, version: str) -> AsyncIterator[Json]:
        """Events after this resourceVersion, until the server ends the watch."""
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "labelSelector": selector,
            "resourceVersion": version,
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        async with self._open("GET", _pods(namespace), query, WATCH_TIMEOUT) as response:
            rest = b""
            async for chunk in response.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    yield json.loads(line)

    async def read_log(self, namespace: str, name: str, query: Mapping[str, str]) -> AsyncIterator[bytes]:
        """A container's log as it comes, in pieces of any length."""
        async with self._open("GET", f"{_pods(namespace)}/{name}/log", query, LOG_TIMEOUT) as response:
            async for chunk in response.content.iter_any():
                yield chunk

    async def _json(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Json | None = None
    ) -> Json:
        answer: Json = json.loads(await self._send(method, path, query, body))
        return answer

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Json | None = None,
        content_type: str = "application/json",
    ) -> bytes:
        async with self._open(method, path, query or {}, TIMEOUT, body, content_type) as response:
            return await response.read()

    @asynccontextmanager
    async def _open(  # noqa: PLR0913, PLR0917 (a request has these parts)
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        limits: aiohttp.ClientTimeout,
        body: Json | None = None,
        content_type: str = "application/json",
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        access = self._access
        try:
            async with self._session.request(
                method,
                f"{access.host}{path}",
                params=query,
                headers={"Content-Type": content_type, **await self._authorization()},
                data=None if body is None else json.dumps(body),
                timeout=limits,
                proxy=access.proxy,
                server_hostname=access.server_name,
            ) as response:
                if response.status >= 400:
                    raise _refused(response.status, await response.read())
                yield response
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiError(UNREACHABLE, "Unreachable", f"no answer from the API server: {error!r}") from error

    async def _authorization(self) -> dict[str, str]:
        credentials = self._access.credentials
        try:
            header = None if credentials is None else await credentials.header()
        except NoCredentials as error:
            raise ApiError(UNREACHABLE, "NoCredentials", str(error)) from error
        return {} if header is None else {"Authorization": header}


def _pods(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods"


def _refused(status: int, body: bytes) -> ApiError:
    """Read Kubernetes' Status object, which says in `message` what a person has to know."""
    try:
        said = json.loads(body)
        return ApiError(status, said.get("reason", ""), said.get("message", ""))
    except (ValueError, AttributeError):
        return ApiError(status, "", body[:500].decode(errors="replace"))
