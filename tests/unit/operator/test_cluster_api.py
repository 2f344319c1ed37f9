"""What counts as trouble with the API server, and until when: over HTTP, with answers that a test chooses."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestServer

from airflow_container_job.cluster_api import ClusterApi
from airflow_container_job.errors import ClusterError, Conflict, Gone
from airflow_container_job.watch import PODS, REFUSALS
from tests.unit.operator.builders import UID, job

PODS_PATH = "/api/v1/namespaces/a/pods"
JOBS_PATH = "/apis/acj.dev/v1alpha1/namespaces/team-a/airflowcontainerjobs"


class Server:
    """Answers each path with a status; an API server that is up and well where a test says nothing."""

    def __init__(self) -> None:
        self.statuses: dict[str, int] = {}
        self.uids: list[str] = []
        """Of all resources, each of which makes a page."""
        self.watches = asyncio.Semaphore(0)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if "watch" in request.query:
            return await self._watch(request)
        at = int(request.query.get("continue", 0))
        items: list[Any] | None = [{"metadata": {"uid": uid}} for uid in self.uids[at : at + 1]]
        if not items and "PartialObjectMetadataList" in request.headers["Accept"]:
            items = None  # so a real one answers
        following = str(at + 1) if at + 1 < len(self.uids) else ""
        answer = {"items": items, "metadata": {"resourceVersion": "1", "continue": following}}
        return web.json_response(answer, status=self.statuses.get(request.path, 200))

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


@pytest.mark.parametrize(("holder", "error"), [(UID, Conflict), ("another", Gone), (None, Gone)])
def test_a_resource_whose_name_another_one_has_by_now_is_gone(holder: str | None, error: type[ClusterError]) -> None:
    """Else each write to it would be refused and tried again for good."""

    async def act(server: Server, cluster: ClusterApi, _: BaseTestServer) -> None:
        server.uids = [] if holder is None else [holder]
        server.statuses = {f"{JOBS_PATH}/hello{part}": 409 for part in ("", "/status")}
        one = job()
        for change in (cluster.delete_job(one), cluster.write_status(one, {}), cluster.patch_metadata(one, (), {})):
            with pytest.raises(ClusterError) as refused:
                await change
            assert refused.type is error
        assert not cluster.trouble

    play(act)


def test_all_pages_tell_which_resources_there_are() -> None:
    async def act(server: Server, cluster: ClusterApi, _: BaseTestServer) -> None:
        server.uids = ["a", "b", "c"]
        assert await cluster.uids("team-a") == await cluster.uids(None) == {"a", "b", "c"}
        server.uids = []
        assert await cluster.uids("team-a") == set()

    play(act)


def test_trouble_with_asking_for_one_resource_is_over_with_the_next_request_that_succeeds() -> None:
    """It may never be asked for again."""

    async def act(server: Server, cluster: ClusterApi, _: BaseTestServer) -> None:
        server.statuses[JOBS_PATH] = 500
        with pytest.raises(ClusterError):
            await cluster.has_job(job())
        assert "500" in cluster.trouble
        await lists(cluster, PODS)
        assert not cluster.trouble

    play(act)
