"""The operator's own HTTP server, for those who watch over it: `/livez`, `/readyz` and `/metrics`.

It runs on the operator's event loop, so that no answer comes when nothing else gets on either.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web
from prometheus_client.aiohttp import make_aiohttp_handler

from airflow_container_job import metrics
from airflow_container_job.health import Check, Health

FAILED: Final = 503

Handler = Callable[[web.Request], Awaitable[web.Response]]


@asynccontextmanager
async def serving(host: str, port: int, health: Health) -> AsyncIterator[None]:
    """Answer for the block. Raises OSError where the address cannot be had."""
    application = web.Application()
    application.add_routes(
        [
            web.get("/livez", _probe(health.livez)),
            web.get("/readyz", _probe(health.readyz)),
            web.get("/metrics", make_aiohttp_handler(metrics.REGISTRY)),
        ]
    )
    runner = web.AppRunner(application, handle_signals=False, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield
    finally:
        await runner.cleanup()


def _probe(checks: Callable[[], Sequence[Check]]) -> Handler:
    async def answer(_: web.Request) -> web.Response:
        found = checks()
        return web.Response(text=render(found), status=FAILED if any(one.problem for one in found) else 200)

    return answer


def render(checks: Sequence[Check]) -> str:
    """Say how each check stands, a line each, as Kubernetes' own components do."""
    lines = (f"[-]{one.name} failed: {one.problem}" if one.problem else f"[+]{one.name} ok" for one in checks)
    return "".join(f"{line}\n" for line in lines)
