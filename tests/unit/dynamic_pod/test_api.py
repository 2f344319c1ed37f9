"""Requests to the API server, apart from any pod's story."""

from __future__ import annotations

import asyncio

from aiohttp import web
from aiohttp.test_utils import TestServer

from dynamic_pod.api import Api
from tests.unit.dynamic_pod.fake_cluster import plain


def test_answers_that_nobody_needs_are_not_decoded() -> None:
    """A pod is 5 KB of JSON or more, and it is the event loop of all pods that would decode it."""

    async def run() -> None:
        async def answer(_: web.Request) -> web.Response:
            return web.Response(text="no JSON")

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        async with TestServer(app) as server:
            api = Api(plain(str(server.make_url("")).rstrip("/")))
            await api.patch_pod("team", "hello", {"spec": {"activeDeadlineSeconds": 1}})
            await api.delete_pod({"metadata": {"namespace": "team", "name": "hello", "uid": "1"}})
            await api.create_event("team", {"kind": "Event"})
            await api.close()

    asyncio.run(run())
