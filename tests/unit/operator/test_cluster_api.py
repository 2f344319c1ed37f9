"""What counts as trouble with the API server, and until when: over HTTP, with answers that a test chooses."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestServer

from airflow_container_job.cluster_api import ClusterApi
from airflow_container_job.errors import ClusterError
from airflow_container_job.watch import PODS, REFUSALS

PODS_PATH = "/api/v1/namespaces/a/pods"
LIST = {"items": [], "metadata": {"resourceVersion": "1"}}


class Server:
    """Answers each path with a status; an API server that is up and well where a test says nothing."""

    def __init__(self) -> None:
        self.statuses: dict[str, int] = {}
        self.watches = asyncio.Semaphore(0)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if "watch" in request.query:
            return await self._watch(request)
        return web.json_response(LIST, status=self.statuses.get(request.path, 200))

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        self.watches.release()
        await asyncio.Event().wait()
        return response


def play(act: Callable[[Server, ClusterApi, BaseTestServer], Awaitable[None]]) -> None:
    async def main() -> None:
        server = Server()
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", server.answer)
        async with TestServer(application) as listening:
            cluster = ClusterApi(str(listening.make_url("/")), ssl.create_default_context(), dict)
            try:
                await act(server, cluster, listening)
            finally:
                await cluster.close()

    asyncio.run(main())


async def lists(cluster: ClusterApi, selection: Any) -> None:
    with suppress(ClusterError):
        async for _ in cluster.list_objects(selection, "a"):
            pass


async def writes(cluster: ClusterApi) -> None:
    with suppress(ClusterError):
        await cluster.create_event({"metadata": {"namespace": "a"}})


def test_a_right_that_lacks_for_one_list_is_not_hidden_by_others_that_succeed() -> None:
    async def act(server: Server, cluster: ClusterApi, _: BaseTestServer) -> None:
        server.statuses[PODS_PATH] = 403
        await lists(cluster, PODS)
        await lists(cluster, REFUSALS)
        await writes(cluster)
        assert "403" in cluster.trouble
        server.statuses.clear()
        await lists(cluster, PODS)
        assert not cluster.trouble

    play(act)


def test_a_write_that_is_refused_for_what_it_is_says_nothing_of_others() -> None:
    async def act(server: Server, cluster: ClusterApi, _: BaseTestServer) -> None:
        for status in (403, 404, 409, 422):
            server.statuses["/api/v1/namespaces/a/events"] = status
            await writes(cluster)
            assert not cluster.trouble

    play(act)


def test_trouble_with_writing_is_over_with_the_next_request_that_succeeds() -> None:
    async def act(server: Server, cluster: ClusterApi, _: BaseTestServer) -> None:
        server.statuses["/api/v1/namespaces/a/events"] = 500
        await writes(cluster)
        assert "500" in cluster.trouble
        await lists(cluster, PODS)
        assert not cluster.trouble

    play(act)


def test_an_api_server_that_does_not_answer_is_trouble() -> None:
    async def act(_: Server, cluster: ClusterApi, listening: BaseTestServer) -> None:
        await listening.close()
        await lists(cluster, PODS)
        assert "does not answer" in cluster.trouble

    play(act)


def test_however_many_watches_are_open_a_write_is_sent_at_once() -> None:
    """Two for each namespace that is served: no number of them may use up the connections."""

    async def act(server: Server, cluster: ClusterApi, _listening: BaseTestServer) -> None:
        async def watch(namespace: str) -> None:
            async for _ in cluster.watch_objects(PODS, namespace, "1"):
                pass

        watches = [asyncio.create_task(watch(f"team-{number}")) for number in range(120)]
        for _ in watches:
            await asyncio.wait_for(server.watches.acquire(), 10)
        await cluster.create_event({"metadata": {"namespace": "a"}})
        for one in watches:
            one.cancel()
        await asyncio.gather(*watches, return_exceptions=True)

    play(act)
