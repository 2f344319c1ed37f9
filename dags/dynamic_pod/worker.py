"""The same runner in a worker, for an Airflow without a triggerer.

Used by the operator's `execute` and `on_kill`; one worker process runs one task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from dynamic_pod import cluster
from dynamic_pod.end import End
from dynamic_pod.manifest import Identity
from dynamic_pod.patience import Log
from dynamic_pod.runner import Runner

DELETE_SECONDS = 4
"""How long a stopped task's pod may take to be deleted: Airflow kills the worker after 5 s."""


class WorkerRun:
    """One run of the runner in an event loop of its own, which a signal handler can stop."""

    def __init__(self, conn_id: str, identity: Identity, values: Mapping[str, Any], log: Log) -> None:
        self._conn_id = conn_id
        self._identity = identity
        self._values = values
        self._log = log
        self._main: asyncio.Task[Any] | None = None

    def to_the_end(self) -> End:
        """Run the pod; when stopped, delete it."""
        return asyncio.run(self._run())

    def stop(self) -> None:
        """Stop it, from a signal handler."""
        if self._main is not None and not self._main.done():
            self._main.get_loop().call_soon_threadsafe(self._main.cancel)

    async def _run(self) -> End:
        self._main = asyncio.current_task()
        async with cluster.enter(self._conn_id) as entered:
            runner = Runner(entered, self._identity, self._values, self._log)
            try:
                end = await runner.run()
            except BaseException:  # stopped or broken: either way nobody follows the pod any more
                async with asyncio.timeout(DELETE_SECONDS):
                    await runner.kill()
                raise
            await runner.clean_up()
            return end
