"""A small HTTP server that speaks the Kubernetes API as far as a pod's life needs it, and fails on demand.

Real HTTP over loopback, no patched client: what is tested is the code that runs in the triggerer, its streams and
timeouts included. A test plays the kubelet: it starts and ends containers and writes their logs.
"""

from __future__ import annotations

import asyncio
import copy
import json
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from dynamic_pod import contract
from dynamic_pod.access import Access
from dynamic_pod.api import Api
from dynamic_pod.cluster import Cluster
from dynamic_pod.manifest import Identity

Json = dict[str, Any]
NAMESPACE = "team"
START = "2026-11-22T10:00:00Z"
END = "2026-11-22T10:00:09Z"
IDENTITY = Identity("container_job", "manual", "run", -1, 1, "0191")
DEADLINE = 5.0


def now(after: float = 0) -> str:
    """The time in some seconds, as the API server writes it."""
    return (datetime.now(UTC) + timedelta(seconds=after)).strftime("%Y-%m-%dT%H:%M:%SZ")


def plain(host: str) -> Access:
    """The way to a server without TLS, which asks for no credentials."""
    return Access(host, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))


class Recorder:
    """Airflow's log, as a list."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.warnings: list[str] = []

    def info(self, message: str, /, *args: Any) -> None:
        self.lines.append(message % args)

    def warning(self, message: str, /, *args: Any) -> None:
        self.warnings.append(message % args)


async def until(condition: Callable[[], Any]) -> None:
    """Wait for something the code under test will do."""
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110 (the condition is anything a test can see)
            await asyncio.sleep(0.005)


class Clock:
    """The event loop's clock, which a test can put forward."""

    def __init__(self) -> None:
        self.ahead = 0.0
        asyncio.get_running_loop().time = lambda: time.monotonic() + self.ahead  # type: ignore[method-assign]


class FakeCluster:
    def __init__(self) -> None:
        self.pods: dict[str, Json] = {}
        self.requests: list[str] = []
        self.bodies: list[Json] = []
        self.told: list[Json] = []
        self.refusals: dict[str, list[tuple[int, str, str]]] = {}
        self.logs: dict[str, list[str]] = {}
        self.cut_log_after: list[int] = []
        self.oldest_version = 0
        self.silent = False
        self.slow_deletion = 0.0
        self.lost_answers = 0
        self.goes_when_read = ""
        self.start_at, self.end_at = START, END
        self.port = 0
        self._events: list[tuple[int, str, Json]] = []
        self._version = 100
        self._streams: list[web.Request] = []

    # What a test does.

    def start(self, name: str, container: str = contract.CONTAINER) -> None:
        state = {"running": {"startedAt": self.start_at}}
        self._status(name, {"phase": "Running", "startTime": self.start_at, **_containers(container, state)})

    def end(
        self, name: str, exit_code: int = 0, message: str = "", reason: str = "", status: Json | None = None
    ) -> None:
        reason = reason or ("Error" if exit_code else "Completed")
        times = {"startedAt": self.start_at, "finishedAt": self.end_at}
        ended = {"exitCode": exit_code, "reason": reason, "message": message, **times}
        phase = "Failed" if exit_code else "Succeeded"
        containers = _containers(contract.CONTAINER, {"terminated": ended})
        self._status(name, {"phase": phase, "startTime": self.start_at, **containers, **(status or {})})

    def wait(self, name: str, reason: str, message: str = "") -> None:
        state = {"waiting": {"reason": reason, "message": message}}
        self._status(name, {"phase": "Pending", **_containers(contract.CONTAINER, state)})

    def vanish(self, name: str) -> None:
        self._event("DELETED", self.pods.pop(name))

    def disrupt(self, name: str, reason: str, message: str = "") -> None:
        """Begin to end a pod from outside: its containers still run."""
        pod = copy.deepcopy(self.pods[name])
        condition = {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": message}
        pod["status"]["conditions"] = [condition]
        pod["metadata"] |= {"deletionTimestamp": END, "deletionGracePeriodSeconds": 0}
        self._put("MODIFIED", pod)

    def refuse(self, request: str, *answers: tuple[int, str, str]) -> None:
        """Answer the next such requests ("POST", "PATCH", "WATCH" ...) with these, in turn."""
        self.refusals.setdefault(request, []).extend(answers)

    def cut_streams(self) -> None:
        """Break every open watch and log stream, without a goodbye."""
        for request in list(self._streams):
            if request.transport is not None:
                request.transport.abort()

    def forget_history(self) -> None:
        self.oldest_version = self._version + 1
        self._version += 1

    def count(self, kind: str) -> int:
        return sum(request.startswith(kind) for request in self.requests)

    async def pod(self, number: int = 1) -> str:
        """Name of the pod of this attempt, once it is there."""
        await until(lambda: any(name.endswith(f"-{number}") for name in self.pods))
        return next(name for name in self.pods if name.endswith(f"-{number}"))

    async def watched(self) -> None:
        await until(lambda: any("watch" in request.query for request in self._streams))

    # What the code under test asks.

    async def create(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.bodies.append(body)
        if body["metadata"]["name"] in self.pods:
            return _refusal(409, "AlreadyExists", "pods already exists")
        pod = copy.deepcopy(body)
        pod["metadata"] |= {
            "uid": f"uid-{len(self.bodies)}",
            "namespace": request.match_info["namespace"],
            "creationTimestamp": now(),
        }
        pod["status"] = {"phase": "Pending"}
        if self.lost_answers and request.transport is not None:
            self.lost_answers -= 1
            request.transport.abort()
        return web.json_response(self._put("ADDED", pod), status=201)

    async def read(self, request: web.Request) -> web.Response:
        if request.match_info["name"] == self.goes_when_read:
            self.vanish(self.goes_when_read)
        pod = self.pods.get(request.match_info["name"])
        return web.json_response(pod) if pod else _refusal(404, "NotFound", "no such pod")

    async def list_or_watch(self, request: web.Request) -> web.StreamResponse:
        if "watch" in request.query:
            return await self._watch(request)
        pods = [pod for pod in self.pods.values() if _selected(pod, request.query["labelSelector"])]
        return web.json_response({"metadata": {"resourceVersion": str(self._version)}, "items": pods})

    async def patch(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.bodies.append(body)
        pod = self.pods.get(request.match_info["name"])
        if pod is None:
            return _refusal(404, "NotFound", "no such pod")
        pod["spec"] = {key: value for key, value in (pod["spec"] | body["spec"]).items() if value is not None}
        return web.json_response(self._put("MODIFIED", pod))

    async def delete(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.bodies.append(body)
        await asyncio.sleep(self.slow_deletion)
        pod = self.pods.get(request.match_info["name"])
        if pod is None:
            return _refusal(404, "NotFound", "no such pod")
        if body["preconditions"]["uid"] != pod["metadata"]["uid"]:
            return _refusal(409, "Conflict", "another uid")
        self.vanish(request.match_info["name"])
        return web.json_response({"kind": "Status"})

    async def tell(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.told.append(body)
        return web.json_response(body, status=201)

    async def log(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        since = datetime.fromisoformat(request.query.get("sinceTime", "1970-01-01T00:00:00Z"))
        follow = request.query["follow"] == "true"
        async with self._stream(request) as response:
            sent = written = 0
            cut = self.cut_log_after.pop(0) if self.cut_log_after else None
            while True:
                lines = self.logs.get(name, [])
                for line in lines[sent:]:
                    sent += 1
                    if _stamp(line) >= since:
                        await response.write(line.encode() + b"\n")
                        written += 1
                    if written == cut and request.transport is not None:
                        request.transport.abort()
                        return response
                if not follow or name not in self.pods or self.pods[name]["status"]["phase"] != "Running":
                    return response
                await asyncio.sleep(0.005)

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        seen = int(request.query["resourceVersion"])
        async with self._stream(request) as response:
            if seen < self.oldest_version:
                gone = {"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "too old"}}
                await response.write(json.dumps(gone).encode() + b"\n")
                return response
            while True:
                for version, kind, pod in list(self._events):
                    if version > seen and not self.silent:
                        seen = version
                        await response.write(json.dumps({"type": kind, "object": pod}).encode() + b"\n")
                await asyncio.sleep(0.005)

    @asynccontextmanager
    async def _stream(self, request: web.Request) -> AsyncIterator[web.StreamResponse]:
        response = web.StreamResponse()
        await response.prepare(request)
        self._streams.append(request)
        try:
            yield response
        finally:
            self._streams.remove(request)

    def _status(self, name: str, status: Json) -> None:
        pod = copy.deepcopy(self.pods[name])
        pod["status"] = status
        self._put("MODIFIED", pod)

    def _put(self, kind: str, pod: Json) -> Json:
        self.pods[pod["metadata"]["name"]] = pod
        self._event(kind, pod)
        return pod

    def _event(self, kind: str, pod: Json) -> None:
        self._version += 1
        pod["metadata"]["resourceVersion"] = str(self._version)
        self._events.append((self._version, kind, copy.deepcopy(pod)))

    @web.middleware
    async def _judge(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        kind = "WATCH" if "watch" in request.query else "LOG" if request.path.endswith("/log") else request.method
        kind = "EVENT" if request.path.endswith("/events") else kind
        self.requests.append(f"{kind} {request.path_qs}")
        if self.refusals.get(kind):
            return _refusal(*self.refusals[kind].pop(0))
        return await handler(request)

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[Cluster]:
        """Serve on loopback; gives the cluster as the code under test sees it."""
        app = web.Application(middlewares=[self._judge])
        pods = "/api/v1/namespaces/{namespace}/pods"
        app.add_routes(
            [
                web.post(pods, self.create),
                web.post("/api/v1/namespaces/{namespace}/events", self.tell),
                web.get(pods, self.list_or_watch),
                web.get(pods + "/{name}", self.read),
                web.get(pods + "/{name}/log", self.log),
                web.patch(pods + "/{name}", self.patch),
                web.delete(pods + "/{name}", self.delete),
            ]
        )
        server = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await server.setup()
        site = web.TCPSite(server, "127.0.0.1", 0)
        await site.start()
        self.port = server.addresses[0][1]
        api = Api(plain(f"http://127.0.0.1:{self.port}"))
        try:
            yield Cluster(api, NAMESPACE)
        finally:
            await api.close()
            await server.cleanup()


def _stamp(line: str) -> datetime:
    """When a line of a log was written; the kubelet's own words have no time stamp, and come in any case."""
    try:
        return datetime.fromisoformat(line.partition(" ")[0])
    except ValueError:
        return datetime.max.replace(tzinfo=UTC)


def _containers(name: str, state: Json) -> Json:
    return {"containerStatuses": [{"name": name, "state": state}]}


def _selected(pod: Json, selector: str) -> bool:
    labels = pod["metadata"]["labels"]
    for term in selector.split(","):
        key, _, value = term.partition("=")
        if key not in labels or (value and labels[key] != value):
            return False
    return True


def _refusal(status: int, reason: str, message: str) -> web.Response:
    body = {"kind": "Status", "status": "Failure", "code": status, "reason": reason, "message": message}
    return web.json_response(body, status=status)
